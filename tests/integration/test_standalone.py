"""A whole Airflow: scheduler, DAG processor, triggerer and workers as ``airflow standalone`` starts them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.cli.demo_recount import recount
from tests.integration.test_example_dags import Shops
from tests.servers.airflow import airflow_environment
from tests.servers.simulator import ACCESS_TOKEN, simulator

pytestmark = [pytest.mark.campaign, pytest.mark.airflow, pytest.mark.timeout(1200)]


@pytest.fixture(name="shops")
def _shops(tmp_path: Path) -> Iterator[Shops]:
    (tmp_path / "airflow").mkdir()
    airflow = airflow_environment(tmp_path / "airflow")
    airflow.initialise()
    with simulator() as api:
        shops = Shops(tmp_path, airflow, api)
        connection = f'{{"conn_type": "tiktok", "host": "{api.url}", "password": "{ACCESS_TOKEN}"}}'
        extra = {
            "AIRFLOW_CONN_TIKTOK_SHOPS": connection,
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            # It starts its parts by name.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        with (tmp_path / "standalone.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "standalone"],
                env=airflow.process_environment(extra),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield shops
            finally:
                # Its parent alone would leave scheduler and api-server behind.
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(60)
                finally:
                    os.killpg(process.pid, signal.SIGKILL)


def test_a_files_arrival_starts_the_dag_once(shops: Shops) -> None:
    """The watcher in the triggerer sees the file, the scheduler starts one run, and it delivers, once."""

    def runs() -> list[tuple[str, str]]:
        with sqlite3.connect(f"file:{shops.airflow.database}?mode=ro", uri=True) as database:
            return database.execute(
                "SELECT run_type, state FROM dag_run WHERE dag_id = 'tiktok_offline_on_arrival'"
            ).fetchall()

    first = shops.write("kiosk_1.csv", seed=51)
    _until(lambda: [state for _, state in runs()] == ["success"], shops)
    assert [kind for kind, _ in runs()] == ["asset_triggered"]
    assert recount(first, as_of=datetime.now(UTC)).events.keys() <= shops.api.event_ids().keys()
    second = shops.write("kiosk_2.csv", seed=52)
    _until(lambda: [state for _, state in runs()] == ["success", "success"], shops)
    assert recount(second, as_of=datetime.now(UTC)).events.keys() <= shops.api.event_ids().keys()
    assert set(shops.api.times_received().values()) == {1}


def _until(condition: Callable[[], bool], shops: Shops) -> None:
    deadline = time.monotonic() + 400
    while not condition():
        assert time.monotonic() < deadline, (shops.folder / "standalone.log").read_text()[-6000:]
        time.sleep(1)
