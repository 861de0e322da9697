"""What the files of earlier days had: figures by file from the records of live deliveries, no customer's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.errors import LedgerMissingError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

#: The records' field that holds the figures.
FIGURES = "figures"
#: A file may be delivered so many days after its day.
_LATE_DAYS = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """One file's figures.

    Attributes:
        day: on which most of its transactions lie, in the advertiser's time zone.
        rows: its rows, without those of other advertisers.
        valid: its valid rows.
        value: currency -> sum of the valid rows.
        identifiers: rows by what identifies them: ``email``, ``phone``, ``both``, ``none``.
        categories: category -> valid rows.
        stores: digest of a store -> valid rows.
    """

    day: date
    rows: int
    valid: int = 0
    value: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    stores: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "day": self.day.isoformat()}


def figures_of(report: Report) -> DayFigures | None:
    """A file's figures; None for one without a valid row, which belongs to no day."""
    if report.day is None:
        return None
    return DayFigures(
        day=date.fromisoformat(report.day),
        rows=report.rows_total - report.excluded.get("filtered", 0),
        valid=report.rows_valid,
        value=dict(report.values.get("valid", {})),
        identifiers=dict(report.identifiers),
        categories=dict(report.categories),
        stores=dict(report.store_keys),
    )


def earlier_days(ctx: DeliveryContext, *spans: tuple[date, date], leave_out: str = "") -> list[DayFigures]:
    """The figures of the files of some days that were delivered live, oldest first.

    :param spans: the first day of each span of days, and the day after its last one.
    :param leave_out: digest of a file that is not wanted.
    :returns: none without a ledger, or for deliveries of older packages, whose records have no figures.
    """
    try:
        ledger = ctx.ledger
    except LedgerMissingError:
        return []
    records = ledger.records.read(*((since, before + timedelta(days=_LATE_DAYS)) for since, before in spans))
    found: dict[str, DayFigures] = {}
    for advertiser, digest, details in records.select("advertiser", "digest", "details").iter_rows():
        kept = msgspec.json.decode(details or "{}").get(FIGURES)
        if advertiser == ctx.config.name and digest != leave_out and kept is not None:
            # A file that was delivered again counts once.
            found[digest] = typed_json.convert(kept, DayFigures)
    wanted = [one for one in found.values() if any(since <= one.day < before for since, before in spans)]
    return sorted(wanted, key=lambda one: one.day)
