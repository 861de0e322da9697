"""Counting events and their value by what became of them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY

if TYPE_CHECKING:
    import polars as pl


class Tally:
    """Events by verdict, and their value by verdict and currency."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._values: dict[tuple[str, str], Decimal] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a frame with the columns ``verdict``, ``value`` (a decimal number, or its text) and ``currency``."""
        import polars as pl

        amount = pl.col("value").cast(pl.Decimal(38, 4))
        sums = frame.group_by("verdict", "currency").agg(pl.len(), amount.sum())
        for verdict, currency, events, value in sums.iter_rows():
            self._events[verdict] += events
            if value:
                key = verdict, currency or NO_CURRENCY
                self._values[key] = self._values.get(key, Decimal(0)) + value

    def result(self) -> dict[str, Any]:
        """``events`` and ``values`` as JSON carries them: verdict -> currency -> decimal text, without sums of 0."""
        values: dict[str, dict[str, str]] = {}
        for (verdict, currency), value in sorted(self._values.items()):
            values.setdefault(verdict, {})[currency] = _text(value)
        return {"events": dict(sorted(self._events.items())), "values": values}


def _text(value: Decimal) -> str:
    """Two decimals, or as many as a currency of three has."""
    whole, _, decimals = f"{value:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def amounts(frame: pl.DataFrame) -> pl.DataFrame:
    """Prepared events with ``value`` and ``currency``: null throughout where the advertiser does not send them."""
    import polars as pl

    missing = [name for name in ("value", "currency") if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
