"""Which of many event keys are among some others: the look at every key of the ledger.

A key is 16 random bytes, so its first eight bytes, its head, tell it from nearly all others. Heads are looked up as
numbers: first in two tables of bits, which almost all keys of a ledger miss, then in a sorted list. A hit says that a
file may hold the whole key, and only then its rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.ledger.event_keys import KEY_BYTES

Heads = NDArray[np.uint64]

#: Bits of a filter for each head that is wanted. The first is small enough for a processor's cache, where one head in
#: nine passes; of these one in fifty passes the second.
_NEAR_BITS, _FAR_BITS = 3, 6
_FEWEST_BITS, _MOST_BITS = 12, 31
#: Heads that are looked up at once: what is worked out of them stays in a processor's cache.
_AT_ONCE = 65_536
_WRAP = (1 << 64) - 1
#: The head of an ``event_key``, as a column of the keys table.
HEAD = pl.col("event_key").bin.slice(0, 8).bin.reinterpret(dtype=pl.Int64, endianness="little").alias("head")
_ONE, _LOW = np.uint64(1), np.uint64(63)


class HeadFilter:
    """Which heads may be among some others: never no for one that is.

    :param count: how many are wanted.
    :param bits_a_head: by how many powers of two there are more bits than heads.
    :param skip: how many of a head's upper bits are not looked at.
    """

    def __init__(self, count: int, bits_a_head: int = _FAR_BITS, *, skip: int = 0) -> None:
        bits = min(max(count.bit_length() + bits_a_head, _FEWEST_BITS), _MOST_BITS)
        self._words = np.zeros(1 << (bits - 6), np.uint64)
        self._left, self._right = np.uint64(skip), np.uint64(64 - (bits - 6))

    def add(self, heads: Heads) -> None:
        """Take heads that are wanted."""
        np.bitwise_or.at(self._words, self._places(heads), _ONE << (heads & _LOW))

    def passed(self, heads: Heads) -> Heads:
        """Those that may be wanted."""
        words = np.take(self._words, self._places(heads))
        return heads[((words >> (heads & _LOW)) & _ONE).astype(np.bool_)]

    def _places(self, heads: Heads) -> NDArray[np.int64]:
        shifted = heads << self._left if self._left else heads
        return (shifted >> self._right).view(np.int64)


class KeyProbe:
    """Some event keys, to be looked for among many.

    :param wanted: the keys; how many times each is among them does not matter.
    """

    def __init__(self, wanted: pl.Series) -> None:
        self._heads = np.sort(heads_of(wanted))
        self._near = HeadFilter(len(self._heads), _NEAR_BITS)
        self._far = HeadFilter(len(self._heads), skip=24)
        for one in (self._near, self._far):
            one.add(self._heads)

    def among(self, heads: Heads) -> Heads:
        """Those of these heads that wanted keys begin with."""
        found = [self._far.passed(self._near.passed(some)) for some in chunks(heads)]
        passed = np.concatenate(found) if found else heads
        return passed[is_among(passed, self._heads)]

    def keys_among(self, keys: pl.Series) -> pl.Series:
        """Those of these keys that begin as wanted ones."""
        heads = np.ascontiguousarray(heads_of(keys))
        return keys.filter(pl.Series(is_among(heads, np.unique(self.among(heads)))))

    def may_hold(self, heads: Heads) -> bool:
        """Whether a wanted key begins with one of these heads."""
        return len(self.among(heads)) > 0


def is_among(heads: Heads, wanted: Heads) -> NDArray[np.bool_]:
    """Whether each head is among the wanted ones, which are sorted."""
    if not len(wanted):
        return np.zeros(len(heads), np.bool_)
    nearest = np.minimum(np.searchsorted(wanted, heads), len(wanted) - 1)
    found: NDArray[np.bool_] = wanted[nearest] == heads
    return found


def chunks(heads: Heads) -> Iterator[Heads]:
    """As many heads at once as are looked up fast."""
    for start in range(0, len(heads), _AT_ONCE):
        yield heads[start : start + _AT_ONCE]


def heads_of(keys: pl.Series) -> Heads:
    """The first eight bytes of each key, as a number.

    :raises ValueError: if one of them has not 16 bytes.
    """
    return _words(keys)[::2]


def head_column(keys: pl.Series) -> pl.Series:
    """The same as a column of the keys table, whose keys were looked at."""
    return pl.Series("head", np.ascontiguousarray(heads_of(keys)).view(np.int64))


def sum_of(keys: pl.Series) -> int:
    """A number of all keys, in arithmetic that wraps at 64 bits: one changed bit changes it.

    :raises ValueError: as :func:`heads_of`.
    """
    words = _words(keys)
    return (int(words[::2].sum()) + 3 * int(words[1::2].sum())) & _WRAP


def sum_of_heads(heads: Heads) -> int:
    """The same of heads alone."""
    return int(heads.sum())


def _words(keys: pl.Series) -> Heads:
    """Both halves of each key as numbers."""
    rows, _, ends, body = buffers(keys)
    if len(body) != rows * KEY_BYTES or not (np.diff(ends) == KEY_BYTES).all():
        raise ValueError(f"an event key has {KEY_BYTES} bytes")
    return body.view("<u8")
