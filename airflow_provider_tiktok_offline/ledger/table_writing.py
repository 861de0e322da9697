"""How rows are written to a Delta table of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Literal

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties


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
