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
from tests.servers.airflow import AirflowRun, AirflowRunner

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


@pytest.fixture(autouse=True)
def _calendar(airflow_world: AirflowWorld) -> None:
    """The days on which the shop is closed."""
    event = "BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261103\nEND:VEVENT\n"
    (airflow_world.inbox / "closed.ics").write_text(f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n")


def _wait_since(world: AirflowWorld, name: str, sold: dict[str, str], at: datetime) -> str:
    """Let a file wait that came at a moment; its delivery."""
    path = _write(world, name, sold, at - timedelta(hours=1))
    ctx = replace(world.context("daily/early", name="patient_shop"), clock=ManualClock(at))
    waited = deliver_to_tiktok(ctx, world.stamp(path))
    assert waited.waiting
    return waited.delivery_id


def _sent(world: AirflowWorld, orders: dict[str, str]) -> dict[str, int]:
    """order_id -> the value that arrived."""
    sent = [item["properties"] for item in world.api.items().values()]
    return {one["order_id"]: one["value"] for one in sent if one.get("order_id") in orders}


def _run(airflow: AirflowRunner, day: str) -> AirflowRun:
    return airflow.run(DAG_ID, logical_date=f"{day}T00:00:00+00:00", conf={"file_day": day})


def test_what_is_due_is_sent_on_a_day_on_which_no_file_is_due(
    airflow_world: AirflowWorld, airflow: AirflowRunner
) -> None:
    """The wait is skipped, the tasks behind it send and close what has waited, and the run is a success."""
    sold = {"q1": "10.00", "q2": "20.00"}
    delivery = _wait_since(airflow_world, "patient_shop_20261010.csv", sold, datetime.now(UTC) - timedelta(days=3))
    run = _run(airflow, "2026-11-03")
    assert run.state == "success", run.tasks
    assert run.tasks["wait_for_file"] == "skipped"
    assert _sent(airflow_world, sold) == {"q1": 10, "q2": 20}
    assert airflow_world.context(name="patient_shop").deliveries.get(delivery).status == "closed"


def test_what_is_due_is_sent_where_the_wait_for_the_file_fails(
    airflow_world: AirflowWorld, airflow: AirflowRunner
) -> None:
    """The run fails over the wait, and over nothing else."""
    sold = {"r1": "10.00"}
    delivery = _wait_since(airflow_world, "patient_shop_20261011.csv", sold, datetime.now(UTC) - timedelta(days=3))
    (airflow_world.inbox / "closed.ics").write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\n")
    run = _run(airflow, "2026-11-05")
    assert run.state == "failed"
    assert {task for task, state in run.tasks.items() if state == "failed"} == {"wait_for_file", "summary"}
    assert _sent(airflow_world, sold) == {"r1": 10}
    assert airflow_world.context(name="patient_shop").deliveries.get(delivery).status == "closed"


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
    kept = kept_deliveries(ctx)
    assert own.id in kept
    assert waited.delivery_id not in kept
