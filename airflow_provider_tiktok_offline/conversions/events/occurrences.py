"""Which numbers of a file's rows occur more than once, among numbers as good as random: digests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from airflow_provider_tiktok_offline.conversions.events.row_keys import Hashes, Numbers, several

#: Numbers held before they go to disk.
_HELD = 2_000_000
_SHARE_BITS = 6
_SHARES = 1 << _SHARE_BITS
_NUMBER_BITS = 64
_NUMBER_BYTES = 8
#: Numbers that are compared by one table, which then fits into the cache of a core.
_FEW = 1 << 15
#: So many times as many places has the table, in bits, and so few numbers meet in it by chance.
_ROOM_BITS = 4
#: Numbers that are alike in so many first bits are not random: they are sorted.
_ALIKE_BITS = 30


@dataclass(frozen=True, slots=True)
class _InShares:
    """Numbers in order of their share, which is their first bits.

    Attributes:
        numbers: in shares; within one in the order that they had.
        bounds: where each share begins, and the last one ends.
    """

    numbers: Hashes
    bounds: Numbers

    @classmethod
    def of(cls, numbers: Hashes, known_bits: int = 0) -> _InShares:
        """Numbers in shares by the bits behind their first ones, which are alike."""
        behind = numbers << np.uint64(known_bits) if known_bits else numbers
        share = (behind >> np.uint64(_NUMBER_BITS - _SHARE_BITS)).astype(np.uint8)
        bounds = np.zeros(_SHARES + 1, dtype=np.int64)
        np.cumsum(np.bincount(share, minlength=_SHARES), out=bounds[1:])
        return cls(numbers[np.argsort(share, kind="stable")], bounds)

    def __getitem__(self, share: int) -> Hashes:
        first, last = self.bounds[share : share + 2].tolist()
        numbers: Hashes = self.numbers[first:last]
        return numbers

    def __iter__(self) -> Iterator[Hashes]:
        return (self[share] for share in range(_SHARES))


class Occurrences:
    """Numbers of all rows, of which those are wanted that occur more than once.

    :param directory: where those are put that memory does not hold.
    """

    def __init__(self, directory: str | Path | None) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._held: list[_InShares] = []
        self._count = 0
        #: For each run on disk, where its shares begin, in numbers, and where the last one ends.
        self._runs: list[list[int]] = []
        self._written = 0

    def add(self, numbers: Hashes) -> None:
        """Take more numbers."""
        self._held.append(_InShares.of(numbers))
        self._count += len(numbers)
        if self._count > _HELD:
            self._spill()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="repeats-", dir=self._directory)  # noqa: SIM115
        begins = [self._written]
        for share in range(_SHARES):
            numbers = self._in_memory(share)
            self._file.write(numbers.data)
            begins.append(begins[-1] + len(numbers))
        self._runs.append(begins)
        self._written = begins[-1]
        self._held, self._count = [], 0

    def several(self) -> Hashes:
        """The numbers that occur more than once, in ascending order."""
        return np.concatenate([_several_alike(self._share(share), _SHARE_BITS) for share in range(_SHARES)])

    def _share(self, share: int) -> Hashes:
        parts = []
        for begins in self._runs:
            first, last = begins[share : share + 2]
            if self._file is not None and last > first:
                self._file.seek(first * _NUMBER_BYTES)
                parts.append(np.frombuffer(self._file.read((last - first) * _NUMBER_BYTES), np.uint64))
        return np.concatenate([*parts, self._in_memory(share)])

    def _in_memory(self, share: int) -> Hashes:
        return np.concatenate([np.empty(0, dtype=np.uint64), *(held[share] for held in self._held)])

    def close(self) -> None:
        """Remove what was put on disk."""
        if self._file is not None:
            self._file.close()


def _several_alike(numbers: Hashes, known_bits: int) -> Hashes:
    """The numbers that occur more than once, in ascending order, of those whose first bits are alike.

    Of 2 million numbers in shares, this takes half of the time of sorting them.
    """
    if len(numbers) <= _FEW:
        return several(_that_meet(numbers, known_bits))
    if known_bits >= _ALIKE_BITS:
        return several(numbers)
    shares = _InShares.of(numbers, known_bits)
    return np.concatenate([_several_alike(share, known_bits + _SHARE_BITS) for share in shares])


def _that_meet(numbers: Hashes, known_bits: int) -> Hashes:
    """Those that have their place in a table in common with another one: all that occur more than once, and few others.

    One of those that meet stands in the table; the others find it there instead of themselves.
    """
    places_bits = len(numbers).bit_length() + _ROOM_BITS
    place = ((numbers << np.uint64(known_bits)) >> np.uint64(_NUMBER_BITS - places_bits)).view(np.int64)
    row = np.arange(len(numbers), dtype=np.int32)
    # Not filled before: what is read was written.
    table = np.empty(1 << places_bits, dtype=np.int32)
    table[place] = row
    standing = table[place]
    others = np.flatnonzero(standing != row)
    meeting: Hashes = numbers[np.concatenate([others, np.unique(standing[others])])]
    return meeting
