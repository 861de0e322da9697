"""The column of heads: written, looked through, and missing in tables of earlier packages."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import maintenance
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import World


def _files(world: World) -> list[str]:
    snapshot = world.ledger().table.snapshot()
    return [f"{world.ledger().table.path}/{file.path}" for file in snapshot.files]


def _frame(objects: ObjectStore, path: str) -> pl.DataFrame:
    stored = objects.get(path)
    assert stored is not None
    return pl.read_parquet(io.BytesIO(stored[0]))


def _heads(world: World) -> dict[str, int]:
    witness = documents.read(world.objects, f"{world.ledger().table.path}.witness.json")
    assert witness is not None
    return dict(witness[0].get("heads", {}))


def _as_of_an_earlier_package(world: World) -> None:
    """Make of the ledger's table one without a column of heads: data, schema and witness."""
    table = world.ledger().table
    uri = world.objects.delta_uri(table.path)
    frame = pl.DataFrame(DeltaTable(uri).to_pyarrow_table()).drop("head")
    write_deltalake(uri, frame.to_arrow(), mode="overwrite", schema_mode="overwrite", partition_by=["day"])
    path = f"{table.path}.witness.json"
    witness = documents.read(world.objects, path)
    assert witness is not None
    delta = DeltaTable(uri)
    document = {**witness[0], "version": delta.version(), "rows": frame.height, "sums": {}}
    document.pop("heads", None)
    world.objects.put(path, documents.encode(document))
    assert "head" not in {field.name for field in delta.schema().fields}


def test_a_settlement_writes_the_first_eight_bytes_of_each_key_as_a_number(world: World) -> None:
    world.deliver("monday", range(20))
    [path] = _files(world)
    frame = _frame(world.objects, path)
    assert frame["head"].to_list() == [int.from_bytes(key[:8], "little", signed=True) for key in frame["event_key"]]
    assert list(_heads(world)) == [path.rpartition("/")[2]]


def test_a_table_of_an_earlier_package_is_read_written_on_and_rewritten_by_maintenance(world: World) -> None:
    for number in range(3):
        world.deliver(f"old-{number}", range(10 * number, 10 * number + 10))
    _as_of_an_earlier_package(world)
    assert world.verdicts(range(35)) == {"already_sent": 30, "new": 5}
    world.deliver("new", range(25, 40))
    assert world.verdicts(range(45)) == {"already_sent": 40, "new": 5}
    assert len(_heads(world)) == 1 < len(_files(world))

    maintenance.compact(world.ledger())
    assert set(_heads(world)) == {path.rpartition("/")[2] for path in _files(world)}
    assert not any(_frame(world.objects, path)["head"].has_nulls() for path in _files(world))
    assert world.verdicts(range(45)) == {"already_sent": 40, "new": 5}
    assert world.ledger().table.add_heads() == 0


def test_days_are_rewritten_one_by_one_and_keep_their_rows(world: World) -> None:
    for number in range(3):
        world.deliver(f"day-{number}", range(10 * number, 10 * number + 10))
        world.clock.advance(timedelta(days=1))
    _as_of_an_earlier_package(world)
    before = _all_rows(world.ledger())
    assert world.ledger().table.add_heads() == 3
    assert _all_rows(world.ledger()).equals(before)
    assert world.ledger().table.snapshot().rows == 30


def _all_rows(ledger: Ledger) -> pl.DataFrame:
    files = ledger.table.snapshot().files
    columns = ["event_key", "content", "outcome", "first_attempt_at", "recorded_at", "delivery_id", "seq"]
    return ledger.table.collect(ledger.table.scan(files, columns)).sort("event_key")


def test_files_merged_of_old_and_new_ones_are_looked_through_by_their_keys(world: World) -> None:
    """What a merge of another package's makes: some keys without a head."""
    world.deliver("old", range(10))
    _as_of_an_earlier_package(world)
    world.deliver("new", range(10, 20))
    world.ledger().table.compact()
    assert _heads(world) == {}
    assert world.verdicts(range(25)) == {"already_sent": 20, "new": 5}


@pytest.mark.parametrize("column", ["head", "event_key"])
def test_a_changed_byte_of_a_key_or_its_head_is_noticed(world: World, column: str) -> None:
    """Else an event that was sent would be a stranger. The file keeps its size."""
    world.deliver("monday", range(20))
    [path] = _files(world)
    frame = _frame(world.objects, path)
    # Neither the least nor the greatest: the statistics of the file name those once more.
    key = frame.sort("head")["event_key"][1:-1].sort()[9]
    stored = world.objects.get(path)
    assert stored is not None
    # Plain pages: a key stands whole, and behind its length; a head without one.
    at = stored[0].index(key) + 12 if column == "event_key" else _place_of_head(stored[0], key[:8])
    changed = stored[0][:at] + bytes([stored[0][at] ^ 1]) + stored[0][at + 1 :]
    world.objects.put(path, changed)
    with pytest.raises(LedgerDamagedError, match="not those that were committed"):
        world.verdicts(range(30))


def _place_of_head(content: bytes, head: bytes) -> int:
    """Where the head stands without the rest of its key."""
    places = []
    at = content.find(head)
    while at >= 0:
        places.append(at)
        at = content.find(head, at + 1)
    [alone] = [place for place in places if content[place - 4 : place] != (16).to_bytes(4, "little")]
    return alone


def test_two_keys_with_one_head_are_two_events(tmp_path: Path, world: World) -> None:
    """A stranger that begins as a known key is not taken for it, and the ledger is not taken for damaged."""
    world.deliver("monday", range(5))
    ledger = world.ledger()
    known = world.frame(range(5))["event_key"]
    strangers = pl.DataFrame({"event_key": pl.Series([key[:8] + b"\0" * 8 for key in known], dtype=pl.Binary)})
    snapshot = ledger.table.snapshot()
    assert ledger.table.matching(snapshot.files, strangers, ["event_key"]).is_empty()
    both = pl.concat([strangers, known.to_frame()])
    assert ledger.table.matching(snapshot.files, both, ["event_key"]).height == 5
