"""Which object stores may be reached without TLS."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from airflow_provider_tiktok_offline.connections import Connection, is_loopback
from airflow_provider_tiktok_offline.errors import ConfigError

#: Opts in where the machine's own AWS settings name the store; object store libraries read it, too.
ALLOW_VARIABLE = "AWS_ALLOW_HTTP"


def refuse_plain_http(url: str, connection: Connection, *, field: str) -> None:
    """Refuse an address without TLS on another machine, unless the connection's extra allows it.

    :param url: of the store, as the connection names it.
    :param field: where it is written, for the message, which does not repeat the address.
    :raises ConfigError: if files and state would cross the network in clear, or the address is none.
    """
    where = f"connection {connection.conn_id}"
    if not _host(url):
        raise ConfigError(
            f"{field} is no URL of a server.", where=where, todo="Write it as https://host or https://host:port."
        )
    if _is_plain(url) and not connection.allows_http:
        raise ConfigError(
            f"{field} has no TLS: files and state would cross the network in clear.",
            where=where,
            todo='Use https. For a store on your own network, set "allow_http": true in the connection\'s extra.',
        )


def refuse_machine_http(url: str, connection: Connection | None, where: str) -> None:
    """The same for an address that the machine's AWS settings name, where the connection names none.

    :param url: of a service, as boto3 or obstore would use it.
    :raises ConfigError: if it has no TLS and is on another machine, and neither the connection's extra nor
        ``AWS_ALLOW_HTTP`` allows it.
    """
    allowed = os.environ.get(ALLOW_VARIABLE, "").lower() in ("true", "1")
    if _is_plain(url) and not allowed and not (connection is not None and connection.allows_http):
        raise ConfigError(
            "the endpoint that the machine's AWS settings name has no TLS: files and state would cross the network in"
            " clear.",
            where=where,
            todo="Use https in AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_STS and ~/.aws/config. For a"
            ' store on your own network, set "allow_http": true in the connection\'s extra, or AWS_ALLOW_HTTP=true.',
        )


def _is_plain(url: str) -> bool:
    return url.lower().startswith("http://") and not is_loopback(_host(url))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
