"""Finds the access token of a connection."""

from __future__ import annotations

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.connections import Connection, Connections
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.uris import Location, parse
from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.oauth import app_of

#: Extra field of a connection: the URI of the token store of an expiring grant.
TOKEN_STORE_FIELD = "token_store"  # noqa: S105 - its name


def api_url_of(connection: Connection) -> str:
    """The API's address: the connection's host, or TikTok's production address."""
    return connection.host or PRODUCTION_URL


def allows_http(connection: Connection) -> bool:
    """Whether the connection's extra says that its token may be sent without TLS."""
    return connection.allows_http


def access_token_of(
    connection: Connection, connections: Connections, *, api_url: str | None = None, clock: Clock | None = None
) -> str:
    """The connection's access token: its password, or the newest token of the token store that its extra names.

    :param connection: of type ``tiktok``.
    :param connections: where the store's own connection is looked up.
    :param api_url: another address than the connection's.
    :raises ConfigError: if the connection has neither, or a token store without ``app_id`` and ``app_secret``.
    :raises CredentialsError: if the token store is empty, or TikTok refuses to refresh.
    """
    where = f"connection {connection.conn_id}"
    uri = connection.extra.get(TOKEN_STORE_FIELD)
    if not uri:
        if not connection.password:
            raise ConfigError(
                "the connection holds no access token.",
                where=where,
                todo="Put the token into its password field; `tiktok-offline auth login` gets one.",
            )
        return connection.password
    from airflow_provider_tiktok_offline.storage.objects import open_objects
    from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore, fresh_access_token

    app = app_of(connection.extra)
    place = _object_at(str(uri))
    if app is None or place is None:
        raise ConfigError(
            "token_store needs an object's URI, and app_id and app_secret beside it.",
            where=where,
            todo="`tiktok-offline auth login --token-store URI` writes the store.",
        )
    with TikTokClient(
        None, base_url=api_url or api_url_of(connection), clock=clock, allow_http=allows_http(connection)
    ) as client:
        store = ObjectTokenStore(open_objects(str(place.directory), connections), place.name)
        return fresh_access_token(store, client, app)


def _object_at(uri: str) -> Location | None:
    """The object that a URI names; None if it names a folder or nothing."""
    try:
        place = parse(uri)
    except ConfigError:
        return None
    return place if place.name and not place.path.endswith("/") else None
