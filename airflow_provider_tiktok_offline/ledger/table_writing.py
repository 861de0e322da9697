"""How rows are written to a Delta table of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal

import polars as pl

from airflow_provider_tiktok_offline.ledger.key_probe import HEAD
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties


#: Rows that are rewritten at once.
_ROWS_AT_ONCE = 500_000


def writer_properties() -> WriterProperties:
    """Keys, heads and contents are random: a dictionary of them, or compression, costs time and saves nothing."""
    from deltalake import ColumnProperties, WriterProperties

    plain = ColumnProperties(dictionary_enabled=False)
    columns = {"event_key": plain, "head": plain, "content": plain}
    return WriterProperties(compression="UNCOMPRESSED", column_properties=columns)


def schema_mode(table: DeltaTable, rows: pl.DataFrame | pa.RecordBatchReader) -> Literal["merge"] | None:
    """A table of an earlier package gets the columns that it lacks."""
    names = rows.columns if isinstance(rows, pl.DataFrame) else rows.schema.names
    known = {field.name for field in table.schema().fields}
    return None if known.issuperset(names) else "merge"


def overwrite_day(table: DeltaTable, day: str, rows: pa.RecordBatchReader, storage_options: Mapping[str, str]) -> None:
    """Put rows in the place of all that a day holds.

    :raises CommitFailedError: if another writer came first.
    """
    from deltalake import CommitProperties, write_deltalake

    write_deltalake(
        table,
        rows,
        mode="overwrite",
        predicate=f"day = '{date.fromisoformat(day).isoformat()}'",
        schema_mode=schema_mode(table, rows),
        storage_options=dict(storage_options) or None,
        writer_properties=writer_properties(),
        commit_properties=CommitProperties(max_commit_retries=0),
    )


def with_heads(
    scan: Callable[[Sequence[DataFile], list[str]], pl.LazyFrame], table: DeltaTable, files: Sequence[DataFile]
) -> pa.RecordBatchReader:
    """All rows of some files of the keys table, with the heads of their keys.

    :param scan: a query over some columns of some files.
    """
    import pyarrow as pa

    columns = [field.name for field in table.schema().fields if field.name not in ("day", "head")]

    def some(file: DataFile, start: int, rows: int) -> pa.Table:
        day = pl.lit(date.fromisoformat(file.day))
        return scan([file], columns).slice(start, rows).with_columns(HEAD, day=day).collect().to_arrow()

    def batches() -> Iterator[pa.RecordBatch]:
        for file in files:
            for start in range(0, file.rows, _ROWS_AT_ONCE):
                yield from some(file, start, _ROWS_AT_ONCE).to_batches()

    return pa.RecordBatchReader.from_batches(some(files[0], 0, 0).schema, batches())
