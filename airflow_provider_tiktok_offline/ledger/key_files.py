"""Lists of event keys as small objects: one line of JSON, then 16 bytes a key."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger.event_keys import KEY_BYTES


def pack(keys: pl.Series, header: dict[str, Any]) -> bytes:
    """The object that holds these keys, its length and digest in the header."""
    rows, _, ends, body = buffers(keys)
    if not (np.diff(ends) == KEY_BYTES).all():
        raise ValueError(f"an event key has {KEY_BYTES} bytes")
    proof = {**header, "keys": rows, "sha256": hashlib.sha256(body.data).hexdigest()}
    return json.dumps(proof, sort_keys=True).encode() + b"\n" + body.tobytes()


def read_header(content: bytes, where: str) -> dict[str, Any]:
    """The header alone.

    :raises LedgerDamagedError: if the object is cut off or was changed.
    """
    return _proven(content, where)[0]


def unpack(content: bytes, where: str) -> tuple[dict[str, Any], pl.Series]:
    """Header and keys.

    :raises LedgerDamagedError: if the object is cut off or was changed.
    """
    found, body = _proven(content, where)
    return found, from_bytes(body)


def _proven(content: bytes, where: str) -> tuple[dict[str, Any], bytes]:
    line, _, body = content.partition(b"\n")
    try:
        found = json.loads(line)
        whole = len(body) == found["keys"] * KEY_BYTES and hashlib.sha256(body).hexdigest() == found["sha256"]
    except (ValueError, KeyError, TypeError):
        found, whole = {}, False
    if not whole:
        raise LedgerDamagedError(
            "an object of the ledger is cut off or was changed", where=where, todo="Restore it; nothing was sent."
        )
    return found, body


def from_bytes(body: bytes) -> pl.Series:
    """Keys that lie one after the other."""
    count = len(body) // KEY_BYTES
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), count, [None, pa.py_buffer(body)])
    return pl.Series("event_key", array.cast(pa.large_binary()), dtype=pl.Binary)
