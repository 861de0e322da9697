"""One object holds what a part's receipts said when its upload ended; nothing depends on its being there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, StorageUnavailableError
from airflow_provider_tiktok_offline.ledger.receipt_files import any_accepted, read_receipts
from airflow_provider_tiktok_offline.ledger.receipt_history import outcomes_of
from airflow_provider_tiktok_offline.ledger.receipts import AttemptRules, PartReceipts
from airflow_provider_tiktok_offline.ledger.senders import Sender
from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import World
from tests.servers.dying import DiedError, DyingStore, Life

_NO_DOUBTS = pl.DataFrame(schema={"event_key": pl.Binary, "first_attempt_at": pl.Datetime("us", "UTC")})


def _keys(*numbers: int) -> pl.Series:
    return pl.Series("event_key", [number.to_bytes(16, "big") for number in numbers], dtype=pl.Binary)


def _receipts(objects: ObjectStore, folder: str = "receipts/0") -> PartReceipts:
    clock = ManualClock(datetime(2026, 11, 22, 9, tzinfo=UTC))
    rules = AttemptRules(fence=lambda: None, in_doubt=_NO_DOUBTS, sender=Sender(objects, f"{folder}-sender", clock))
    return PartReceipts(objects, folder, "run", clock, rules)


def _outcomes(objects: ObjectStore, paths: list[str]) -> pl.DataFrame:
    return outcomes_of(read_receipts(objects, paths), _NO_DOUBTS)


class Counting(LocalObjects):
    """Notes what is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.read: list[str] = []

    def get(self, path: str) -> tuple[bytes, str] | None:
        self.read.append(path)
        return super().get(path)


def test_a_part_that_was_sent_is_read_from_one_object(tmp_path: Path) -> None:
    objects = Counting(tmp_path)
    with _receipts(objects) as receipts:
        receipts.settled()
        receipts.attempted(_keys(1, 2))
        receipts.accepted(_keys(1), "r1")
        receipts.attempted(_keys(3))
        receipts.refused(_keys(2), 40002, "user", "r2")
        receipts.finish()
    objects.read.clear()
    found = _outcomes(objects, objects.list("receipts/0"))
    assert len(objects.read) == 1
    assert dict(found.select(pl.col("event_key").bin.encode("hex").str.tail(1), "outcome").iter_rows()) == {
        "1": "accepted",
        "2": "refused",
        "3": "in_doubt",
    }


def test_a_later_try_finds_what_was_folded_and_folds_it_again(tmp_path: Path) -> None:
    """The receipts of three tries, in one object: each says once what it said."""
    objects = Counting(tmp_path)
    for number in (1, 2, 3):
        with _receipts(objects) as receipts:
            receipts.settled()
            receipts.attempted(_keys(number, 9))
            receipts.released(_keys(9))
            receipts.accepted(_keys(number), f"r{number}")
            receipts.finish()
    objects.read.clear()
    paths = objects.list("receipts/0")
    assert set(_outcomes(objects, paths)["outcome"]) == {"accepted"}
    assert len(objects.read) == 1
    names = [receipt.name for receipt in read_receipts(objects, paths)]
    assert len(names) == len(set(names)) == 9


def test_a_late_receipt_is_found_beside_what_was_folded(tmp_path: Path) -> None:
    """Of an earlier try that wrote its last answers when a later one had ended."""
    objects = LocalObjects(tmp_path)
    early, late = _receipts(objects), _receipts(objects)
    early.attempted(_keys(1, 2))
    early.accepted(_keys(1), "r1")
    with late:
        late.settled()
        late.attempted(_keys(3))
        late.accepted(_keys(3), "r3")
        late.finish()
    before = _outcomes(objects, objects.list("receipts/0"))
    early.finish()
    after = _outcomes(objects, objects.list("receipts/0"))
    assert dict(before["outcome"].value_counts().iter_rows()) == {"in_doubt": 2, "accepted": 1}
    assert dict(after["outcome"].value_counts().iter_rows()) == {"in_doubt": 1, "accepted": 2}


