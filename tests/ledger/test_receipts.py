"""Receipts say of each event what is known, and are durable in time."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock, SystemClock
from airflow_provider_tiktok_offline.errors import LedgerBusyError, StorageUnavailableError
from airflow_provider_tiktok_offline.ledger import receipts as receipts_module
from airflow_provider_tiktok_offline.ledger.event_states import OUTCOMES, RETRY_WINDOW
from airflow_provider_tiktok_offline.ledger.receipts import AttemptRules, PartReceipts
from airflow_provider_tiktok_offline.ledger.senders import Sender
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import START, World

_NO_DOUBTS = pl.DataFrame(schema={"event_key": pl.Binary, "first_attempt_at": pl.Datetime("us", "UTC")})


@pytest.fixture
def delivery(world: World) -> str:
    delivery = world.enter("monday")
    world.plan(delivery, range(10))
    return delivery


def _keys(world: World, delivery: str) -> pl.Series:
    return world.ledger().plan(delivery).part(0)["event_key"]


def _outcomes(world: World, delivery: str) -> dict[bytes, str]:
    with world.ledger().receipts(delivery, 0, "reader") as receipts:
        return dict(receipts.settled().select("event_key", "outcome").iter_rows())


def test_nothing_said_is_nothing_known(world: World, delivery: str) -> None:
    """An event without a receipt has no row."""
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        settled = receipts.settled()
    assert settled.is_empty()
    assert settled.schema == OUTCOMES


def test_attempt_is_durable_before_it_returns(world: World, delivery: str) -> None:
    """A process killed right after attempted() leaves its events in doubt, with the time of the attempt."""
    keys = _keys(world, delivery)
    world.ledger().receipts(delivery, 0, "run").attempted(keys[:3])
    with world.ledger().receipts(delivery, 0, "reader") as receipts:
        settled = receipts.settled()
    assert set(settled["outcome"]) == {"in_doubt"}
    assert set(settled["first_attempt_at"]) == {world.clock.now()}


def test_released_attempt_leaves_no_doubt(world: World, delivery: str) -> None:
    """What was definitely not taken is as if never tried; an earlier attempt's doubt stays."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:2])
        receipts.released(keys[:1])
        world.clock.advance(timedelta(hours=1))
        receipts.attempted(keys[1:2])
        receipts.released(keys[1:2])
    assert _outcomes(world, delivery) == {keys[1]: "in_doubt"}


def test_accepted_wins_over_everything(world: World, delivery: str) -> None:
    """An event that was once accepted is accepted, whatever a later or earlier try says."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:1])
        receipts.accepted(keys[:1], "r1")
        receipts.attempted(keys[:1])
        receipts.refused(keys[:1], 40002, "user", "r2")
    assert _outcomes(world, delivery) == {keys[0]: "accepted"}


def test_refusal_answers_earlier_doubts(world: World, delivery: str) -> None:
    """After a refusal nothing is in doubt, until it is tried again."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:1])
        receipts.attempted(keys[:1])
        receipts.refused(keys[:1], 40002, "user", "r2")
    assert _outcomes(world, delivery) == {keys[0]: "refused"}
    world.ledger().receipts(delivery, 0, "run").attempted(keys[:1])
    assert _outcomes(world, delivery) == {keys[0]: "in_doubt"}


