"""Broken entries of a configuration in a real Airflow: a lasting import error, and the DAGs of all other entries."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest
import yaml

from tests.glue.test_dag_factory import advertiser
from tests.servers.airflow import AirflowHome, airflow_environment

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAGS = Path(__file__).parents[2] / "dags"
COMPANION = "tiktok_offline_broken_advertisers.py"
DAG_ID = "tiktok_offline__whole"


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """The factory's DAG file and its companion, as users copy them, over one whole and one broken entry."""
    home = airflow_environment(tmp_path_factory.mktemp("broken") / "airflow")
    home.initialise()
    for name in ("tiktok_offline_factory.py", COMPANION):
        shutil.copy(DAGS / name, home.dags)
    entries = [advertiser("whole"), advertiser("broken", colour="red")]
    (home.dags / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": entries}))
    return home


def import_errors(home: AirflowHome) -> dict[str, str]:
    """What Airflow lists: file -> traceback."""
    with sqlite3.connect(home.database) as database:
        return dict(database.execute("SELECT filename, stacktrace FROM import_error").fetchall())


def active_dags(home: AirflowHome) -> set[str]:
    """The DAGs that Airflow would schedule."""
    with sqlite3.connect(home.database) as database:
        return {dag_id for (dag_id,) in database.execute("SELECT dag_id FROM dag WHERE NOT is_stale")}


def command(home: AirflowHome, *arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A command of Airflow, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "airflow", *arguments],
        env=home.process_environment(extra), stdout=PIPE, stderr=STDOUT, text=True,
    )  # fmt: skip


def test_reserialize_succeeds_and_keeps_the_error(home: AirflowHome) -> None:
    """``airflow dags reserialize`` ends with 0, as often as it is run, and the error stays."""
    for _ in range(2):
        with command(home, "dags", "reserialize") as process:
            said, _ = process.communicate()
        assert process.returncode == 0, said
        assert list(import_errors(home)) == [COMPANION]
        assert active_dags(home) == {DAG_ID}
    assert "entry broken, key colour: unknown key" in import_errors(home)[COMPANION]


def test_the_dag_processor_keeps_the_error(home: AirflowHome) -> None:
    """Once listed, the error is there in every sample while the files are parsed again and again."""
    samples: list[list[str]] = []
    with command(
        home, "dag-processor", "--num-runs", "4", extra={"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0"}
    ) as process:
        while process.poll() is None:
            samples.append(list(import_errors(home)))
            with_pause(process)
    listed = samples[next(number for number, sample in enumerate(samples) if sample) :]
    assert len(listed) > 5
    assert all(sample == [COMPANION] for sample in listed)
    assert active_dags(home) == {DAG_ID}


def with_pause(process: subprocess.Popen[str]) -> None:
    """Wait for the process's end, a tenth of a second at most."""
    try:
        process.communicate(timeout=0.1)
    except subprocess.TimeoutExpired:
        return
