"""What does not fit into memory while a large delivery is compared with the ledger: on the local disk, without a name.

The files have no name, so that a process that is killed leaves none behind.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.ledger.key_probe import Heads

#: A head, and a number that goes with it.
_RECORD = np.dtype([("head", "<u8"), ("number", "<u4")])
Numbers = NDArray[np.uint32]


class _Spool:
    """A file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="tiktok-ledger-")  # noqa: SIM115 - closed with the spool
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write(self, content: bytes | memoryview) -> int:
        """Append; returns where it stands."""
        start = self._end
        self._file.seek(start)
        self._file.write(content)
        self._end = self._file.tell()
        return start

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)


class RecordSpool(_Spool):
    """Heads with a number each, to be read back group by group."""

    def __init__(self) -> None:
        super().__init__()
        #: Group -> where its records stand, and how many.
        self._runs: dict[int, list[tuple[int, int]]] = {}
        self.count = 0

    def add(self, groups: NDArray[np.integer], heads: Heads, numbers: Numbers) -> None:
        """Take records, each of one group."""
        if not len(groups):
            return
        order = np.argsort(groups, kind="stable")
        records = np.empty(len(order), _RECORD)
        records["head"], records["number"] = heads[order], numbers[order]
        begun = self._write(records.tobytes())
        present, firsts = np.unique(groups[order], return_index=True)
        ends = [*firsts[1:], len(order)]
        for group, first, end in zip(present.tolist(), firsts.tolist(), ends, strict=True):
            self._runs.setdefault(group, []).append((begun + first * _RECORD.itemsize, int(end) - first))
        self.count += len(order)

    def groups(self) -> list[int]:
        """The groups that have records, in order."""
        return sorted(self._runs)

    def read(self, group: int) -> tuple[Heads, Numbers]:
        """The records of a group."""
        pieces = [self._read(start, rows * _RECORD.itemsize) for start, rows in self._runs.get(group, [])]
        records = np.frombuffer(b"".join(pieces), _RECORD)
        return np.ascontiguousarray(records["head"]), np.ascontiguousarray(records["number"])


class FrameSpool(_Spool):
    """Frames, several under one number, to be read back by it."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[int, list[tuple[int, int]]] = {}

    def add(self, number: int, frame: pl.DataFrame) -> None:
        """Keep a frame."""
        stream = io.BytesIO()
        frame.write_ipc(stream)
        content = stream.getbuffer()
        self._places.setdefault(number, []).append((self._write(content), len(content)))

    def read(self, number: int) -> Iterator[pl.DataFrame]:
        """The frames under a number, in order."""
        for start, size in self._places.get(number, []):
            yield pl.read_ipc(io.BytesIO(self._read(start, size)))
