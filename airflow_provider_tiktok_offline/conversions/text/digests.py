"""SHA-256 of text columns as 32 bytes, and hex to bytes."""

from __future__ import annotations

from typing import cast

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers the ``chash`` namespace)
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers

#: Two hex characters, as they lie in memory -> the byte they stand for.
_BYTE_OF_PAIR = np.zeros(1 << 16, dtype=np.uint8)
for _byte in range(256):
    _pair = f"{_byte:02x}".encode()
    _BYTE_OF_PAIR[np.frombuffer(_pair, dtype=np.uint16)[0]] = _byte


def sha256(text: pl.Expr) -> pl.Expr:
    """The SHA-256 of each text as 32 bytes; null where it is null, empty or a bare ``+``."""
    something = pl.when((text.str.len_bytes() > 1) | ((text != "") & (text != "+"))).then(text)
    hexed = cast(pl.Expr, something.chash.sha2_256())  # type: ignore[attr-defined]
    return from_hex(hexed)


def from_hex(text: pl.Expr) -> pl.Expr:
    """The bytes that lower-case hex stands for.

    ``str.decode`` takes longer than the hash itself; looking up pairs of characters takes a tenth of that.
    """
    return text.map_batches(_from_hex, return_dtype=pl.Binary, is_elementwise=True)


def _from_hex(text: pl.Series) -> pl.Series:
    rows, validity, ends, characters = buffers(text)
    if len(characters) == 0:
        return pl.Series(text.name, [None], dtype=pl.Binary).new_from_index(0, rows)
    decoded = _BYTE_OF_PAIR[characters.view(np.uint16)]
    array = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), rows, [validity, pa.py_buffer(ends >> 1), pa.py_buffer(decoded)]
    )
    return pl.Series(text.name, array, dtype=pl.Binary)
