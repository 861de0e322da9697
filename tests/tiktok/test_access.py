"""The access token that a connection stands for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.tiktok.access import access_token_of, api_url_of
from airflow_provider_tiktok_offline.tiktok.oauth import Grant
from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore
from tests.tiktok.scripted import code, in_turn, scripted


class NoConnections:
    """None is needed for a local store."""

    def get(self, conn_id: str) -> Connection:
        raise ConfigError(f"no connection {conn_id}")


def token_of(connection: Connection, clock: ManualClock) -> str:
    return access_token_of(connection, NoConnections(), clock=clock)


def test_the_password_is_the_token(clock: ManualClock) -> None:
    """The normal case, from the connection or any secrets backend."""
    assert token_of(Connection(conn_id="t", password="token"), clock) == "token"


def test_a_token_store_is_asked_for_the_newest(tmp_path: Path, clock: ManualClock) -> None:
    """An expiring token is refreshed and kept there."""
    store = ObjectTokenStore(open_objects(str(tmp_path)), "shop")
    store.save(Grant(access_token="old", refresh_token="r", expires_at=clock.now() + timedelta(minutes=1)), None)
    extra = {"token_store": f"{tmp_path}/shop", "app_id": 1, "app_secret": "s"}
    with scripted(in_turn(code(0, data={"access_token": "new", "expires_in": 86400}))) as server:
        connection = Connection(conn_id="t", host=server.url, extra=extra)
        assert token_of(connection, clock) == "new"
        assert token_of(connection, clock) == "new"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "connection",
    [
        Connection(conn_id="tiktok_shop"),
        Connection(conn_id="tiktok_shop", extra={"token_store": "/tmp/x"}),
        Connection(conn_id="tiktok_shop", extra={"token_store": "shop", "app_id": "1", "app_secret": "s"}),
    ],
)
def test_a_connection_without_a_token_is_named(connection: Connection, clock: ManualClock) -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match=r"connection tiktok_shop.*auth login"):
        token_of(connection, clock)


def test_the_host_is_another_address() -> None:
    """For the sandbox, a gateway or a simulator."""
    assert api_url_of(Connection(conn_id="t")) == "https://business-api.tiktok.com"
    assert api_url_of(Connection(conn_id="t", host="http://127.0.0.1:1")) == "http://127.0.0.1:1"
