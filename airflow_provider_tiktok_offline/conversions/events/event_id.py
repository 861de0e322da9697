"""The deterministic id of a transaction, version 2; docs/event-id.md describes it and pins it by vectors.

Nothing in it depends on column order, delimiter, row order, file, or the version of the phone library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash  # noqa: F401  (registers the ``chash`` namespace)

from airflow_provider_tiktok_offline.conversions.contract.columns import CANONICAL_EVENT
from airflow_provider_tiktok_offline.conversions.events.identity_settings import ORDERLESS_COLUMNS, RECIPE
from airflow_provider_tiktok_offline.conversions.events.row_keys import mix
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import PLACEHOLDERS
from airflow_provider_tiktok_offline.conversions.text.cleaning import cleaned
from airflow_provider_tiktok_offline.conversions.text.digests import from_hex

_SEPARATOR = "\x1f"
_PHONE_DIGITS = 8
#: Bytes of an event id.
ID_BYTES = 16


def canonical_event(event: pl.Expr) -> pl.Expr:
    """The event's name for the id only: renamed events are one event."""
    return event.replace(CANONICAL_EVENT)


def text_with_order(columns: Sequence[str]) -> pl.Expr:
    """What is hashed where there is an order_id: the canonical ``event`` and the identity columns."""
    return pl.concat_str(["event", *columns], separator=_SEPARATOR)


def text_without_order() -> pl.Expr:
    """What is hashed where there is none: time, amount, store, product and the first identifier."""
    return pl.concat_str(["event", "epoch", "amount", *ORDERLESS_COLUMNS, "identifier"], separator=_SEPARATOR)


def identity_value(cells: pl.Series) -> pl.Series:
    """A column as it enters the id: cleaned, and blank where a placeholder is left."""
    clean = cleaned(cells)
    if clean is cells:
        return cells
    blank = clean.str.to_lowercase().is_in(PLACEHOLDERS)
    return clean.to_frame("cell").select(pl.when(~pl.lit(blank)).then("cell").otherwise(pl.lit(""))).to_series()


def phone_identifier(normal: pl.Expr) -> pl.Expr:
    """A phone as it enters the id: its last eight digits."""
    return normal.str.strip_prefix("+").str.tail(_PHONE_DIGITS)


def id_bytes(text: pl.Expr) -> pl.Expr:
    """The 16 bytes of an event id."""
    hexed = cast(pl.Expr, text.chash.sha2_256())  # type: ignore[attr-defined]
    return from_hex(hexed.str.slice(0, 2 * ID_BYTES))


def id_text(digest: pl.Expr, recipe: str = RECIPE) -> pl.Expr:
    """An event id as it is sent.

    :param recipe: the version that made it.
    """
    return pl.lit(f"{recipe}-") + digest.bin.encode("hex")


def content_numbers(epoch: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """A fingerprint of time and amount: two rows with one event id and different ones are no duplicates.

    Sixty-four bits, mixed as SplitMix64 does; the ledger keeps it, so it never changes.
    """
    mixed = mix(epoch.astype(np.uint64))
    mixed ^= units.astype(np.uint64)
    return mix(mixed)
