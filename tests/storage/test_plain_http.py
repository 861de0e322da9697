"""Object stores without TLS: on this machine, or where the connection says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options
from airflow_provider_tiktok_offline.storage.backends.s3_access import s3_access

#: Address, allow_http, what is wrong with it; None if nothing is.
ADDRESSES: list[tuple[str, object, str | None]] = [
    ("https://store.example", None, None),
    ("https://10.0.0.7:9000", None, None),
    ("http://127.0.0.1:9000", None, None),
    ("http://127.8.9.10", None, None),
    ("http://[::1]:9000", None, None),
    ("http://localhost:9000", None, None),
    ("http://LOCALHOST", None, None),
    ("http://store.example", None, "no TLS"),
    ("http://store.example:9000", False, "no TLS"),
    ("http://store.example:9000", "false", "no TLS"),
    ("http://store.example:9000", True, None),
    ("http://store.example:9000", "True", None),
    ("http://10.0.0.7:9000", None, "no TLS"),
    ("http://0.0.0.0:9000", None, "no TLS"),
    ("http://[fe80::1]:9000", None, "no TLS"),
    ("http://localhost.store.example", None, "no TLS"),
    ("http://127.0.0.1.store.example", None, "no TLS"),
    ("http://[::1", None, "no URL"),
]


def _extra(allow_http: object) -> dict[str, object]:
    return {} if allow_http is None else {"allow_http": allow_http}


@pytest.mark.parametrize("place", ["extra", "service_config", "host"])
@pytest.mark.parametrize(("url", "allow_http", "wrong"), ADDRESSES)
def test_an_s3_endpoint(url: str, allow_http: object, wrong: str | None, place: str) -> None:
    """Wherever it is written; the message names connection and field, and no address."""
    named: dict[str, Any] = {
        "extra": {"endpoint_url": url},
        "service_config": {"service_config": {"s3": {"endpoint_url": url}}},
        "host": {"host": url},
    }
    connection = Connection(conn_id="store", conn_type="aws", extra={**named[place], **_extra(allow_http)})
    if wrong is None:
        assert s3_access(connection).endpoint == url
        return
    with pytest.raises(ConfigError, match=wrong) as caught:
        s3_access(connection)
    assert "connection store" in str(caught.value)
    assert url not in str(caught.value)


@pytest.mark.parametrize(("url", "allow_http", "wrong"), ADDRESSES)
def test_a_google_endpoint(url: str, allow_http: object, wrong: str | None) -> None:
    """The same for the address in a key."""
    key = json.dumps({"gs_base_url": url, "private_key": "hidden"})
    connection = Connection(conn_id="store", extra={"keyfile_dict": key, **_extra(allow_http)})
    if wrong is None:
        assert gcs_options("bucket", connection).config["base_url"] == url
        return
    with pytest.raises(ConfigError, match=wrong) as caught:
        gcs_options("bucket", connection)
    assert url not in str(caught.value)
    assert "hidden" not in str(caught.value)
