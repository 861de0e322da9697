"""Which object stores may be reached without TLS."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_provider_tiktok_offline.connections import Connection, is_loopback
from airflow_provider_tiktok_offline.errors import ConfigError


def refuse_plain_http(url: str, connection: Connection, *, field: str) -> None:
    """Refuse an address without TLS on another machine, unless the connection's extra allows it.

    :param url: of the store, as the connection names it.
    :param field: where it is written, for the message, which does not repeat the address.
    :raises ConfigError: if files and state would cross the network in clear, or the address is none.
    """
    where = f"connection {connection.conn_id}"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        raise ConfigError(
            f"{field} is no URL of a server.", where=where, todo="Write it as https://host or https://host:port."
        )
    if parts.scheme == "http" and not connection.allows_http and not is_loopback(host):
        raise ConfigError(
            f"{field} has no TLS: files and state would cross the network in clear.",
            where=where,
            todo='Use https. For a store on your own network, set "allow_http": true in the connection\'s extra.',
        )
