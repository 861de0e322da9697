"""Lists of event keys as small objects: one line of JSON, then 16 bytes a key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger.event_keys import KEY_BYTES


def pack(keys: pl.Series, header: Mapping[str, object]) -> bytes:
    """The object that holds these keys, its length and digest in the header."""
    rows, _, ends, body = buffers(keys)
    if not (np.diff(ends) == KEY_BYTES).all():
        raise ValueError(f"an event key has {KEY_BYTES} bytes")
    proof = {**header, "keys": rows, "sha256": hashlib.sha256(body.data).hexdigest()}
    return json.dumps(proof, sort_keys=True).encode() + b"\n" + body.tobytes()


def read_header(content: bytes, where: str) -> Mapping[str, object]:
    """The header alone.

    :raises LedgerDamagedError: if the object is cut off or was changed.
    """
    return _checked(content, where)[0]


def unpack(content: bytes, where: str) -> tuple[Mapping[str, object], pl.Series]:
    """Header and keys.

    :raises LedgerDamagedError: if the object is cut off or was changed.
    """
    header, body = _checked(content, where)
    return header, from_bytes(body)


def from_bytes(body: bytes) -> pl.Series:
    """Keys that lie one after the other."""
    count = len(body) // KEY_BYTES
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), count, [None, pa.py_buffer(body)])
    return pl.Series("event_key", array.cast(pa.large_binary()), dtype=pl.Binary)


def _checked(content: bytes, where: str) -> tuple[Mapping[str, object], bytes]:
    """Header and body, if length and digest of the body are those of the header."""
    line, _, body = content.partition(b"\n")
    try:
        header = json.loads(line)
        whole = len(body) == header["keys"] * KEY_BYTES and hashlib.sha256(body).hexdigest() == header["sha256"]
    except (ValueError, KeyError, TypeError):
        header, whole = {}, False
    if not whole:
        raise LedgerDamagedError(
            "an object of the ledger is cut off or was changed", where=where, todo="Restore it; nothing was sent."
        )
    return header, body
