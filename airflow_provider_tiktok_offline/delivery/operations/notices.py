"""Notices: what a person is notified of a run, without a customer's data: names, counts, sums and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import money, percent
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.source.find_file import source_uri
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import read_summary
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.step_results import Values
from airflow_provider_tiktok_offline.plain_text import one_line

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.operations.doubts import Doubt

Event = Literal["success", "failure", "gate", "approval", "unconfirmed", "stale", "drift", "report"]

_SUBJECTS: dict[Event, str] = {
    "success": "delivered",
    "failure": "the delivery failed",
    "gate": "a file is not sent, a gate or guard is breached",
    "approval": "somebody has to approve the file",
    "unconfirmed": "events without an answer need a decision",
    "stale": "no file yet",
    "drift": "the file has less than usual",
    "report": "TikTok's side needs a look",
}
#: What to do next, where the reason does not say it.
_NEXT: dict[Event, str] = {
    "failure": "Read the failed task's log; clear it once the cause is mended. Nothing is sent twice.",
    "gate": "Read the report. Have the export mended, or raise the limit in advertisers.yaml, and clear the task.",
    "approval": "Read the report. Approve in Airflow to send the file, or reject it: then nothing of it is sent.",
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", one_line(self.subject))
        object.__setattr__(self, "facts", tuple((one_line(name), one_line(value)) for name, value in self.facts))

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


@dataclass(frozen=True, slots=True)
class Places:
    """Where a reader of a notice looks further.

    Attributes:
        links: by name.
        report: delivery id -> the page of its report; None for where the report lies.
    """

    links: Iterable[tuple[str, str]] = ()
    report: Callable[[str], str | None] = field(default=lambda _: None)


def notice(
    ctx: DeliveryContext,
    event: Event,
    *,
    reason: str | None = None,
    day: date | None = None,
    more: Iterable[tuple[str, str]] = (),
    places: Places = Places(),
) -> Notice:
    """Say what became of a run.

    :param event: what happened.
    :param reason: why, in the words of an error of this package.
    :param day: the day whose file the run is for.
    :param more: further facts, by name.
    """
    config = ctx.config
    facts = [("Advertiser", config.name), ("Route", f"{config.route}, {config.mode}"), ("Run", ctx.holder)]
    if day is not None:
        facts.append(("Day", day.isoformat()))
    if event == "stale":
        facts.append(("Expected", config.source.path if day is None else source_uri(config.source, day)))
    if reason is not None:
        facts.append(("Why", _without_small_counts(reason)))
    # The report task and a look at what is unconfirmed are not about the files of their own run.
    for delivery_id in () if event in ("report", "unconfirmed") else deliveries_of_run(ctx):
        facts += _delivery(ctx, delivery_id, places)
    facts += more
    if event in _NEXT:
        facts.append(("Next", _NEXT[event]))
    facts += places.links
    live = "" if ctx.live else f" ({config.mode})"
    return Notice(event, f"{config.name}: {_SUBJECTS[event]}{live}", tuple(facts))


def _delivery(ctx: DeliveryContext, delivery_id: str, places: Places) -> Iterator[tuple[str, str]]:
    state = ctx.deliveries.find(delivery_id)
    if state is None:
        return
    yield "File", state.uri
    report = read_report(ctx, delivery_id)
    if report is not None:
        yield "Rows", ", ".join(f"{_count(getattr(report, name))} {name.removeprefix('rows_')}" for name in _CLASSES)
        if report.drift:
            yield "Less than usual", "; ".join(report.drift)
        if report.values.get("valid") and ctx.config.notifications is not None and ctx.config.notifications.values:
            yield "Value of valid rows", money(report.values["valid"])
    summary = read_summary(ctx, delivery_id)
    if summary is not None:
        if summary.events:
            yield "Events", ", ".join(f"{_count(count)} {outcome}" for outcome, count in sorted(summary.events.items()))
        if summary.values:
            yield "Values", _values(ctx, summary.values)
        if summary.open:
            yield "Open", _without_small_counts(summary.open)
    if report is not None:
        yield "Report", places.report(delivery_id) or ctx.uri(f"{ctx.folder(delivery_id)}/report.html")


def approval_facts(
    breaches: Mapping[str, tuple[str, ...]], config: AdvertiserConfig, now: datetime
) -> list[tuple[str, str]]:
    """What is asked, of whom, until when, and what happens without an answer.

    :param breaches: delivery id -> the guards that it breaches.
    :param now: when it is asked, aware.
    """
    guards = config.guards
    who = ", ".join(guards.approvers) or "everybody who may answer required actions of this DAG"
    breached = "; ".join(one for words in breaches.values() for one in words)
    facts = [("Breached", _without_small_counts(breached)), ("Who may answer", who)]
    if guards.approval_hours is None:
        return [*facts, ("Until", "no time limit: the run, and the files of the days after it, wait for the answer")]
    until = now + timedelta(hours=guards.approval_hours)
    return [
        *facts,
        ("Until", moment(until, config)),
        (
            "Without an answer",
            "it counts as rejected: nothing is sent and the run fails. Clear approve to be asked again.",
        ),
    ]


def unconfirmed_facts(doubt: Doubt, config: AdvertiserConfig) -> list[tuple[str, str]]:
    """Which file's events have no answer, until when they are sent again, and what to do."""
    delivery = doubt.delivery
    todo = (
        "Compare Events Manager's counts of that day, then decide with `tiktok-offline ledger resolve"
        f" --advertiser {config.name} --assume-sent` or `--resend`, and a reason."
        if doubt.over
        else f"Clear upload and what follows in {delivery.run or 'its run'}: they are sent again under the same ids,"
        " which TikTok counts once. Afterwards only `tiktok-offline ledger resolve` decides."
    )
    return [
        ("Day", delivery.day),
        ("File", delivery.file),
        ("Unconfirmed", f"{_count(delivery.events['unconfirmed'])} events were sent and got no answer"),
        ("Sent again until", moment(doubt.until, config) + (", which is over" if doubt.over else "")),
        ("Next", todo),
    ]


def moment(at: datetime, config: AdvertiserConfig) -> str:
    """A moment in the advertiser's time zone, and in UTC."""
    return f"{at.astimezone(config.zone):%Y-%m-%d %H:%M} {config.time_zone} ({at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)"


def _count(count: int) -> str:
    return f"fewer than {_FEWEST_SHOWN}" if 0 < count < _FEWEST_SHOWN else f"{count:,}"


def _without_small_counts(text: str) -> str:
    """A sentence of an error or of a summary, whose counts of rows and events may be small."""
    hidden = re.sub(r"(?<![\d.,-])[1-9](?= of [\d,]+ rows)", f"fewer than {_FEWEST_SHOWN}", text)
    return re.sub(r"(?<![\d.,-])[1-9] (row|event)s?\b", rf"fewer than {_FEWEST_SHOWN} \1s", hidden)


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
        f"{percent(float(Decimal(amount) / totals[currency]))} of {currency} {outcome}"
        for outcome, sums in sorted(values.items())
        for currency, amount in sorted(sums.items())
        if totals[currency]
    )


def has_drifted(ctx: DeliveryContext) -> bool:
    """Whether a file of the run has less than usual."""
    reports = [read_report(ctx, delivery_id) for delivery_id in deliveries_of_run(ctx)]
    return any(report is not None and report.drift for report in reports)
