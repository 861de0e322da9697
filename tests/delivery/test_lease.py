"""The lease of a delivery: a run that was paused and lost it sends nothing more."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerBusyError, StorageUnavailableError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
from tests.delivery.world import NOW, World, rows

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
    world.clock.advance(timedelta(hours=1))
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


def test_half_of_the_lease_is_waited_before_the_next_heartbeat(world: World) -> None:
    """A check costs no write until then: it is made before each request."""
    ctx = world.context(ledger={"heartbeat_seconds": 100, "lease_seconds": 300})
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)
    with Lease(ctx, state) as lease:
        world.clock.advance(timedelta(seconds=150))
        lease.check()
        assert ctx.deliveries.get(state.id).updated_at == state.updated_at
        world.clock.advance(timedelta(seconds=1))
        lease.check()
        assert ctx.deliveries.get(state.id).updated_at == world.clock.now()


class TwoClocks(ManualClock):
    """A clock whose wall clock and stop watch can be moved alone, as on a machine that sleeps or is set back."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.wall = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.wall


@pytest.mark.parametrize("passed", ["by the wall clock", "by the stop watch"])
def test_a_pause_is_seen_by_either_clock(world: World, passed: str) -> None:
    """The stop watch stands still while a machine sleeps; the wall clock may be set back."""
    world.clock = clock = TwoClocks()
    ctx = world.context()
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)
    asked: list[str] = []
    with Lease(ctx, state, fence=lambda: asked.append(passed)) as lease:
        clock.wall += PAUSE
        if passed == "by the stop watch":
            clock.advance(PAUSE)
            clock.wall -= 2 * PAUSE
        lease.check()
    assert asked == [passed] * 2


def test_heartbeats_go_on_behind_a_store_that_was_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the background, until the step ends; a beat that fails is not the last one."""
    ctx = world.context(ledger={"heartbeat_seconds": 1, "lease_seconds": 300})
    state = ctx.deliveries.get(validate(ctx, world.drop(rows(1, 3))).delivery_id)
    folder, away = world.folder / "state", world.folder / "away"
    asked: list[str] = []
    failed = threading.Event()
    heartbeat = ctx.deliveries.heartbeat

    def watched(held: DeliveryState) -> DeliveryState:
        try:
            return heartbeat(held)
        except StorageUnavailableError:
            failed.set()
            raise

    monkeypatch.setattr(ctx.deliveries, "heartbeat", watched)
    with Lease(ctx, state, fence=lambda: asked.append("fence")):
        folder.rename(away)
        folder.write_text("a file where the folder should be")
        assert failed.wait(30)
        folder.unlink()
        away.rename(folder)
        world.clock.advance(timedelta(seconds=1))
        deadline = time.monotonic() + 30
        while ctx.deliveries.get(state.id).updated_at != world.clock.now() and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        assert ctx.deliveries.get(state.id).updated_at == world.clock.now()
    assert asked == ["fence"]
    assert "delivery-heartbeat" not in [thread.name for thread in threading.enumerate()]
