"""What the asset event of a run tells those that wait for it."""

from __future__ import annotations

import json

from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.operators.summary import asset_event
from tests.delivery.world import World, rows

RUN, LATER = "daily/run-1", "daily/run-2"


def test_a_run_that_sent_says_how_much(world: World) -> None:
    """By outcome and value; a retry of its last task, which finds all closed, says the same."""
    world.init_ledger()
    summary = world.deliver(world.drop(rows(1, 5)), world.context(RUN))
    first = asset_event([summary], RUN)
    again = asset_event(summarize_all(world.context(RUN), [summary.delivery_id]), RUN)
    assert first == again
    assert (first["sent"], first["sent_nothing"]) == (5, False)
    [delivery] = json.loads(json.dumps(first))["deliveries"]
    assert (delivery["already_delivered"], delivery["events"]) == (False, {"accepted": 5})
    assert (delivery["rows"]["rows_total"], delivery["values"]["accepted"]) == (5, {"USD": "50.00"})


def test_a_run_whose_file_was_delivered_before_sent_nothing(world: World) -> None:
    """It says so with zero counts: who adds up asset events counts no sale twice."""
    world.init_ledger()
    stamp = world.drop(rows(1, 5))
    world.deliver(stamp, world.context(RUN))
    event = asset_event([world.deliver(stamp, world.context(LATER))], LATER)
    assert (event["sent"], event["sent_nothing"]) == (0, True)
    [delivery] = json.loads(json.dumps(event))["deliveries"]
    assert (delivery["already_delivered"], delivery["events"], delivery["values"]) == (True, {"accepted": 0}, {})
    assert [count for count in delivery["rows"].values() if isinstance(count, int)] == [0] * 5


def test_a_dry_run_sent_nothing(world: World) -> None:
    """Its counts say what would be sent."""
    world.init_ledger()
    ctx = world.context(RUN, mode="dry_run")
    event = asset_event([world.deliver(world.drop(rows(1, 5)), ctx)], RUN)
    assert (event["sent"], event["sent_nothing"]) == (0, True)
    assert json.loads(json.dumps(event))["deliveries"][0]["events"] == {"would_send": 5}
