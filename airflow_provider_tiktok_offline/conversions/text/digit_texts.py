"""Whole numbers as texts of digits, four digits at a time."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import series

_PLUS = ord("+")
_FOUR = 10_000
#: Digits that are written at a time, in four steps of four.
_MOST = 16
_LARGEST = 10 ** (_MOST - 1) - 1
#: Numbers from each of which on there is a digit more.
_BOUNDS = 10 ** np.arange(1, _MOST - 1, dtype=np.int64)


@cache
def _fours() -> NDArray[np.uint32]:
    """0 to 9999 as the bytes of four digits."""
    return np.frombuffer(b"".join(b"%04d" % number for number in range(_FOUR)), dtype=np.uint32)


def behind_plus(numbers: NDArray[np.int64]) -> pl.Series:
    """Numbers of at most fifteen digits, none of them below 1, with a plus before them."""
    digits = np.empty((len(numbers), _MOST // 4), dtype=np.uint32)
    rest = numbers
    for place in range(_MOST // 4 - 1, -1, -1):
        left = rest // _FOUR
        digits[:, place] = _fours()[rest - left * _FOUR]
        rest = left
    characters = digits.view(np.uint8)
    narrowest, widest = (_width(one) for one in (numbers.min(initial=_LARGEST), numbers.max(initial=1)))
    if narrowest >= widest:
        characters = np.ascontiguousarray(characters[:, _MOST - int(widest) :])
        characters[:, 0] = _PLUS
        ends = np.arange(len(numbers) + 1, dtype=np.int64) * widest
    else:
        widths = _width(numbers)
        characters[np.arange(len(numbers)), _MOST - widths] = _PLUS
        characters = characters[np.arange(_MOST) >= (_MOST - widths)[:, None]]
        ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(widths)])
    array = pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(ends), pa.py_buffer(characters))
    return series("", array)


def _width(numbers: NDArray[np.int64] | np.int64) -> NDArray[np.int64]:
    """How many bytes the numbers take, the plus among them."""
    return np.searchsorted(_BOUNDS, numbers, side="right") + 2
