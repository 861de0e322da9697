"""`validate` alone, in somebody else's DAG, as an operator and as a function."""

from __future__ import annotations

import pytest

from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAG_ID = "tiktok_offline_quality_gate"


def test_a_good_file_passes_the_gate_and_is_not_sent(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Operator and function judge a file by its path; nothing reaches TikTok."""
    path = airflow_world.write("gate_good.csv", 100, seed=71)
    before = airflow_world.api.event_ids()
    run = airflow.run(DAG_ID, conf={"file": str(path)})
    assert run.tasks == {"gate": "success", "count": "success"}
    assert airflow_world.api.event_ids() == before


def test_a_bad_file_stops_at_the_gate(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """What follows the gate does not run, and the gate is not tried again."""
    path = airflow_world.write("gate_bad.csv", 100, seed=72, bad_ratio=0.5)
    run = airflow.run(DAG_ID, conf={"file": str(path)})
    assert run.tasks == {"gate": "failed", "count": "upstream_failed"}
    assert airflow_world.tries(run.run_id)["gate"] == 1
    status = airflow_world.xcom(run.run_id, "gate", "tiktok_offline_status")
    assert not status["ok"]
    assert status["error"]["type"] == "GateExceededError"
    assert path.name in status["error"]["where"]
    [delivery] = status["deliveries"]
    assert delivery["rows"]["total"] == 100
    assert delivery["rejected_share"] > delivery["gate"] == 0.05


def test_a_missing_file_fails_at_once(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """A path that is not there is no matter of waiting: the sensor waits."""
    run = airflow.run(DAG_ID, conf={"file": str(airflow_world.inbox / "nowhere.csv")})
    assert run.tasks["gate"] == "failed"
    assert airflow_world.tries(run.run_id)["gate"] == 1
