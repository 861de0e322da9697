"""Where the keys of a file's rows wait until the whole file was seen: in memory first, then on disk.

Keys wait in the order of the file until it is known which of their numbers occur more than once
(:mod:`.occurrences`); only rows with one of these go to partitions, the rows of one order into the same. Memory holds
one partition at a time, whatever the file's size.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from airflow_provider_tiktok_offline.conversions.events.row_keys import FIELDS, Hashes, Keys

#: Rows held before the first of them go to disk.
_HELD = 400_000
_PARTITION_BITS = 7
_NUMBER_BYTES = 8


class _Spilled:
    """What of the fields of some rows goes to disk: not those whose numbers are all one, or count up.

    :param matrix: the rows as :class:`.Keys` have them.

    Attributes:
        rows: how many there are.
        written: the fields that go to disk.
    """

    def __init__(self, matrix: Hashes) -> None:
        self.rows = matrix.shape[1]
        self._firsts = matrix[:, 0].copy()
        self._counted: list[int] = []
        self.written: list[int] = []
        for field, numbers in enumerate(matrix):
            step = int(numbers[-1]) - int(numbers[0])
            if step == 0 and (numbers == numbers[0]).all():
                continue
            counts = step == self.rows - 1 and (numbers == numbers[0] + np.arange(self.rows, dtype=np.uint64)).all()
            (self._counted if counts else self.written).append(field)

    def keys(self, numbers: Hashes) -> Keys:
        """The rows again.

        :param numbers: what went to disk.
        """
        matrix = np.repeat(self._firsts[:, None], self.rows, axis=1)
        matrix[self._counted] += np.arange(self.rows, dtype=np.uint64)
        matrix[self.written] = numbers.reshape(len(self.written), self.rows)
        return Keys(matrix)


class WaitingKeys:
    """Keys in the order of the file.

    :param directory: where those are put that memory does not hold.
    """

    def __init__(self, directory: str | Path | None) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._on_disk: list[_Spilled] = []
        self._held: list[Keys] = []
        self._count = 0

    def add(self, rows: Keys) -> None:
        """Take the next rows."""
        if not len(rows):
            return
        self._held.append(rows)
        self._count += len(rows)
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="repeats-", dir=self._directory)  # noqa: SIM115
        for rows in self._held:
            spilled = _Spilled(rows.matrix)
            for field in spilled.written:
                self._file.write(np.ascontiguousarray(rows.matrix[field]).data)
            self._on_disk.append(spilled)
        self._held, self._count = [], 0

    def __iter__(self) -> Iterator[Keys]:
        if self._file is not None:
            self._file.seek(0)
            for spilled in self._on_disk:
                data = self._file.read(len(spilled.written) * spilled.rows * _NUMBER_BYTES)
                yield spilled.keys(np.frombuffer(data, np.uint64))
        yield from self._held

    def close(self) -> None:
        """Remove what was put on disk."""
        if self._file is not None:
            self._file.close()


class KeyPartitions:
    """Rows that are looked at together: those of one order, or of one identity, share a partition.

    :param directory: where partitions are put; a temporary one below it is removed by :meth:`close`.
    """

    def __init__(self, directory: str | Path | None) -> None:
        self._parent = directory
        self._directory: Path | None = None
        self._files: list[BinaryIO] = []
        self._sizes: list[list[int]] = []
        self._held: list[Keys] = []
        self._count = 0

    def add(self, rows: Keys) -> None:
        """Take rows, in the order of the file."""
        self._held.append(rows)
        self._count += len(rows)
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        partitions = 1 << _PARTITION_BITS
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="repeats-", dir=self._parent))
            self._files = [(self._directory / f"{number:03}").open("w+b") for number in range(partitions)]
            self._sizes = [[] for _ in range(partitions)]
        rows = Keys.joined(self._held)
        group = np.where(rows.order != 0, rows.order, rows.high)
        partition = (group >> np.uint64(64 - _PARTITION_BITS)).astype(np.uint8)
        rows = rows.take(np.argsort(partition, kind="stable"))
        bounds = np.concatenate([[0], np.cumsum(np.bincount(partition, minlength=partitions))])
        for number, file in enumerate(self._files):
            own = rows.matrix[:, bounds[number] : bounds[number + 1]]
            if own.shape[1]:
                file.write(own.tobytes())
                self._sizes[number].append(own.shape[1])
        self._held, self._count = [], 0

    def __iter__(self) -> Iterator[Keys]:
        if self._directory is None:
            yield Keys.joined(self._held)
            return
        if self._held:
            self._spill()
        for number in range(len(self._files)):
            yield self._partition(number)

    def _partition(self, number: int) -> Keys:
        file = self._files[number]
        file.seek(0)
        parts = [
            Keys(np.frombuffer(file.read(FIELDS * size * _NUMBER_BYTES), np.uint64).reshape(FIELDS, size))
            for size in self._sizes[number]
        ]
        return Keys.joined(parts)

    def close(self) -> None:
        """Remove what was put on disk."""
        for file in self._files:
            file.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
