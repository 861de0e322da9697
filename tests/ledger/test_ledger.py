"""What the ledger says of an event, through all that can happen to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    LedgerBusyError,
    LedgerDamagedError,
    LedgerMissingError,
    LedgerVersionError,
)
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.corrections import acknowledge_identity, switch_route
from airflow_provider_tiktok_offline.ledger.event_keys import secret_from_text
from airflow_provider_tiktok_offline.ledger.event_states import RETRY_WINDOW
from airflow_provider_tiktok_offline.ledger.plan import receipts_folder
from airflow_provider_tiktok_offline.storage.backends.cloud_objects import CloudObjects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import EVENT_SET, IDENTITY, LEASE, LOOKBACK, START, World, event_id


def test_missing_ledger_stops(objects: ObjectStore) -> None:
    """Without init nothing can be opened: an empty ledger would send everything again."""
    with pytest.raises(LedgerMissingError, match="ledger init"):
        Ledger.open(objects, EVENT_SET, identity=IDENTITY, clock=ManualClock(START))


def test_init_again_keeps_what_is_there(world: World) -> None:
    """A second init forgets nothing."""
    world.deliver("monday", range(5))
    Ledger.init(world.objects, EVENT_SET, identity=IDENTITY, clock=world.clock)
    assert world.verdicts(range(5)) == {"already_sent": 5}


def test_init_by_several_at_once_makes_one_ledger(objects: ObjectStore) -> None:
    """Whoever comes first, all end with the same ledger and the same secret."""
    with ThreadPoolExecutor(4) as pool:
        worlds = list(pool.map(lambda _: World(objects), range(4)))
    keys = {world.ledger().keys(pl.Series([event_id(1)]))[0] for world in worlds}
    assert len(keys) == 1


def test_event_key_is_keyed_sha256(world: World) -> None:
    """The key is the first 16 bytes of SHA-256 over secret and event id."""
    found = world.objects.get(f"event_sets/{EVENT_SET}/secret")
    assert found is not None
    expected = [hashlib.sha256(found[0] + event_id(n).encode()).digest()[:16] for n in range(100)]
    assert world.ledger().keys(pl.Series([event_id(n) for n in range(100)])).to_list() == expected


def test_two_ledgers_give_one_event_different_keys(world: World) -> None:
    """Another event set's secret makes other keys of the same event ids."""
    other = Ledger.init(world.objects, "7000000000000000002", identity=IDENTITY, clock=world.clock)
    ids = pl.Series([event_id(1)])
    assert world.ledger().keys(ids).to_list() != other.keys(ids).to_list()


def test_accepted_is_already_sent_for_others(world: World) -> None:
    """What one file delivered is passed over in the next."""
    world.deliver("monday", range(10))
    second = world.deliver("tuesday", range(5, 15))
    assert (second.planned, second.accepted) == (5, 5)
    assert second.verdicts["already_sent"] == 5
    world.each_once(range(15))


def test_other_amount_is_changed_after_sent(world: World) -> None:
    """An event that was sent with another amount is reported, not sent."""
    world.deliver("monday", range(3))
    assert world.verdicts(range(3), amount="11.00") == {"changed_after_sent": 3}


def test_too_old_is_expired(world: World) -> None:
    """A transaction older than the lookback, in real time, is not planned: to the second."""
    edge = timedelta(days=28, hours=world.clock.now().hour)
    assert world.verdicts([1], age=edge) == {"new": 1}
    assert world.verdicts([1], age=edge + timedelta(seconds=1)) == {"expired": 1}


