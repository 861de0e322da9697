"""A set of physical lines of a source file: those that go into the feed file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class LineSet:
    """A set of line numbers, one bit each: 500 million rows are 63 MB.

    The header is line 1; its number means nothing here.
    """

    def __init__(self) -> None:
        self._bits: npt.NDArray[np.uint8] = np.zeros(1024, dtype=np.uint8)

    def add(self, lines: npt.ArrayLike) -> None:
        """Add line numbers, in any order.

        :param lines: an array or a Polars series of integers.
        """
        numbers = np.asarray(lines, dtype=np.int64)
        if not len(numbers):
            return
        need = int(numbers.max()) // 8 + 1
        if need > len(self._bits):
            grown = np.zeros(max(need, 2 * len(self._bits)), dtype=np.uint8)
            grown[: len(self._bits)] = self._bits
            self._bits = grown
        np.bitwise_or.at(self._bits, numbers >> 3, (1 << (numbers & 7)).astype(np.uint8))

    def mask(self, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """For each line number whether it is in the set."""
        inside = (lines >> 3) < len(self._bits)
        where = np.where(inside, lines >> 3, 0)
        bits = (self._bits[where] >> (lines & 7).astype(np.uint8)) & 1
        members: npt.NDArray[np.bool_] = inside & bits.astype(bool)
        return members

    def tolist(self) -> list[int]:
        """Every line number, rising."""
        return [int(line) for line in np.flatnonzero(np.unpackbits(self._bits, bitorder="little"))]

    def __len__(self) -> int:
        return int(np.unpackbits(self._bits).sum())
