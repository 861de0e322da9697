"""Planning: check a delivery's events against the ledger, claim the new ones, and write the plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.events.identity_settings import file_columns
from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events, open_events
from airflow_provider_tiktok_offline.delivery.events.feed_setup import contract_columns
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import OutcomeCounts, sums_of, with_amounts
from airflow_provider_tiktok_offline.delivery.state.runs import note_step
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, WaitResult
from airflow_provider_tiktok_offline.delivery.state.waiting import begin_waiting, due_day
from airflow_provider_tiktok_offline.errors import LedgerMissingError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger
    from airflow_provider_tiktok_offline.ledger.plan import Plan, VerdictSum

#: The ledger's verdicts as outcomes of a dry run.
_IN_WORDS = {
    "new": "would_send",
    "own": "would_send",
    "in_doubt": "would_send",
    "in_doubt_old": "unconfirmed",
}


def plan_events(
    ctx: DeliveryContext, state: DeliveryState, events: Events, *, retry_refused: bool = False
) -> DedupeResult:
    """Claim the events that nobody has sent, write the plan and keep the result with the delivery.

    A plan that is under way stays as it is. Outside live mode the ledger is only read. The caller holds the delivery.

    :param retry_refused: plan again what TikTok refused before.
    :returns: what the plan holds.
    :raises LedgerMissingError: in live mode, if the event set's ledger was never made.
    """
    result = _plan(ctx, state, events, retry_refused) if ctx.live else _would_plan(ctx, state.id, events)
    note_step(ctx, state, result)
    return result


def hold_for_returns(ctx: DeliveryContext, state: DeliveryState, events: Events) -> DedupeResult:
    """Let a delivery's events wait until they are due: nothing is claimed, and no plan is made.

    :returns: how many wait, and until when.
    :raises LedgerVersionError: if a setting that enters their ids was changed and nobody acknowledged it.
    """
    import polars as pl

    ledger = ctx.ledger
    ledger.keep_identity(_file_identity(ctx, state.id), actor=ctx.holder)
    counts = OutcomeCounts()
    for index in range(len(events.parts)):
        amounts = with_amounts(events.read_amounts(index)).select("value", "currency")
        counts.add(amounts.with_columns(outcome=pl.lit("waiting")))
    begin_waiting(ctx, state.id)
    until = due_day(ctx, state).isoformat()
    result = WaitResult(
        delivery_id=state.id,
        events=counts.events,
        values=counts.values,
        until=until,
        settings=_staged_with(ctx, state.id),
        send_from=None if ledger.send_from is None else ledger.send_from.isoformat(),
    )
    note_step(ctx, state, result)
    return DedupeResult(delivery_id=state.id, events=counts.events, values=counts.values, waits_until=until)


def plan_again(ctx: DeliveryContext, state: DeliveryState) -> DeliveryState:
    """Renew a delivery's plan: claims that it lost are made again, and what another delivery held is planned if free.

    :returns: the delivery with the renewed plan.
    """
    with Lease(ctx, state):
        plan_events(ctx, state, open_events(ctx, state.id))
    return ctx.deliveries.get(state.id)


def ledger_or_none(ctx: DeliveryContext) -> Ledger | None:
    """The event set's ledger; None if it was never made, as before the first live run."""
    try:
        return ctx.ledger
    except LedgerMissingError:
        return None


def ledger_verdicts(ctx: DeliveryContext, ledger: Ledger | None, frame: pl.DataFrame) -> pl.Series:
    """Each event's verdict as planning would find it now; nothing is written. Without a ledger every event is new."""
    import polars as pl

    if ledger is None:
        return pl.repeat("new", frame.height, eager=True)
    return ledger.look(_keyed(ledger, frame), now=ctx.clock.now(), lookback=ctx.lookback)


def _staged_with(ctx: DeliveryContext, delivery_id: str) -> str:
    """Fingerprint of the settings that a delivery's events are staged with."""
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    return PreparedEvents.open(StagedParts(ctx.staging, delivery_id)).manifest["settings"]