def test_code_and_field_stay_with_their_batch(world: World, delivery: str) -> None:
    """Refusals that are flushed together keep each its own code and field."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys)
        receipts.refused(keys[:1], 40002, "user.email", "r1")
        receipts.refused(keys[1:3], 40062, None, "r2")
        receipts.flush()
        settled = receipts.settled().filter(pl.col("outcome") == "refused")
    by_key = {row["event_key"]: (row["code"], row["field"]) for row in settled.iter_rows(named=True)}
    assert by_key == {keys[0]: (40002, "user.email"), keys[1]: (40062, None), keys[2]: (40062, None)}


@pytest.mark.parametrize("looked", [True, False], ids=["after settled()", "at once"])
def test_a_doubt_may_be_sent_again_for_44_hours_to_the_second(world: World, delivery: str, looked: bool) -> None:
    """Whether or not anything was asked of the receipts before."""
    keys = _keys(world, delivery)
    world.ledger().receipts(delivery, 0, "run").attempted(keys[:1])
    world.clock.advance(RETRY_WINDOW - timedelta(seconds=1))
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        if looked:
            receipts.settled()
        receipts.attempted(keys[:1])
        world.clock.advance(timedelta(seconds=1))
        with pytest.raises(LedgerBusyError, match="too old"):
            receipts.attempted(keys[:1])
        receipts.attempted(keys[1:2])


def test_a_doubt_of_an_earlier_delivery_counts_from_its_first_attempt(world: World) -> None:
    """What was tried under another plan is no younger for that."""
    first = world.enter("monday")
    world.plan(first, [1, 2])
    world.send(first, [1, 2], answer=False)
    world.ledger().settle(first)
    world.ledger().release(first)
    world.clock.advance(RETRY_WINDOW - timedelta(seconds=1))
    second = world.enter("tuesday")
    world.plan(second, [1, 2])
    keys = _keys(world, second)
    with world.ledger().receipts(second, 0, "run") as receipts:
        receipts.attempted(keys[:1])
        world.clock.advance(timedelta(seconds=1))
        with pytest.raises(LedgerBusyError, match="too old"):
            receipts.attempted(keys[1:])


def test_an_attempt_of_the_same_try_grows_too_old_as_well(world: World, delivery: str) -> None:
    """A step that sleeps for two days between two attempts of its own."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:2])
        receipts.accepted(keys[1:2], "r1")
        world.clock.advance(RETRY_WINDOW)
        with pytest.raises(LedgerBusyError, match="too old"):
            receipts.attempted(keys[:1])


def test_what_is_known_to_have_arrived_is_recorded_at_any_age(world: World, delivery: str) -> None:
    """A feed file that lies at its destination: nothing is sent again."""
    keys = _keys(world, delivery)
    world.ledger().receipts(delivery, 0, "run").attempted(keys[:1])
    world.clock.advance(timedelta(days=5))
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.left_before(keys[:1])
        receipts.accepted(keys[:1], "feed.csv")
    assert _outcomes(world, delivery) == {keys[0]: "accepted"}


def test_a_try_that_slept_too_long_may_not_send(world: World, delivery: str) -> None:
    """What was young enough to be tried again when the receipts were read may be too old when it is sent."""
    keys = _keys(world, delivery)
    world.ledger().receipts(delivery, 0, "run").attempted(keys[:1])
    world.clock.advance(timedelta(hours=43))
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        assert set(receipts.settled()["outcome"]) == {"in_doubt"}
        world.clock.advance(timedelta(hours=2))
        with pytest.raises(LedgerBusyError, match="too old"):
            receipts.attempted(keys[:1])


class WatchedClock(ManualClock):
    """A clock that tells when the flushing in the background has looked at it."""

    def __init__(self) -> None:
        super().__init__(START)
        self._looks = threading.Semaphore(0)

    def monotonic(self) -> float:
        if threading.current_thread().name == "receipts":
            self._looks.release()
        return super().monotonic()

    def wait_for_looks(self, count: int) -> None:
        """Wait until it has looked again, so many times."""
        while self._looks.acquire(blocking=False):
            pass
        for _ in range(count):
            assert self._looks.acquire(timeout=10)


