"""Event keys: what the ledger keeps instead of event ids, so that its numbers can't be enumerated."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import polars as pl
import polars_hash as plh

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.conversions.text.digests import from_hex

SECRET_BYTES = 32
KEY_BYTES = 16


def new_secret() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_from_text(text: str) -> bytes:
    """The secret that a connection's password stands for: 64 hex digits as they are, other texts hashed."""
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    return secret if len(secret) == SECRET_BYTES else hashlib.sha256(text.encode()).digest()


def check_of(secret: bytes) -> str:
    """What tells one secret from another without giving it away."""
    return hashlib.sha256(b"tiktok-offline ledger secret check\x1f" + secret).hexdigest()[:16]


def event_keys(secret: bytes, event_ids: pl.Series) -> pl.Series:
    """The first 16 bytes of SHA-256(secret, event id) of every event id."""
    salted = pl.lit(secret) + pl.col("id").cast(pl.Binary)
    return event_ids.alias("id").to_frame().select(event_key=salted).select(_digest("event_key", 32)).to_series()


def keyed_digest(secret: bytes, text: str) -> str:
    """What tells one text from another without giving either away."""
    return hmac.new(secret, b"text\x1f" + text.encode(), "sha256").hexdigest()


def fingerprint(secret: bytes, event_ids: pl.Series) -> str:
    """What tells whether a part still holds the same events in the same order, without a key for each.

    Keyed, since a part may hold a single event: its bare digest would be its event id's.
    """
    _, _, ends, characters = buffers(event_ids)
    digest = hmac.new(secret, b"event ids of a part\x1f", "sha256")
    digest.update(ends.data)
    digest.update(characters.data)
    return digest.hexdigest()


def content_keys(secret: bytes, frame: pl.DataFrame) -> pl.Series:
    """Eight keyed bytes, as Int64, of what was sent under an event key: time and amount, not to be enumerated.

    :param frame: ``event_key`` and ``content``, both Binary.
    """
    salted = pl.lit(secret) + pl.col("event_key") + pl.col("content")
    return (
        frame.select(content=salted)
        .select(_digest("content", 16))
        .select(pl.col("content").bin.reinterpret(dtype=pl.Int64, endianness="big"))
        .to_series()
    )


def _digest(column: str, hex_digits: int) -> pl.Expr:
    return from_hex(plh.col(column).chash.sha2_256().str.head(hex_digits)).alias(column)