def test_a_doubt_is_retried_for_44_hours_to_the_second(world: World) -> None:
    """Four hours before TikTok would take the event a second time."""
    delivery = world.enter("monday")
    world.plan(delivery, [1])
    world.send(delivery, [1], answer=False)
    world.ledger().settle(delivery)
    world.ledger().release(delivery)
    world.clock.advance(timedelta(hours=44) - timedelta(seconds=1))
    assert world.verdicts([1]) == {"in_doubt": 1}
    world.clock.advance(timedelta(seconds=1))
    assert world.verdicts([1]) == {"in_doubt_old": 1}


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [(timedelta(minutes=59), "in_doubt"), (timedelta(hours=2), "in_doubt_old"), (timedelta(days=10), "in_doubt_old")],
)
def test_a_doubt_from_a_clock_that_was_ahead_is_not_retried(world: World, ahead: timedelta, verdict: str) -> None:
    """Nobody knows how long ago the attempt was: three days later TikTok would take the event a second time."""
    right = world.clock.now()
    world.clock.advance(ahead)
    delivery = world.enter("monday")
    world.plan(delivery, [1])
    world.send(delivery, [1], answer=False)
    world.ledger().settle(delivery)
    world.ledger().release(delivery)
    world.clock.advance(right - world.clock.now())
    assert world.verdicts([1]) == {verdict: 1}


def test_a_doubt_stays_a_doubt_when_it_leaves_the_lookback(world: World) -> None:
    """What may have been taken is not *expired*, though it is too old to be tried again."""
    age = timedelta(days=28, hours=world.clock.now().hour)
    delivery = world.enter("monday")
    world.plan(delivery, [1], age=age)
    world.send(delivery, [1], answer=False)
    world.ledger().settle(delivery)
    world.ledger().release(delivery)
    assert world.verdicts([1], age=age) == {"in_doubt": 1}
    day = timedelta(days=1)
    world.clock.advance(day)
    assert day < RETRY_WINDOW
    assert world.verdicts([1], age=age + day) == {"in_doubt_old": 1}
    plan = world.plan(delivery, [1], age=age + day)
    assert (plan.counts["in_doubt_old"], plan.counts["expired"], plan.to_send) == (1, 0, 0)


def test_claimed_by_a_living_delivery_is_held(world: World) -> None:
    """What another open delivery has claimed is left to it."""
    first, second = world.enter("monday", "run-1"), world.enter("tuesday", "run-2")
    world.plan(first, range(5))
    assert world.plan(second, range(8)).counts["held"] == 5


def test_held_is_taken_up_by_the_next_round(world: World) -> None:
    """Once the other delivery has let go, a retry's new plan takes what is left."""
    first, second = world.enter("monday", "run-1"), world.enter("tuesday", "run-2")
    world.plan(first, range(5))
    world.plan(second, range(8))
    world.send(second, range(8))
    world.ledger().settle(second)
    world.ledger().release(first)
    assert world.plan(second, range(8)).counts["new"] == 5
    world.send(second, range(8))
    world.each_once(range(8))


def test_plan_stays_as_it_is(world: World) -> None:
    """Dedupe of a delivery under way returns the same plan, whatever happened beside it."""
    first = world.enter("monday")
    made = world.plan(first, range(5))
    world.deliver("tuesday", range(5, 9))
    again = world.plan(first, range(9))
    assert (again.round, again.counts) == (made.round, made.counts)
    assert again.part(0).equals(made.part(0))


def test_dedupe_that_broke_off_finds_its_own_claims(world: World) -> None:
    """A dedupe killed between claim and plan is repeated without losing an event."""
    delivery = world.enter("monday")
    frame = world.frame(range(5))

    def parts() -> Iterator[tuple[int, pl.DataFrame]]:
        yield 0, frame.head(2)
        yield 1, frame.tail(3)
        raise KeyboardInterrupt

    ledger = world.ledger()
    with pytest.raises(KeyboardInterrupt):
        ledger.dedupe(delivery, parts(), route="tiktok", now=world.clock.now(), lookback=LOOKBACK)
    assert sum(world.plan(delivery, range(5)).events.values()) == 5


def test_expired_lease_lets_another_take_over(world: World) -> None:
    """What a dead delivery claimed and never sent goes out with another one."""
    first = world.enter("monday", "run-1")
    world.plan(first, range(5))
    world.clock.advance(timedelta(seconds=LEASE + 1))
    world.deliver("tuesday", range(5))
    world.each_once(range(5))


