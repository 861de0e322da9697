"""Guards that compare a file with others, or one amount with a limit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.events.guards import (
    approve,
    breaches,
    breaches_to_ask,
    leave_to_a_person,
    reject,
    was_asked,
)
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_set_aside
from airflow_provider_tiktok_offline.delivery.state.step_results import Breached
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GuardError, UnsettledError
from tests.delivery.world import World, rows

SIZE: dict[str, Any] = {"guards": {"size_factor": 3.0}}


def deliver_usual_files(world: World, count: int) -> None:
    """Files of ten rows each, with orders from 1,000 on."""
    world.init_ledger()
    for number in range(count):
        stamp = world.drop(rows(1000 + 10 * number, 10), name=f"usual_{number}.csv")
        world.deliver(stamp, world.context(f"daily/usual-{number}"))


@pytest.mark.parametrize("count", [1, 100])
def test_a_file_of_another_size_than_usual_is_stopped(world: World, count: int) -> None:
    """A tenth or ten times the rows of the last files: nothing of it is sent."""
    deliver_usual_files(world, 3)
    with pytest.raises(GuardError, match="size_factor 3"):
        world.deliver(world.drop(rows(1, count)), world.context(**SIZE))
    assert len(world.simulator.event_ids()) == 30


@pytest.mark.parametrize("count", [7, 20])
def test_a_file_of_about_the_usual_size_passes(world: World, count: int) -> None:
    """Within the factor in both directions."""
    deliver_usual_files(world, 3)
    assert world.deliver(world.drop(rows(1, count)), world.context(**SIZE)).events == {"accepted": count}


def test_files_of_the_same_run_are_no_habit(world: World) -> None:
    """They may be delivered while a person is asked, who is asked about the days before."""
    deliver_usual_files(world, 3)
    ctx = world.context(guards={"size_factor": 3.0, "on_breach": "approve"})
    large = validate(ctx, world.drop(rows(1, 100), name="large.csv")).delivery_id
    normalize_hash(ctx, large)
    asked = breaches_to_ask(ctx, large)
    assert asked
    for number in range(4):
        world.deliver(world.drop(rows(2000 + 100 * number, 29), name=f"beside_{number}.csv"), ctx)
    assert breaches(ctx, large) == asked
    approve(ctx, large, asked)
    dedupe(ctx, large)


def test_sizes_are_compared_from_three_files_on(world: World) -> None:
    """Two files are no habit."""
    deliver_usual_files(world, 2)
    assert world.deliver(world.drop(rows(1, 100)), world.context(**SIZE)).events == {"accepted": 100}


def dry_run(world: World, stamp: dict[str, Any], holder: str, **changes: Any) -> None:
    """All steps of a dry run."""
    ctx = world.context(holder, mode="dry_run", **changes)
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    summarize(ctx, delivery_id)


def test_dry_runs_are_no_habit(world: World) -> None:
    """A file that was looked at three times is not the usual size."""
    world.init_ledger()
    stamp = world.drop(rows(1000, 1), name="looked_at.csv")
    for number in range(3):
        dry_run(world, stamp, f"looking/{number}")
    assert world.deliver(world.drop(rows(1, 100)), world.context(**SIZE)).events == {"accepted": 100}


@pytest.mark.parametrize("steps", ["validated", "summarized"])
def test_a_dry_run_of_another_advertiser_stops_no_delivery(world: World, steps: str) -> None:
    """However far it went; nothing of the ledger or of the live entry has changed by it."""
    world.init_ledger()
    stamp = world.drop(rows(1, 5))
    before = set(world.context().objects.list(""))
    if steps == "validated":
        validate(world.context("looking/1", mode="dry_run", name="garden_centre"), stamp)
    else:
        dry_run(world, stamp, "looking/1", name="garden_centre")
    dry_run(world, stamp, "looking/2")
    made = set(world.context().objects.list("")) - before
    assert not [path for path in made if path.startswith(("event_sets/", "advertisers/corner_shop/days"))]
    assert world.deliver(stamp).events == {"accepted": 5}


def test_files_of_more_than_28_days_ago_are_not_compared(world: World) -> None:
    """A shop that comes back after a pause begins anew."""
    deliver_usual_files(world, 3)
    world.clock.advance(timedelta(days=29))
    stamp = world.drop(rows(1, 100, at="2026-12-20T12:00:00Z-0000"))
    world.simulator.control.advance_clock(world.clock.now().timestamp() - world.simulator.control.summary().now)
    assert world.deliver(stamp, world.context(**SIZE)).events == {"accepted": 100}


def test_the_largest_amount_is_not_the_sum(world: World) -> None:
    """Ten amounts of 10.00 break no limit of 50.00 for one; one of 60.00 does, whatever the sum may be."""
    world.init_ledger()
    guards: dict[str, Any] = {"guards": {"max_amount": 50.0, "max_value": 1000.0}}
    assert world.deliver(world.drop(rows(1, 10)), world.context(**guards)).events == {"accepted": 10}
    stamp = world.drop([*rows(11, 3), *rows(20, 1, amount="60.00")], name="second.csv")
    with pytest.raises(GuardError, match=r"a single amount is 120\.0 % of max_amount") as raised:
        world.deliver(stamp, world.context("daily/run-2", **guards))
    assert "max_value" not in str(raised.value)
    assert len(world.simulator.event_ids()) == 10


def test_the_largest_amount_itself_passes(world: World) -> None:
    """The limit is the largest amount that is allowed."""
    world.init_ledger()
    context = world.context(guards={"max_amount": 10.0})
    assert world.deliver(world.drop(rows(1, 2)), context).events == {"accepted": 2}


def test_a_sum_of_the_limit_itself_passes(world: World) -> None:
    """Twenty of 10.00 in total are not more than 20.00; a cent more than the limit is."""
    world.init_ledger()
    limit: dict[str, Any] = {"guards": {"max_value": 20.0}}
    assert world.deliver(world.drop(rows(1, 2)), world.context(**limit)).events == {"accepted": 2}
    stamp = world.drop([*rows(11, 1), *rows(20, 1, amount="10.01")], name="second.csv")
    with pytest.raises(GuardError, match=r"add up to 100\.1 % of max_value"):
        world.deliver(stamp, world.context("daily/run-2", **limit))


def test_files_of_28_days_ago_are_compared(world: World) -> None:
    """The last day of the window belongs to it."""
    deliver_usual_files(world, 3)
    world.clock.advance(timedelta(days=28))
    world.simulator.control.set_clock(world.clock.now().timestamp() - world.simulator.control.summary().now)
    with pytest.raises(GuardError, match="size_factor 3"):
        world.deliver(world.drop(rows(1, 100, at="2026-12-19T12:00:00Z-0000")), world.context(**SIZE))


@pytest.mark.parametrize("other", ["failed before", "opened later"])
def test_a_file_that_another_advertiser_will_not_send_is_delivered(world: World, other: str) -> None:
    """A failed delivery holds nothing back, and of two that are not planned yet the first goes on."""
    world.init_ledger()
    stamp = world.drop(rows(1, 5))
    ctx, others = world.context(), world.context("garden/run-1", name="garden_centre")
    if other == "failed before":
        state = others.deliveries.get(validate(others, stamp).delivery_id)
        others.deliveries.save(state, status="failed")
        world.clock.advance(timedelta(minutes=1))
        validate(ctx, stamp)
    else:
        validate(ctx, stamp)
        world.clock.advance(timedelta(minutes=1))
        validate(others, stamp)
    assert world.deliver(stamp, ctx).events == {"accepted": 5}


def test_what_stops_a_delivery_is_kept_with_it_until_nothing_does(world: World) -> None:
    """Those who are notified, and the summary, read it there; it is written once."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 5.0})
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    for _ in range(2):
        with pytest.raises(GuardError, match="max_amount"):
            dedupe(ctx, delivery)
        kept = Breached.of(ctx.deliveries.get(delivery))
        assert kept is not None
        (said,) = kept.breaches
        assert "max_amount" in said
    raised = world.context(guards={"max_amount": 10.0})
    dedupe(raised, delivery)
    assert Breached.of(raised.deliveries.get(delivery)) == Breached(breaches=())


