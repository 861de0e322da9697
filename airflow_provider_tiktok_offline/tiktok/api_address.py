"""The address of TikTok's API: which ones may be given a token, and which proxy stands before them."""

from __future__ import annotations

import re
import urllib.request
from typing import Final

from airflow_provider_tiktok_offline.connections import is_loopback
from airflow_provider_tiktok_offline.errors import ConfigError

PRODUCTION_URL: Final = "https://business-api.tiktok.com"

_ADDRESS = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?P<port>:[0-9]{1,5})?/?")


def checked_url(base_url: str, *, allow_http: bool) -> str:
    """An address without path, user, query or fragment, in lower case.

    :param allow_http: whether another machine may be reached without TLS.
    :raises ConfigError: if it is none, or the token would cross the network in clear. The message does not repeat it.
    """
    found = _ADDRESS.fullmatch(base_url.lower())
    if found is None or int((found["port"] or ":0")[1:]) > 65535:
        raise ConfigError(
            "the API URL must be https://host[:port] without path, user, query or fragment.",
            todo=f"The usual one is {PRODUCTION_URL}.",
        )
    if found["scheme"] == "http" and not allow_http and not is_loopback(found["host"]):
        raise ConfigError(
            "the API URL has no TLS: the access token would cross the network in clear.",
            todo='Use https. For a simulator on your own network, set "allow_http": true in the connection\'s extra.',
        )
    return f"{found['scheme']}://{found['host']}{found['port'] or ''}"


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment sets for an address; never one for this machine itself."""
    found = _ADDRESS.fullmatch(base_url)
    if found is None or is_loopback(found["host"]):
        return None
    if urllib.request.proxy_bypass(found["host"] + (found["port"] or "")):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(found["scheme"]) or proxies.get("all")
