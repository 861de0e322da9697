"""The limits under ``guards:``, compared with the figures of a file: pure, for a run and for a backtest alike.

No text here holds an amount: it reaches messages, logs and pages of people who may not see turnover.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from statistics import median
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.report.report import number_of

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.sections import GuardConfig
    from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events

#: ``size_factor`` compares with the files of so many days, if there are so many.
SIZE_DAYS, FEWEST_SIZES = 28, 3


@dataclass(frozen=True, slots=True)
class GuardFigures:
    """What the limits are compared with.

    Attributes:
        events: of the file.
        value: the sum of all amounts.
        largest: the largest amount.
        stores: the store codes of its events.
    """

    events: int
    value: Decimal = Decimal(0)
    largest: Decimal = Decimal(0)
    stores: frozenset[str] = frozenset()


def read_figures(prepared: Events, guards: GuardConfig) -> GuardFigures:
    """The figures of prepared events; amounts and stores are read only where a limit needs them."""
    events = sum(part.events for part in prepared.parts)
    if guards.max_value is None and guards.max_amount is None and guards.stores is None:
        return GuardFigures(events)
    import polars as pl

    from airflow_provider_tiktok_offline.delivery.state.outcome_counts import with_amounts

    amount = pl.col("value").cast(pl.Decimal(38, 4))
    total, largest, stores = Decimal(0), Decimal(0), set[str]()
    for index in range(len(prepared.parts)):
        frame = prepared.read(index)
        part_total, part_largest = (
            with_amounts(frame).select(amount.sum().alias("total"), amount.max().alias("max")).row(0)
        )
        total += part_total or Decimal(0)
        largest = max(largest, part_largest or Decimal(0))
        if "shop_id" in frame.columns:
            stores |= set(frame["shop_id"].drop_nulls().unique())
    return GuardFigures(events, total, largest, frozenset(stores))


def breached_limits(guards: GuardConfig, figures: GuardFigures) -> Iterator[str]:
    """The limits that a file is over, each in words with its figure: amounts as a share of their limit."""
    if guards.max_events is not None and figures.events > guards.max_events:
        yield f"{figures.events} events, more than max_events {guards.max_events}"
    if guards.max_value is not None and figures.value > Decimal(str(guards.max_value)):
        yield f"the amounts add up to {_share(figures.value, guards.max_value)} of max_value"
    if guards.max_amount is not None and figures.largest > Decimal(str(guards.max_amount)):
        yield f"a single amount is {_share(figures.largest, guards.max_amount)} of max_amount"
    strangers = figures.stores - set(guards.stores) if guards.stores is not None else frozenset()
    if strangers:
        yield f"{number_of(len(strangers), 'store code')} that guards.stores does not list"


def breached_size(size: int, sizes: Sequence[int], factor: float) -> Iterator[str]:
    """That a file's size differs too much from the median of others; nothing with fewer than :data:`FEWEST_SIZES`.

    :param size: in bytes, as are the others.
    """
    if len(sizes) < FEWEST_SIZES:
        return
    usual = median(sizes)
    if not usual / factor <= size <= usual * factor:
        yield (f"{size} bytes, where the last {SIZE_DAYS} days had {usual:.0f} in the middle (size_factor {factor:g})")


def _share(amount: Decimal, limit: float) -> str:
    share = (100 * amount / Decimal(str(limit))).quantize(Decimal("0.1"), rounding=ROUND_UP)
    return f"{share:,} %"
