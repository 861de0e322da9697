"""Runs of one DAG in this process, each announced and reported as a line of JSON: ``python -m ... DAG_FILE``.

For each line ``{"logical_date": ..., "conf": {...}}`` on standard input it answers with a line on standard output that
begins with ``@@run@@``. Everything else that is written is Airflow's log.
"""

from __future__ import annotations

import json
import runpy
import sys
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

MARK = "@@run@@"


class TaskEnd(TypedDict):
    """How a task instance ended, and how long it took; None if it never ran."""

    task_id: str
    map_index: int
    state: str
    seconds: float | None


class RunEnd(TypedDict):
    """How a run ended."""

    state: str
    tasks: list[TaskEnd]


def main() -> None:
    """Read requests until there are no more."""
    [dag_file] = sys.argv[1:]
    # The part of Airflow that takes longest to import; there is time for it while the database is made.
    with suppress(ImportError):
        import airflow.api_fastapi.execution_api.app  # noqa: F401

    dag = runpy.run_path(dag_file)["dag"]
    for line in sys.stdin:
        wanted = json.loads(line)
        run = dag.test(logical_date=datetime.fromisoformat(wanted["logical_date"]), run_conf=wanted["conf"])
        sys.stdout.write(f"\n{MARK}{json.dumps(_result(run, list(dag.task_dict)))}\n")
        sys.stdout.flush()


def _result(run: DagRun, order: list[str]) -> RunEnd:
    """What became of a run, its tasks in the order of the DAG."""
    tasks: list[TaskEnd] = []
    for instance in sorted(run.get_task_instances(), key=lambda one: (order.index(one.task_id), one.map_index)):
        start, end = instance.start_date, instance.end_date
        seconds = None if start is None or end is None else (end - start).total_seconds()
        tasks.append(
            {
                "task_id": instance.task_id,
                "map_index": instance.map_index,
                "state": str(instance.state or "none"),
                "seconds": seconds,
            }
        )
    return {"state": str(run.state), "tasks": tasks}


if __name__ == "__main__":
    main()
