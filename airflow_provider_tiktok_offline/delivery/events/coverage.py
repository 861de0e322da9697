"""Coverage: how many of a file's rows name a customer.

Anonymous sales are rightly left out. An export that lost its column of e-mails looks like a day of anonymous sales,
and no row of it is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.conversions.report.report import percent
from airflow_provider_tiktok_offline.delivery.events.day_history import earlier_days, figures_of
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

log = plain_logger(__name__)

#: What ``auto`` needs to judge a file: rows in it, and deliveries of the days before.
_FEWEST_ROWS, _FEWEST_DELIVERIES, _DAYS = 200, 10, 28
#: The rule of the pass over a file that nearly all rows of are anonymous.
_RULE = "mostly_anonymous"


def coverage_breach(ctx: DeliveryContext, delivery_id: str) -> str | None:
    """Why a delivery's file names too few customers, in words and percentages; None if it names enough."""
    report = read_report(ctx, delivery_id)
    share = None if report is None else _anonymous(report.identifiers)
    if report is None or share is None:
        return None
    limit = ctx.config.max_anonymous_ratio
    history = _history(ctx, report) if limit == "auto" and share else []
    return too_anonymous(report.identifiers, limit, history)


def with_coverage(ctx: DeliveryContext, report: Report) -> Report:
    """The report without the warning of a mostly anonymous file, where what is usual is known; else it is logged."""
    found = next((issue for issue in report.issues if issue.rule == _RULE), None)
    if found is None:
        return report
    limit = ctx.config.max_anonymous_ratio
    history = _history(ctx, report) if limit == "auto" else []
    report = unless_usual(report, limit, history)
    if found in report.issues:
        log.warning("%s: %s", ctx.config.name, found.message)
    return report


def unless_usual(report: Report, limit: float | Literal["auto"], history: Sequence[Mapping[str, int]]) -> Report:
    """The report without the warning of a mostly anonymous file, where there is something to compare the file with.

    :param limit, history: as :func:`too_anonymous`.
    """
    known = limit != "auto" or _is_known(report.identifiers, history)
    return replace(report, issues=tuple(one for one in report.issues if one.rule != _RULE)) if known else report


def too_anonymous(
    today: Mapping[str, int], limit: float | Literal["auto"], history: Sequence[Mapping[str, int]]
) -> str | None:
    """Compare a file's rows without an identifier with the limit.

    :param today: rows by what identifies them, ``none`` among them.
    :param limit: the largest share of ``none``; ``auto`` compares with half of the usual coverage.
    :param history: the same of the deliveries of the 28 days before.
    :returns: what is wrong, or None.
    """
    share = _anonymous(today)
    if share is None:
        return None
    if limit != "auto":
        too_many = f"{percent(share)} of the rows name no customer, more than max_anonymous_ratio {limit:g}"
        return too_many if share > limit else None
    before = [1 - one for one in map(_anonymous, history) if one is not None]
    if not _is_known(today, history) or 1 - share >= median(before) / 2:
        return None
    return (
        f"{percent(1 - share)} of the rows name a customer, less than half of the usual {percent(median(before))}"
        " (max_anonymous_ratio: auto)"
    )


def _is_known(today: Mapping[str, int], history: Sequence[Mapping[str, int]]) -> bool:
    """Whether there are rows and deliveries enough to say what is usual."""
    before = [one for one in history if _anonymous(one) is not None]
    return len(before) >= _FEWEST_DELIVERIES and sum(today.values()) >= _FEWEST_ROWS


def _history(ctx: DeliveryContext, report: Report) -> list[Mapping[str, int]]:
    today = figures_of(report)
    if today is None:
        return []
    since = today.day - timedelta(days=_DAYS)
    return [day.identifiers for day in earlier_days(ctx, (since, today.day), leave_out=report.sha256)]


def _anonymous(identifiers: Mapping[str, int]) -> float | None:
    rows = sum(identifiers.values())
    return identifiers.get("none", 0) / rows if rows else None
