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
from typing import Any

MARK = "@@run@@"


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
        sys.stdout.write(f"\n{MARK}{json.dumps(_result(run))}\n")
        sys.stdout.flush()


def _result(run: Any) -> dict[str, Any]:
    tasks = []
    for instance in run.get_task_instances():
        seconds = None if instance.end_date is None else (instance.end_date - instance.start_date).total_seconds()
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
