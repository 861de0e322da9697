"""``send_after_days`` in the factory's DAG: a later run sends what has waited, beside its own file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.state.waiting import kept_deliveries
from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

DAG_ID = "tiktok_offline__patient_shop"


def _write(world: AirflowWorld, name: str, amounts: dict[str, str], at: datetime) -> Path:
    """A file of orders of one line each."""
    path = world.inbox / name
    lines = [
        f"a@example.com,CompletePayment,{at:%Y-%m-%dT%H:%M:%SZ-0000},{amount},{order}"
        for order, amount in amounts.items()
    ]
    header = "email_1,transaction_category,transaction_timestamp,transaction_amount,order_id"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_run_sends_what_has_waited_less_what_came_back(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Its own file waits, and its return counts; both deliveries are the run's, and it is a success."""
    now = datetime.now(UTC)
    early = now - timedelta(days=4)
    sold = {"p1": "10.00", "p2": "20.00", "p3": "30.00"}
    first = _write(airflow_world, "patient_shop_20261101.csv", sold, early - timedelta(hours=1))
    ctx = replace(airflow_world.context("daily/early", name="patient_shop"), clock=ManualClock(early))
    waited = deliver_to_tiktok(ctx, airflow_world.stamp(first))
    assert waited.waiting
    came = {"p1": "-4.00", "p2": "-20.00", "p9": "7.00"}
    _write(airflow_world, "patient_shop_20261102.csv", came, now - timedelta(hours=1))
    run = airflow.run(DAG_ID, logical_date="2026-11-02T00:00:00+00:00", conf={"file_day": "2026-11-02"})
    assert run.state == "success", run.tasks
    sent = [item["properties"] for item in airflow_world.api.items().values()]
    values = {one["order_id"]: one["value"] for one in sent if one.get("order_id") in {*sold, *came}}
    assert values == {"p1": 6, "p3": 30}
    ctx = airflow_world.context(name="patient_shop")
    states = {state.file_name: state for state in ctx.deliveries.list("patient_shop")}
    assert states[first.name].status == "closed"
    own = states["patient_shop_20261102.csv"]
    assert own.waits
    assert kept_deliveries(ctx) == [own.id]