def test_paused_sender_is_stopped_after_the_take_over(world: World) -> None:
    """A sender that wakes after its claims were taken over may not send."""
    first = world.enter("monday", "run-1")
    planned = world.plan(first, range(5))
    paused = world.ledger().receipts(first, 0, "run-1")
    world.clock.advance(timedelta(seconds=LEASE + 1))
    world.deliver("tuesday", range(5))
    with pytest.raises(LedgerBusyError, match="took over"):
        paused.attempted(planned.part(0)["event_key"])
    paused.close()
    world.each_once(range(5))


def test_old_plan_is_void_though_the_delivery_claimed_anew(world: World) -> None:
    """A paused first try is stopped also where the same delivery planned again after the take-over."""
    first = world.enter("monday", "run-1")
    planned = world.plan(first, range(5))
    paused = world.ledger().receipts(first, 0, "run-1")
    world.clock.advance(timedelta(seconds=LEASE + 1))
    world.deliver("tuesday", range(3))
    world.enter("monday", "run-1")
    assert world.plan(first, range(5)).counts["new"] == 2
    with pytest.raises(LedgerBusyError):
        paused.attempted(planned.part(0)["event_key"])
    paused.close()


def test_in_doubt_is_retried_within_44_hours_only(world: World) -> None:
    """An event without an answer may be tried again by itself until 44 hours after its first attempt."""
    first = world.enter("monday", "run-1")
    world.plan(first, range(3))
    world.send(first, range(3), answer=False)
    world.ledger().settle(first)
    world.clock.advance(timedelta(hours=43))
    assert world.verdicts(range(3), first) == {"in_doubt": 3}
    world.clock.advance(timedelta(hours=2))
    assert world.verdicts(range(3), first) == {"in_doubt_old": 3}


def test_first_attempt_is_remembered_across_deliveries(world: World) -> None:
    """A second try by another delivery does not start the 44 hours anew."""
    first = world.enter("monday", "run-1")
    world.plan(first, [1])
    world.send(first, [1], answer=False)
    world.clock.advance(timedelta(hours=40))
    second = world.enter("tuesday", "run-2")
    assert world.plan(second, [1]).counts["in_doubt"] == 1
    world.send(second, [1], answer=False)
    settlement = world.ledger().settle(second)
    assert settlement.in_doubt == 1
    world.clock.advance(timedelta(hours=5))
    assert world.verdicts([1], second) == {"in_doubt_old": 1}


def test_settlement_adds_up(world: World) -> None:
    """Every planned event is accepted, refused, in doubt or not sent."""
    delivery = world.enter("monday")
    keys = world.plan(delivery, range(20)).part(0)["event_key"]
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:10])
        receipts.accepted(keys[:4], "a")
        receipts.refused(keys[4:6], 40002, "user.email", "b")
        receipts.released(keys[6:7])
    found = world.ledger().settle(delivery)
    assert (found.planned, found.accepted, found.refused, found.in_doubt, found.not_sent) == (20, 4, 2, 3, 11)
    assert found.request_ids == ("a", "b")


def test_settling_twice_changes_nothing(world: World) -> None:
    """Settling is idempotent, also by another process, and goes on where more receipts came."""
    delivery = world.enter("monday")
    world.plan(delivery, range(6))
    world.send(delivery, range(3))
    world.ledger().settle(delivery)
    version = world.ledger().table.snapshot().version
    world.ledger().settle(delivery)
    assert world.ledger().table.snapshot().version == version
    world.send(delivery, range(6))
    world.ledger().settle(delivery)
    assert world.ledger().table.snapshot().rows == 6


def test_refused_is_not_sent_again_unless_asked(world: World) -> None:
    """A refused event stays refused for every file, until somebody asks for a retry."""
    delivery = world.enter("monday")
    keys = world.plan(delivery, [1]).part(0)["event_key"]
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys)
        receipts.refused(keys, 40002, "user.email", "b")
    world.ledger().settle(delivery)
    world.deliveries.save(world.deliveries.get(delivery), status="closed")
    other = world.enter("tuesday")
    assert world.plan(other, [1]).counts["refused"] == 1
    again = world.ledger().dedupe(
        other, [(0, world.frame([1]))], route="tiktok", now=world.clock.now(), lookback=LOOKBACK, retry_refused=True
    )
    assert again.counts["new"] == 1