def test_answers_wait_for_half_of_five_seconds_and_no_longer(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of the ledger: not an object for each answer, and none that waits for a next one."""
    monkeypatch.setattr(receipts_module, "FLUSH_SECONDS", 0.2)
    clock = WatchedClock()
    # The clock stands far from zero, as that of a machine does.
    clock.advance(timedelta(hours=1))
    rules = AttemptRules(fence=lambda: None, in_doubt=_NO_DOUBTS, sender=Sender(objects, "sender", clock))
    with PartReceipts(objects, "r", "run", clock, rules) as receipts:
        receipts.accepted(pl.Series([b"k" * 16]), "r1")
        clock.advance(timedelta(seconds=0.09))
        clock.wait_for_looks(3)
        assert objects.list("r") == []
        clock.advance(timedelta(seconds=0.02))
        clock.wait_for_looks(1)
        deadline = time.monotonic() + 10
        while not objects.list("r") and time.monotonic() < deadline:
            threading.Event().wait(0.01)
        assert len(objects.list("r")) == 1


def test_answers_are_durable_within_five_seconds_though_nothing_more_happens(objects: ObjectStore) -> None:
    """The last answer before a silence is flushed in the background."""
    rules = AttemptRules(fence=lambda: None, in_doubt=_NO_DOUBTS, sender=Sender(objects, "sender", SystemClock()))
    receipts = PartReceipts(objects, "r", "run", SystemClock(), rules)
    key = pl.Series([b"k" * 16])
    receipts.attempted(key)
    receipts.accepted(key, "r1")
    begun = time.monotonic()
    while len(objects.list("r")) < 2 and time.monotonic() - begun < 10:
        threading.Event().wait(0.05)
    assert time.monotonic() - begun < 5.5
    receipts.close()


def test_a_store_that_refuses_is_told_to_the_sender(objects: ObjectStore) -> None:
    """A receipt that can't be written stops the sending, and is written when the store is back."""
    objects.put("r", b"a file where the folder should be")
    rules = AttemptRules(fence=lambda: None, in_doubt=_NO_DOUBTS, sender=Sender(objects, "sender", SystemClock()))
    receipts = PartReceipts(objects, "r", "run", SystemClock(), rules)
    with pytest.raises(StorageUnavailableError):
        receipts.attempted(pl.Series([b"k" * 16]))
    receipts.accepted(pl.Series([b"k" * 16]), "r1")
    with pytest.raises(StorageUnavailableError):
        receipts.flush()
    objects.delete("r")
    receipts.close()
    assert len(objects.list("r")) == 1


def test_the_first_attempt_is_when_it_left_and_not_when_it_was_answered(world: World, delivery: str) -> None:
    """Of an accepted event, too: its 44 hours count from the first request that carried it."""
    keys = _keys(world, delivery)
    left = world.clock.now()
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:1])
        world.clock.advance(timedelta(hours=1))
        receipts.attempted(keys[:1])
        world.clock.advance(timedelta(hours=1))
        receipts.accepted(keys[:1], "r1")
    with world.ledger().receipts(delivery, 0, "reader") as receipts:
        settled = receipts.settled()
    assert settled.select("outcome", "first_attempt_at").rows() == [("accepted", left)]


def test_an_answer_that_waits_to_be_written_stands_before_the_next_attempt(world: World, delivery: str) -> None:
    """An event that was refused and is then tried again is in doubt, though answers are written in batches."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys[:1])
        receipts.refused(keys[:1], 40002, "user", "r1")
        receipts.attempted(keys[:1])
    assert _outcomes(world, delivery) == {keys[0]: "in_doubt"}


def test_a_try_that_ended_politely_is_waited_for_by_nobody(world: World, delivery: str) -> None:
    """Its receipts are complete: the next try of the part goes on at once, on another machine too."""
    keys = _keys(world, delivery)
    with world.ledger().receipts(delivery, 0, "first") as receipts:
        assert not receipts.take_over()
        receipts.attempted(keys)
        receipts.accepted(keys, "request")
    before = world.clock.monotonic()
    with world.ledger().receipts(delivery, 0, "second") as receipts:
        assert receipts.take_over()
        assert receipts.settled().height == 10
    assert world.clock.monotonic() == before


def test_a_try_that_has_not_read_what_was_said_before_adds_its_answers(world: World, delivery: str) -> None:
    """It can't repeat the others' receipts in one object; nothing of theirs or of its own is lost."""
    keys = _keys(world, delivery)
    for some in (keys[:5], keys[5:]):
        with world.ledger().receipts(delivery, 0, "run") as receipts:
            receipts.take_over()
            receipts.attempted(some)
            receipts.accepted(some, "request")
            receipts.finish()
    assert set(_outcomes(world, delivery).values()) == {"accepted"}
    assert len(_outcomes(world, delivery)) == 10
