"""Object stores without TLS: on this machine, or where the connection says so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options, s3_options
from airflow_provider_tiktok_offline.storage.backends.s3_access import s3_access
from airflow_provider_tiktok_offline.storage.backends.s3_files import s3_client

#: Names a server at a place of the machine's settings.
Machine = Callable[[str, str], None]

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


#: How the machine itself may name a server, for services of AWS and for S3 alone.
MACHINE = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "config", "services")
KEYS = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "hidden"}
#: With a region boto3 need not be asked how to reach S3.
CONNECTIONS: dict[str, dict[str, str] | None] = {
    "none": None,
    "keys": KEYS,
    "keys and region": {**KEYS, "region_name": "eu-central-1"},
}


@pytest.fixture(name="machine")
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Names a server in the machine's AWS settings, beside its credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    def write(place: str, url: str) -> None:
        if place.startswith("AWS_"):
            monkeypatch.setenv(place, url)
            return
        service = f"[default]\nservices = own\n[services own]\ns3 =\n  endpoint_url = {url}\n"
        (tmp_path / ".aws").mkdir()
        written = f"[default]\nendpoint_url = {url}\n" if place == "config" else service
        (tmp_path / ".aws/config").write_text(written)

    return write


ELSEWHERE, HERE = "http://10.0.0.7:9000", "http://127.0.0.1:9000"
CASES = [(ELSEWHERE, place, connection) for place in MACHINE for connection in CONNECTIONS]


@pytest.mark.parametrize(("url", "place", "connection"), [*CASES, *((HERE, place, "none") for place in MACHINE)])
def test_an_endpoint_of_the_machine(machine: Machine, url: str, place: str, connection: str) -> None:
    """For files and for the state, whatever else a connection says; the message holds no address."""
    machine(place, url)
    extra = CONNECTIONS[connection]
    given = None if extra is None else Connection(conn_id="store", conn_type="aws", extra=extra)
    for use in (s3_client, _for_the_state):
        if url == HERE:
            use(given)
        elif use is _for_the_state and connection == "keys and region" and not place.startswith("AWS_"):
            # All is said but the endpoint: the state is never sent to one of ~/.aws.
            assert s3_options("bucket", given).config.get("endpoint") is None
        else:
            with pytest.raises(ConfigError, match="no TLS") as caught:
                use(given)
            assert url not in str(caught.value)


@pytest.mark.parametrize("place", ["AWS_ENDPOINT_URL", "config"])
@pytest.mark.parametrize("allowed", ["variable", "connection"])
def test_an_endpoint_of_the_machine_that_is_allowed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, place: str, allowed: str
) -> None:
    """Where there is no connection, by a variable."""
    machine(place, ELSEWHERE)
    given = Connection(conn_id="store", conn_type="aws", extra={**KEYS, "allow_http": True})
    if allowed == "variable":
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    for use in (s3_client, _for_the_state):
        use(None if allowed == "variable" else given)


def _for_the_state(connection: Connection | None) -> object:
    return s3_options("bucket", connection)


def test_an_endpoint_of_roles(machine: Machine) -> None:
    """What assumes a role gets its keys from there."""
    machine("AWS_ENDPOINT_URL_STS", "http://sts.example")
    role = {"role_arn": "arn:aws:iam::123456789012:role/feed", "region_name": "eu-central-1"}
    connection = Connection(conn_id="store", conn_type="aws", extra=role)
    with pytest.raises(ConfigError, match="no TLS"):
        s3_options("bucket", connection)
    with pytest.raises(ConfigError, match="no TLS"):
        s3_client(connection).list_buckets()


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
