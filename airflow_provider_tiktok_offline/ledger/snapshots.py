"""A Delta table as it stood at one version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table.

    Attributes:
        path: below the table's folder.
        rows: rows in it.
        day: its partition.
        size: its bytes.
    """

    path: str
    rows: int
    day: str
    size: int

    @property
    def name(self) -> str:
        """The last segment of its path, its own in the table."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one version. A later commit, through this or another object, changes nothing of it.

    Attributes:
        version: its version.
        files: its Parquet files.
        rows: rows in all of them.
    """

    version: int
    files: tuple[DataFile, ...]
    rows: int
    _table: DeltaTable = field(repr=False, compare=False)

    def transaction(self, app_id: str) -> int:
        """The highest version of an application's transaction, -1 for none."""
        version = self._table.transaction_version(app_id)
        return -1 if version is None else version


def snapshot_of(table: DeltaTable) -> Snapshot:
    """The version that a table object stands at.

    :param table: nothing may be committed through it afterwards: a commit moves the object on.
    """
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return Snapshot(table.version(), (), 0, table)
    files = tuple(
        DataFile(path, rows, str(day), size)
        for path, rows, day, size in actions.select("path", "num_records", "partition.day", "size_bytes").iter_rows()
    )
    return Snapshot(table.version(), files, sum(file.rows for file in files), table)
