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
    _transactions: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def transaction(self, app_id: str) -> int:
        """The highest version of an application's transaction, -1 for none.

        :raises RuntimeError: if it is asked for the first time after the table object has moved on.
        """
        if app_id not in self._transactions:
            if self._table.version() != self.version:
                raise RuntimeError("a transaction is asked for of a version that is no longer loaded")
            version = self._table.transaction_version(app_id)
            self._transactions[app_id] = -1 if version is None else version
        return self._transactions[app_id]

    def committable(self, app_id: str) -> DeltaTable | None:
        """The table to commit the next version through, None if it has moved on. What the snapshot says stays.

        :param app_id: whose transaction is committed.
        """
        if self._table.version() != self.version:
            return None
        self.transaction(app_id)
        return self._table


def snapshot_of(table: DeltaTable) -> Snapshot:
    """The version that a table object stands at."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    if actions.is_empty():
        return Snapshot(table.version(), (), 0, table)
    files = tuple(
        DataFile(path, rows, str(day), size)
        for path, rows, day, size in actions.select("path", "num_records", "partition.day", "size_bytes").iter_rows()
    )
    return Snapshot(table.version(), files, sum(file.rows for file in files), table)
