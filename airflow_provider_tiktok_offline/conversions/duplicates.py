"""The same transaction twice in one file, and what else needs the whole file at once.

Each valid row leaves 128 bits of its identity, hashed under a secret of this run, in one of many partitions on disk;
rows of one order share a partition. Memory holds one partition at a time, whatever the file's size.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from .amounts import sum_units

Numbers = npt.NDArray[np.int64]

_PARTITION_BITS = 7
#: Rows held before the first of them go to disk.
_HELD = 400_000
#: What a row leaves behind.
ROW = np.dtype(
    [
        ("high", "<u8"),
        ("low", "<u8"),
        ("order", "<u8"),
        ("content", "<u8"),
        ("units", "<i8"),
        ("line", "<i8"),
        ("currency", "<i4"),
    ]
)
Rows = npt.NDArray[np.void]


@dataclass(slots=True)
class Repeats:
    """What was found once the whole file was seen.

    Attributes:
        duplicates: rows (of dtype ROW) that repeat an earlier line.
        collisions: rows with the id of an earlier line and another time or amount.
        repeated_amounts: lines of orders whose rows all repeat one amount.
        at_stake: what those repetitions add up to, in millionths.
        later: lines of an order behind its first, with the line of that first one.
    """

    duplicates: Rows
    collisions: Rows
    repeated_amounts: Numbers
    at_stake: int
    later: dict[str, Numbers]
    later_rows: Rows


@dataclass(slots=True)
class _Found:
    duplicates: list[Rows] = field(default_factory=list)
    collisions: list[Rows] = field(default_factory=list)
    repeated: list[Numbers] = field(default_factory=list)
    at_stake: int = 0
    later: list[Rows] = field(default_factory=list)
    heads: list[Numbers] = field(default_factory=list)


class RepeatFinder:
    """Collects rows as they come, finds repeats at the end.

    :param directory: where partitions are put; a temporary one below it is removed by :meth:`close`.
    :param amounts: whether orders that repeat one amount are looked for.
    :param orders: whether the later rows of an order are wanted.
    """

    def __init__(self, directory: str | Path | None, *, amounts: bool, orders: bool) -> None:
        self._parent = directory
        self._directory: Path | None = None
        self._files: list[BinaryIO] = []
        self._held: list[Rows] = []
        self._count = 0
        self._amounts = amounts
        self._orders = orders

    def add(self, rows: Rows) -> None:
        """Take the valid rows of the next block."""
        self._held.append(rows)
        self._count += len(rows)
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="repeats-", dir=self._parent))
            self._files = [(self._directory / f"{number:03}").open("w+b") for number in range(1 << _PARTITION_BITS)]
        rows = np.concatenate(self._held)
        group = np.where(rows["order"] != 0, rows["order"], rows["high"])
        partition = (group >> np.uint64(64 - _PARTITION_BITS)).astype(np.uint8)
        order = np.argsort(partition, kind="stable")
        rows = rows[order]
        bounds = np.searchsorted(partition[order], np.arange((1 << _PARTITION_BITS) + 1))
        for number, file in enumerate(self._files):
            if bounds[number] < bounds[number + 1]:
                file.write(memoryview(rows[bounds[number] : bounds[number + 1]]).cast("B"))
        self._held, self._count = [], 0

    def find(self) -> Repeats:
        """Everything that was found; call once, at the end."""
        found = _Found()
        if self._directory is None:
            self._find_in(np.concatenate([np.empty(0, dtype=ROW), *self._held]), found)
        else:
            if self._held:
                self._spill()
            for file in self._files:
                file.seek(0)
                self._find_in(np.frombuffer(file.read(), dtype=ROW), found)
        nothing = np.empty(0, dtype=ROW)
        later = np.concatenate([nothing, *found.later])
        heads = np.concatenate([np.empty(0, dtype=np.int64), *found.heads])
        order = np.argsort(later["line"], kind="stable")
        return Repeats(
            np.sort(np.concatenate([nothing, *found.duplicates]), order="line"),
            np.sort(np.concatenate([nothing, *found.collisions]), order="line"),
            np.sort(np.concatenate([np.empty(0, dtype=np.int64), *found.repeated])),
            found.at_stake,
            {"line": later["line"][order], "first": heads[order]},
            later[order],
        )

    def _find_in(self, rows: Rows, found: _Found) -> None:
        if not len(rows):
            return
        single = np.ones(len(rows), dtype=bool)
        twice = pl.Series(rows["high"]).is_duplicated().to_numpy()
        if twice.any():
            candidates = rows[twice]
            frame = pl.DataFrame({name: candidates[name] for name in ("high", "low", "content", "line")})
            firsts = (
                frame.with_row_index("row")
                .sort("line")
                .with_columns(
                    first=pl.col("line").first().over("high", "low"),
                    known=pl.col("content").first().over("high", "low"),
                )
                .sort("row")
            )
            repeats = (firsts["line"] != firsts["first"]).to_numpy()
            same = (firsts["content"] == firsts["known"]).to_numpy()
            found.duplicates.append(candidates[repeats & same])
            found.collisions.append(candidates[repeats & ~same])
            single[np.flatnonzero(twice)[repeats]] = False
        if self._amounts or self._orders:
            self._find_orders(rows[single & (rows["order"] != 0)], found)

    def _find_orders(self, rows: Rows, found: _Found) -> None:
        several = pl.Series(rows["order"]).is_duplicated().to_numpy()
        if not several.any():
            return
        rows = rows[several]
        rows = rows[np.argsort(rows["line"], kind="stable")]
        frame = pl.DataFrame({name: rows[name] for name in ("order", "units", "line")}).with_columns(
            first=pl.col("line").first().over("order"),
            same=(pl.col("units").min() == pl.col("units").max()).over("order"),
        )
        later = (frame["line"] != frame["first"]).to_numpy()
        if self._orders:
            found.later.append(rows[later])
            found.heads.append(frame["first"].to_numpy()[later])
        if self._amounts:
            same = frame["same"].to_numpy()
            found.repeated.append(rows["line"][same])
            found.at_stake += sum_units(rows["units"][same & later])

    def close(self) -> None:
        """Remove what was put on disk."""
        for file in self._files:
            file.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
