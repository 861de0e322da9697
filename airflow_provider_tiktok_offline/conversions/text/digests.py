"""SHA-256 of text columns as 32 bytes, and hex to bytes."""

from __future__ import annotations

from typing import cast

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers the ``chash`` namespace)
import pyarrow as pa
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers, series

#: Pairs of hex characters that are decoded at a time, so that what is worked out of them stays in the cache.
_PAIRS = 1 << 16


def sha256(text: pl.Expr) -> pl.Expr:
    """The SHA-256 of each text as 32 bytes; null where it is null, empty or a bare ``+``."""
    hexed = cast(pl.Expr, text.map_batches(_something, is_elementwise=True).chash.sha2_256())  # type: ignore[attr-defined]
    return from_hex(hexed)


def _something(text: pl.Series) -> pl.Series:
    """The texts, null where nothing is to be hashed."""
    shortest = text.str.len_bytes().min()
    if shortest is None or cast(int, shortest) > 1:
        return text
    return pl.select(pl.when((text != "") & (text != "+")).then(text).alias(text.name)).to_series()


def from_hex(text: pl.Expr) -> pl.Expr:
    """The bytes that lower-case hex stands for.

    ``str.decode`` takes longer than the hash itself. Pairs of characters worked out as numbers take 11 ns for a digest;
    looked up in a table they take 46, by ``binascii`` 21.
    """
    return text.map_batches(_from_hex, return_dtype=pl.Binary, is_elementwise=True)


def _from_hex(text: pl.Series) -> pl.Series:
    rows, validity, ends, characters = buffers(text)
    if len(characters) == 0:
        return pl.Series(text.name, [None], dtype=pl.Binary).new_from_index(0, rows)
    decoded = _decoded(characters.view("<u2"))
    array = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), rows, [validity, pa.py_buffer(ends >> 1), pa.py_buffer(decoded)]
    )
    return series(text.name, array)


def _decoded(pairs: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """The byte of each pair of lower-case hex characters, the first of which lies in the lower half of its number."""
    decoded = np.empty(len(pairs), dtype=np.uint8)
    digits, letters = np.empty((2, min(_PAIRS, len(pairs))), dtype=np.uint16)
    for start in range(0, len(pairs), _PAIRS):
        some = pairs[start : start + _PAIRS]
        digit, letter = digits[: len(some)], letters[: len(some)]
        # Bit 6 tells "a" (0x61, the digit 10) from "0" (0x30): its low four bits lack 9.
        np.right_shift(some, 6, out=letter)
        np.bitwise_and(letter, 0x0101, out=letter)
        np.multiply(letter, 9, out=letter)
        np.bitwise_and(some, 0x0F0F, out=digit)
        np.add(digit, letter, out=digit)
        # The upper half becomes the second digit with the first one shifted by four bits.
        np.multiply(digit, 0x1001, out=digit)
        np.right_shift(digit, 8, out=digit)
        decoded[start : start + len(some)] = digit
    return decoded
