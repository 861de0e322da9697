"""The page of Airflow's API server that shows a report on a disk."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner
from tests.servers.airflow_pages import MARK

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAG_ID = "tiktok_offline_quality_gate"


def xcoms(world: AirflowWorld, run_id: str) -> dict[str, Any]:
    """What the gate's task has left."""
    with closing(sqlite3.connect(world.airflow.database)) as database:
        query = "SELECT key, value FROM xcom WHERE run_id = ? AND task_id = 'gate'"
        return {key: json.loads(value) for key, value in database.execute(query, (run_id,))}


def asked(world: AirflowWorld, *urls: str) -> Sequence[dict[str, Any]]:
    """What the API server answers."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.servers.airflow_pages", *urls],
        env=world.airflow.process_environment(world.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line.removeprefix(MARK)) for line in ended.stdout.splitlines() if line.startswith(MARK)]


def forge(world: AirflowWorld, run_id: str, place: dict[str, str]) -> None:
    """Another task of the run names a report."""
    with closing(sqlite3.connect(world.airflow.database)) as database, database:
        database.execute(
            "INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp) "
            "SELECT dag_run_id, 'count', map_index, key, dag_id, run_id, ?, timestamp "
            "FROM xcom WHERE run_id = ? AND task_id = 'gate' AND key = 'conversion_file_report'",
            (json.dumps(place), run_id),
        )
        assert database.execute("SELECT changes()").fetchone() == (1,)


def test_a_report_on_a_disk_is_shown_behind_airflows_login(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """The link of a task that stopped at its gate shows its report to who is logged in, and no other file at all."""
    path = airflow_world.write("gate_worst.csv", 100, seed=75, bad_ratio=0.6)
    run = airflow.run(DAG_ID, conf={"file": str(path)})
    assert run.tasks["gate"] == "failed"
    left = xcoms(airflow_world, run.run_id)
    [link] = [value for key, value in left.items() if key.startswith("_link") and "FileReport" in key]
    place = left["conversion_file_report"]
    folder, _, name = place["path"].rpartition("/")
    forge(airflow_world, run.run_id, {**place, "path": f"{folder}/../{folder.rpartition('/')[2]}/{name}"})
    shown, forged = asked(airflow_world, link, link.replace("task_id=gate", "task_id=count"))
    assert shown["nobody"]["status"] == 401
    assert path.name not in shown["nobody"]["text"]
    assert shown["viewer"]["status"] == 200
    assert shown["viewer"]["headers"]["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown["viewer"]["headers"]["content-security-policy"]
    assert path.name in shown["viewer"]["text"]
    assert forged["nobody"]["status"] == 401
    assert forged["viewer"]["status"] == 404
    assert path.name not in forged["viewer"]["text"]
