"""Drift: what the day's file has less of than the files of the days before it.

A figure has fallen if it is below the median of the days compared by more than three robust deviations (1.4826 times
the median absolute deviation, for counts at least the square root of the median) *and* by more than a stated part. Only
falls count: a busy day is no fault of the export.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import median

from airflow_provider_tiktok_offline.conversions.report.report import percent
from airflow_provider_tiktok_offline.delivery.events.day_history import DayFigures

#: Days that a comparison needs.
ENOUGH_DAYS = 6
#: How far back days of the same weekday, and days of any weekday, are looked for.
SAME_WEEKDAY_DAYS, ALL_DAYS = 56, 28
_DEVIATIONS = 3.0
_TO_SIGMA = 1.4826
#: Rows and value have fallen only if they are this part below the median, shares only by so much of all rows.
_FALL, _SHARE_FALL = 0.3, 0.1
#: A category that usually has this share of the rows has fallen if less than half of it is left.
_CATEGORY_SHARE = 0.05
#: A store is a usual one if it was there on two of three days; missing ones count from a tenth of them on.
_USUAL_STORE, _MISSING_STORES, _FEWEST_MISSING = 2 / 3, 0.1, 2


@dataclass(frozen=True, slots=True)
class Drift:
    """The comparison of one file.

    Attributes:
        findings: what has fallen, in words with percentages; no amount and no customer's value.
        basis: what it was compared with, or why with nothing.
        compared: whether there was enough to compare with.
    """

    findings: tuple[str, ...]
    basis: str
    compared: bool = True


def history_since(day: date) -> date:
    """The first day whose figures a comparison may need, but for last year's."""
    return day - timedelta(days=SAME_WEEKDAY_DAYS)


def a_year_before(day: date) -> date:
    """The same date of last year; 28 February for 29 February."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)


def compare(today: DayFigures, history: Sequence[DayFigures], *, closed: Container[date] = ()) -> Drift:
    """Compare a file with those of the days before it.

    :param history: figures of earlier days, and of the same date of last year where they are known.
    :param closed: days on which shops are closed: they are neither compared nor compared with.
    """
    if today.day in closed:
        return Drift((), f"nothing: {today.day} is a closed date", compared=False)
    usual, basis = _usual(today.day, [one for one in history if one.day not in closed])
    if len(usual) < ENOUGH_DAYS:
        return Drift((), f"nothing: {len(usual)} of the {ENOUGH_DAYS} days that it takes are known", compared=False)
    findings = tuple(_falls(today, usual, _weekday_words(today.day, usual)))
    last_year = [one for one in history if one.day == a_year_before(today.day)]
    if findings and last_year and not any(_falls(today, last_year * ENOUGH_DAYS, "")):
        return Drift((), f"{basis}; less, as on the same date of last year")
    return Drift(findings, basis)


def _usual(day: date, history: Sequence[DayFigures]) -> tuple[list[DayFigures], str]:
    """The days to compare with: those of the same weekday if there are enough, else all."""
    recent = [one for one in history if history_since(day) <= one.day < day]
    same = [one for one in recent if one.day.weekday() == day.weekday()]
    if len(same) >= ENOUGH_DAYS:
        return same, f"{len(same)} {day:%A}s"
    of_all = [one for one in recent if one.day >= day - timedelta(days=ALL_DAYS)]
    return of_all, f"{len(of_all)} files of the {ALL_DAYS} days before"


def _weekday_words(day: date, usual: Sequence[DayFigures]) -> str:
    return f"usual for a {day:%A}" if all(one.day.weekday() == day.weekday() for one in usual) else "usual"


def _falls(today: DayFigures, usual: Sequence[DayFigures], words: str) -> Iterator[str]:
    rows = _count_fall(today.rows, [one.rows for one in usual])
    if rows is not None:
        yield f"{rows:.0%} fewer rows than {words}".replace("%", " %")
    for currency in sorted({currency for one in usual for currency in one.value}):
        value = _fall(_sum(today, currency), [_sum(one, currency) for one in usual])
        if value is not None:
            yield f"{value:.0%} less value in {currency} than {words}".replace("%", " %")
    yield from _coverage(today, usual, words)
    yield from _mix(today, usual, words)
    yield from _stores(today, usual)


def _fall(now: float, before: Sequence[float], least_sigma: float = 0.0) -> float | None:
    """By which part a figure is below the median; None if that is no fall."""
    middle = median(before)
    sigma = max(_TO_SIGMA * median(abs(each - middle) for each in before), least_sigma)
    if middle <= 0 or now >= middle - max(_DEVIATIONS * sigma, _FALL * middle):
        return None
    return 1 - now / middle


def _count_fall(now: float, before: Sequence[float]) -> float | None:
    return _fall(now, before, sqrt(median(before)))


def _share_fall(now: float, before: Sequence[float], rows: int, least: float) -> bool:
    """Whether a share of the rows has fallen by more than ``least``."""
    middle = median(before)
    by_chance = sqrt(middle * (1 - middle) / rows) if rows and 0 < middle < 1 else 0.0
    sigma = max(_TO_SIGMA * median(abs(each - middle) for each in before), by_chance)
    return now < middle - max(_DEVIATIONS * sigma, least)


def _coverage(today: DayFigures, usual: Sequence[DayFigures], words: str) -> Iterator[str]:
    """Rows with an e-mail, and rows with a phone."""
    known = [one for one in usual if sum(one.identifiers.values())]
    if len(known) < ENOUGH_DAYS or not sum(today.identifiers.values()):
        return
    for kind, name in (("email", "an e-mail address"), ("phone", "a phone")):
        now, before = _covered(today, kind), [_covered(one, kind) for one in known]
        if _share_fall(now, before, today.rows, _SHARE_FALL):
            yield f"{percent(now)} of the rows have {name}, {percent(median(before))} are {words}"


def _mix(today: DayFigures, usual: Sequence[DayFigures], words: str) -> Iterator[str]:
    """Categories that used to have a share of the valid rows."""
    known = [one for one in usual if one.valid]
    if len(known) < ENOUGH_DAYS or not today.valid:
        return
    for category in sorted({category for one in known for category in one.categories}):
        now = today.categories.get(category, 0) / today.valid
        before = [one.categories.get(category, 0) / one.valid for one in known]
        middle = median(before)
        if middle >= _CATEGORY_SHARE and _share_fall(now, before, today.valid, middle / 2):
            yield f"{percent(now)} of the rows are {category}, {percent(middle)} are {words}"


def _stores(today: DayFigures, usual: Sequence[DayFigures]) -> Iterator[str]:
    """Stores that are there on most days, and not today."""
    known = [one for one in usual if one.stores]
    if len(known) < ENOUGH_DAYS:
        return
    seen = [store for one in known for store in one.stores]
    expected = {store for store in set(seen) if seen.count(store) >= _USUAL_STORE * len(known)}
    missing = len(expected - today.stores.keys())
    if missing >= max(_FEWEST_MISSING, _MISSING_STORES * len(expected)) or (expected and missing == len(expected)):
        yield f"{missing} of {len(expected)} stores are missing"


def _covered(one: DayFigures, kind: str) -> float:
    total = sum(one.identifiers.values())
    return (one.identifiers.get(kind, 0) + one.identifiers.get("both", 0)) / total if total else 0.0


def _sum(one: DayFigures, currency: str) -> float:
    return float(one.value.get(currency, 0))
