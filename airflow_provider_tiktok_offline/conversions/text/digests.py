"""SHA-256 of text columns as bytes of one width, and hex to bytes."""

from __future__ import annotations

from typing import cast

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers the ``chash`` namespace)
import pyarrow as pa
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers, series

#: Bytes of a SHA-256.
DIGEST_BYTES = 32
#: Pairs of hex characters that are decoded at a time, so that what is worked out of them stays in the cache.
_PAIRS = 1 << 16

Bytes = NDArray[np.uint8]


def digests(texts: pl.Series) -> pa.FixedSizeBinaryArray:
    """The SHA-256 of each text; null where it is null, empty or a bare ``+``."""
    return hashes(_something(texts))


def hashes(texts: pl.Series, size: int = DIGEST_BYTES) -> pa.FixedSizeBinaryArray:
    """The first bytes of the SHA-256 of each text; null where it is null."""
    hashed = cast(pl.Expr, pl.col("text").chash.sha2_256())  # type: ignore[attr-defined]
    hexed = texts.to_frame("text").select(hashed).to_series()
    decoded = _decoded_hashes(hexed).reshape(-1, DIGEST_BYTES)
    return _fixed(decoded if size == DIGEST_BYTES else np.ascontiguousarray(decoded[:, :size]), hexed)


def sha256(text: pl.Expr) -> pl.Expr:
    """The SHA-256 of each text as 32 bytes; null where it is null, empty or a bare ``+``."""
    return text.map_batches(
        lambda texts: series(texts.name, digests(texts)), return_dtype=pl.Binary, is_elementwise=True
    )


def fixed_width(values: pl.Series, size: int) -> pa.FixedSizeBinaryArray:
    """Bytes that all have one width as an array of that width."""
    # Bytes may lie under a null, too.
    _, _, _, data = buffers(values.drop_nulls())
    return _fixed(data.reshape(-1, size), values)


def _fixed(found: Bytes, cells: pl.Series) -> pa.FixedSizeBinaryArray:
    """An array of the values found, one below the other, with a null where a cell is null."""
    kind, rows = pa.binary(found.shape[1]), len(cells)
    if not cells.null_count():
        return pa.FixedSizeBinaryArray.from_buffers(kind, rows, [None, pa.py_buffer(found)])
    there = cells.is_not_null().to_numpy()
    spaced = np.zeros((rows, found.shape[1]), dtype=np.uint8)
    spaced[there] = found
    known = np.packbits(there, bitorder="little")
    return pa.FixedSizeBinaryArray.from_buffers(kind, rows, [pa.py_buffer(known), pa.py_buffer(spaced)])


def _something(texts: pl.Series) -> pl.Series:
    """The texts, null where nothing is to be hashed."""
    shortest = texts.str.len_bytes().min()
    if shortest is None or cast(int, shortest) > 1:
        return texts
    return pl.select(pl.when((texts != "") & (texts != "+")).then(texts).alias(texts.name)).to_series()


def _decoded_hashes(hexed: pl.Series) -> Bytes:
    """The bytes of hashes, nulls left out, read where the hash has put its hex: in pieces, one behind the other."""
    array = hexed.to_arrow(compat_level=pl.CompatLevel.newest())
    pieces = [] if isinstance(array, pa.ChunkedArray) else [one for one in array.buffers()[2:] if one is not None]
    characters = 2 * DIGEST_BYTES * (len(hexed) - hexed.null_count())
    if not pieces or sum(one.size for one in pieces) != characters:
        return _decoded(buffers(hexed)[3].view("<u2"))
    decoded = np.empty(characters // 2, dtype=np.uint8)
    start = 0
    for one in pieces:
        pairs = np.frombuffer(one, dtype="<u2")
        _decode(pairs, decoded[start : start + len(pairs)])
        start += len(pairs)
    return decoded


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


def _decoded(pairs: NDArray[np.uint16]) -> Bytes:
    decoded = np.empty(len(pairs), dtype=np.uint8)
    _decode(pairs, decoded)
    return decoded


def _decode(pairs: NDArray[np.uint16], decoded: Bytes) -> None:
    """Put down the byte of each pair of lower-case hex characters, the first of which lies in its number's lower half.

    :param decoded: gets the bytes.
    """
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
