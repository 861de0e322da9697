"""Two tries of one upload task at the same time: the later one sends what the earlier one has not sent."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import LedgerBusyError, StoppedError
from tests.delivery.world import NOW, World, rows
from tests.servers.waiting import wait_until

EVENTS = 600


def running(world: World) -> DeliveryContext:
    """A run's context on a clock that runs, at a pace that leaves time for another try."""
    limits = {"requests_per_second": 40, "max_attempts": 3, "batch_events": 10, "in_flight": 2}
    return replace(world.context(upload=limits), clock=SystemClock(NOW - datetime.now(UTC)))


def planned(world: World) -> tuple[str, int]:
    """A delivery whose one part is ready to be sent."""
    world.init_ledger()
    ctx = running(world)
    delivery_id = validate(ctx, world.drop(rows(1, EVENTS))).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts
    return delivery_id, part


def test_no_event_leaves_twice_though_both_tries_go_on(world: World) -> None:
    """As after a network partition: the scheduler thinks that the first try is dead."""
    delivery_id, part = planned(world)
    with ThreadPoolExecutor(2) as tries:
        first = tries.submit(upload, running(world), delivery_id, part)
        wait_until(lambda: len(world.simulator.event_ids()) >= EVENTS / 6, "events", seconds=30, every=0.02)
        second = tries.submit(upload, running(world), delivery_id, part)
        with pytest.raises(LedgerBusyError, match="a later try of this step"):
            first.result()
        result = second.result()
    assert 0 < result.accepted < EVENTS
    assert result.accepted + result.settled == EVENTS
    assert Counter(world.simulator.times_received().values()) == {1: EVENTS}
    assert not summarize(running(world), delivery_id).open


def test_a_stopped_upload_leaves_nothing_unconfirmed(world: World) -> None:
    """It ends between two batches, and what was sent has a receipt; the next try sends the rest."""
    delivery_id, part = planned(world)
    ctx = running(world)

    def stop(step: str, done: int, _total: int | None) -> None:
        if step == "upload" and done >= EVENTS / 6:
            ctx.stopping.set()

    ctx.progress = stop
    with pytest.raises(StoppedError):
        upload(ctx, delivery_id, part)
    sent = len(world.simulator.event_ids())
    assert EVENTS / 6 <= sent < EVENTS / 2
    settlement = ctx.ledger.settle(delivery_id)
    assert (settlement.accepted, settlement.in_doubt) == (sent, 0)
    assert upload(running(world), delivery_id, part).settled == sent
    assert Counter(world.simulator.times_received().values()) == {1: EVENTS}
