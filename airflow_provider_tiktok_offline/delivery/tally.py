"""Counting events and their value by what became of them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


class Tally:
    """Events and their value by verdict."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._values: dict[str, Decimal] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a frame with the columns ``verdict`` and ``value`` (a decimal number, or its text)."""
        import polars as pl

        amounts = pl.col("value").cast(pl.Decimal(38, 4))
        for verdict, events, value in frame.group_by("verdict").agg(pl.len(), amounts.sum()).iter_rows():
            self._events[verdict] += events
            self._values[verdict] = self._values.get(verdict, Decimal(0)) + (value or Decimal(0))

    def result(self) -> dict[str, Any]:
        """``events`` and ``values`` as JSON carries them; values as decimal text."""
        return {
            "events": dict(sorted(self._events.items())),
            "values": {verdict: _text(value) for verdict, value in sorted(self._values.items())},
        }


def _text(value: Decimal) -> str:
    """Two decimals, or as many as a currency of three has."""
    whole, _, decimals = f"{value:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def amounts(frame: pl.DataFrame) -> pl.DataFrame:
    """Prepared events with their ``value``: null throughout where the advertiser does not send values."""
    import polars as pl

    return frame if "value" in frame.columns else frame.with_columns(pl.lit(None, pl.String).alias("value"))
