"""Notices: what a person is notified of a run, without a customer's data: names, counts, sums and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from typing import Literal

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import money
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import read_summary
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run

Event = Literal["success", "failure", "gate", "stale"]

_SUBJECTS: dict[Event, str] = {
    "success": "delivered",
    "failure": "the delivery failed",
    "gate": "nothing was sent, a gate or guard is breached",
    "stale": "no file yet",
}
_CLASSES = ("rows_total", "rows_valid", "rows_rejected", "rows_duplicate", "rows_excluded")


@dataclass(frozen=True, slots=True)
class Notice:
    """One message.

    Attributes:
        event: what happened.
        subject: one line.
        facts: what there is to say, by its name.
    """

    event: Event
    subject: str
    facts: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """As plain text."""
        return "\n".join([self.subject, "", *(f"{name}: {value}" for name, value in self.facts)])

    @property
    def html(self) -> str:
        """As the body of a mail."""
        rows = "".join(
            f"<tr><th align=left valign=top>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self.facts
        )
        return f"<p>{escape(self.subject)}</p><table>{rows}</table>"

    def to_dict(self) -> dict[str, object]:
        """As JSON's values, for a webhook."""
        return {
            "event": self.event,
            "subject": self.subject,
            "facts": [{"name": name, "value": value} for name, value in self.facts],
            "text": self.text,
        }


def notice(ctx: DeliveryContext, event: Event, *, reason: str | None = None, day: date | None = None) -> Notice:
    """Say what became of a run.

    :param event: what happened.
    :param reason: why, in the words of an error of this package.
    :param day: the day whose file is missing.
    """
    config = ctx.config
    facts = [("Advertiser", config.name), ("Route", f"{config.route}, {config.mode}"), ("Run", ctx.holder)]
    if day is not None:
        facts.append(("Day", day.isoformat()))
    if event == "stale":
        facts.append(("Expected", config.source.path))
    if reason is not None:
        facts.append(("Why", reason))
    for delivery_id in deliveries_of_run(ctx):
        facts += _delivery(ctx, delivery_id)
    live = "" if ctx.live else f" ({config.mode})"
    return Notice(event, f"{config.name}: {_SUBJECTS[event]}{live}", tuple(facts))


def _delivery(ctx: DeliveryContext, delivery_id: str) -> Iterator[tuple[str, str]]:
    state = ctx.deliveries.find(delivery_id)
    if state is None:
        return
    yield "File", state.file_name
    report = read_report(ctx, delivery_id)
    if report is not None:
        yield "Rows", ", ".join(f"{getattr(report, name):,} {name.removeprefix('rows_')}" for name in _CLASSES)
    summary = read_summary(ctx, delivery_id)
    if summary is not None:
        if summary.events:
            yield "Events", ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(summary.events.items()))
        if summary.values:
            yield "Values", ", ".join(f"{money(sums)} {outcome}" for outcome, sums in sorted(summary.values.items()))
        if summary.open:
            yield "Open", summary.open
    if report is not None:
        yield "Report", ctx.uri(f"{ctx.folder(delivery_id)}/report.html")


def stale_at(config: AdvertiserConfig, due: datetime) -> datetime | None:
    """When the file of a run counts as stale: the first ``no_file_by`` after the run was due; None without one.

    :param due: when the run was due, aware.
    """
    by = None if config.notifications is None else config.notifications.no_file_by
    if by is None:
        return None
    local = due.astimezone(config.zone)
    moment = datetime.combine(local.date(), by, config.zone)
    return moment if moment > local else datetime.combine(local.date() + timedelta(days=1), by, config.zone)


def claim_notification(ctx: DeliveryContext, event: Event, day: date) -> bool:
    """Whether nobody was notified of this for that day yet; the caller then notifies, and later callers do not."""
    return ctx.objects.create(f"advertisers/{ctx.config.name}/told/{event}-{day.isoformat()}", b"")
