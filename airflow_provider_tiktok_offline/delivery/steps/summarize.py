"""Step 5: settle the delivery whatever happened before, publish the report, and fail the run if anything is open."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import opted_out
from airflow_provider_tiktok_offline.delivery.source.source_retention import put_away
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import Tally, amounts
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, resume, write_json
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.errors import EventsHeldError, UnsettledError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

#: What each route must have done before a delivery can be closed.
STEPS = {"tiktok": ("validate", "normalize_hash", "dedupe"), "liveramp": ("validate", "dedupe", "deliver")}
#: Outcomes of an event after which nothing is left to do.
SETTLED = ("already_sent", "changed_after_sent", "expired", "suppressed", "accepted", "refused", "would_send")


def summarize(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    """Settle one delivery and close it if nothing is left to do.

    :returns: the counts and values of rows and events by class, and the URI of the report.
    :raises UnsettledError: if events are held, unconfirmed or were never tried, if a step failed, or if the numbers
        do not add up. Everything is kept, and a retry goes on from there.
    """
    return summarize_all(ctx, [delivery_id])[0]


def summarize_all(ctx: DeliveryContext, delivery_ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Settle every delivery of a run, also when one of them can't be closed.

    :param delivery_ids: which; None for all that the run has opened.
    :raises EventsHeldError: if all that is left are events that other deliveries have in hand: a retry finds them sent.
    :raises UnsettledError: as :func:`summarize`, naming every delivery that is still open.
    """
    ids = list(delivery_ids) if delivery_ids is not None else deliveries_of_run(ctx)
    summaries = [_settle(ctx, delivery_id) for delivery_id in ids]
    open_ends = [f"{summary['delivery_id']}: {summary['open']}" for summary in summaries if summary["open"]]
    if open_ends:
        todo = (
            "Run it again (in Airflow: clear the failed task, or dedupe if none failed, and what follows);"
            " what was accepted is not sent again."
        )
        if any(summary["events"].get("unconfirmed") for summary in summaries):
            hours = ctx.ledger.retry_window / timedelta(hours=1)
            todo += (
                f" What is unconfirmed for more than {hours:g} hours is not sent again by itself:"
                " decide with `tiktok-offline ledger resolve`."
            )
        only_held = all(_left(summary).keys() == {"held"} for summary in summaries if summary["open"])
        raise (EventsHeldError if only_held else UnsettledError)(
            f"the run is not settled: {'; '.join(open_ends)}.",
            where=ctx.config.name,
            todo=todo,
        )
    return summaries


