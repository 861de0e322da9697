"""A list's records in batches, column by column, each with the number of its first line."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import Layout
from airflow_provider_tiktok_offline.errors import OptOutListError

_BATCH = 50_000
#: A record of more lines has an opening quotation mark without a closing one.
_MOST_LINES = 500


class Batch(Protocol):
    """Some records.

    ``numbers`` are the numbers of their first lines.
    """

    numbers: NDArray[np.int64]
    width: int

    def __len__(self) -> int: ...

    def column(self, place: int) -> pl.Series:
        """The cells of a column; ``""`` where a record has none."""

    def filled(self) -> NDArray[np.bool_]:
        """Which records hold anything."""

    def wider_than(self, width: int) -> NDArray[np.bool_]:
        """Which records have filled cells beyond so many."""

    def without(self, place: int) -> Batch:
        """All records but one."""


class _Lines:
    """Lines that are one cell each."""

    width = 1

    def __init__(self, numbers: NDArray[np.int64], cells: pl.Series) -> None:
        self.numbers = numbers
        self._cells = cells

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, place: int) -> pl.Series:
        del place
        return self._cells

    def filled(self) -> NDArray[np.bool_]:
        return self._cells.str.contains(r"\S").to_numpy()

    def wider_than(self, width: int) -> NDArray[np.bool_]:
        del width
        return np.zeros(len(self), dtype=np.bool_)

    def without(self, place: int) -> _Lines:
        kept = np.delete(np.arange(len(self)), place)
        return _Lines(self.numbers[kept], self._cells.gather(kept))


class _Records:
    """Records of several cells."""

    def __init__(self, numbers: NDArray[np.int64], records: Sequence[Sequence[str]]) -> None:
        self.numbers = numbers
        self._records = records
        self._widths = np.fromiter(map(len, records), dtype=np.int64, count=len(records))
        self.width = int(self._widths.max(initial=0))

    def __len__(self) -> int:
        return len(self._records)

    def column(self, place: int) -> pl.Series:
        if int(self._widths.min(initial=0)) > place:
            cells = [record[place] for record in self._records]
        else:
            cells = [record[place] if len(record) > place else "" for record in self._records]
        return pl.Series(cells, dtype=pl.String)

    def filled(self) -> NDArray[np.bool_]:
        return np.fromiter((any(map(str.strip, one)) for one in self._records), dtype=np.bool_, count=len(self))

    def wider_than(self, width: int) -> NDArray[np.bool_]:
        wide = self._widths > width
        for row in np.flatnonzero(wide).tolist():
            wide[row] = any(map(str.strip, self._records[row][width:]))
        return wide

    def without(self, place: int) -> _Records:
        kept = np.delete(np.arange(len(self)), place)
        return _Records(self.numbers[kept], [*self._records[:place], *self._records[place + 1 :]])


def batches(lines: Iterator[str], layout: Layout) -> Iterator[Batch]:
    """The records of a list.

    :raises OptOutListError: it can't be taken apart into records.
    """
    lines = itertools.islice(lines, layout.skipped, None)
    if layout.delimiter is None:
        yield from _batches_of_lines(lines, layout.skipped)
        return
    records = _records(lines, layout.delimiter, layout.skipped)
    try:
        while batch := list(itertools.islice(records, _BATCH)):
            numbers = np.fromiter((number for number, _ in batch), dtype=np.int64, count=len(batch))
            yield _Records(numbers, [record for _, record in batch])
    except csv.Error:
        raise OptOutListError(
            "the suppression list can't be taken apart into cells: one is longer than any identifier.",
            todo="Look for a quotation mark that is not closed. Nothing was sent.",
        ) from None


def _batches_of_lines(lines: Iterator[str], before: int) -> Iterator[Batch]:
    while batch := list(itertools.islice(lines, _BATCH)):
        cells = pl.Series(batch, dtype=pl.String)
        yield _Lines(np.arange(before + 1, before + 1 + len(batch), dtype=np.int64), cells)
        before += len(batch)


def _records(lines: Iterator[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter)
    before = 0
    for record in reader:
        last = reader.line_num
        if last - before > _MOST_LINES:
            raise OptOutListError(
                f"line {before + 1 + skipped:,} of the suppression list opens a quotation mark that is not closed "
                f"within {_MOST_LINES} lines.",
                todo="Correct the line. Nothing was sent.",
            )
        yield before + 1 + skipped, record
        before = last
