"""A delivery of more events than are compared at once: one look through the ledger, and the same plan."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import key_columns, key_sweep
from airflow_provider_tiktok_offline.ledger.key_columns import KeyColumns
from airflow_provider_tiktok_offline.ledger.key_probe import Heads
from airflow_provider_tiktok_offline.ledger.plan import Plan, VerdictSum
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile
from airflow_provider_tiktok_offline.ledger.spools import RecordSpool
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import LOOKBACK, World


def _batches_of(events: int, patch: pytest.MonkeyPatch) -> None:
    """Batches of so many events or one part more; two of them are too many for memory."""
    patch.setattr("airflow_provider_tiktok_offline.ledger.ledger._BATCH_EVENTS", events)
    patch.setattr(key_sweep, "_BATCH_EVENTS", events)


def _plan(world: World, delivery: str, parts: list[list[int]]) -> Plan:
    frames = [(index, world.frame(numbers)) for index, numbers in enumerate(parts)]
    return world.ledger().dedupe(delivery, frames, route="tiktok", now=world.clock.now(), lookback=LOOKBACK)


def _sales(world: World) -> None:
    """Sent with amount, sent by another, refused, in doubt, and held by a delivery that goes on."""
    world.deliver("sent", range(10))
    delivery = world.enter("mixed")
    keys = world.plan(delivery, range(10, 20)).part(0)["event_key"]
    with world.ledger().receipts(delivery, 0, "run") as receipts:
        receipts.attempted(keys)
        receipts.refused(keys[:3], 40002, "user", "r")
        receipts.accepted(keys[3:6], "r")
    world.ledger().settle(delivery)
    world.ledger().release(delivery)
    world.plan(world.enter("holding", "another run"), range(20, 25))


_PARTS = st.permutations(range(35)).flatmap(
    lambda numbers: st.lists(st.integers(1, 9), min_size=1, max_size=8).map(lambda sizes: _cut(numbers, sizes))
)


def _cut(numbers: list[int], sizes: list[int]) -> list[list[int]]:
    parts, start = [], 0
    for size in sizes:
        parts.append(numbers[start : start + size])
        start += size
    return [part for part in parts if part]


@settings(max_examples=8, deadline=None)
@given(parts=_PARTS, batch=st.integers(1, 12), at_once=st.integers(1, 40))
def test_any_cut_into_batches_gives_the_plan_of_one(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]], batch: int, at_once: int
) -> None:
    plans = []
    for size in (1_000_000, batch):
        with pytest.MonkeyPatch.context() as patch:
            _batches_of(size, patch)
            patch.setattr(key_sweep, "_AT_ONCE", at_once)
            patch.setattr(key_columns, "_KEYS_AT_ONCE", at_once)
            world = World(open_objects(str(tmp_path_factory.mktemp("state"))))
            _sales(world)
            plan = _plan(world, world.enter("tuesday"), parts)
            plans.append((plan.counts, [plan.verdicts(part).drop("event_key", "content") for part in plan.events]))
            assert plan.to_send == sum(plan.counts[verdict] for verdict in ("new", "own", "in_doubt"))
    (counts, frames), (same_counts, same_frames) = plans
    assert counts == same_counts
    assert all(one.equals(other) for one, other in zip(frames, same_frames, strict=True))


def test_each_file_of_the_ledger_is_read_once_for_any_number_of_batches(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        world.deliver(f"day-{number}", range(10 * number, 10 * number + 10))
    _batches_of(5, monkeypatch)
    looked: Counter[str] = Counter()
    read = KeyColumns.heads

    def counted(self: KeyColumns, file: DataFile) -> Iterator[Heads]:
        looked[file.name] += 1
        return read(self, file)

    monkeypatch.setattr(KeyColumns, "heads", counted)
    plan = _plan(world, world.enter("large"), [list(range(start, start + 5)) for start in range(0, 60, 5)])
    assert (plan.counts["already_sent"], plan.to_send) == (40, 20)
    assert set(looked.values()) == {1}
    assert len(looked) == 4


def test_what_another_delivery_settles_meanwhile_is_known_to_the_batches_to_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is made once; what the table gets after it is read for each batch."""
    _batches_of(5, monkeypatch)

    def meanwhile(index: int, judged: pl.DataFrame) -> list[VerdictSum]:
        if index == 0:
            world.deliver("meanwhile", range(7, 10))
        return []

    parts = [(index, world.frame(range(5 * index, 5 * index + 5))) for index in range(2)]
    plan = world.ledger().dedupe(
        world.enter("large"), parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK, judged=meanwhile
    )
    assert plan.verdicts(1)["verdict"].to_list() == ["new", "new", "already_sent", "already_sent", "already_sent"]


def test_a_plan_of_batches_that_broke_off_finds_what_it_had_claimed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _batches_of(2, monkeypatch)
    delivery = world.enter("large")

    def killed(index: int, judged: pl.DataFrame) -> list[VerdictSum]:
        if index == 1:
            raise KeyboardInterrupt
        return []

    parts = [(index, world.frame(range(2 * index, 2 * index + 2))) for index in range(3)]
    with pytest.raises(KeyboardInterrupt):
        world.ledger().dedupe(delivery, parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK, judged=killed)
    plan = world.ledger().dedupe(delivery, parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK)
    assert (plan.counts["own"], plan.counts["new"]) == (4, 2)
    assert len(world.ledger().claims.keys_of(world.ledger().claims.read().claims[delivery])) == 6


def test_a_key_that_was_changed_behind_its_head_is_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a large delivery, too."""
    world.deliver("monday", range(20))
    [file] = world.ledger().table.snapshot().files
    path = f"{world.ledger().table.path}/{file.path}"
    stored = world.objects.get(path)
    assert stored is not None
    at = stored[0].index(pl.read_parquet(io.BytesIO(stored[0]))["event_key"][7]) + 12
    world.objects.put(path, stored[0][:at] + bytes([stored[0][at] ^ 1]) + stored[0][at + 1 :])
    _batches_of(5, monkeypatch)
    with pytest.raises(LedgerDamagedError, match="not those that were committed"):
        _plan(world, world.enter("large"), [list(range(start, start + 5)) for start in range(0, 20, 5)])


def test_nothing_is_left_on_the_disk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _batches_of(2, monkeypatch)
    before = set(tmp_path.iterdir())
    seen: list[set[Path]] = []

    def look(index: int, judged: pl.DataFrame) -> list[VerdictSum]:
        seen.append(set(tmp_path.iterdir()))
        return []

    parts = [(index, world.frame(range(2 * index, 2 * index + 2))) for index in range(3)]
    world.ledger().dedupe(
        world.enter("large"), parts, route="tiktok", now=world.clock.now(), lookback=LOOKBACK, judged=look
    )
    assert [found - before for found in seen] == [set()] * 3


def test_records_of_nothing_are_nothing() -> None:
    """A look that finds no head."""
    with RecordSpool() as spool:
        spool.add(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint32))
        assert (spool.groups(), spool.count) == ([], 0)
        assert [len(one) for one in spool.read(0)] == [0, 0]
