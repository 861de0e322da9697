"""Which file stands where, and who works on it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerMissingError
from airflow_provider_tiktok_offline.ledger import Deliveries, audit, corrections, delivery_id
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import LEASE, World
from tests.servers.waiting import wait_until


def test_delivery_id_is_made_of_advertiser_and_digest() -> None:
    """Same file and advertiser, same id; another advertiser, another id; the digest's case does not matter."""
    assert delivery_id("shop", "ab" * 32) == delivery_id("shop", "AB" * 32)
    assert delivery_id("shop", "ab" * 32) != delivery_id("other", "ab" * 32)
    assert len(delivery_id("shop", "ab" * 32)) == 26


def test_as_of_is_fixed_by_the_first_entry(world: World) -> None:
    """A later entry by the same run does not move as_of."""
    delivery = world.enter("monday")
    first = world.deliveries.get(delivery).as_of
    world.clock.advance(timedelta(days=1))
    world.enter("monday")
    assert world.deliveries.get(delivery).as_of == first


def test_another_holder_waits_for_the_lease(world: World) -> None:
    """A living holder keeps the delivery; a heartbeat keeps it alive; then it is taken over."""
    delivery = world.enter("monday", "run-1")
    with pytest.raises(DeliveryHeldError, match="run-1"):
        world.enter("monday", "run-2")
    world.clock.advance(timedelta(seconds=LEASE - 1))
    mine = world.deliveries.heartbeat(world.deliveries.get(delivery))
    world.clock.advance(timedelta(seconds=LEASE - 1))
    with pytest.raises(DeliveryHeldError):
        world.enter("monday", "run-2")
    world.clock.advance(timedelta(seconds=2))
    world.enter("monday", "run-2")
    with pytest.raises(DeliveryHeldError, match="no longer holds"):
        world.deliveries.heartbeat(mine)


def test_steps_of_parallel_tasks_are_merged(world: World) -> None:
    """Mapped tasks of one run save their steps at once, and none is lost."""
    state = world.deliveries.get(world.enter("monday"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: world.deliveries.save(state, steps={f"upload-{n}": {"accepted": n}}), range(8)))
    assert set(world.deliveries.get(state.id).steps) == {f"upload-{n}" for n in range(8)}


def test_closed_is_returned_as_closed(world: World) -> None:
    """Nobody opens a closed delivery by entering it."""
    delivery = world.enter("monday", "run-1")
    world.deliveries.save(world.deliveries.get(delivery), status="closed")
    world.enter("monday", "run-2")
    assert world.deliveries.get(delivery).status == "closed"


def test_failed_may_be_entered_at_once(world: World) -> None:
    """A failed run has let go: the next need not wait for the lease."""
    delivery = world.enter("monday", "run-1")
    world.deliveries.save(world.deliveries.get(delivery), status="failed")
    world.enter("monday", "run-2")
    state = world.deliveries.get(delivery)
    assert (state.status, state.holder) == ("open", "run-2")


def test_same_digest_for_two_advertisers_is_seen(world: World) -> None:
    """The guard against a file in the wrong folder finds both advertisers."""
    for advertiser in ("shop", "other"):
        world.deliveries.enter(
            delivery_id(advertiser, "aa"),
            "run",
            DeliveredFile(advertiser=advertiser, route="tiktok", digest="aa", uri="/x", file_name="x", size=1),
            as_of=world.clock.now(),
        )
    assert world.deliveries.advertisers_of("aa") == ["other", "shop"]
    assert [state.advertiser for state in world.deliveries.list("shop")] == ["shop"]


def test_unknown_delivery_is_missing(world: World) -> None:
    """A delivery that was never opened is an error for get and None for find."""
    assert world.deliveries.find("d-unknown") is None
    with pytest.raises(LedgerMissingError):
        world.deliveries.get("d-unknown")


def test_list_is_oldest_first(world: World) -> None:
    """Deliveries are listed in the order in which they were opened."""
    for name in ("c", "a", "b"):
        world.enter(name)
        world.clock.advance(timedelta(minutes=1))
    listed = Deliveries(world.objects, world.clock).list("shop")
    assert [state.file_name for state in listed] == ["c.csv", "a.csv", "b.csv"]


def test_a_heartbeat_from_the_future_holds_nothing(world: World) -> None:
    """Its clock was ten days ahead: the next run goes on at once, and the former one notices."""
    world.clock.advance(timedelta(days=10))
    delivery = world.enter("monday", "ahead")
    held = world.deliveries.get(delivery)
    world.clock.advance(timedelta(days=-10))
    assert not world.deliveries.alive(held)
    world.enter("monday", "run-2")
    with pytest.raises(DeliveryHeldError, match="run-2"):
        world.deliveries.heartbeat(held)


def test_a_worker_whose_clock_is_minutes_ahead_holds_its_delivery(world: World) -> None:
    """Clocks differ a little; the one who waits is not told to wait longer than the lease."""
    world.clock.advance(timedelta(minutes=10))
    world.enter("monday", "ahead")
    world.clock.advance(timedelta(minutes=-10))
    with pytest.raises(DeliveryHeldError, match="ahead"):
        world.enter("monday", "run-2")


def test_a_broken_lease_lets_the_next_run_in_and_is_audited(world: World) -> None:
    """For a worker that is known to be gone."""
    delivery = world.enter("monday", "run-1")
    held = world.deliveries.get(delivery)
    corrections.break_lease(world.ledger(), delivery, reason="its machine burnt", actor="alice")
    world.enter("monday", "run-2")
    with pytest.raises(DeliveryHeldError, match="run-2"):
        world.deliveries.heartbeat(held)
    (entry,) = audit.entries(world.place)
    assert (entry["action"], entry["holder"], entry["actor"]) == ("break-lease", "run-1", "alice")


def _deliveries(objects: ObjectStore, offset: timedelta, lease_seconds: float = 300) -> Deliveries:
    """The deliveries as a worker sees them whose clock is wrong by so much."""
    return Deliveries(objects, SystemClock(offset), lease_seconds)


def _enter(deliveries: Deliveries, holder: str) -> str:
    name = delivery_id("shop", "aa")
    file = DeliveredFile(advertiser="shop", route="tiktok", digest="aa", uri="/x", file_name="x", size=1)
    return deliveries.enter(name, holder, file, as_of=datetime.now(UTC)).id


@pytest.mark.parametrize("mine", [-10, 10])
@pytest.mark.parametrize("other", [-10, 10])
def test_on_a_bucket_leases_are_judged_by_its_clock(s3_objects: ObjectStore, mine: int, other: int) -> None:
    """A living run keeps its delivery and a dead one's is free, though each worker's clock is days off."""
    holder = _deliveries(s3_objects, timedelta(days=mine), lease_seconds=2)
    name = _enter(holder, "run-1")
    second = _deliveries(s3_objects, timedelta(days=other), lease_seconds=2)
    with pytest.raises(DeliveryHeldError, match="run-1"):
        _enter(second, "run-2")
    wait_until(lambda: not second.alive(second.get(name)), "the lease has expired", seconds=30, every=0.1)
    assert second.get(_enter(second, "run-2")).holder == "run-2"