def test_what_breaches_nothing_has_nothing_kept(world: World) -> None:
    """No note of a stop, and nobody was asked."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 10.0, "on_breach": "approve"})
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    assert breaches_to_ask(ctx, delivery) == ()
    dedupe(ctx, delivery)
    assert Breached.of(ctx.deliveries.get(delivery)) is None
    assert not was_asked(ctx, delivery)


def test_a_person_was_asked_though_the_limit_was_raised_since(world: World) -> None:
    """Whoever rejects the delivery then still decides about it."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 5.0, "on_breach": "approve"})
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    assert not was_asked(ctx, delivery)
    assert breaches_to_ask(ctx, delivery)
    raised = world.context(guards={"max_amount": 10.0, "on_breach": "approve"})
    assert breaches(raised, delivery) == ()
    assert was_asked(raised, delivery)


def test_what_stops_a_delivery_is_kept_before_anybody_is_asked(world: World) -> None:
    """Where guards stop and a person is asked about drift alone."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 5.0}, drift="approve")
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    with pytest.raises(GuardError, match="max_amount"):
        breaches_to_ask(ctx, delivery)
    kept = Breached.of(ctx.deliveries.get(delivery))
    assert kept is not None
    assert len(kept.breaches) == 1
    assert not was_asked(ctx, delivery)


def test_a_rejection_takes_an_earlier_approval_back(world: World) -> None:
    """The one who rejects comes last: what was approved before is not sent."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 5.0, "on_breach": "approve"})
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    found = breaches_to_ask(ctx, delivery)
    approve(ctx, delivery, found)
    reject(ctx, delivery, found, why="not this one")
    with pytest.raises(UnsettledError, match="not this one"):
        summarize(ctx, delivery)
    with pytest.raises(GuardError, match="max_amount"):
        dedupe(ctx, delivery)


