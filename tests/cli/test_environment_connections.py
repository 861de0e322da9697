"""Connections from the environment read as Airflow reads them."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection as AirflowConnection

from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.errors import ConfigError

URIS = [
    "sftp://user:pa%40ss@Files.example.org:2222/?key_file=%2Fkeys%2Fid&no_host_key_check=false",
    "tiktok://:token@",
    "aws://AKIA:se%2Fcret@/?region_name=eu-west-1",
    "http://https://api.example.org:8443",
    "google-cloud-platform://?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1%7D%7D",
    "sftp://user@host",
    "sftp://host:22/schema?x=",
]


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_read_as_airflow_reads_it(uri: str) -> None:
    """A deployment's variables work unchanged in a terminal."""
    theirs = AirflowConnection.from_uri(uri, conn_id="shop")
    ours = EnvironmentConnections(environ={"AIRFLOW_CONN_SHOP": uri}).get("shop")
    assert (ours.conn_type, ours.host or "", ours.port, ours.login, ours.password, dict(ours.extra)) == (
        theirs.conn_type,
        (theirs.host or "").lower(),
        theirs.port,
        theirs.login or None,
        theirs.password or None,
        theirs.extra_dejson,
    )


@pytest.mark.parametrize("extra", [{"host_key": "ssh-ed25519 AAAA"}, '{"host_key": "ssh-ed25519 AAAA"}'])
def test_json_is_read(extra: object) -> None:
    """``extra`` may be an object, or one written as text."""
    text = json.dumps({"conn_type": "sftp", "host": "h", "port": "2222", "login": "u", "password": "p", "extra": extra})
    found = EnvironmentConnections(environ={"AIRFLOW_CONN_SHOP": text}).get("shop")
    assert (found.conn_type, found.host, found.port, found.login, found.password) == ("sftp", "h", 2222, "u", "p")
    assert found.extra == {"host_key": "ssh-ed25519 AAAA"}


def test_the_token_variable_is_tiktoks_password() -> None:
    """It stands alone, or beside a connection that says more."""
    environ = {"TIKTOK_ACCESS_TOKEN": "abc", "AIRFLOW_CONN_TT": "tiktok://:old@http%3A%2F%2Flocalhost"}
    assert EnvironmentConnections("tiktok_default", environ).get("tiktok_default").password == "abc"
    assert EnvironmentConnections("tt", environ).get("tt").password == "abc"
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_SHOP"):
        EnvironmentConnections("tt", environ).get("shop")


@pytest.mark.parametrize("text", ["no connection", "{broken", "sftp://h:port", '{"port": "x"}', '{"extra": "["}'])
def test_a_broken_variable_is_named_and_not_shown(text: str) -> None:
    """The message names the variable; the value may hold a secret."""
    with pytest.raises(ConfigError) as caught:
        EnvironmentConnections(environ={"AIRFLOW_CONN_SHOP": text}).get("shop")
    assert str(caught.value).startswith("AIRFLOW_CONN_SHOP: can't be read")
    assert caught.value.__cause__ is None


def test_a_missing_token_says_what_to_set() -> None:
    """Both ways to give one are named."""
    with pytest.raises(ConfigError, match=r"Set TIKTOK_ACCESS_TOKEN, or AIRFLOW_CONN_TIKTOK_DEFAULT"):
        EnvironmentConnections("tiktok_default", {}).get("tiktok_default")
