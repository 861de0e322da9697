"""The key columns of the keys table's data files: read, and summed up, so that a changed byte is noticed.

Files have a column of heads beside the keys: read in a third of the time, and all that most looks need. A file of an
earlier package has none, nor has one that was merged with such a file; its keys are read instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.ledger.key_probe import (
    Heads,
    KeyProbe,
    head_column,
    heads_of,
    sum_of,
    sum_of_heads,
)
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

#: Files whose keys are read side by side, and keys of each that are in memory.
_FILES_AT_ONCE, _KEYS_AT_ONCE = 4, 1_000_000
_WRAP = (1 << 64) - 1

Scan = Callable[[Sequence[DataFile], list[str]], pl.LazyFrame]


class ChangedKeysError(Exception):
    """The keys of a file are not those that were committed.

    :param what: which file.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class KeySums:
    """Sums over the keys of one file.

    Attributes:
        keys: over the keys.
        heads: over the column of heads; None where some key has none.
    """

    keys: int
    heads: int | None

    def __add__(self, other: KeySums) -> KeySums:
        heads = None if self.heads is None or other.heads is None else (self.heads + other.heads) & _WRAP
        return KeySums((self.keys + other.keys) & _WRAP, heads)


class KeyColumns:
    """Key columns of a table.

    :param scan: a query over some columns of some files.
    :param keys, heads: name of each data file -> sum over its keys, and over its column of heads where it has one.
    """

    def __init__(self, scan: Scan, keys: Mapping[str, int], heads: Mapping[str, int]) -> None:
        self._scan = scan
        self._keys = keys
        self._heads = heads

    def has_heads(self, file: DataFile) -> bool:
        """Whether each key of a file has its head beside it."""
        return file.name in self._heads

    def in_groups(self, files: Sequence[DataFile]) -> Iterator[Sequence[DataFile]]:
        """Files whose whole rows are read at once: all with heads, or all without, and few, which bounds memory."""
        for has_heads in (True, False):
            of_kind = [file for file in files if self.has_heads(file) is has_heads]
            for start in range(0, len(of_kind), _FILES_AT_ONCE):
                yield of_kind[start : start + _FILES_AT_ONCE]

    def heads(self, file: DataFile) -> Iterator[Heads]:
        """The heads of a file's keys, some at a time.

        :raises ChangedKeysError: at the end, if they are not those that were committed.
        """
        total = 0
        for start in range(0, max(file.rows, 1), _KEYS_AT_ONCE):
            if self.has_heads(file):
                column = self._scan([file], ["head"]).slice(start, _KEYS_AT_ONCE).collect()["head"]
                if column.has_nulls():
                    raise ChangedKeysError(f"the file {file.name}")
                heads = column.to_numpy().view(np.uint64)
                total += sum_of_heads(heads)
            else:
                keys = self._event_keys(file, start)
                heads = np.ascontiguousarray(heads_of(keys))
                total += sum_of(keys)
            yield heads
        known = self._heads if self.has_heads(file) else self._keys
        if known.get(file.name, total & _WRAP) != total & _WRAP:
            raise ChangedKeysError(f"the file {file.name}")

    def holding(self, files: Sequence[DataFile], probe: KeyProbe) -> list[DataFile]:
        """The files in which a key begins as a wanted one. Each is read to its end.

        :raises ChangedKeysError: as :meth:`heads`.
        """

        def holds(file: DataFile) -> bool:
            return sum(probe.may_hold(heads) for heads in self.heads(file)) > 0

        with ThreadPoolExecutor(_FILES_AT_ONCE) as readers:
            return [file for file, found in zip(files, readers.map(holds, files), strict=True) if found]

    def check(self, files: Sequence[DataFile]) -> None:
        """Compare all keys of some files with what was committed.

        :raises ChangedKeysError: if one was changed.
        """
        for name, sums in self.sums(files).items():
            if self._keys.get(name, sums.keys) != sums.keys or (
                name in self._heads and self._heads[name] != sums.heads
            ):
                raise ChangedKeysError(f"the file {name}")

    def sums(self, files: Sequence[DataFile]) -> dict[str, KeySums]:
        """Name of each file -> the sums over its keys, all of which are read."""

        def of_file(file: DataFile) -> KeySums:
            total = KeySums(0, 0)
            for start in range(0, max(file.rows, 1), _KEYS_AT_ONCE):
                keys = self._event_keys(file, start)
                total += sums_of(keys, self._head_column(file, start))
            return total

        with ThreadPoolExecutor(_FILES_AT_ONCE) as readers:
            return dict(zip((file.name for file in files), readers.map(of_file, files), strict=True))

    def _event_keys(self, file: DataFile, start: int) -> pl.Series:
        try:
            keys = self._scan([file], ["event_key"]).slice(start, _KEYS_AT_ONCE).collect()["event_key"]
            sum_of(keys)
        except ValueError:
            raise ChangedKeysError("one of its files") from None
        return keys

    def _head_column(self, file: DataFile, start: int) -> pl.Series | None:
        try:
            return self._scan([file], ["head"]).slice(start, _KEYS_AT_ONCE).collect()["head"]
        except pl.exceptions.ColumnNotFoundError:
            return None


def sums_of(keys: pl.Series, heads: pl.Series | None) -> KeySums:
    """The sums over some keys and the column of their heads; of heads that are not those of the keys there is none."""
    if heads is None or heads.has_nulls() or not heads.equals(head_column(keys)):
        return KeySums(sum_of(keys), None)
    return KeySums(sum_of(keys), sum_of_heads(heads.to_numpy().view(np.uint64)))


class SummedRows:
    """Rows on their way into the keys table, with the sums over their keys."""

    def __init__(self, rows: pl.DataFrame | pa.RecordBatchReader) -> None:
        self._rows = rows
        self._count = 0
        self._sums = KeySums(0, 0)

    def reader(self) -> pa.RecordBatchReader:
        """The rows, once."""
        import pyarrow as pa

        source = self._rows.to_arrow().to_reader() if isinstance(self._rows, pl.DataFrame) else self._rows

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in source:
                keys = pl.Series("event_key", batch.column("event_key"), pl.Binary)
                self._count += batch.num_rows
                self._sums += sums_of(keys, pl.Series("head", batch.column("head"), pl.Int64))
                yield batch

        return pa.RecordBatchReader.from_batches(source.schema, batches())

    def of_file(self, before: Snapshot, after: Snapshot) -> dict[str, KeySums]:
        """Name of the data file that these rows became -> its sums; empty if they became several.

        :param before, after: the table without and with the rows.
        """
        known = {file.name for file in before.files}
        new = [file for file in after.files if file.name not in known]
        return {new[0].name: self._sums} if len(new) == 1 and new[0].rows == self._count else {}
