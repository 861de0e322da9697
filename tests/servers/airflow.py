"""A real Airflow on SQLite: its home, its environment, and DAG runs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.servers.airflow_runs import MARK


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """How one DAG run ended.

    Attributes:
        state: the run's state.
        run_id: its id.
        tasks: task (with its map index, as ``upload[0]``) -> state.
    """

    state: str
    run_id: str
    tasks: Mapping[str, str]


class AirflowRunner:
    """A process that runs DAGs of one file; what Airflow writes is kept in ``log``."""

    def __init__(self, dag_file: Path, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.airflow_runs", str(dag_file)],
            env=dict(environment),
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> AirflowRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: tasks run in this very process, so the one at work dies in the middle."""
        self._process.kill()
        rest, _ = self._process.communicate()
        with self.log.open("a") as log:
            log.write(rest)

    def end(self) -> None:
        """Let it end by itself, so that what Airflow's plugins have started ends with it."""
        rest, _ = self._process.communicate()
        with self.log.open("a") as log:
            log.write(rest)

    def start(self, dag_id: str, *, logical_date: str | None = None, conf: Mapping[str, Any] | None = None) -> None:
        """Begin a run; :meth:`finish` waits for its end."""
        self._ask({"run": dag_id, "logical_date": logical_date, "conf": conf})

    def run(self, dag_id: str, *, logical_date: str | None = None, conf: Mapping[str, Any] | None = None) -> AirflowRun:
        """Run a DAG to its end. A run of the same logical date is replaced, under the same run id."""
        self.start(dag_id, logical_date=logical_date, conf=conf)
        return self.finish()

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> AirflowRun:
        """Clear tasks of a run, with what follows them, and run what is then due."""
        self._ask({"clear": task_ids, "of": dag_id, "run_id": run_id})
        return self.finish()

    def finish(self) -> AirflowRun:
        """Wait for the answer to what was asked last.

        :raises RuntimeError: if the process ended instead; the message holds the end of its log.
        """
        assert self._process.stdout is not None
        with self.log.open("a") as log:
            for line in self._process.stdout:
                if line.startswith(MARK):
                    return AirflowRun(**json.loads(line.removeprefix(MARK)))
                log.write(line)
        raise RuntimeError(f"Airflow ended: {self.log.read_text()[-6000:]}")

    def _ask(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """One throw-away Airflow.

    Attributes:
        home: its directory.
        environment: what a process needs to belong to it.
    """

    home: Path
    environment: Mapping[str, str]

    @property
    def dags(self) -> Path:
        """The DAGs folder."""
        return self.home / "dags"

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "airflow.db"

    def apply(self) -> None:
        """Make this process belong to it; only before Airflow is first imported."""
        assert "airflow" not in sys.modules, "Airflow was imported before its home was named"
        os.environ.update(self.environment)

    def initialise(self) -> None:
        """Make the database, once."""
        if not self.database.exists():
            self.dags.mkdir(parents=True, exist_ok=True)
            self.database.write_bytes(_fresh_database())

    def process_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a process that belongs to it."""
        return {**os.environ, **self.environment, **(extra or {})}

    def runner(self, dag_file: Path, *, extra: Mapping[str, str] | None = None) -> AirflowRunner:
        """A process that runs the DAGs of a file in the DAGs folder."""
        return AirflowRunner(dag_file, self.process_environment(extra), self.home / "runs.log")


def airflow_environment(home: Path) -> AirflowHome:
    """An Airflow below ``home``; nothing is made yet."""
    return AirflowHome(
        home,
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-of-this-package-0123456789",
            # Airflow 3.1 makes one a process where there is no airflow.cfg; what is signed by one is read by another.
            "AIRFLOW__API__SECRET_KEY": "only-for-tests-of-this-package",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        },
    )


@cache
def _fresh_database() -> bytes:
    """Airflow's database as ``airflow db migrate`` makes it, which takes seconds; it names no home."""
    with tempfile.TemporaryDirectory() as folder:
        home = airflow_environment(Path(folder))
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, env=home.process_environment(), check=True, capture_output=True)
        return home.database.read_bytes()