def _ledger_for(ctx: DeliveryContext, state: DeliveryState) -> Ledger:
    """The ledger, as it takes a delivery's events.

    :raises LedgerVersionError: if a setting that enters their ids was changed and nobody acknowledged it.
    """
    waited = WaitResult.of(state)
    if waited is not None and waited.settings == _staged_with(ctx, state.id):
        # Their ids were checked when they began to wait. What was acknowledged since holds for ids made since.
        return ctx.ledger.before_cut_over(
            None if waited.send_from is None else datetime.fromisoformat(waited.send_from)
        )
    ctx.ledger.keep_identity(_file_identity(ctx, state.id), actor=ctx.holder)
    return ctx.ledger


def _plan(ctx: DeliveryContext, state: DeliveryState, events: Events, retry_refused: bool) -> DedupeResult:
    delivery_id = state.id
    ledger = _ledger_for(ctx, state)
    ledger.use_route(ctx.config.route)
    tally = _Tally(ledger, events)
    plan = ledger.dedupe(
        delivery_id,
        tally.parts(),
        route=ctx.config.route,
        now=ctx.clock.now(),
        lookback=ctx.lookback,
        retry_refused=retry_refused,
        judged=tally.judged,
    )
    counts = tally.counts if plan.is_new else _counted(plan, events)
    return DedupeResult(delivery_id=delivery_id, events=counts.events, values=counts.values, parts=plan.parts)


class _Tally:
    """Parts of a delivery for planning, each read once, and what they are worth once they are judged.

    Attributes:
        counts: of the parts that were judged.
    """

    def __init__(self, ledger: Ledger, events: Events) -> None:
        self.counts = OutcomeCounts()
        self._ledger = ledger
        self._events = events

    def parts(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """What is compared with the ledger, and what it is worth."""
        for index in range(len(self._events.parts)):
            frame = with_amounts(self._events.read_amounts(index))
            yield index, _keyed(self._ledger, frame).with_columns(frame["value"], frame["currency"])

    def judged(self, index: int, frame: pl.DataFrame) -> list[VerdictSum]:  # noqa: ARG002 - the counts are of all parts
        """Count a part; what it is worth by verdict."""
        from airflow_provider_tiktok_offline.ledger.plan import VerdictSum

        sums = sums_of(frame.select("value", "currency", outcome="verdict"))
        for one in sums:
            self.counts.add_sum(*one)
        return [VerdictSum(verdict, currency, events, str(value)) for verdict, currency, events, value in sums]


def _counted(plan: Plan, events: Events) -> OutcomeCounts:
    """The events and values of a plan that was made before."""
    counts = OutcomeCounts()
    for index in range(len(events.parts)):
        verdict = plan.verdicts(index)["verdict"].alias("outcome")
        counts.add(with_amounts(events.read_amounts(index)).select("value", "currency", verdict))
    return counts


def _file_identity(ctx: DeliveryContext, delivery_id: str) -> IdentitySettings:
    """What the file's event ids were made by: the settings, and the columns that the file had.

    A feed's contract says which columns its files have. One with others is no new way to make ids: ``deliver`` refuses
    it before anything leaves.
    """
    from airflow_provider_tiktok_offline.conversions.report.report import Report

    kept = ctx.objects.get(f"{ctx.folder(delivery_id)}/report.json")
    columns = {} if kept is None else Report.from_json(kept[0]).identity_columns
    contract = contract_columns(ctx)
    if contract is not None:
        columns = file_columns(
            ctx.config.conversion_settings(),
            contract,
            with_order="columns_with_order_id" in columns,
            without_order="columns_without_order_id" in columns,
        )
    return ctx.config.identity_settings().with_file(columns)


def _would_plan(ctx: DeliveryContext, delivery_id: str, events: Events) -> DedupeResult:
    ledger = ledger_or_none(ctx)
    counts = OutcomeCounts()
    for index in range(len(events.parts)):
        frame = events.read_amounts(index)
        verdict = ledger_verdicts(ctx, ledger, frame).replace(_IN_WORDS).alias("outcome")
        counts.add(with_amounts(frame).select("value", "currency", verdict))
    # A test run sends a few events of the first part; a dry run none.
    testing = ctx.config.mode == "test" and bool(events.parts)
    return DedupeResult(
        delivery_id=delivery_id, events=counts.events, values=counts.values, parts=(0,) if testing else ()
    )


def _keyed(ledger: Ledger, frame: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in ("event_id", "content", "event_time", "returned") if name in frame.columns]
    return frame.select(ledger.keys(frame["event_id"]).alias("event_key"), *names)
