"""Events and their values, counted by outcome."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY

if TYPE_CHECKING:
    import polars as pl


class OutcomeCounts:
    """Events by outcome, and their values by outcome and currency."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._values: dict[tuple[str, str], Decimal] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a frame with the columns ``outcome``, ``value`` (a decimal number, or its text) and ``currency``."""
        for outcome, currency, events, value in sums_of(frame):
            self.add_sum(outcome, currency, events, value)

    def add_sum(self, outcome: str, currency: str | None, events: int, value: Decimal) -> None:
        """Count events with one outcome and one currency."""
        self._events[outcome] += events
        if value:
            key = outcome, currency or NO_CURRENCY
            self._values[key] = self._values.get(key, Decimal(0)) + value

    @property
    def events(self) -> dict[str, int]:
        """Outcome -> events."""
        return dict(sorted(self._events.items()))

    @property
    def values(self) -> dict[str, dict[str, str]]:
        """Outcome -> currency -> sum as decimal text, without sums of 0."""
        values: dict[str, dict[str, str]] = {}
        for (outcome, currency), value in sorted(self._values.items()):
            values.setdefault(outcome, {})[currency] = _text(value)
        return values


def _text(value: Decimal) -> str:
    """Two decimals, or as many as a currency of three has."""
    whole, _, decimals = f"{value:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def sums_of(frame: pl.DataFrame) -> list[tuple[str, str | None, int, Decimal]]:
    """Outcome, currency, events and the sum of their values, of a frame as :meth:`OutcomeCounts.add` takes it."""
    import polars as pl

    amount = pl.col("value").cast(pl.Decimal(38, 4))
    sums = frame.group_by("outcome", "currency").agg(pl.len(), amount.sum())
    return [(outcome, currency, events, value or Decimal(0)) for outcome, currency, events, value in sums.iter_rows()]


def with_amounts(frame: pl.DataFrame) -> pl.DataFrame:
    """Events with ``value`` and ``currency``: null throughout where the advertiser does not send them."""
    import polars as pl

    missing = [name for name in ("value", "currency") if name not in frame.columns]
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
