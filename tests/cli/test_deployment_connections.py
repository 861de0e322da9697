"""A terminal on a machine with an Airflow finds the connections that Airflow has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.cli.deployment_connections import airflow_is_configured
from tests.servers.airflow import airflow_environment

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

READ = """
import sys
from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.errors import ConfigError
for conn_id in sys.argv[1:]:
    try:
        found = EnvironmentConnections("tiktok_default").get(conn_id)
        print(found.conn_type, found.host, found.login, len(found.password or ""), dict(found.extra))
    except ConfigError as error:
        print(error)
"""


@pytest.fixture(scope="module", name="environment")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    home = tmp_path_factory.mktemp("deployment")
    airflow = airflow_environment(home)
    airflow.initialise()
    environment = airflow.process_environment()
    add = ["connections", "add", "shop_sftp", "--conn-json"]
    shop = '{"conn_type": "sftp", "host": "files.example", "login": "shop", "password": "secret", "extra": {"a": 1}}'
    subprocess.run([sys.executable, "-m", "airflow", *add, shop], env=environment, check=True, capture_output=True)
    return environment


def read(environment: Mapping[str, str], *conn_ids: str) -> list[str]:
    """What a command finds, a line each."""
    ran = subprocess.run(
        [sys.executable, "-c", READ, *conn_ids], env={**environment}, check=True, capture_output=True, text=True
    )
    return ran.stdout.strip().splitlines()[-len(conn_ids) :]


def test_the_metadata_database_is_asked_after_the_environment(environment: Mapping[str, str]) -> None:
    """The environment wins; what it does not hold is Airflow's; what neither has is said."""
    here = {**environment, "AIRFLOW_CONN_LOCAL": "sftp://anna@near.example"}
    local, stored, missing = read(here, "local", "shop_sftp", "nowhere")
    assert local == "sftp near.example anna 0 {}"
    assert stored == "sftp files.example shop 6 {'a': 1}"
    assert missing.startswith("connection nowhere: there is no such connection, neither in the environment nor in an ")


def test_a_database_that_does_not_answer_shows_no_password(environment: Mapping[str, str]) -> None:
    """Airflow's own words hold the database's address; they stay out."""
    broken = {**environment, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://airflow:hunter2@127.0.0.1:1/airflow"}
    [said] = read(broken, "shop_sftp")
    assert "hunter2" not in said
    assert "connection shop_sftp: " in said


def test_no_airflow_is_made_where_none_is(tmp_path: Path) -> None:
    """A machine without an Airflow gets no airflow.cfg by a look for a connection."""
    assert not airflow_is_configured({"AIRFLOW_HOME": str(tmp_path)})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    [said] = read({**environment, "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path / "airflow")}, "shop_sftp")
    assert said.startswith("connection shop_sftp: there is no such connection")
    assert not (tmp_path / "airflow").exists()
