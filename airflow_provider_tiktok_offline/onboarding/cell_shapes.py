"""What the cells of a column look like: addresses, phones, times, amounts. Only shares leave this module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Literal

import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat, read_numbers
from airflow_provider_tiktok_offline.conversions.rules.timestamp_formats import ClockFields, read_formats
from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import parse_format
from airflow_provider_tiktok_offline.conversions.rules.timestamps import read_timestamps

_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[A-Za-z]{2,24}")
_PHONE = re.compile(r"(?:\+|00)?[0-9][0-9 ()./\-\u00a0]{5,22}[0-9]")
_SURE_PHONE = re.compile(r"(?:\+|00|0)[0-9 ()./\-\u00a0]{6,22}")

#: Where one and two digits fit alike, the notation that takes both comes first: all rows of a daily file have one date.
_DATES = (
    "d.M.yyyy", "d.M.yy", "d/M/yyyy", "M/d/yyyy", "d-M-yyyy", "M-d-yyyy", "yyyy-M-d", "yyyy/M/d", "yyyy.M.d",
    "yyyyMMdd", "d/M/yy", "M/d/yy", "d-M-yy", "d MMM yyyy", "d. MMM yyyy", "d-MMM-yyyy", "d-MMM-yy", "MMM d, yyyy",
)  # fmt: skip
_CLOCKS = ("H:mm:ss", "H:mm", "h:mm:ss a", "h:mm a", "H:mm:ss.S", "HHmmss", "H.mm", "H.mm.ss")
_BETWEEN = (" ", "'T'", ", ", "", " - ")
#: Pairs of notations in which day and month change places.
_DAY_FIRST = re.compile(r"^d[/.-]M")
_MONTH_FIRST = re.compile(r"^M[/.-]d")


@dataclass(frozen=True, slots=True)
class TimeShape:
    """How a column writes times.

    Attributes:
        notation: the format that fits; None for the programme's own forms.
        share: cells that it fits, 0 to 1.
        day_or_month: whether the notation with day and month exchanged fits as well, so that nobody can tell.
        has_clock: whether a time of day is written.
        has_offset: whether an offset from UTC is written.
    """

    notation: str | None
    share: float
    day_or_month: bool
    has_clock: bool
    has_offset: bool


@dataclass(frozen=True, slots=True)
class AmountShape:
    """How a column writes amounts.

    Attributes:
        decimal: the decimal mark.
        thousands: the mark between groups of digits; None for none.
        symbols: whether a currency's sign or letters stand beside them.
        share: cells that are read so, 0 to 1.
        evidence: whether a cell shows which mark is which, as ``1.299,00`` or ``12,5`` do.
        negatives: share of amounts below 0.
    """

    decimal: Literal[".", ","]
    thousands: Literal[".", ",", " ", "'"] | None
    symbols: bool
    share: float
    evidence: bool
    negatives: float


def share(cells: Sequence[str], pattern: re.Pattern[str]) -> float:
    """Cells that a pattern fits as a whole, 0 to 1; 0 of none."""
    return sum(pattern.fullmatch(cell) is not None for cell in cells) / len(cells) if cells else 0.0


def email_share(cells: Sequence[str]) -> float:
    """Cells that are one e-mail address, 0 to 1."""
    return share(cells, _EMAIL)


def phone_share(cells: Sequence[str], *, sure: bool = False) -> float:
    """Cells that may be a phone number, 0 to 1.

    :param sure: count only those that begin as a phone number does: with ``+``, ``00`` or ``0``.
    """
    return share(cells, _SURE_PHONE if sure else _PHONE)


def time_shape(cells: Sequence[str], *, day_first: bool) -> TimeShape | None:
    """How a column writes times; None if no notation fits half of it.

    :param day_first: which order is taken where both fit.
    """
    if not cells:
        return None
    column = pl.Series(cells, dtype=pl.String)
    times = read_timestamps(column, "UTC", offset="ignore", date_only_time=time(0))
    own = float(times.known.mean())
    slashed = bool(column.str.contains(r"^[0-9]{1,2}/").any())
    if own > 0.98 and not slashed:
        dated = float(times.date_only.mean())
        offset = bool(column.str.contains(r"(?:[Zz](?:-[0-9]{4})?|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})$").all())
        return TimeShape(None, own, False, dated < 0.5, offset)
    fits = [(fit, notation) for notation in _notations() if (fit := _fit(column, notation)) > 0.5]
    if not fits:
        return TimeShape(None, own, False, True, False) if own > 0.5 else None
    best = max(fit for fit, _ in fits)
    candidates = [notation for fit, notation in fits if fit >= best - 0.001]
    by_day = [notation for notation in candidates if _DAY_FIRST.match(notation)]
    by_month = [notation for notation in candidates if _MONTH_FIRST.match(notation)]
    unclear = bool(by_day and by_month)
    preferred = (by_day if day_first else by_month) if unclear else candidates
    notation = preferred[0]
    return TimeShape(notation, best, unclear, "m" in notation, "X" in notation)


def date_shape(cells: Sequence[str], *, day_first: bool) -> TimeShape | None:
    """How a column writes dates without a time of day."""
    shape = time_shape(cells, day_first=day_first)
    return shape if shape is not None and not shape.has_clock else None


def clock_notation(cells: Sequence[str]) -> str | None:
    """How a column writes times of day; None if no notation fits most of it."""
    column = "2026-01-01 " + pl.Series(cells, dtype=pl.String)
    fits = [(_fit(column, f"yyyy-MM-dd {clock}"), -number) for number, clock in enumerate(_CLOCKS)]
    best, number = max(fits, default=(0.0, 0))
    return _CLOCKS[-number] if best > 0.9 else None


def _notations() -> Iterable[str]:
    for date in _DATES:
        yield date
        for between in _BETWEEN:
            for clock in _CLOCKS:
                if between or date == "yyyyMMdd":
                    yield f"{date}{between}{clock}"
                    yield f"{date}{between}{clock}X"
                    yield f"{date}{between}{clock} X"


def _fit(column: pl.Series, notation: str) -> float:
    """Cells that a notation fits and that are a date, 0 to 1; few cells tell most notations apart."""
    one = parse_format(notation)
    if not column.head(20).str.contains(one.pattern).any():
        return 0.0
    fields = ClockFields(len(column))
    read_formats(column, [one], fields)
    right = (
        fields.read & ~fields.wrong & (fields.month >= 1) & (fields.month <= 12) & (fields.day >= 1)
        & (fields.day <= 31) & (fields.hour <= 23)
    )  # fmt: skip
    return float(right.mean())


def amount_shape(cells: Sequence[str]) -> AmountShape | None:
    """How a column writes amounts; None if half of its cells are none."""
    if not cells:
        return None
    column = pl.Series(cells, dtype=pl.String)
    marks: tuple[tuple[Literal[".", ","], Literal["", ".", ",", " ", "'"]], ...] = (
        (".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'"), (",", "'"),
    )  # fmt: skip
    found: list[tuple[float, int, AmountShape]] = []
    for symbols in (False, True):
        for number, (decimal, thousands) in enumerate(marks):
            numbers = read_numbers(column, NumberFormat(decimal, thousands, strip_symbols=symbols))
            fit = float(numbers.known.mean())
            # A mark with exactly three digits behind it in every cell is no evidence for a decimal mark.
            doubtful = float((numbers.grouped_like & numbers.known).mean())
            marked = column.str.contains(f"[{decimal}][0-9]{{1,2}}$|[{decimal}][0-9]{{4,}}$").any()
            shape = AmountShape(
                decimal, thousands or None, symbols, fit, bool(marked), float((numbers.negative & numbers.known).mean())
            )
            found.append((fit - 0.01 * doubtful - 0.001 * symbols, -number, shape))
    _, _, best = max(found, key=lambda one: one[:2])
    return best if best.share > 0.5 else None
