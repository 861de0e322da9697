"""The ledger forgets what is too old, and nothing sooner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.ledger import audit
from airflow_provider_tiktok_offline.ledger.maintenance import compact, expire, vacuum
from tests.ledger.world import World
from tests.servers.old_objects import age_objects


def test_keys_expire_after_the_retention(world: World) -> None:
    """A key goes when it is older than the retention, a younger one stays, and so does the record."""
    world.deliver("old", range(5))
    world.ledger().records.append({"delivery_id": "d-1"})
    world.clock.advance(timedelta(days=60))
    world.deliver("young", range(5, 10))
    assert expire(world.ledger(), retention_days=90).keys == 0
    world.clock.advance(timedelta(days=31))
    assert expire(world.ledger(), retention_days=90).keys == 5
    assert world.ledger().table.snapshot().rows == 5
    assert world.ledger().records.read().height == 1


def test_retention_is_never_under_lookback_and_two_days(world: World) -> None:
    """A retention shorter than that is not followed: what may come again is remembered."""
    world.deliver("old", range(5))
    world.clock.advance(timedelta(days=30))
    world.deliver("young", range(5, 10))
    assert expire(world.ledger(), retention_days=3, lookback_days=28).keys == 0
    world.clock.advance(timedelta(days=1))
    assert expire(world.ledger(), retention_days=3, lookback_days=28).keys == 5


def test_a_wrong_clock_does_not_empty_the_ledger(world: World) -> None:
    """Where every key would go, all stay."""
    world.deliver("old", range(5))
    world.clock.advance(timedelta(days=4000))
    assert expire(world.ledger()).keys == 0


def test_old_deliveries_leave_their_plans_and_receipts(world: World) -> None:
    """They go with the retention of keys; the delivery's state stays as long as its record."""
    world.deliver("old", range(5))
    world.clock.advance(timedelta(days=50))
    expire(world.ledger())
    world.clock.advance(timedelta(days=50))
    age_objects(world.objects)
    gone = expire(world.ledger())
    assert gone.objects > 0
    assert world.ledger().known_deliveries() == []
    assert len(world.deliveries.list("shop")) == 1


def test_what_is_at_work_is_left_alone(world: World) -> None:
    """Maintenance beside a delivery takes nothing from it."""
    delivery = world.enter("monday")
    world.plan(delivery, range(5))
    expire(world.ledger())
    compact(world.ledger())
    vacuum(world.ledger(), retention_hours=0)
    world.send(delivery, range(5))
    assert world.ledger().settle(delivery).accepted == 5


def test_compaction_and_vacuum_keep_every_key(world: World) -> None:
    """Merging files and trimming the log changes nothing that the ledger says."""
    for number in range(8):
        world.deliver(f"file{number}", [number])
    assert compact(world.ledger()) == 7
    assert vacuum(world.ledger(), retention_hours=0) >= 7
    assert world.verdicts(range(9)) == {"already_sent": 8, "new": 1}
    world.deliver("later", [8])
    assert compact(world.ledger()) == 1
    assert world.verdicts(range(9)) == {"already_sent": 9}


def test_a_clock_that_jumped_forgets_nothing_however_often_it_is_asked(world: World) -> None:
    """A dead claim makes a row of the wrong day, so that not every key is old any more: they stay all the same."""
    world.deliver("old", range(5))
    world.plan(world.enter("dead"), range(5, 8))
    expire(world.ledger())
    world.clock.advance(timedelta(days=95))
    for _ in range(3):
        assert expire(world.ledger()).clock_doubt is not None
        world.deliver(f"{world.clock.now():%j}", range(10, 12))
        world.clock.advance(timedelta(days=1))
    assert world.verdicts(range(5)) == {"already_sent": 5}
    assert expire(world.ledger(), clock_trusted_by="cli/test").keys == 5
    assert expire(world.ledger()).clock_doubt is None
    [noted] = audit.entries(world.place)
    assert (noted["action"], noted["actor"]) == ("trust-clock", "cli/test")
    assert "ahead of the last maintenance" in noted["reason"]


@pytest.mark.parametrize("days", [-2, 70])
def test_a_ledger_from_before_this_check_is_judged_by_its_newest_row(world: World, days: int) -> None:
    """There is no note of an earlier maintenance yet."""
    world.deliver("old", range(5))
    world.clock.advance(timedelta(days=days))
    assert expire(world.ledger()).clock_doubt is not None
