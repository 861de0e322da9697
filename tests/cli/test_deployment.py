"""A terminal on a machine with an Airflow finds the connections and pools that Airflow has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from airflow_provider_tiktok_offline.cli.deployment import airflow_is_configured
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


COMMAND = Path(sys.executable).with_name("tiktok-offline")


def write_config(directory: Path) -> Path:
    """Three advertisers: with a pool that is there, with one that is missing, and with none."""
    pools = {"with_pool": {"pool": "default_pool"}, "lost_pool": {"pool": "lost"}, "without_pool": {}}
    entries = [
        {
            "name": name,
            "advertiser_id": "7000000000000000001",
            "event_set_id": "7100000000000000001",
            "route": "liveramp",
            "liveramp": {"destination": f"{directory}/feed"},
            "state_uri": f"{directory}/state",
            "source": {"path": f"{directory}/sales_{{{{ ds }}}}.csv"},
            **pool,
        }
        for name, pool in pools.items()
    ]
    path = directory / "advertisers.yaml"
    path.write_text(yaml.safe_dump({"advertisers": entries}))
    return path


def test_a_missing_pool_is_a_fault(environment: Mapping[str, str], tmp_path: Path) -> None:
    """`config check --connections` ends with 2 and names entry, key, pool and what to do; one that is there is none."""
    path = write_config(tmp_path)
    ran = subprocess.run(
        [COMMAND, "config", "check", "--connections", path], env={**environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stderr
    [fault] = [line for line in ran.stderr.splitlines() if line.startswith("error:")]
    assert fault.startswith(f"error: {path}, entry lost_pool, key pool: lost does not exist in this Airflow")
    assert "airflow pools set" in fault


def test_doctor_looks_for_pools(tmp_path: Path) -> None:
    """Doctor has a finding for each pool that is named; without an Airflow it says that it could not look."""
    ran = subprocess.run(
        [COMMAND, "doctor", "--config", write_config(tmp_path), "--json"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(ran.stdout)
    pools = {
        name: (one["status"], one["text"])
        for name, findings in told["advertisers"].items()
        for one in findings
        if one["subject"] == "pool"
    }
    assert pools.keys() == {"with_pool", "lost_pool"}
    assert pools["lost_pool"] == ("warning", "lost was not looked up: no Airflow is configured on this machine.")
    assert told["faults"] == sum(
        one["status"] == "failed" for findings in told["advertisers"].values() for one in findings
    )