def test_a_try_that_has_nothing_to_say_writes_nothing(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    for _ in range(2):
        with _receipts(objects) as receipts:
            if receipts.settled().is_empty():
                receipts.attempted(_keys(1))
                receipts.accepted(_keys(1), "r1")
            receipts.finish()
    assert len(objects.list("receipts/0")) == 2


def test_a_fold_that_can_t_be_written_is_an_error_where_answers_wait_for_it_alone(tmp_path: Path) -> None:
    class Refusing(LocalObjects):
        refuses = False

        def create(self, path: str, content: bytes) -> bool:
            if self.refuses:
                raise StorageUnavailableError("no answer", where=path)
            return super().create(path, content)

    objects = Refusing(tmp_path)
    receipts = _receipts(objects)
    receipts.settled()
    receipts.attempted(_keys(1))
    receipts.accepted(_keys(1), "r1")
    objects.refuses = True
    with pytest.raises(StorageUnavailableError):
        receipts.finish()
    objects.refuses = False
    receipts.attempted(_keys(2))
    receipts.released(_keys(2))
    receipts.flush()
    objects.refuses = True
    receipts.finish()
    objects.refuses = False
    receipts.close()
    assert set(_outcomes(objects, objects.list("receipts/0"))["outcome"]) == {"accepted"}


def test_a_fold_that_was_cut_off_is_damage(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    with _receipts(objects) as receipts:
        receipts.settled()
        receipts.attempted(_keys(1))
        receipts.accepted(_keys(1), "r1")
        receipts.finish()
    folded = objects.list("receipts/0")[-1]
    assert folded.endswith("-folded-accepted")
    stored = objects.get(folded)
    assert stored is not None
    objects.put(folded, stored[0][:-1])
    with pytest.raises(LedgerDamagedError):
        _outcomes(objects, objects.list("receipts/0"))


def test_names_say_whether_something_was_accepted(tmp_path: Path) -> None:
    """And where those of the first releases don't, the receipts do."""
    objects = Counting(tmp_path)
    for folder, kind in (("a", "released"), ("b", "accepted")):
        with _receipts(objects, f"receipts/{folder}") as receipts:
            receipts.attempted(_keys(1))
            receipts.released(_keys(1)) if kind == "released" else receipts.accepted(_keys(1), "r1")
    objects.read.clear()
    assert not any_accepted(objects, objects.list("receipts/a"))
    assert any_accepted(objects, objects.list("receipts/b"))
    assert not objects.read
    for path in objects.list("receipts/b"):
        stored = objects.get(path)
        assert stored is not None
        objects.put(f"old/{'-'.join(path.rpartition('/')[2].split('-')[:2])}", stored[0])
    assert any_accepted(objects, objects.list("old"))


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["attempted", "accepted", "refused", "released", "finish", "next try"]),
        st.sets(st.integers(0, 5), min_size=1),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=_STEPS)
def test_what_is_folded_says_what_the_receipts_say_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[int]]]
) -> None:
    """Whatever was written, in however many tries: without the folded objects' repetition nothing changes."""
    folding, plain = (LocalObjects(tmp_path_factory.mktemp("store")) for _ in range(2))
    sinks = [_receipts(folding), _receipts(plain)]
    for each in sinks:
        each.settled()
    for step, numbers in steps:
        keys = _keys(*sorted(numbers))
        if step == "next try":
            for each in sinks:
                each.close()
            sinks = [_receipts(folding), _receipts(plain)]
            for each in sinks:
                each.settled()
            continue
        for each in sinks:
            if step == "attempted":
                each.attempted(keys)
            elif step == "accepted":
                each.accepted(keys, "r")
            elif step == "refused":
                each.refused(keys, 40002, "user", "r")
            elif step == "released":
                each.released(keys)
            elif each is sinks[0]:
                each.finish()
            else:
                each.flush()
    sinks[0].finish()
    for each in sinks:
        each.close()
    folded, expected = (_outcomes(objects, objects.list("receipts/0")) for objects in (folding, plain))
    assert folded.equals(expected)


def test_settling_folded_receipts_and_later_ones_gives_each_event_its_outcome(world: World) -> None:
    """A settlement before the fold, one after it, and one after a late answer."""
    delivery = world.enter("monday")
    world.plan(delivery, range(6))
    keys = world.ledger().plan(delivery).part(0)["event_key"]
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.settled()
        receipts.attempted(keys)
        receipts.accepted(keys[:2], "r1")
        receipts.flush()
        first = world.ledger().settle(delivery)
        receipts.accepted(keys[2:5], "r2")
        receipts.finish()
        second = world.ledger().settle(delivery)
        receipts.accepted(keys[5:], "r3")
    third = world.ledger().settle(delivery)
    assert [(one.accepted, one.in_doubt) for one in (first, second, third)] == [(2, 4), (5, 1), (6, 0)]
    assert third.request_ids == ("r1", "r2", "r3")
    assert world.verdicts(range(6)) == {"already_sent": 6}


@pytest.mark.parametrize("die_at", range(1, 8))
def test_killed_before_any_write_of_an_upload_nothing_is_said_that_is_not_so(tmp_path: Path, die_at: int) -> None:
    """The next try goes on; what was accepted is never sent again, and nothing else is taken for accepted."""

    objects = open_objects(str(tmp_path / "state"))
    accepted: set[bytes] = set()

    def send(store: ObjectStore) -> None:
        receipts = _receipts(store)
        receipts.take_over()
        settled = receipts.settled()
        sure = settled.filter(pl.col("outcome") == "accepted")["event_key"].to_list()
        assert set(sure) <= accepted
        todo = [key for key in _keys(1, 2, 3).to_list() if key not in sure]
        for key in todo:
            one = pl.Series("event_key", [key], dtype=pl.Binary)
            receipts.attempted(one)
            accepted.add(key)
            receipts.accepted(one, "r")
        receipts.finish()
        receipts.close()

    try:
        send(DyingStore(objects, Life(die_at)))
    except DiedError:
        send(objects)
    found = _outcomes(objects, objects.list("receipts/0"))
    assert found["outcome"].to_list() == ["accepted"] * 3