def test_newer_schema_is_refused(world: World) -> None:
    """A ledger that a newer package wrote is not touched."""
    path = f"event_sets/{EVENT_SET}/meta.json"
    found = world.objects.get(path)
    assert found is not None
    world.objects.put(path, found[0].replace(b'"schema":1', b'"schema":2'))
    with pytest.raises(LedgerVersionError, match="newer package"):
        world.ledger()


def test_changed_identity_is_refused_until_acknowledged(world: World) -> None:
    """Settings that enter the event id can't change in silence; the cut-over makes the past count as sent."""
    changed = replace(IDENTITY, event_set={**IDENTITY.event_set, "basket": "order"})
    with pytest.raises(LedgerVersionError, match="basket"):
        Ledger.open(world.objects, EVENT_SET, identity=changed, clock=world.clock)
    acknowledge_identity(
        world.place, settings=changed, send_from=world.clock.now() - timedelta(hours=2),
        reason="baskets from today", actor="cli/test",
    )  # fmt: skip
    opened = Ledger.open(world.objects, EVENT_SET, identity=changed, clock=world.clock)
    assert opened.send_from == datetime(2026, 3, 2, 4, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "event_key": opened.keys(pl.Series([event_id(1), event_id(2)])),
            "content": [b"1", b"2"],
            "event_time": [int((START - timedelta(hours=h)).timestamp()) for h in (3, 1)],
        }
    )
    verdicts = opened.look(frame, now=world.clock.now(), lookback=LOOKBACK)
    assert verdicts.to_list() == ["already_sent", "new"]


def test_one_live_route_at_a_time(world: World) -> None:
    """A second route is refused until the first was given up."""
    world.ledger().use_route("liveramp")
    with pytest.raises(ConfigError, match="liveramp"):
        world.ledger().use_route("tiktok")
    switch_route(world.ledger(), "tiktok", reason="direct from now on", actor="cli/test")
    world.ledger().use_route("tiktok")


def test_secret_from_a_connection(objects: ObjectStore) -> None:
    """Where a connection holds the secret, none lies beside the ledger, and it is needed to open it."""
    clock = ManualClock(START)
    Ledger.init(objects, EVENT_SET, identity=IDENTITY, clock=clock, secret=b"s" * 32)
    assert objects.get(f"event_sets/{EVENT_SET}/secret") is None
    with pytest.raises(LedgerDamagedError, match="connection"):
        Ledger.open(objects, EVENT_SET, identity=IDENTITY, clock=clock)
    Ledger.open(objects, EVENT_SET, identity=IDENTITY, clock=clock, secret=b"s" * 32)
    with pytest.raises(LedgerDamagedError, match="not the one"):
        Ledger.open(objects, EVENT_SET, identity=IDENTITY, clock=clock, secret=b"t" * 32)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("0f" * 32, b"\x0f" * 32),
        ("0f" * 31, hashlib.sha256(b"0f" * 31).digest()),
        ("a password of the shop", hashlib.sha256(b"a password of the shop").digest()),
    ],
    ids=["64 hex digits", "62 hex digits", "other text"],
)
def test_the_secret_that_a_password_stands_for_stays_the_same(text: str, secret: bytes) -> None:
    """In every release: with another one every event would be new."""
    assert secret_from_text(text) == secret


def test_many_small_deliveries_are_merged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files stays bounded, so that dedupe costs by rows and not by files."""
    monkeypatch.setattr("airflow_provider_tiktok_offline.ledger.ledger._MANY_FILES", 5)
    for number in range(12):
        world.deliver(f"file{number}", [number])
    assert len(world.ledger().table.snapshot().files) <= 6
    assert world.verdicts(range(12)) == {"already_sent": 12}


@pytest.mark.parametrize("store", ["s3_objects", "gcs_objects"])
def test_object_stores_keep_the_same_promises(
    request: pytest.FixtureRequest, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery, a second one over the same events and a take-over, on S3 and on Google Cloud Storage."""
    # The bucket's own clock can't be moved; tests/ledger/test_deliveries.py judges leases by it.
    monkeypatch.setattr(CloudObjects, "has_own_clock", False)
    world = World(request.getfixturevalue(store))
    world.deliver("monday", range(10))
    second = world.enter("tuesday", "run-2")
    world.plan(second, range(5, 15))
    world.clock.advance(timedelta(seconds=LEASE + 1))
    world.deliver("wednesday", range(20))
    world.each_once(range(20))


