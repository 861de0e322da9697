"""Notices: what a person is notified of a run, without a customer's data: names, counts, sums and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Literal

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import money
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.source.find_file import source_uri
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import read_summary
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.step_results import Values

Event = Literal["success", "failure", "gate", "stale", "drift", "report"]

_SUBJECTS: dict[Event, str] = {
    "success": "delivered",
    "failure": "the delivery failed",
    "gate": "nothing was sent, a gate or guard is breached",
    "stale": "no file yet",
    "drift": "the file has less than usual",
    "report": "TikTok's side needs a look",
}
#: What to do next, where the reason does not say it.
_NEXT: dict[Event, str] = {
    "failure": "Read the failed task's log; clear it once the cause is mended. Nothing is sent twice.",
    "gate": "Read the report. Have the export mended, or raise the limit in advertisers.yaml, and clear the task.",
    "stale": "Ask whoever exports the file. A late file is still taken by this run or the next.",
    "drift": "Ask whoever exports the file whether something is missing. If it is, a complete file can be sent too.",
}
#: A smaller count could point at single customers.
_FEWEST_SHOWN = 10
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


def notice(
    ctx: DeliveryContext,
    event: Event,
    *,
    reason: str | None = None,
    day: date | None = None,
    links: Iterable[tuple[str, str]] = (),
) -> Notice:
    """Say what became of a run.

    :param event: what happened.
    :param reason: why, in the words of an error of this package.
    :param day: the day whose file is missing.
    :param links: further places to look at, by name.
    """
    config = ctx.config
    facts = [("Advertiser", config.name), ("Route", f"{config.route}, {config.mode}"), ("Run", ctx.holder)]
    if day is not None:
        facts.append(("Day", day.isoformat()))
    if event == "stale":
        facts.append(("Expected", config.source.path if day is None else source_uri(config.source, day)))
    if reason is not None:
        facts.append(("Why", reason))
    for delivery_id in deliveries_of_run(ctx):
        facts += _delivery(ctx, delivery_id)
    if event in _NEXT:
        facts.append(("Next", _NEXT[event]))
    facts += links
    live = "" if ctx.live else f" ({config.mode})"
    return Notice(event, f"{config.name}: {_SUBJECTS[event]}{live}", tuple(facts))


def _delivery(ctx: DeliveryContext, delivery_id: str) -> Iterator[tuple[str, str]]:
    state = ctx.deliveries.find(delivery_id)
    if state is None:
        return
    yield "File", state.file_name
    report = read_report(ctx, delivery_id)
    if report is not None:
        yield "Rows", ", ".join(f"{_count(getattr(report, name))} {name.removeprefix('rows_')}" for name in _CLASSES)
        if report.drift:
            yield "Less than usual", "; ".join(report.drift)
    summary = read_summary(ctx, delivery_id)
    if summary is not None:
        if summary.events:
            yield "Events", ", ".join(f"{_count(count)} {outcome}" for outcome, count in sorted(summary.events.items()))
        if summary.values:
            yield "Values", _values(ctx, summary.values)
        if summary.open:
            yield "Open", summary.open
    if report is not None:
        yield "Report", ctx.uri(f"{ctx.folder(delivery_id)}/report.html")


def _count(count: int) -> str:
    return f"fewer than {_FEWEST_SHOWN}" if 0 < count < _FEWEST_SHOWN else f"{count:,}"


def _values(ctx: DeliveryContext, values: Values) -> str:
    """The sums by outcome; as shares of their currency's sum unless ``notifications.values`` is set."""
    wanted = ctx.config.notifications
    if wanted is not None and wanted.values:
        return ", ".join(f"{money(sums)} {outcome}" for outcome, sums in sorted(values.items()))
    totals: dict[str, Decimal] = {}
    for sums in values.values():
        for currency, amount in sums.items():
            totals[currency] = totals.get(currency, Decimal(0)) + Decimal(amount)
    return ", ".join(
        f"{100 * Decimal(amount) / totals[currency]:.0f} % of {currency} {outcome}"
        for outcome, sums in sorted(values.items())
        for currency, amount in sorted(sums.items())
        if totals[currency]
    )


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


def has_drifted(ctx: DeliveryContext) -> bool:
    """Whether a file of the run has less than usual."""
    reports = [read_report(ctx, delivery_id) for delivery_id in deliveries_of_run(ctx)]
    return any(report is not None and report.drift for report in reports)


def claim_of_run(ctx: DeliveryContext, event: Event) -> bool:
    """Whether nobody was notified of this for the run yet; no second notification for a cleared run."""
    return ctx.objects.create(f"advertisers/{ctx.config.name}/notified/{event}-{ctx.run_key}", b"")


def claim_notification(ctx: DeliveryContext, event: Event, day: date) -> bool:
    """Whether nobody was notified of this for that day yet; the caller then notifies, and later callers do not."""
    return ctx.objects.create(f"advertisers/{ctx.config.name}/notified/{event}-{day.isoformat()}", b"")
