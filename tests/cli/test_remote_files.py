"""Files on a real SFTP server, with the connection in the environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from tests.cli.conftest import Cli
from tests.cli.sales import AS_OF, rows
from tests.servers.sshd import Sshd, sshd


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    """OpenSSH on loopback."""
    with sshd() as running:
        yield running


def variable(connection: Connection, **changes: str | None) -> str:
    """The connection as its environment variable holds it."""
    extra = {**connection.extra, **changes}
    fields = {name: getattr(connection, name) for name in ("conn_type", "host", "port", "login", "password")}
    return json.dumps({**fields, "extra": {key: value for key, value in extra.items() if value is not None}})


def test_a_file_is_read_where_it_lies(cli: Cli, server: Sshd, tmp_path: Path) -> None:
    """A URI names connection and path."""
    (tmp_path / "far.csv").write_text(rows(30))
    uri = f"sftp://shop@{tmp_path}/far.csv"
    assert "30" in cli.done("validate", uri, "--as-of", AS_OF, AIRFLOW_CONN_SHOP=variable(server.connection()))
    assert not list(Path(cli.home).glob("*.parquet"))


def test_another_host_key_is_one_error(cli: Cli, server: Sshd, tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "far.csv").write_text(rows(30))
    wrong = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9mtg4IAd4B1cXMU4bOl5GD3RzM0yXKuZgAhBy9yyyy"
    message = cli.error(
        "validate", f"sftp://shop@{tmp_path}/far.csv", AIRFLOW_CONN_SHOP=variable(server.connection(), host_key=wrong)
    )
    assert "host key" in message


def test_a_missing_connection_is_one_error(cli: Cli) -> None:
    """The variable to set is named."""
    assert "AIRFLOW_CONN_NOWHERE" in cli.error("validate", "sftp://nowhere@/far.csv")
