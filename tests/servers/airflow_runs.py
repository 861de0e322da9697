"""``python -m tests.servers.airflow_runs DAG_FILE``: runs DAGs and clears tasks as asked, one JSON request a line.

``{"run": DAG_ID, "logical_date": ..., "conf": ...}`` is ``dag.test()``; ``{"clear": [TASK_ID, ...], "of": DAG_ID,
"run_id": ...}`` clears these tasks and what follows them, as the UI does, and runs what is then due. Each answer is a
line that begins with ``@@run@@``; all else is Airflow's log.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

MARK = "@@run@@"


def main() -> None:
    """Serve until there are no more requests."""
    from tests.servers.airflow_versions import dag_bag

    bag = dag_bag(sys.argv[1])
    if bag.import_errors:
        raise SystemExit(json.dumps(bag.import_errors))
    for line in sys.stdin:
        wanted = json.loads(line)
        if "run" in wanted:
            moment = wanted["logical_date"]
            run = bag.dags[wanted["run"]].test(
                logical_date=None if moment is None else datetime.fromisoformat(moment), run_conf=wanted["conf"] or None
            )
        else:
            run = _clear(bag.dags[wanted["of"]], wanted["run_id"], wanted["clear"])
        tasks = {}
        for ti in run.get_task_instances():
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            tasks[name] = str(ti.state or "none")
        answer = {"state": str(run.state), "run_id": run.run_id, "tasks": tasks}
        sys.stdout.write(f"\n{MARK}{json.dumps(answer)}\n")
        sys.stdout.flush()


def _clear(dag: Any, run_id: str, task_ids: list[str]) -> Any:
    """Clear tasks with what follows them, and run what is due: the loop of ``dag.test()`` over a run that exists."""
    from airflow import settings
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.state import DagRunState, TaskInstanceState
    from sqlalchemy import select

    from tests.servers.airflow_versions import DagSerialization

    assert settings.Session is not None
    session = settings.Session()
    run = session.scalars(select(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id)).one()
    run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    following = {task_id for one in task_ids for task_id in dag.get_task(one).get_flat_relative_ids(upstream=False)}
    wanted = following | set(task_ids)
    instances = [ti for ti in run.get_task_instances(session=session) if ti.task_id in wanted]
    for ti in instances:
        if ti.state == TaskInstanceState.RUNNING:  # as the scheduler does when a task's process has died
            ti.state = TaskInstanceState.FAILED
    session.commit()
    clear_task_instances(instances, session, dag_run_state=DagRunState.RUNNING)
    session.commit()
    while run.state == DagRunState.RUNNING:
        session.expire_all()
        run.dag = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        due, _ = run.update_state(session=session)
        for ti in due:
            ti.try_number += 1
            ti.state = TaskInstanceState.SCHEDULED
        session.commit()
        for ti in run.get_task_instances(session=session):
            if ti.state == TaskInstanceState.SCHEDULED:
                _run_task(ti=ti, task=dag.task_dict[ti.task_id], run_triggerer=True)
    return run


if __name__ == "__main__":
    main()
