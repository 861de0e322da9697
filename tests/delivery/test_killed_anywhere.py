"""A run of the tiktok route that dies before any of its writes: each event is taken once, whoever goes on."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from tests.delivery.world import World, rows
from tests.servers.dying import Life, Step, before, live_out, mortal
from tests.servers.simulator import RunningSimulator

#: More than a run has writes.
_ENOUGH = 80
_UPLOAD = 3
_EVENTS = 40


def _upload_all(ctx: DeliveryContext) -> None:
    for delivery_id in deliveries_of_run(ctx):
        for part in dedupe(ctx, delivery_id).parts:
            upload(ctx, delivery_id, part)


def _steps(stamp: dict[str, Any]) -> list[Step]:
    """The tasks of a run, each as one that can be tried again."""
    return [
        lambda ctx: validate(ctx, stamp),
        lambda ctx: normalize_hash(ctx, *deliveries_of_run(ctx)),
        lambda ctx: dedupe(ctx, *deliveries_of_run(ctx)),
        _upload_all,
        summarize_all,
    ]


def _run_until_death(world: World, stamp: dict[str, Any], life: Life, mortal_from: int) -> list[Step]:
    """A run that ends with a life; the steps that are left, beginning with the one that died.

    :param mortal_from: the first step whose writes count.
    """
    steps = _steps(stamp)
    for step in steps[:mortal_from]:
        step(world.context())
    with pytest.MonkeyPatch.context() as patch:
        ctx = mortal(world.context(), life, patch)
        # A request is a write, too; TikTok has the events, and nobody notes it, if the next one is not done.
        patch.setattr(httpx.HTTPTransport, "handle_request", before(life, httpx.HTTPTransport.handle_request))
        return live_out(steps[mortal_from:], ctx)


def _die_everywhere(
    simulator: RunningSimulator, folder: Path, *, tried_again: bool, mortal_from: int = 0, every: int = 1
) -> None:
    """A run for each write before which it dies; then who goes on sends what is missing, and nothing else.

    :param every: take every n-th write only.
    """
    for writes in range(1, _ENOUGH, every):
        own = folder / str(writes)
        own.mkdir()
        simulator.control.reset()
        world = World(own, simulator)
        simulator.control.set_clock(world.clock.now().timestamp() - simulator.control.summary().now)
        world.init_ledger()
        stamp = world.drop(rows(1, _EVENTS))
        life = Life(writes)
        left = _run_until_death(world, stamp, life, mortal_from)
        try:
            if tried_again:
                for step in left:
                    step(world.context())
            world.clock.advance(timedelta(days=1))
            simulator.control.advance_clock(world.clock.now().timestamp() - simulator.control.summary().now)
            summary = world.deliver(world.drop(rows(1, 2 * _EVENTS), name="b.csv"), world.context("daily/run-2"))
            assert summary.open == ""
            assert set(simulator.event_ids().values()) == {1}
            assert len(simulator.event_ids()) == 2 * _EVENTS
            sent = Counter(simulator.times_received().values())
            assert sent.keys() <= {1, 2}, sent
        except Exception as error:
            error.add_note(f"died before write {writes}")
            raise
        if not life.over:
            assert writes > 10
            return
    raise AssertionError(f"a run has more than {_ENOUGH} writes")


def test_killed_while_it_uploads_its_retry_goes_on(running_simulator: RunningSimulator, tmp_path: Path) -> None:
    """Dead before a write of upload or summary: tried again, each event is taken once."""
    _die_everywhere(running_simulator, tmp_path, tried_again=True, mortal_from=_UPLOAD, every=5)


def test_killed_while_it_uploads_and_never_tried_again_the_next_run_goes_on(
    running_simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Dead before a write of upload or summary, for good: tomorrow's file repeats the events, each is taken once."""
    _die_everywhere(running_simulator, tmp_path, tried_again=False, mortal_from=_UPLOAD, every=7)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tried_again", [True, False])
def test_killed_before_any_write_of_a_run(
    running_simulator: RunningSimulator, tmp_path: Path, tried_again: bool
) -> None:
    """The same from validate to the summary, whoever goes on."""
    _die_everywhere(running_simulator, tmp_path, tried_again=tried_again)