def test_rows_carry_the_version_that_they_became_part_of(world: World) -> None:
    """Of two rows of one event the newer one counts, whoever wrote them."""
    for number, name in enumerate(("monday", "tuesday")):
        world.deliver(name, range(3 * number, 3 * number + 3))
        table = world.ledger().table
        snapshot = table.snapshot()
        newest = table.collect(table.scan(snapshot.files, ["seq"]))["seq"].max()
        assert newest == snapshot.version


def test_a_part_with_the_same_characters_cut_otherwise_is_another_part(world: World) -> None:
    """The fingerprint of a part covers where each event id ends."""
    ledger = world.ledger()
    whole, cut = pl.Series(["v2-ab", "c"]), pl.Series(["v2-a", "bc"])
    assert ledger.fingerprint(whole) == ledger.fingerprint(pl.Series(["v2-ab", "c"]))
    assert ledger.fingerprint(whole) != ledger.fingerprint(cut)


def test_a_claim_of_a_delivery_that_beats_is_alive_however_old(world: World) -> None:
    """The heartbeat counts, not the moment of the claim."""
    first, second = world.enter("monday", "run-1"), world.enter("tuesday", "run-2")
    world.plan(first, range(5))
    for _ in range(3):
        world.clock.advance(timedelta(seconds=LEASE / 2))
        world.deliveries.heartbeat(world.deliveries.get(first))
    assert world.plan(second, range(8)).counts["held"] == 5


def test_a_damaged_receipt_is_named_when_it_is_folded(world: World) -> None:
    """As the damage that it is, not as a fault of the table's writer."""
    delivery = world.enter("monday")
    plan = world.plan(delivery, range(3))
    world.send(delivery, range(3))
    path = sorted(world.objects.list(receipts_folder(world.ledger().root, plan, 0)))[-1]
    found = world.objects.get(path)
    assert found is not None
    world.objects.put(path, found[0][:-1])
    with pytest.raises(LedgerDamagedError):
        world.ledger().settle(delivery)


def test_a_sale_of_the_very_moment_of_the_cut_over_is_sent(world: World) -> None:
    """What came before the moment counts as sent; the moment itself and what follows do not."""
    cut_over = world.clock.now() - timedelta(hours=1)
    changed = replace(IDENTITY, event_set={**IDENTITY.event_set, "basket": "order"})
    acknowledge_identity(world.place, settings=changed, send_from=cut_over, reason="baskets", actor="cli/test")
    opened = Ledger.open(world.objects, EVENT_SET, identity=changed, clock=world.clock)
    at = int(cut_over.timestamp())
    frame = pl.DataFrame(
        {
            "event_key": opened.keys(pl.Series([event_id(number) for number in range(3)])),
            "content": [b"1"] * 3,
            "event_time": [at - 1, at, at + 1],
        }
    )
    verdicts = opened.look(frame, now=world.clock.now(), lookback=LOOKBACK)
    assert verdicts.to_list() == ["already_sent", "new", "new"]


def test_a_plan_made_in_several_looks_is_one_plan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large delivery is checked against the ledger part by part: one claim, every event once."""
    monkeypatch.setattr("airflow_provider_tiktok_offline.ledger.ledger._BATCH_EVENTS", 1)
    monkeypatch.setattr("airflow_provider_tiktok_offline.ledger.key_sweep._BATCH_EVENTS", 1)
    world.deliver("monday", range(2))
    parts = [(index, world.frame(range(2 * index, 2 * index + 2))) for index in range(3)]
    plan = world.ledger().dedupe(
        world.enter("tuesday"), parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK
    )  # fmt: skip
    assert (plan.counts["already_sent"], plan.to_send) == (2, 4)
    assert len(world.ledger().claims.read().claims) == 1
