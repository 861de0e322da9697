"""The lease of a delivery: a run that was paused and lost it sends nothing more."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerBusyError
from tests.delivery.world import World, rows

#: Longer than the lease.
PAUSE = timedelta(minutes=20)


def test_the_check_fails_once_another_run_has_the_delivery(world: World) -> None:
    """A pause alone costs nothing; a pause in which another run took over ends the step."""
    stamp = world.drop(rows(1, 3))
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, stamp).delivery_id)
    with Lease(ctx, state) as lease:
        lease.check()
        world.clock.advance(PAUSE)
        lease.check()
        world.clock.advance(PAUSE)
        validate(world.context("backfill/run-1"), stamp)
        with pytest.raises(DeliveryHeldError, match="backfill/run-1"):
            lease.check()


def test_the_check_asks_the_fence_after_a_pause(world: World) -> None:
    """Another delivery may have taken over what this one had claimed, without touching the delivery itself."""
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)
    taken_over: list[bool] = []

    def fence() -> None:
        if taken_over:
            raise LedgerBusyError("another delivery took the claims over")

    with Lease(ctx, state, fence=fence) as lease:
        taken_over.append(True)
        lease.check()
        world.clock.advance(PAUSE)
        with pytest.raises(LedgerBusyError):
            lease.check()


def test_an_upload_that_lost_its_delivery_sends_nothing_more(world: World) -> None:
    """Another run took the delivery over in the middle of the upload: what is not under way stays here."""
    world.init_ledger()
    stamp = world.drop(rows(1, 200))
    limits = {"requests_per_second": 1000, "max_attempts": 3, "batch_events": 2, "in_flight": 1}
    ctx = world.context(upload=limits)
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts

    def take_over(step: str, _done: int, _total: int | None) -> None:
        if step == "upload" and ctx.deliveries.get(delivery_id).holder == ctx.holder:
            world.clock.advance(PAUSE)
            validate(world.context("backfill/run-1"), stamp)

    ctx.progress = take_over
    with pytest.raises(DeliveryHeldError):
        upload(ctx, delivery_id, part)
    assert 0 < len(world.simulator.event_ids()) < 200


def test_the_fence_is_asked_before_the_first_event(world: World) -> None:
    """A step that begins after its claims were taken over does not even start."""
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)

    def fence() -> None:
        raise LedgerBusyError("another delivery took the claims over")

    with pytest.raises(LedgerBusyError), Lease(ctx, state, fence=fence):
        pass


def test_a_step_that_has_just_entered_repeats_no_heartbeat(world: World) -> None:
    """For five seconds the one it entered with counts; the fence is asked all the same."""
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)
    entered = state.updated_at
    asked: list[datetime] = []

    def beat_after(seconds: float) -> datetime:
        world.clock.advance(timedelta(seconds=seconds))
        with Lease(ctx, ctx.deliveries.get(state.id), fence=lambda: asked.append(world.clock.now())):
            return ctx.deliveries.get(state.id).updated_at

    assert beat_after(0) == beat_after(5) == entered
    assert beat_after(0.5) == entered + timedelta(seconds=5.5)
    assert asked == [entered + timedelta(seconds=after) for after in (0, 5, 5.5)]


def test_a_process_that_has_not_entered_says_that_it_lives(world: World) -> None:
    """As a mapped task does, which another task of its run has handed the delivery to."""
    state = world.context().deliveries.get(validate(world.context(), world.drop(rows(1, 3))).delivery_id)
    world.clock.advance(timedelta(seconds=1))
    ctx = world.context()
    with Lease(ctx, state):
        assert ctx.deliveries.get(state.id).updated_at == world.clock.now()
