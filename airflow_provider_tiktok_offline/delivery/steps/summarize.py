"""Step 5: settle the delivery whatever happened before, publish the report, and fail the run if anything is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.conversions.contract.outcomes import SETTLED
from airflow_provider_tiktok_offline.conversions.preparation.part_store import RETURNS
from airflow_provider_tiktok_offline.conversions.report.report import number_of
from airflow_provider_tiktok_offline.delivery.events.day_history import FIGURES, figures_of
from airflow_provider_tiktok_offline.delivery.events.plan_outcomes import outcomes
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.source.source_retention import retain_source
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import (
    DeliverySummary,
    RowCounts,
    closed_summary,
    write_summary,
)
from airflow_provider_tiktok_offline.delivery.state.opted_out_events import forget_opted_out
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, resume
from airflow_provider_tiktok_offline.delivery.state.second_witness import advance_second_witness
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import (
    Asked,
    Breached,
    ClosedBy,
    DedupeResult,
    DeliverResult,
    NormalizeHashResult,
    ReturnsResult,
    StepResult,
    ValidateResult,
    WaitResult,
)
from airflow_provider_tiktok_offline.delivery.state.waiting import forget_closed, waits_until
from airflow_provider_tiktok_offline.errors import EventsHeldError, TikTokOfflineError, UnsettledError
from airflow_provider_tiktok_offline.plain_text import one_line, plain_logger

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.html_report import EventsSummary
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.ledger.settlement import Settlement

log = plain_logger(__name__)

#: What each route must have done before a delivery can be closed.
_STEPS: dict[str, tuple[type[StepResult], ...]] = {
    "tiktok": (ValidateResult, NormalizeHashResult, DedupeResult),
    "liveramp": (ValidateResult, DedupeResult, DeliverResult),
}
_WAITING = {"queued": "another feed file went out today", "carried_over": "too few rows for a feed file"}


def summarize(ctx: DeliveryContext, delivery_id: str) -> DeliverySummary:
    """Settle one delivery and close it if nothing is left to do.

    :returns: the counts and values of rows and events by class, and the URI of the report.
    :raises UnsettledError: if events are held, unconfirmed or were never tried, if a step failed, or if the numbers
        do not add up. Everything is kept, and a retry goes on from there.
    """
    return summarize_all(ctx, [delivery_id])[0]


def summarize_all(ctx: DeliveryContext, delivery_ids: Iterable[str] | None = None) -> list[DeliverySummary]:
    """Settle every delivery of a run, whatever state the others are in.

    :param delivery_ids: which; None for all that the run has opened.
    :raises EventsHeldError: if a retry settles what is left: events that other deliveries hold, or a delivery whose
        settlement failed with an error that may pass.
    :raises UnsettledError: as :func:`summarize`, naming every delivery that is still open.
    """
    ids = list(delivery_ids) if delivery_ids is not None else deliveries_of_run(ctx)
    summaries: list[DeliverySummary] = []
    failures: dict[str, TikTokOfflineError] = {}
    for delivery_id in ids:
        try:
            summaries.append(_settle(ctx, delivery_id))
        except TikTokOfflineError as error:
            log.error("Delivery %s can't be settled: %s", delivery_id, error)
            failures[delivery_id] = error
    _raise_unsettled(ctx, [summary for summary in summaries if summary.open], failures)
    return summaries


def _raise_unsettled(
    ctx: DeliveryContext, still_open: list[DeliverySummary], failures: dict[str, TikTokOfflineError]
) -> None:
    """Name every delivery that is still open; where a retry can settle one, the error says so by its type."""
    if not still_open and len(failures) == 1:
        raise next(iter(failures.values()))
    if not still_open and not failures:
        return
    todo = (
        "Mend what is named and run it again (in Airflow: clear the failed task, or prepare if none failed, and what"
        " follows); what was accepted is not sent again."
    )
    if any(summary.events.get("unconfirmed") for summary in still_open):
        hours = ctx.ledger.retry_window / timedelta(hours=1)
        todo += (
            f" What is unconfirmed for more than {hours:g} hours is not sent again by itself:"
            " decide with `tiktok-offline ledger resolve`."
        )
    only_held = not failures and all(_left(summary).keys() == {"held"} for summary in still_open)
    retry_helps = only_held or any(error.retryable for error in failures.values())
    words = [f"{_name(summary)}: {summary.open}" for summary in still_open]
    words += [f"{delivery_id}: {error.what.rstrip('.')}" for delivery_id, error in failures.items()]
    raise (EventsHeldError if retry_helps else UnsettledError)(
        f"the run is not settled: {'; '.join(words)}.", where=ctx.config.name, todo=todo
    )


def _name(summary: DeliverySummary) -> str:
    """A delivery as a person knows it: by its file."""
    file = one_line(summary.file.rpartition("/")[2])
    return f"{file} (delivery {summary.delivery_id})" if file else summary.delivery_id


def _settle(ctx: DeliveryContext, delivery_id: str) -> DeliverySummary:
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return closed_summary(ctx, state)
    settlement = None
    if ctx.live and DedupeResult.of(state) is not None:
        # First: whatever can't be read below, what was sent is known to the ledger.
        ctx.open_ledger_unseen()
        settlement = ctx.ledger.settle(delivery_id)
        advance_second_witness(ctx)
    report = read_report(ctx, delivery_id)
    summary = _summary(ctx, state, report, settlement)
    write_summary(ctx, summary)
    if report is not None:
        _publish(ctx, report, summary)
    if summary.open or summary.waiting:
        # Nobody holds it any more: a retry of this run, or another one, may go on at once.
        ctx.deliveries.save(state, status="failed")
        return summary
    if ctx.live:
        request_ids = () if settlement is None else settlement.request_ids
        ctx.ledger.records.append({**_record(ctx, state, summary, request_ids), **_figures(report)})
    retain_source(ctx, state)
    by = ClosedBy(run=ctx.holder, at=ctx.clock.now().isoformat())
    ctx.deliveries.save(state, status="closed", steps={by.STEP: by.to_document()})
    StagedParts(ctx.staging, delivery_id).clear(keep_object=RETURNS if WaitResult.of(state) is not None else None)
    if WaitResult.of(state) is not None or ctx.config.send_after_days:
        forget_closed(ctx)
    forget_opted_out(ctx, delivery_id)
    return summary


def _summary(
    ctx: DeliveryContext, state: DeliveryState, report: Report | None, settlement: Settlement | None
) -> DeliverySummary:
    summary = DeliverySummary(
        delivery_id=state.id,
        advertiser=ctx.config.name,
        event_set_id=ctx.config.event_set_id,
        route=ctx.config.route,
        mode=ctx.config.mode,
        run=ctx.holder,
        file=state.uri,
        digest=state.digest,
        as_of=state.as_of.isoformat(),
        rows=_rows(state, report),
        report_uri=ctx.uri(f"{ctx.folder(state.id)}/report.html"),
        drift=() if report is None else report.drift,
        returns=ReturnsResult.of(state),
    )
    summary = _with_events(ctx, state, summary, settlement)
    delivered = DeliverResult.of(state)
    waiting = _until(ctx, state) if delivered is None else _WAITING.get(delivered.outcome, "")
    return replace(summary, waiting=waiting, open="" if waiting else _open_ends(state, summary))


def _until(ctx: DeliveryContext, state: DeliveryState) -> str:
    """Until when the delivery waits for returns; empty if it does not."""
    day = waits_until(ctx, state) if state.waits else None
    return "" if day is None else f"until {day}, for returns (send_after_days)"


def _rows(state: DeliveryState, report: Report | None) -> RowCounts:
    """The rows by class; without the report those that validate kept with the delivery."""
    if report is None:
        kept = ValidateResult.of(state)
        return (
            RowCounts()
            if kept is None
            else RowCounts(
                rows_total=kept.rows_total,
                rows_valid=kept.rows_valid,
                rows_rejected=kept.rows_rejected,
                rows_duplicate=kept.rows_duplicate,
                rows_excluded=kept.rows_excluded,
            )
        )
    return RowCounts(
        rows_total=report.rows_total,
        rows_valid=report.rows_valid,
        rows_rejected=report.rows_rejected,
        rows_duplicate=report.rows_duplicate,
        rows_excluded=report.rows_excluded,
        excluded=report.excluded,
        values=report.values,
    )


def _with_events(
    ctx: DeliveryContext, state: DeliveryState, summary: DeliverySummary, settlement: Settlement | None
) -> DeliverySummary:
    """The summary with counts and values of events by outcome, from the plan and the receipts."""
    planned = DedupeResult.of(state)
    total = _events_total(state)
    held = WaitResult.of(state) if state.waits else None
    if held is not None:
        return replace(summary, events_total=total, events=held.events, values=held.values)
    if planned is None or total is None:
        return replace(summary, events_total=total)
    if settlement is None:
        return replace(summary, events_total=total, events=planned.events, values=planned.values)
    counts = outcomes(ctx, state, settlement)
    return replace(summary, events_total=total, events=counts.events, values=counts.values)


def _events_total(state: DeliveryState) -> int | None:
    """Events that the file gave; None while that is not known."""
    if state.route == "liveramp":
        # A feed file has a row an event, and nothing is prepared. Fewer rows than planned may be valid by now.
        validated, planned = ValidateResult.of(state), DedupeResult.of(state)
        if validated is None:
            return None
        return max(validated.rows_valid, 0 if planned is None else sum(planned.events.values()))
    staged = NormalizeHashResult.of(state)
    return None if staged is None else staged.events


def _open_ends(state: DeliveryState, summary: DeliverySummary) -> str:
    """What keeps the delivery from being closed, in words; empty if nothing."""
    validated = ValidateResult.of(state)
    if validated is not None and validated.gate_exceeded:
        return "too many rows are rejected (gate exceeded)"
    breached = Breached.of(state)
    if breached is not None and breached.breaches:
        return f"a guard is breached: {'; '.join(breached.breaches)}"
    asked = Asked.of(state)
    if asked is not None and asked.rejected:
        return f"{asked.rejected}: {'; '.join(asked.breaches)}"
    missing = [step.STEP for step in _STEPS[state.route] if step.of(state) is None]
    if missing:
        return f"step {missing[0]} has not finished"
    rows = summary.rows
    if rows.rows_total != rows.classified:
        return f"the rows do not add up: {rows.rows_total} in all, {rows.classified} by class"
    by_outcome = sum(summary.events.values())
    if summary.events_total != by_outcome:
        return f"the events do not add up: {summary.events_total} prepared, {by_outcome} by outcome"
    return ", ".join(f"{number_of(count, 'event')} {name}" for name, count in _left(summary).items())


def _left(summary: DeliverySummary) -> dict[str, int]:
    """The events after which something is left to do, by outcome."""
    return {name: count for name, count in sorted(summary.events.items()) if count and name not in SETTLED}


def _publish(ctx: DeliveryContext, report: Report, summary: DeliverySummary) -> None:
    """Write the report's page again, now with what became of the events."""
    from airflow_provider_tiktok_offline.conversions.report.html_report import html

    page = html(report, summary=cast("EventsSummary", summary.to_dict()))
    ctx.objects.put(f"{ctx.folder(summary.delivery_id)}/report.html", page.encode())


def _figures(report: Report | None) -> dict[str, object]:
    """What later files are compared with."""
    figures = None if report is None else figures_of(report)
    return {} if figures is None else {FIGURES: figures.to_dict()}


def _record(
    ctx: DeliveryContext, state: DeliveryState, summary: DeliverySummary, request_ids: tuple[str, ...]
) -> dict[str, object]:
    """The delivery's line in the records that outlive the keys."""
    plain = summary.to_dict()
    return {
        "delivery_id": state.id,
        "advertiser": ctx.config.name,
        "event_set_id": ctx.config.event_set_id,
        "route": ctx.config.route,
        "mode": ctx.config.mode,
        "file_name": state.file_name,
        "digest": state.digest,
        "run": ctx.holder,
        "package_version": __version__,
        "config_fingerprint": ctx.settings_fingerprint,
        "counts": {"rows": plain["rows"], "events": plain["events"]},
        "values": plain["values"],
        "request_ids": list(request_ids),
        "basis": {
            "consent": None if ctx.config.consent is None else ctx.config.consent.column,
            "suppression": ctx.config.suppression is not None,
            "legal_basis": ctx.config.legal_basis,
        },
    }
