"""Columns of text as the bytes they are, made once a block, and what a look at all of them at once shows."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers, to_arrow

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

_LETTERS, _DIGITS = 26, 10
_HYPHEN, _UNDERSCORE, _FIRST_DIGIT, _FIRST_CAPITAL, _FIRST_LETTER = b"-_0Aa"
#: The bit by which a small letter differs from its capital.
_SMALL = np.uint8(0x20)
#: Few different texts are told apart by so many bits of a hash under a secret of this process.
_BUCKET_BITS = 12
_BUCKETS = 1 << _BUCKET_BITS
_SEED = secrets.randbits(63)


class ColumnBytes:
    """The bytes of a column.

    :param cells: texts; a null is as blank as an empty one.
    :param array: the same as Arrow has them, where that is known.

    Attributes:
        cells: the column.
        ends: where each text ends, and the first begins: one more than there are rows.
        characters: the bytes of all texts, one behind the other.
    """

    def __init__(self, cells: pl.Series, array: pa.StringArray | None = None) -> None:
        self.cells = cells
        if array is None:
            _, _, self.ends, self.characters = buffers(cells)
            return
        _, offsets, characters = array.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
        self.ends = (ends - ends[0]).astype(np.int64)
        self.characters = np.frombuffer(characters or b"", dtype=np.uint8)[ends[0] : ends[-1]]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many bytes each text has."""
        return np.diff(self.ends)

    @cached_property
    def digits(self) -> NDArray[np.int32]:
        """How many ASCII digits each text has."""
        counted = np.zeros(len(self.characters) + 1, dtype=np.int32)
        np.cumsum(is_digit(self.characters), out=counted[1:])
        return np.diff(counted[self.ends])

    @cached_property
    def are_words(self) -> bool:
        """Whether there are only ASCII letters, digits, hyphens and underscores."""
        characters = self.characters
        fits = is_letter(characters)
        fits |= is_digit(characters)
        fits |= characters == _HYPHEN
        fits |= characters == _UNDERSCORE
        return bool(fits.all())

    @cached_property
    def coded(self) -> CodedColumn:
        """The column as one of few different texts."""
        return CodedColumn.of(self.cells)

    def holds(self, character: int) -> bool:
        """Whether a byte occurs."""
        return bool((self.characters == character).any())

    def firsts(self, rows: NDArray[np.int64]) -> Bytes:
        """The first byte of some texts, none of them blank."""
        return self.characters[self.ends[rows]]


def is_digit(characters: Bytes) -> Flags:
    """Which bytes are ASCII digits."""
    found: Flags = (characters - np.uint8(_FIRST_DIGIT)) < _DIGITS
    return found


def is_letter(characters: Bytes) -> Flags:
    """Which bytes are ASCII letters."""
    found: Flags = ((characters | _SMALL) - np.uint8(_FIRST_LETTER)) < _LETTERS
    return found


def is_capital(characters: Bytes) -> Flags:
    """Which bytes are ASCII capitals."""
    found: Flags = (characters - np.uint8(_FIRST_CAPITAL)) < _LETTERS
    return found


@dataclass(frozen=True, slots=True)
class CodedColumn:
    """A column of few different texts.

    Attributes:
        texts: each of them once.
        codes: for each row the place of its text.
    """

    texts: list[str]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, cells: pl.Series) -> CodedColumn:
        """A column without null."""
        hashes, left = cells.hash(_SEED).to_numpy(), np.arange(len(cells), dtype=np.int32)
        codes = np.empty(len(cells), dtype=np.int32)
        texts: list[str] = []
        for shift in range(_BUCKET_BITS, 64, _BUCKET_BITS):
            buckets = (hashes >> np.uint64(64 - shift)) & np.uint64(_BUCKETS - 1)
            rows = np.full(_BUCKETS, -1, dtype=np.int32)
            rows[buckets] = np.arange(len(hashes), dtype=np.int32)
            used = np.flatnonzero(rows >= 0)
            places = np.zeros(_BUCKETS, dtype=np.int32)
            places[used] = np.arange(len(texts), len(texts) + len(used), dtype=np.int32)
            texts += cells.gather(left[rows[used]]).to_list()
            # Of two texts in one bucket the other one waits for the next bits.
            waits = hashes[rows[buckets]] != hashes
            codes[left] = places[buckets]
            if not waits.any():
                return cls(texts, codes)
            hashes, left = hashes[waits], left[waits]
        rest = cells.gather(left)
        others = rest.unique().to_list()
        codes[left] = rest.replace_strict(
            others, range(len(texts), len(texts) + len(others)), return_dtype=pl.Int32
        ).to_numpy()
        return cls(texts + others, codes)

    @classmethod
    def empty(cls) -> CodedColumn:
        """A column without rows."""
        return cls([], np.empty(0, dtype=np.int32))

    def meaning(self, meanings: Mapping[str, str]) -> CodedColumn:
        """What each text means, blank where it means nothing."""
        meant = [meanings.get(text, "") for text in self.texts]
        places = {text: place for place, text in enumerate(dict.fromkeys(meant))}
        return CodedColumn(list(places), np.array([places[text] for text in meant], dtype=np.int32)[self.codes])

    def blank(self) -> Flags:
        """Which rows are blank."""
        found: Flags = self.codes == (self.texts.index("") if "" in self.texts else -1)
        return found

    def cells(self) -> pl.Series:
        """The column itself."""
        return pl.Series(self.texts, dtype=pl.String).gather(self.codes)

    def to_arrow(self, rows: NDArray[np.int64] | None) -> pa.DictionaryArray:
        """Some rows, or all, as Arrow has columns of few different texts."""
        codes = self.codes if rows is None else self.codes[rows]
        indices = pa.Array.from_buffers(pa.int32(), len(codes), [None, pa.py_buffer(codes)])
        return pa.DictionaryArray.from_arrays(indices, to_arrow(pl.Series(self.texts, dtype=pl.String)))

    def counted(self, rows: Flags) -> dict[str, int]:
        """How often each text stands in some rows."""
        codes = self.codes if rows.all() else self.codes[rows]
        return {text: rows for text, rows in zip(self.texts, np.bincount(codes).tolist(), strict=False) if rows}


class _Remembered(threading.local):
    """Columns by the identity of their Python object, which each keeps alive; None outside of a block."""

    columns: dict[int, ColumnBytes] | None = None


_remembered = _Remembered()


@contextmanager
def remembering() -> Iterator[None]:
    """Within it, the bytes of a column that is asked for again are not made again; in this thread."""
    before, _remembered.columns = _remembered.columns, {}
    try:
        yield
    finally:
        _remembered.columns = before


def remember(cells: pl.Series, array: pa.StringArray) -> None:
    """Take the bytes of a column from Arrow when they are asked for; its rows are those of the array, none null."""
    if _remembered.columns is not None and len(cells):
        _remembered.columns[id(cells)] = ColumnBytes(cells, array)


def column_bytes(cells: pl.Series) -> ColumnBytes:
    """The bytes of a column."""
    known = _remembered.columns
    if known is None:
        return ColumnBytes(cells)
    found = known.get(id(cells))
    if found is None:
        found = known[id(cells)] = ColumnBytes(cells)
    return found
