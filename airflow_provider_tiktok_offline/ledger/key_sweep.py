"""One look through the ledger for a delivery of more events than are compared at once.

The heads of all events go into buckets by their first bits, on the local disk, and into a filter of bits. Each file of
the ledger is then read once: heads that pass the filter go into the same buckets. A bucket's events and heads are
joined in memory, which tells which files hold which events, and for which batch; of these files the rows are read. So
memory is set by a bucket, a file of the ledger and the filter, of 256 MB at most, and not by the delivery.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.ledger.key_probe import HeadFilter, Heads, chunks, heads_of
from airflow_provider_tiktok_offline.ledger.keys_table import COMPARED, KnownEvents
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile, Snapshot
from airflow_provider_tiktok_offline.ledger.spools import FrameSpool, Numbers, RecordSpool
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable

#: Buckets are told by so many of a head's first bits: of 500 million events two million are in one.
_BUCKET_BITS = 8
_FILTER_BITS = 4
#: Events of a batch: the ledger is not read again for it, so that fewer than are compared by one look cost nothing.
_BATCH_EVENTS = 800_000
#: Heads and hits that wait in memory before they are written down.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class PartEvents:
    """The events of one prepared part, as they are compared with the ledger.

    Attributes:
        index: of the part.
        frame: ``event_key``, ``content`` (keyed), ``event_time``, and what the caller wants back.
        fingerprint: of the part, where it was taken.
    """

    index: int
    frame: pl.DataFrame
    fingerprint: str | None


class KeySweep:
    """The batches of a large delivery, and what the ledger knows of them. To be used as a context manager."""

    def __init__(self, table: WitnessedTable) -> None:
        self._table = table
        self._stack = ExitStack()
        self._frames = self._stack.enter_context(FrameSpool())
        self._rows = self._stack.enter_context(FrameSpool())
        self._wanted = self._stack.enter_context(RecordSpool())
        self._hits = self._stack.enter_context(RecordSpool())
        self._waiting: list[PartEvents] = []
        self._batches: list[list[tuple[int, str | None]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, part: PartEvents) -> None:
        """Take the next part. Batches are of whole parts."""
        self._waiting.append(part)
        if sum(one.frame.height for one in self._waiting) >= _BATCH_EVENTS:
            self._end_batch()

    def _end_batch(self) -> None:
        parts, self._waiting = self._waiting, []
        batch = len(self._batches)
        for part in parts:
            self._frames.add(part.index, part.frame)
            heads = np.ascontiguousarray(heads_of(part.frame["event_key"]))
            self._wanted.add(_buckets(heads), heads, np.full(len(heads), batch, np.uint32))
        self._batches.append([(part.index, part.fingerprint) for part in parts])

    def batches(self) -> Iterator[tuple[list[PartEvents], KnownEvents]]:
        """Each batch, and the ledger's rows of its events.

        :raises LedgerDamagedError: if a key of the ledger was changed.
        """
        if self._waiting:
            self._end_batch()
        snapshot = self._table.snapshot()
        self._find(snapshot)
        holding = [snapshot.files[number] for number in self._hits.groups()]
        for number in self._hits.groups():
            self._read_rows(snapshot.files[number], *self._hits.read(number))
        for batch, listed in enumerate(self._batches):
            parts = [PartEvents(index, next(self._frames.read(index)), fingerprint) for index, fingerprint in listed]
            keys = pl.concat([part.frame.select("event_key") for part in parts])
            found = list(self._rows.read(batch))
            rows = pl.concat(found) if found else None
            if rows is not None:
                known = rows.join(keys, on="event_key", how="semi", maintain_order="left")
                if known.height < rows.height:
                    # Keys that begin alike, or one that was changed behind its first eight bytes.
                    self._table.check_keys(holding)
                rows = known
            yield parts, KnownEvents(keys, _no_rows() if rows is None else rows, frozenset(snapshot.files))

    def _find(self, snapshot: Snapshot) -> None:
        """Which files hold which of the wanted heads."""
        wanted = HeadFilter(self._wanted.count, _FILTER_BITS)
        for bucket in self._wanted.groups():
            wanted.add(self._wanted.read(bucket)[0])
        with RecordSpool() as passed:
            for heads, numbers in _gathered(self._passed(snapshot, wanted)):
                passed.add(_buckets(heads), heads, numbers)
            for hits in self._joined(passed):
                self._hits.add(hits["file"].to_numpy(), hits["head"].to_numpy(), hits["batch"].to_numpy())

    def _passed(self, snapshot: Snapshot, wanted: HeadFilter) -> Iterator[tuple[Heads, Numbers]]:
        """The heads of the ledger that may be wanted, each with the number of its file."""
        for number, file in enumerate(snapshot.files):
            for heads in self._table.heads(file):
                found = [wanted.passed(some) for some in chunks(heads)]
                one = np.concatenate(found) if found else heads
                yield one, np.full(len(one), number, np.uint32)

    def _joined(self, passed: RecordSpool) -> Iterator[pl.DataFrame]:
        """``file``, ``head`` and ``batch`` of what is in the ledger and in the delivery, many at once."""
        waiting: list[pl.DataFrame] = []
        for bucket in passed.groups():
            wanted_heads, batches = self._wanted.read(bucket)
            ledger_heads, files = passed.read(bucket)
            wanted = pl.DataFrame({"head": wanted_heads, "batch": batches})
            waiting.append(pl.DataFrame({"head": ledger_heads, "file": files}).join(wanted, on="head"))
            if sum(frame.height for frame in waiting) >= _AT_ONCE:
                yield pl.concat(waiting)
                waiting = []
        if waiting:
            yield pl.concat(waiting)

    def _read_rows(self, file: DataFile, heads: Heads, batches: Numbers) -> None:
        """Keep the rows of a file that begin as wanted keys, each for the batch that wants it."""
        hits = pl.DataFrame({"head": heads.view(np.int64), "batch": batches}).unique()
        rows = self._table.rows_with_heads([file], hits.select("head").unique(), list(COMPARED))
        for (batch,), frame in rows.join(hits, on="head").drop("head").partition_by("batch", as_dict=True).items():
            self._rows.add(int(str(batch)), frame.drop("batch"))


def _buckets(heads: Heads) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return heads >> np.uint64(64 - _BUCKET_BITS)


def _gathered(found: Iterator[tuple[Heads, Numbers]]) -> Iterator[tuple[Heads, Numbers]]:
    """The same, many at once."""
    waiting: list[tuple[Heads, Numbers]] = []
    for one in found:
        waiting.append(one)
        if sum(len(heads) for heads, _ in waiting) >= _AT_ONCE:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(pieces: list[tuple[Heads, Numbers]]) -> tuple[Heads, Numbers]:
    return np.concatenate([heads for heads, _ in pieces]), np.concatenate([numbers for _, numbers in pieces])


def _no_rows() -> pl.DataFrame:
    from airflow_provider_tiktok_offline.ledger.keys_table import KEYS_SCHEMA

    return pl.DataFrame(schema={name: KEYS_SCHEMA[name] for name in COMPARED})
