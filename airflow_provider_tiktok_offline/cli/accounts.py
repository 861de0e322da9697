"""Which ad account a command talks about, and a client that reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.cli.options import advertiser_config
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient

AdvertiserId = Annotated[
    str | None,
    typer.Option("--advertiser-id", metavar="ID", help="The ad account, instead of --config and --advertiser."),
]


def open_account(
    config: Path | None, advertiser: str | None, advertiser_id: str | None, api_url: str | None
) -> tuple[TikTokClient, str]:
    """A client and the id of the ad account, from a configuration or from the command line alone.

    :raises ConfigError: if neither names the account, or there is no access token.
    """
    from airflow_provider_tiktok_offline.tiktok.access import access_token_of, allows_http, api_url_of
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient

    if config is not None:
        settings = advertiser_config(config, advertiser)
        conn_id, account = settings.tiktok_conn_id, settings.advertiser_id
    elif advertiser_id is not None:
        conn_id, account = "tiktok_default", advertiser_id
    else:
        raise ConfigError("no ad account is named.", todo="Give --advertiser-id, or --config and --advertiser.")
    connections = EnvironmentConnections(conn_id)
    connection = connections.get(conn_id)
    base_url = api_url or api_url_of(connection)
    token = access_token_of(connection, connections, api_url=base_url)
    return TikTokClient(token, base_url=base_url, allow_http=allows_http(connection)), account
