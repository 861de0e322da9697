"""What is handed on of an advertiser's status: a small document after each step, and the days' figures as columns.

Airflow keeps both as XCom, the command line prints them. A reader ignores fields that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    DAYS,
    USUAL_DAYS,
    VERSION,
    AdvertiserStatus,
    DeliveryStatus,
    DoctorStatus,
)
from airflow_provider_tiktok_offline.delivery.state.step_results import plain

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
    from airflow_provider_tiktok_offline.errors import TikTokOfflineError

#: Days in the small document.
RECENT_DAYS = 14
#: Deliveries of one run that it names.
_MOST_DELIVERIES = 5
#: A day's state in one letter: the worst of its deliveries.
_LETTERS = {"failed": "f", "open": "o", "waiting": "w", "closed": "c"}
#: Events by outcome, as columns of the history.
_COLUMNS = (
    "accepted",
    "refused",
    "unconfirmed",
    "already_sent",
    "changed_after_sent",
    "returned",
    "expired",
    "would_send",
)


def settings_document(config: AdvertiserConfig) -> dict[str, object]:
    """What the page shows of an advertiser's settings."""
    return {
        "advertiser": config.name,
        "advertiser_id": config.advertiser_id,
        "event_set_id": config.event_set_id,
        "route": config.route,
        "mode": config.mode,
        "time_zone": config.time_zone,
        "currency": config.currency,
        "gate": config.max_rejected_ratio,
        "retry_hours": config.upload.retry_hours,
        "pool": config.pool,
    }


def error_document(error: TikTokOfflineError) -> dict[str, object]:
    """An error, as its message says it."""
    return {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "todo": error.todo,
        "retryable": error.retryable,
    }


def doctor_document(doctor: DoctorStatus) -> dict[str, object]:
    """The last look: how many checks were in order, and the findings that need somebody, faults first."""
    open_ones = sorted((one for one in doctor.findings if one.status != "ok"), key=lambda one: one.status)
    return {
        "at": doctor.at,
        "ok": len(doctor.findings) - len(open_ones),
        "findings": [plain(asdict(one)) for one in open_ones],
        "passed": [one.subject for one in doctor.findings if one.status == "ok"],
    }


def recent_document(status: AdvertiserStatus, today: date, delivery_ids: Sequence[str] = ()) -> dict[str, object]:
    """The small document: the newest delivery, fourteen days, the usual number of rows, doctor and attribution.

    :param today: the last of the fourteen days.
    :param delivery_ids: the deliveries to name; without any the newest.
    """
    named = [one for one in status.deliveries if one.delivery_id in delivery_ids] or list(status.deliveries[-1:])
    days = _days(status.deliveries)
    first = today - timedelta(days=RECENT_DAYS - 1)
    window = [first + timedelta(days=back) for back in range(RECENT_DAYS)]
    newest = named[-1].day if named else today.isoformat()
    return {
        "deliveries": [plain(asdict(one)) for one in named[-_MOST_DELIVERIES:]],
        "first_day": first.isoformat(),
        "rows": [_sum(days.get(day.isoformat(), []), "total") for day in window],
        "states": "".join(_letter(days.get(day.isoformat(), [])) for day in window),
        "usual_rows": _usual(days, date.fromisoformat(newest)),
        "doctor": None if status.doctor is None else doctor_document(status.doctor),
        "attribution": plain(asdict(status.attribution[-1])) if status.attribution else None,
        "incidents": list(status.incidents),
    }


def history_document(status: AdvertiserStatus, today: date) -> dict[str, object]:
    """The last :data:`DAYS` days as columns, one number a day: a few kilobytes.

    :param today: the last day.
    """
    first = today - timedelta(days=DAYS - 1)
    window = [(first + timedelta(days=back)).isoformat() for back in range(DAYS)]
    days = _days(status.deliveries)
    of_day = [days.get(day, []) for day in window]
    attributed = {one.day: one for one in status.attribution}
    known = [attributed.get(day) for day in window]
    return {
        "version": VERSION,
        "first_day": window[0],
        "time_zone": status.time_zone,
        "states": "".join(_letter(day) for day in of_day),
        "rows": {name: [_sum(day, name) for day in of_day] for name in ("total", "valid", "rejected")},
        "events": {
            name: [sum(one.events.get(name, 0) for one in day) for day in of_day]
            for name in _COLUMNS
            if any(one.events.get(name) for day in of_day for one in day)
        },
        "identifiers": {
            name: [sum(one.identifiers.get(name, 0) for one in day) for day in of_day]
            for name in ("email", "phone", "both", "none")
            if any(one.identifiers for day in of_day for one in day)
        },
        "value": _values(of_day),
        "attributed": [None if one is None else one.events for one in known],
        "attributed_value": [None if one is None else one.value for one in known],
        "spend": [None if one is None else one.spend for one in known],
        "attribution_zone": next((one.time_zone for one in reversed(known) if one), ""),
        "attribution_currency": next((one.currency for one in reversed(known) if one), ""),
        "attribution_read_at": next((one.read_at for one in reversed(known) if one), ""),
        "changes": [plain(asdict(one)) for one in status.changes[-20:]],
        "feeds": [
            {"day": one.day, **asdict(one.feed)}
            for one in status.deliveries
            if one.feed is not None and one.feed.name is not None
        ][-28:],
    }


def _days(deliveries: Sequence[DeliveryStatus]) -> Mapping[str, list[DeliveryStatus]]:
    """The deliveries by day; of a day with live ones, only those."""
    days: dict[str, list[DeliveryStatus]] = {}
    for one in deliveries:
        days.setdefault(one.day, []).append(one)
    for day, of_day in days.items():
        live = [one for one in of_day if one.mode == "live"]
        days[day] = live or of_day[-1:]
    return days


def _letter(of_day: Sequence[DeliveryStatus]) -> str:
    states = {one.state for one in of_day}
    return next((letter for state, letter in _LETTERS.items() if state in states), "-")


def _sum(of_day: Sequence[DeliveryStatus], name: str) -> int:
    return sum(one.rows.get(name, 0) for one in of_day)


def _usual(days: Mapping[str, list[DeliveryStatus]], newest: date) -> float | None:
    """The mean of the rows of the days with a file among the 28 before; None without any."""
    before = [(newest - timedelta(days=back)).isoformat() for back in range(1, USUAL_DAYS + 1)]
    rows = [_sum(days[day], "total") for day in before if day in days and _sum(days[day], "total")]
    return round(sum(rows) / len(rows), 1) if rows else None


def _values(of_day: Sequence[Sequence[DeliveryStatus]]) -> dict[str, list[str]]:
    """Currency -> the accepted value of each day."""
    sums: dict[str, list[Decimal]] = {}
    for index, deliveries in enumerate(of_day):
        for one in deliveries:
            for currency, amount in one.values.get("accepted", {}).items():
                sums.setdefault(currency, [Decimal(0)] * len(of_day))[index] += Decimal(amount)
    return {("" if name == NO_CURRENCY else name): [f"{amount:f}" for amount in days] for name, days in sums.items()}
