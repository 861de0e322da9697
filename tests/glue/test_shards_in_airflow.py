"""A large file in the factory's DAG: cut, read by mapped tasks, settled by one; and what clearing a task does."""

from __future__ import annotations

import pytest

from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

DAG_ID = "tiktok_offline__large_shop"


def test_a_large_file_is_read_by_several_tasks(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Each event is sent once; clearing the shards of a settled file reads and sends nothing."""
    airflow_world.write("large_shop_20261105.csv", 900, seed=71)
    before = airflow_world.api.event_ids()
    run = airflow.run(DAG_ID, logical_date="2026-11-05T00:00:00+00:00", conf={"file_day": "2026-11-05"})
    assert (run.state, set(run.tasks.values())) == ("success", {"success"}), run.tasks
    shards = {task for task in run.tasks if task.startswith("prepare_shard[")}
    assert len(shards) > 2
    assert {task.partition("[")[0] for task in run.tasks} == {
        "wait_for_file", "cut_file", "prepare_shard", "prepare", "upload", "summary",
    }  # fmt: skip
    sent = {event_id: times - before.get(event_id, 0) for event_id, times in airflow_world.api.event_ids().items()}
    assert sum(sent.values()) == 900
    assert set(sent.values()) <= {0, 1}
    planned = airflow_world.xcoms(run.run_id, "cut_file")["return_value"]
    assert planned[0]["name"] == f"large_shop_20261105.csv, shard 1 of {len(shards)}"
    run = airflow.clear(DAG_ID, run.run_id, "prepare_shard")
    assert run.state == "success", run.tasks
    after = airflow_world.api.event_ids()
    assert sum(after.values()) - sum(before.values()) == 900


def test_a_small_file_stays_one_task(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Its shards are skipped, and prepare reads it."""
    airflow_world.write("large_shop_20261106.csv", 60, seed=72)
    before = sum(airflow_world.api.event_ids().values())
    run = airflow.run(DAG_ID, logical_date="2026-11-06T00:00:00+00:00", conf={"file_day": "2026-11-06"})
    assert run.state == "success", run.tasks
    assert (run.tasks["prepare_shard"], run.tasks["prepare"]) == ("skipped", "success")
    assert sum(airflow_world.api.event_ids().values()) - before == 60
