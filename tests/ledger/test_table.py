"""A table's snapshot stays as it was read, and its witness knows what was committed."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import World

_DAY = datetime(2026, 3, 2, tzinfo=UTC)


def _table(objects: ObjectStore) -> WitnessedTable:
    table = WitnessedTable(objects, "t", ManualClock(_DAY))
    table.create(pl.Schema({"event_key": pl.Binary(), "day": pl.Date()}))
    return table


def _rows(count: int) -> pl.DataFrame:
    keys = [b"%016d" % number for number in range(count)]
    return pl.DataFrame({"event_key": keys, "day": [_DAY.date()] * count})


def _witness(objects: ObjectStore, path: str = "t") -> tuple[int, int]:
    stored = documents.read(objects, f"{path}.witness.json")
    assert stored is not None
    return stored[0]["version"], stored[0]["rows"]


def test_a_snapshot_stays_as_it_was_read(objects: ObjectStore) -> None:
    """A commit that was made on it changes nothing of it, and a second one on it is refused."""
    table = _table(objects)
    before = table.snapshot()
    table.append(_rows(3), before, app_id="a", transaction=0)
    assert (before.version, before.rows, before.files, before.transaction("a")) == (0, 0, (), -1)
    with pytest.raises(CommitConflict):
        table.append(_rows(2), before, app_id="b", transaction=0)
    after = table.snapshot()
    assert (after.version, after.rows, after.transaction("a"), after.transaction("b")) == (1, 3, 0, -1)


def test_fewer_rows_than_were_committed_are_noticed(tmp_path: Path) -> None:
    """Another commit in the place of the last one: it has the right version and too few rows."""
    original, other = (open_objects(str(tmp_path / name)) for name in ("original", "other"))
    for objects, count in ((original, 3), (other, 2)):
        table = _table(objects)
        table.append(_rows(count), table.snapshot(), app_id="a", transaction=0)
    assert _witness(original) == (1, 3)
    shutil.copytree(tmp_path / "other" / "t", tmp_path / "original" / "t", dirs_exist_ok=True)
    with pytest.raises(LedgerDamagedError, match="version 1 holds 2 rows, but 3 were committed"):
        WitnessedTable(original, "t", ManualClock(_DAY)).snapshot()


def test_a_recovered_settlement_advances_the_witness(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that died between its commit and the witness: the next try completes it, so that no row can be lost."""
    delivery = world.enter("monday")
    world.plan(delivery, range(3))
    world.send(delivery, range(3))
    ledger = world.ledger()
    with monkeypatch.context() as patch:
        patch.setattr(WitnessedTable, "advance", _die)
        with pytest.raises(KeyboardInterrupt):
            ledger.settle(delivery)
    assert _witness(world.objects, ledger.table.path) == (0, 0)
    world.ledger().settle(delivery)
    assert _witness(world.objects, ledger.table.path) == (1, 3)
    world.objects.delete(f"{ledger.table.path}/_delta_log/{1:020d}.json")
    with pytest.raises(LedgerDamagedError, match="version 0, but version 1 was committed"):
        world.ledger()


def test_a_commit_whose_answer_got_lost_advances_the_witness(
    objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reports a conflict with its own commit; the rows are there once, and the witness knows."""
    import deltalake
    from deltalake.exceptions import CommitFailedError

    table = _table(objects)
    write = deltalake.write_deltalake

    def written_and_lost(*args: object, **options: object) -> None:
        write(*args, **options)  # type: ignore[call-overload]
        raise CommitFailedError("the answer got lost, and the retry was refused")

    monkeypatch.setattr(deltalake, "write_deltalake", written_and_lost)
    table.append(_rows(3), table.snapshot(), app_id="a", transaction=0)
    assert _witness(objects) == (1, 3)
    assert table.snapshot().rows == 3


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_table_that_several_make_at_once_is_made_once(objects: ObjectStore) -> None:
    """A second version of nothing would look as if something had been recorded."""
    for number in range(5):
        table = WitnessedTable(objects, f"t{number}", ManualClock(_DAY))
        together = threading.Barrier(6)

        def make(path: str = table.path, together: threading.Barrier = together) -> None:
            together.wait()
            schema = pl.Schema({"event_key": pl.Binary(), "day": pl.Date()})
            WitnessedTable(objects, path, ManualClock(_DAY)).create(schema)

        with ThreadPoolExecutor(6) as pool:
            for made in [pool.submit(make) for _ in range(6)]:
                made.result()
        assert table.commits() == 0