def test_nobody_is_asked_any_more_once_nothing_is_breached(world: World) -> None:
    """A limit was raised while the question stood."""
    world.init_ledger()
    ctx = world.context(guards={"max_amount": 5.0, "on_breach": "approve"})
    delivery = validate(ctx, world.drop(rows(1, 2))).delivery_id
    normalize_hash(ctx, delivery)
    assert breaches_to_ask(ctx, delivery)
    assert was_asked(ctx, delivery)
    raised = world.context(guards={"max_amount": 500.0, "on_breach": "approve"})
    assert breaches_to_ask(raised, delivery) == ()
    assert not was_asked(raised, delivery)


def test_files_of_the_same_run_that_wait_for_returns_are_no_habit(world: World) -> None:
    """They are handled, too, though nothing of them was sent."""
    deliver_usual_files(world, 3)
    ctx = world.context(guards={"size_factor": 3.0, "on_breach": "approve"}, send_after_days=3)
    large = validate(ctx, world.drop(rows(1, 100), name="large.csv")).delivery_id
    normalize_hash(ctx, large)
    asked = breaches_to_ask(ctx, large)
    assert asked
    for number in range(4):
        world.deliver(world.drop(rows(2000 + 100 * number, 29), name=f"beside_{number}.csv"), ctx)
    assert breaches(ctx, large) == asked


def test_what_was_asked_about_a_closed_delivery_stays(world: World) -> None:
    """Clearing the task again asks nobody: what a person approved is part of the record."""
    world.init_ledger()
    ctx = world.context(guards={"max_events": 2, "on_breach": "approve"})
    stamp = world.drop(rows(1, 5))
    delivery = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery)
    approve(ctx, delivery, breaches_to_ask(ctx, delivery))
    assert world.deliver(stamp, ctx).events == {"accepted": 5}
    closed = ctx.deliveries.get(delivery)
    breaches_to_ask(ctx, delivery)
    assert ctx.deliveries.get(delivery) == closed
    assert was_asked(ctx, delivery)


def test_who_was_set_aside_stays_behind_approve_and_who_was_approved_before_goes_on(world: World) -> None:
    """The tasks behind ``approve`` send what was approved there; else two tasks would send one delivery."""
    world.init_ledger()
    ctx = world.context(guards={"max_events": 2, "on_breach": "approve"})
    behind, before, small = (
        validate(ctx, world.drop(rows(10 * number, size), name=f"{number}.csv")).delivery_id
        for number, size in ((1, 5), (2, 5), (3, 1))
    )
    for delivery in (behind, before, small):
        normalize_hash(ctx, delivery)
    assert leave_to_a_person(ctx, behind)
    for delivery in (behind, before):
        approve(ctx, delivery, breaches_to_ask(ctx, delivery))
    assert leave_to_a_person(ctx, behind)
    assert not leave_to_a_person(ctx, before)
    assert not leave_to_a_person(ctx, small)
    assert deliveries_set_aside(ctx) == [behind]
