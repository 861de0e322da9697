"""What each valid row leaves behind for the look over the whole file: seven numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
#: Numbers a row.
FIELDS = 7
_FIRST_BITS = 16
_BEHIND_FIRST = np.uint64(64 - _FIRST_BITS)


class Keys:
    """Seven numbers a row, field by field.

    ``high`` and ``low`` are its identity's 128 bits, ``order`` its order's 64 (0 without one), ``content`` the
    fingerprint of time, amount and customer; ``units``, ``line`` and ``currency`` are its amount, line and
    currency's number.

    :param matrix: one row a field.
    """

    __slots__ = ("matrix",)

    def __init__(self, matrix: Hashes) -> None:
        self.matrix = matrix

    @classmethod
    def empty(cls, rows: int = 0) -> Keys:
        """So many rows of zeros."""
        return cls(np.zeros((FIELDS, rows), dtype=np.uint64))

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Keys:
        """All rows of several, one behind the other."""
        return cls(np.concatenate([part.matrix for part in parts], axis=1)) if parts else cls.empty()

    def __len__(self) -> int:
        return int(self.matrix.shape[1])

    def _field(self, number: int) -> Hashes:
        field: Hashes = self.matrix[number]
        return field

    def _signed(self, number: int) -> Numbers:
        field: Numbers = self.matrix[number].view(np.int64)
        return field

    @property
    def high(self) -> Hashes:
        return self._field(0)

    @property
    def low(self) -> Hashes:
        return self._field(1)

    @property
    def order(self) -> Hashes:
        return self._field(2)

    @property
    def content(self) -> Hashes:
        return self._field(3)

    @property
    def units(self) -> Numbers:
        return self._signed(4)

    @property
    def line(self) -> Numbers:
        return self._signed(5)

    @property
    def currency(self) -> Numbers:
        return self._signed(6)

    def take(self, rows: npt.NDArray[np.bool_] | Numbers) -> Keys:
        """Some of the rows."""
        return Keys(self.matrix[:, rows])

    def by_line(self) -> Keys:
        """The rows in the order of the file."""
        return self.take(np.argsort(self.line, kind="stable"))


class StoredKeys:
    """Keys that another process has written: fields are looked at where they lie, and only some rows are copied.

    :param fields: as :class:`Keys` has them.
    """

    __slots__ = ("fields",)

    def __init__(self, fields: Sequence[Hashes]) -> None:
        self.fields = fields

    def __len__(self) -> int:
        return len(self.fields[0])

    @property
    def high(self) -> Hashes:
        return self.fields[0]

    @property
    def order(self) -> Hashes:
        return self.fields[2]

    @property
    def units(self) -> Numbers:
        return self.fields[4].view(np.int64)

    @property
    def line(self) -> Numbers:
        return self.fields[5].view(np.int64)

    def take(self, rows: npt.NDArray[np.bool_] | Numbers) -> Keys:
        """Some of the rows."""
        return Keys(np.stack([field[rows] for field in self.fields]))


def several(numbers: Hashes) -> Hashes:
    """The numbers that occur more than once, in ascending order."""
    ordered = np.sort(numbers)
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    return np.unique(ordered[again])


def among(numbers: Hashes, wanted: Hashes) -> npt.NDArray[np.bool_]:
    """Which numbers are among some others, given in ascending order.

    Numbers are as good as random, so a look at their first bits rules most of them out.
    """
    found = np.zeros(len(numbers), dtype=bool)
    if not len(wanted):
        return found
    begins = np.zeros(1 << _FIRST_BITS, dtype=bool)
    begins[wanted >> _BEHIND_FIRST] = True
    likely = np.flatnonzero(begins[numbers >> _BEHIND_FIRST])
    chosen = numbers[likely]
    found[likely] = wanted[np.minimum(np.searchsorted(wanted, chosen), len(wanted) - 1)] == chosen
    return found


def repeated(numbers: Hashes) -> npt.NDArray[np.bool_] | None:
    """Which numbers occur more than once; None where none does."""
    wanted = several(numbers)
    return among(numbers, wanted) if len(wanted) else None


def hash_columns(columns: Sequence[pl.Series], seed: int) -> Hashes:
    """One number a row for the values of several text columns, hashed under a secret."""
    frame = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(columns)])
    return mix(frame.hash_rows(seed).to_numpy())


def mix(numbers: Hashes) -> Hashes:
    """SplitMix64: every bit of a number reaches every bit of the result."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