def _settle(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    path = f"{ctx.folder(delivery_id)}/summary.json"
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        found = ctx.objects.get(path)
        closed = json.loads(found[0]) if found is not None else {"delivery_id": delivery_id, "open": ""}
        return {**closed, "already_closed": True}
    rows = _rows(ctx, delivery_id)
    summary: dict[str, Any] = {
        "delivery_id": delivery_id,
        "advertiser": ctx.config.name,
        "event_set_id": ctx.config.event_set_id,
        "route": ctx.config.route,
        "mode": ctx.config.mode,
        "file": state.uri,
        "digest": state.digest,
        "as_of": state.as_of.isoformat(),
        "rows": rows,
        **_events(ctx, state),
        "report_uri": ctx.uri(f"{ctx.folder(delivery_id)}/report.html"),
        "already_closed": False,
    }
    summary["waiting"] = _waiting(state)
    summary["open"] = "" if summary["waiting"] else _open_ends(state, summary)
    request_ids: tuple[str, ...] = ()
    if ctx.live and "dedupe" in state.steps:
        request_ids = ctx.ledger.settle(delivery_id).request_ids
    write_json(ctx, path, summary)
    _publish(ctx, delivery_id, summary)
    if summary["open"] or summary["waiting"]:
        # Nobody holds it any more: a retry of this run, or another one, may go on at once.
        ctx.deliveries.save(state, status="failed")
        return summary
    if ctx.live:
        ctx.ledger.records.append(_record(ctx, state, summary, request_ids))
    put_away(ctx, state)
    ctx.deliveries.save(state, status="closed")
    StagedParts(ctx.staging, delivery_id).clear()
    return summary


def _rows(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    found = ctx.objects.get(f"{ctx.folder(delivery_id)}/report.json")
    if found is None:
        return {}
    report = json.loads(found[0])
    names = ("rows_total", "rows_valid", "rows_rejected", "rows_duplicate", "rows_excluded", "excluded", "values")
    return {name: report[name] for name in names if name in report}


def _events(ctx: DeliveryContext, state: DeliveryState) -> dict[str, Any]:
    """Counts and values of events by outcome, from the plan and the receipts."""
    dedupe = state.steps.get("dedupe")
    if ctx.config.route == "liveramp":
        # A feed file has a row an event, and nothing is prepared.
        total = state.steps.get("validate", {}).get("rows_valid")
    else:
        total = state.steps.get("normalize_hash", {}).get("events")
    if dedupe is None or total is None:
        return {"events_total": total, "events": {}, "values": {}}
    tally = outcomes(ctx, state.id).result() if ctx.live else dedupe
    return {"events_total": total, "events": tally["events"], "values": tally["values"]}


def outcomes(ctx: DeliveryContext, delivery_id: str) -> Tally:
    """How each event of the delivery stands: by its receipt, else by the plan's verdict."""
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.plan import SENT_VERDICTS

    prepared = open_events(ctx, delivery_id)
    plan = ctx.ledger.plan(delivery_id)
    oldest = ctx.oldest_event_time(ctx.clock.now())
    verdict = pl.col("verdict").replace({"in_doubt_old": "unconfirmed"})
    answer = pl.col("outcome").replace({"in_doubt": "unconfirmed"})
    tally = Tally()
    for part in range(len(prepared.parts)):
        with ctx.ledger.receipts(delivery_id, part, ctx.holder) as receipts:
            settled = receipts.settled().select("event_key", "outcome")
        events = amounts(prepared.read(part))
        frame = events.select("value", "currency", "event_time", opted_out(ctx, events))
        verdicts = _without_sent_by_others(ctx, delivery_id, plan.verdicts(part), events)
        joined = pl.concat([frame, verdicts.select("event_key", "verdict")], how="horizontal").join(
            settled, on="event_key", how="left"
        )
        unsent = (
            pl.when("opted_out")
            .then(pl.lit("suppressed"))
            .when(pl.col("event_time") < oldest)
            .then(pl.lit("expired"))
            .otherwise(pl.lit("not_sent"))
        )
        planned = pl.col("verdict").is_in(SENT_VERDICTS)
        tally.add(
            joined.select(
                "value", "currency", pl.when(planned).then(answer.fill_null(unsent)).otherwise(verdict).alias("verdict")
            )
        )
    return tally


def _without_sent_by_others(
    ctx: DeliveryContext, delivery_id: str, verdicts: pl.DataFrame, events: pl.DataFrame
) -> pl.DataFrame:
    """The plan's verdicts of a part, but for events that another delivery held then and has settled since."""
    import polars as pl

    held = verdicts["verdict"] == "held"
    if not held.any():
        return verdicts
    asked = events.select("content", "event_time", verdicts["event_key"]).filter(held)
    now = ctx.ledger.look(asked, now=ctx.clock.now(), lookback=ctx.lookback, delivery_id=delivery_id)
    # What it let go of unsent is left to the next dedupe.
    settled = asked.select("event_key", now=now).filter(pl.col("now").is_in(SETTLED))
    return verdicts.join(settled, on="event_key", how="left", maintain_order="left").with_columns(
        verdict=pl.coalesce("now", "verdict")
    )


def _waiting(state: DeliveryState) -> str:
    """Why the delivery waits for the next feed file, which takes its rows along; empty if it does not."""
    return {
        "queued": "another feed file went out today",
        "carried_over": "too few rows for a feed file",
    }.get(state.steps.get("deliver", {}).get("outcome", ""), "")


def _open_ends(state: DeliveryState, summary: dict[str, Any]) -> str:
    """What keeps the delivery from being closed, in words; empty if nothing."""
    missing = [step for step in STEPS[state.route] if step not in state.steps]
    if state.steps.get("validate", {}).get("gate_exceeded"):
        return "gate exceeded: too many rows are rejected"
    if missing:
        return f"step {missing[0]} has not finished"
    rows = summary["rows"]
    classes = rows["rows_valid"] + rows["rows_rejected"] + rows["rows_duplicate"] + rows["rows_excluded"]
    if rows["rows_total"] != classes:
        return f"the rows do not add up: {rows['rows_total']} in all, {classes} by class"
    events = summary["events"]
    if summary["events_total"] != sum(events.values()):
        return f"the events do not add up: {summary['events_total']} prepared, {sum(events.values())} by outcome"
    return ", ".join(f"{count} events {name}" for name, count in _left(summary).items())


def _left(summary: dict[str, Any]) -> dict[str, int]:
    """The events after which something is left to do, by outcome."""
    return {name: count for name, count in sorted(summary["events"].items()) if count and name not in SETTLED}


def _publish(ctx: DeliveryContext, delivery_id: str, summary: dict[str, Any]) -> None:
    """Write the HTML report again, now with what became of the events."""
    from airflow_provider_tiktok_offline.conversions.report.html_report import html
    from airflow_provider_tiktok_offline.conversions.report.report import Report

    folder = ctx.folder(delivery_id)
    found = ctx.objects.get(f"{folder}/report.json")
    if found is not None:
        ctx.objects.put(f"{folder}/report.html", html(Report.from_json(found[0].decode()), summary=summary).encode())


def _record(
    ctx: DeliveryContext, state: DeliveryState, summary: dict[str, Any], request_ids: tuple[str, ...]
) -> dict[str, Any]:
    """The delivery's line in the records that outlive the keys."""
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
        "counts": {"rows": summary["rows"], "events": summary["events"]},
        "values": summary["values"],
        "request_ids": list(request_ids),
    }
