"""A failed run's file is replaced, and a task of the run is cleared in Airflow: the run goes on with the new file."""

from __future__ import annotations

import pytest

from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

DAG_ID = "tiktok_offline__guarded_shop"


def test_clearing_prepare_takes_the_corrected_file(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """A guard has stopped the run before anything was planned."""
    name = "guarded_shop_20261101.csv"
    airflow_world.write(name, 60, seed=81)
    day = "2026-11-01"
    run = airflow.run(DAG_ID, logical_date=f"{day}T00:00:00+00:00", conf={"file_day": day})
    assert (run.state, run.tasks["prepare"]) == ("failed", "failed")
    before = airflow_world.api.event_ids()
    airflow_world.write(name, 20, seed=91)
    run = airflow.clear(DAG_ID, run.run_id, "prepare")
    assert run.state == "success", run.tasks
    sent = {event_id: times - before.get(event_id, 0) for event_id, times in airflow_world.api.event_ids().items()}
    assert sum(sent.values()) == 20
