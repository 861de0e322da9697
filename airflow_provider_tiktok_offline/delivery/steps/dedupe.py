"""Step 3: hold the prepared events against the ledger and write the plan: what is to be sent, once and for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.delivery.events.feed_verdicts import Events, open_events
from airflow_provider_tiktok_offline.delivery.events.guards import check_guards
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import Tally, amounts
from airflow_provider_tiktok_offline.delivery.state.runs import note_step, resume
from airflow_provider_tiktok_offline.delivery.steps.deliver import settle_unfinished
from airflow_provider_tiktok_offline.errors import LedgerMissingError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.ledger import Ledger


def dedupe(ctx: DeliveryContext, delivery_id: str, *, retry_refused: bool = False) -> dict[str, Any]:
    """Claim the events nobody has sent yet and fix them in the delivery's plan.

    A plan that is under way is returned as it is, so this step can run again at any time; once every event of it has an
    answer, the next call takes up what was held by another delivery before. Dry runs and test runs look at the ledger
    where there is one, and write nothing to it.

    :param retry_refused: plan again what TikTok refused before.
    :returns: ``delivery_id``, ``closed``, ``events`` and their ``values`` by verdict, and ``parts``: the numbers of the
        parts that have something to send.
    :raises GuardError: if a limit set before sending is breached.
    :raises LedgerMissingError: in live mode, if the event set's ledger was never made.
    """
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return {"delivery_id": delivery_id, "closed": True, "events": {}, "values": {}, "parts": []}
    if ctx.live and ctx.config.route == "liveramp":
        settle_unfinished(ctx)
    prepared = open_events(ctx, delivery_id)
    with Lease(ctx, state):
        check_guards(ctx, state, prepared)
        planned = _plan(ctx, delivery_id, prepared, retry_refused) if ctx.live else _look(ctx, prepared)
    result = {"delivery_id": delivery_id, "closed": False, **planned}
    note_step(ctx, state, "dedupe", result)
    return result


def _plan(ctx: DeliveryContext, delivery_id: str, prepared: Events, retry_refused: bool) -> dict[str, Any]:
    ledger = ctx.ledger
    ledger.use_route(ctx.config.route)
    plan = ledger.dedupe(
        delivery_id,
        ((index, _keyed(ledger, prepared.read(index))) for index in range(len(prepared.parts))),
        route=ctx.config.route,
        now=ctx.clock.now(),
        lookback=ctx.lookback,
        retry_refused=retry_refused,
    )
    tally = Tally()
    for index in range(len(prepared.parts)):
        tally.add(amounts(prepared.read(index)).select("value", "currency", plan.verdicts(index)["verdict"]))
    return {**tally.result(), "parts": list(plan.parts)}


def _look(ctx: DeliveryContext, prepared: Events) -> dict[str, Any]:
    """What would be planned; nothing is written."""
    import polars as pl

    try:
        ledger = ctx.ledger
    except LedgerMissingError:
        ledger = None
    tally = Tally()
    for index in range(len(prepared.parts)):
        frame = prepared.read(index)
        if ledger is None:
            verdict = pl.repeat("new", frame.height, eager=True)
        else:
            verdict = ledger.look(_keyed(ledger, frame), now=ctx.clock.now(), lookback=ctx.lookback)
        tally.add(amounts(frame).select("value", "currency", verdict.replace({"new": "would_send"}).alias("verdict")))
    # A test run sends a few events of the first part; a dry run none.
    testing = ctx.config.mode == "test" and bool(prepared.parts)
    return {**tally.result(), "parts": [0] if testing else []}


def _keyed(ledger: Ledger, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(ledger.keys(frame["event_id"]).alias("event_key"), "event_id", "content", "event_time")
