"""A fixed set of 64-bit numbers that columns are looked up in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

#: Places of the first look for each member; so many of others end there.
_PLACES_PER_MEMBER = 16
_LEAST_BITS, _MOST_BITS = 10, 26


class NumberSet:
    """A set of numbers.

    Most numbers that are asked for are in no set. One look into a table of flags tells nearly all of them, at a
    fraction of what a binary search in millions of numbers takes.

    :param numbers: its members, in any order, repeated or not. They must be spread evenly, as digests and hashes are.
    """

    def __init__(self, numbers: Numbers) -> None:
        ordered = np.sort(numbers)
        new = np.ones(len(ordered), dtype=np.bool_)
        new[1:] = ordered[1:] != ordered[:-1]
        self._numbers = ordered[new]
        bits = int(np.clip(np.ceil(np.log2(max(1, len(self._numbers)) * _PLACES_PER_MEMBER)), _LEAST_BITS, _MOST_BITS))
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, dtype=np.bool_)
        self._table[self._numbers >> self._shift] = True

    def __len__(self) -> int:
        return len(self._numbers)

    def covers(self, asked: Numbers) -> NDArray[np.bool_]:
        """Which of the numbers are members."""
        found: NDArray[np.bool_] = self._table[asked >> self._shift]
        likely = np.flatnonzero(found)
        if len(likely):
            wanted = asked[likely]
            places = np.minimum(np.searchsorted(self._numbers, wanted), len(self._numbers) - 1)
            found[likely] = self._numbers[places] == wanted
        return found


def spread(numbers: NDArray[np.int64]) -> Numbers:
    """Numbers of any kind, spread evenly over 64 bits, each its own (a multiplication by an odd constant)."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32))
