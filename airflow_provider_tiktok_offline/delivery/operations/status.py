"""Noting an advertiser's status: after a step of a run, after a look of doctor, and anew from all that is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    DAYS,
    AdvertiserStatus,
    AttributionDay,
    Change,
    DeliveryEnd,
    DeliveryStatus,
    DoctorStatus,
    FeedFileStatus,
    FindingStatus,
    change_status,
    read_status,
)
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary, read_summary
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.step_results import AdoptResult, DedupeResult, DeliverResult
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.audit import entries
from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.tiktok.check import Finding

#: Rules that are named with their rows; the rest is in the report.
_MOST_FAULTS = 12
_CLASSES = ("total", "valid", "rejected", "duplicate", "excluded")


def note_run(ctx: DeliveryContext, day: date | None = None) -> AdvertiserStatus:
    """Note how every delivery stands that this run has opened.

    :param day: the day whose file it is; without one, that of an earlier note, else the day of the first look at it.
    :returns: the advertiser's status, as it now stands.
    """
    return _note(ctx, [ctx.deliveries.get(one) for one in deliveries_of_run(ctx)], day, run=ctx.holder)


def refresh(ctx: DeliveryContext) -> AdvertiserStatus:
    """Note how every delivery of the last days stands, whoever ran it; what is noted and closed is not read again.

    :returns: the advertiser's status, as it now stands.
    """
    oldest = ctx.clock.now() - timedelta(days=DAYS)
    noted = {one.delivery_id: one for one in read_status(ctx).deliveries}
    states = [
        state
        for state in ctx.deliveries.list(ctx.config.name)
        if state.updated_at >= oldest
        and not (state.status == "closed" and state.id in noted and noted[state.id].state == "closed")
    ]
    return _note(ctx, states, None)


def doctor_status(ctx: DeliveryContext, findings: Iterable[Finding]) -> DoctorStatus:
    """What a look at everything has found, as it is noted."""
    found = tuple(
        FindingStatus(subject=one.subject, status=one.status, text=one.text, todo=one.todo) for one in findings
    )
    return DoctorStatus(at=_text(ctx.clock.now()), findings=found)


def note_doctor(ctx: DeliveryContext, findings: Iterable[Finding]) -> AdvertiserStatus:
    """Note what a look at everything has found."""
    noted = doctor_status(ctx, findings)
    return change_status(ctx, lambda status: replace(status, doctor=noted))


def note_attribution(
    ctx: DeliveryContext, days: Sequence[AttributionDay], *, incidents: Sequence[str] | None = None
) -> AdvertiserStatus:
    """Note what TikTok says now of some days; days that are not named keep what was read before.

    :param incidents: titles of the incidents that TikTok lists as open; None where nobody has looked.
    """
    return change_status(
        ctx,
        lambda status: replace(
            status.with_attribution(tuple(days)),
            incidents=status.incidents if incidents is None else tuple(incidents),
        ),
    )


def _note(
    ctx: DeliveryContext, states: Sequence[DeliveryState], day: date | None, *, run: str = ""
) -> AdvertiserStatus:
    """Note how some deliveries stand.

    :param run: who worked on them where nobody holds them any more; else who was noted before.
    """
    found = [_delivery(ctx, state) for state in states]
    changes, of_others = _by_hand(ctx)

    def edit(status: AdvertiserStatus) -> AdvertiserStatus:
        for one in found:
            before = status.delivery(one.delivery_id)
            known_day, known_run = (one.day, "") if before is None else (before.day, before.run)
            own = replace(one, day=day.isoformat() if day else known_day, run=one.run or run or known_run)
            status = status.with_delivery(own)
        by_hand = {(change.at, change.what) for change in changes} | of_others
        kept = [change for change in status.changes if (change.at, change.what) not in by_hand]
        return replace(status, changes=tuple(sorted((*kept, *changes), key=lambda change: change.at)))

    return change_status(ctx, edit)


def _delivery(ctx: DeliveryContext, state: DeliveryState) -> DeliveryStatus:
    """How a delivery stands, by what is kept of it."""
    report = read_report(ctx, state.id)
    summary = read_summary(ctx, state.id)
    status = DeliveryStatus(
        delivery_id=state.id,
        day=state.as_of.astimezone(ctx.config.zone).date().isoformat(),
        file=state.uri,
        mode=(summary.mode if summary is not None else None) or ctx.config.mode,
        route=state.route,
        run=state.holder or "",
        at=_text(ctx.clock.now()),
        state=_end(state, summary),
        reason="" if summary is None else summary.waiting or summary.open,
    )
    if report is not None:
        status = _with_report(status, report)
    if summary is not None:
        status = replace(
            status,
            events_total=summary.events_total,
            events=dict(summary.events),
            values={**status.values, **summary.values},
        )
    elif (planned := DedupeResult.of(state)) is not None:
        status = replace(status, events=dict(planned.events), values={**status.values, **planned.values})
    elif (adopted := AdoptResult.of(state)) is not None:
        status = replace(status, reason="adopted: recorded as delivered, not sent", events_total=adopted.events)
    return _with_answers(ctx, _with_feed(status, state))


def _end(state: DeliveryState, summary: DeliverySummary | None) -> DeliveryEnd:
    if state.status == "closed":
        return "closed"
    if summary is not None and summary.waiting:
        return "waiting"
    return "failed" if state.status == "failed" else "open"


def _with_report(status: DeliveryStatus, report: Report) -> DeliveryStatus:
    faults = sorted(
        ((issue.rule, issue.rows) for issue in report.issues if issue.severity == "error" and issue.rows),
        key=lambda fault: -fault[1],
    )
    by_rule: dict[str, int] = {}
    for rule, rows in faults:
        by_rule[rule] = by_rule.get(rule, 0) + rows
    return replace(
        status,
        rows={name: getattr(report, f"rows_{name}") for name in _CLASSES},
        excluded=dict(report.excluded),
        faults=dict(list(by_rule.items())[:_MOST_FAULTS]),
        rejected_share=round(report.rejected_ratio, 6),
        gate=report.max_rejected_ratio,
        gate_reason=report.gate_in_words,
        identifiers=dict(report.identifiers),
        drift=report.drift,
        values=dict(report.values),
        first_time=_moment(report.first_time),
        last_time=_moment(report.last_time),
    )


def _with_feed(status: DeliveryStatus, state: DeliveryState) -> DeliveryStatus:
    delivered = DeliverResult.of(state)
    if delivered is None:
        return status
    return replace(
        status,
        feed=FeedFileStatus(
            name=delivered.file_name,
            uri=delivered.uri,
            day=delivered.day,
            rows=delivered.rows,
            bytes=delivered.bytes,
            sha256=delivered.sha256,
            outcome=delivered.outcome,
        ),
    )


def _with_answers(ctx: DeliveryContext, status: DeliveryStatus) -> DeliveryStatus:
    """With TikTok's codes of what was refused, and with the time that is left for what has no answer."""
    if not (ctx.live and (status.events.get("refused") or status.events.get("unconfirmed"))):
        return status
    import polars as pl

    try:
        plan = ctx.ledger.plan(status.delivery_id)
        frames = []
        for part in sorted(plan.events):
            with ctx.ledger.receipts(status.delivery_id, part, ctx.holder, plan=plan) as receipts:
                frames.append(receipts.settled().select("outcome", "code", "first_attempt_at"))
    except TikTokOfflineError:
        return status
    if not frames:
        return status
    answers = pl.concat(frames)
    codes = answers.filter(pl.col("outcome") == "refused").group_by("code").len().sort("len", descending=True)
    oldest = answers.filter(pl.col("outcome") == "in_doubt")["first_attempt_at"].min()
    until = oldest + ctx.ledger.retry_window if isinstance(oldest, datetime) else None
    return replace(
        status,
        codes={str(code): count for code, count in codes.iter_rows() if code is not None},
        resend_until=None if until is None else _text(until),
    )


def _by_hand(ctx: DeliveryContext) -> tuple[list[Change], set[tuple[str, str]]]:
    """Changes by hand from the ledger's audit log, and moment and action of those of the event set's other advertisers.

    What names no advertiser concerns all of them.
    """
    place = LedgerPlace(ctx.objects, ctx.config.event_set_id, ctx.clock)
    changes, of_others = [], set()
    for entry in entries(place):
        at, what, whose = (str(entry.get(name) or "") for name in ("at", "action", "advertiser"))
        if whose and whose != ctx.config.name:
            of_others.add((at, what))
            continue
        text, by = str(entry.get("reason", "")), str(entry.get("actor", ""))
        changes.append(Change(at=at, what=what, text=text, by=by, whole_set=not whose))
    return changes, of_others


def _moment(seconds: int | None) -> str | None:
    return None if seconds is None else _text(datetime.fromtimestamp(seconds, UTC))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
