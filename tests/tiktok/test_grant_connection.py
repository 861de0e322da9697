"""A grant as an Airflow connection, read back by Airflow itself."""

from __future__ import annotations

import json
import shlex

import pytest
from airflow.models.connection import Connection

from airflow_provider_tiktok_offline.tiktok.grant_connection import HIDDEN, GrantConnection
from airflow_provider_tiktok_offline.tiktok.oauth import App

TOKEN = "a+b/c=&d?e#f@g:h%20"
APP = App("7000000000000000001", "s&cret=/")
GRANT = GrantConnection(access_token=TOKEN, conn_id="tiktok_shop", app=APP, base_url="http://127.0.0.1:8931")


def test_airflow_reads_the_json() -> None:
    """Field by field."""
    connection = Connection.from_json(GRANT.to_json(show_secrets=True))
    assert (connection.conn_type, connection.password, connection.host) == ("tiktok", TOKEN, "http://127.0.0.1:8931")
    assert connection.extra_dejson == {"app_id": APP.app_id, "app_secret": APP.secret}


def test_airflow_reads_the_uri() -> None:
    """Whatever characters a token has; Airflow reads the id as a number there."""
    connection = Connection(uri=GRANT.to_uri(show_secrets=True))
    assert (connection.conn_type, connection.password, connection.host) == ("tiktok", TOKEN, "http://127.0.0.1:8931")
    assert {name: str(value) for name, value in connection.extra_dejson.items()} == {
        "app_id": APP.app_id,
        "app_secret": APP.secret,
    }


def test_the_shell_reads_the_command() -> None:
    """Quoted as a shell needs it."""
    words = shlex.split(GRANT.to_command(show_secrets=True))
    assert words[:5] == ["airflow", "connections", "add", "tiktok_shop", "--conn-json"]
    assert json.loads(words[5])["password"] == TOKEN


def test_the_import_file_holds_the_connection_by_its_id() -> None:
    """As ``airflow connections import`` reads it."""
    assert list(json.loads(GRANT.to_import_file())) == ["tiktok_shop"]
    assert json.loads(GRANT.to_import_file())["tiktok_shop"]["password"] == TOKEN


@pytest.mark.parametrize("text", [GRANT.to_json(), GRANT.to_uri(), GRANT.to_command(), repr(GRANT)])
def test_secrets_are_hidden_unless_asked_for(text: str) -> None:
    """In every form."""
    assert TOKEN not in text
    assert "s&cret" not in text
    assert "s%26cret" not in text


def test_the_usual_address_and_a_missing_app_are_left_out() -> None:
    """A connection for production is nothing but its token."""
    plain = GrantConnection(access_token="token")
    assert json.loads(plain.to_json()) == {"conn_type": "tiktok", "password": HIDDEN}
    assert Connection(uri=plain.to_uri(show_secrets=True)).password == "token"
