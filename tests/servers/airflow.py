"""A real Airflow on SQLite: its home, its environment, and DAG runs in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MARK = "@@run@@"

#: Runs a DAG file's DAG to its end, in this process and its children, and prints what became of it.
_RUN = (
    """
import json, sys
from datetime import datetime

dag_file, dag_id, logical_date, conf = json.loads(sys.argv[1])
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(dag_folder=dag_file, bundle_name="dags-folder", bundle_path=None)
assert not bag.import_errors, bag.import_errors
run = bag.dags[dag_id].test(
    logical_date=None if logical_date is None else datetime.fromisoformat(logical_date), run_conf=conf or None
)
tasks = {}
for ti in run.get_task_instances():
    name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
    tasks[name] = {"state": str(ti.state), "seconds": ti.duration, "tries": ti.try_number}
print("@@run@@" + json.dumps({"state": str(run.state), "run_id": run.run_id, "tasks": tasks}))
"""
)


@dataclass(frozen=True, slots=True)
class AirflowRun:
    """How one DAG run ended.

    Attributes:
        state: the run's state.
        run_id: its id.
        tasks: task (with its map index, as ``upload[0]``) -> ``state``, ``seconds``, ``tries``.
        log: everything the processes wrote.
    """

    state: str
    run_id: str
    tasks: Mapping[str, Mapping[str, Any]]
    log: str = field(repr=False)

    def states(self) -> dict[str, str]:
        """Task -> state."""
        return {name: str(task["state"]) for name, task in self.tasks.items()}


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
            subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=self.process_environment(),
                check=True,
                capture_output=True,
            )

    def process_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a process that belongs to it."""
        return {**os.environ, **self.environment, **(extra or {})}

    def start_run(
        self,
        dag_file: Path,
        dag_id: str,
        *,
        logical_date: str | None = None,
        conf: Mapping[str, Any] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start one DAG run in a process group of its own; finish it with :meth:`finish_run`."""
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, json.dumps([str(dag_file), dag_id, logical_date, conf])],
            env=self.process_environment(extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish_run(self, process: subprocess.Popen[str], *, timeout: float = 240) -> AirflowRun:
        """Wait for a run and read how it ended.

        :raises AssertionError: if the process ended without saying so; the message holds its output.
        """
        log, _ = process.communicate(timeout=timeout)
        lines = [line for line in log.splitlines() if line.startswith(_MARK)]
        assert lines, f"the run did not end (exit code {process.returncode}):\n{log[-8000:]}"
        return AirflowRun(**json.loads(lines[-1].removeprefix(_MARK)), log=log)

    def run(self, dag_file: Path, dag_id: str, **options: Any) -> AirflowRun:
        """Run a DAG to its end."""
        return self.finish_run(self.start_run(dag_file, dag_id, **options))


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
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        },
    )
