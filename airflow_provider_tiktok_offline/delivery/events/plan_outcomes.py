"""What became of a delivery's events: by their receipts, else by the plan.

The plan and the receipts are enough. Staged events, where they are still there, add the values, and tell of an event
that was not sent whether it expired or its customer opted out.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.contract.outcomes import SETTLED
from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events, open_events
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression, opted_out
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.opted_out_events import read_opted_out
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import OutcomeCounts, with_amounts
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.ledger.plan import Plan
    from airflow_provider_tiktok_offline.ledger.settlement import Settlement

log = plain_logger(__name__)

#: The verdict and the answer that leave an event's outcome open.
_UNCONFIRMED = {"in_doubt_old": "unconfirmed", "in_doubt": "unconfirmed"}


def outcomes(ctx: DeliveryContext, state: DeliveryState, settlement: Settlement) -> OutcomeCounts:
    """How each event of the delivery's plan stands.

    :param settlement: of that plan, just made.
    """
    plan = settlement.plan or ctx.ledger.plan(state.id)
    counts = OutcomeCounts()
    parts = [part for part in sorted(plan.events) if not _counted_by_sums(plan, part, settlement, counts)]
    events = _staged_events(ctx, state) if parts else None
    for part in parts:
        definite = _definite(ctx, plan, part, events, settlement)
        if definite is not None:
            counts.add(definite)
            continue
        staged = None
        if events is not None and part < len(events.parts):
            staged = keyed_events(ctx, plan, part, with_amounts(events.read(part)))
        frame = _answered(ctx, plan, part)
        if staged is None:
            counts.add(_without_values(frame))
            continue
        frame = frame.join(
            staged.select("event_key", "value", "currency", "event_time", "content"),
            on="event_key",
            how="left",
            maintain_order="left",
        )
        frame = _settled_by_others(ctx, plan, frame)
        counts.add(_unanswered(ctx, plan, part, frame, staged))
    return counts


def _counted_by_sums(plan: Plan, part: int, settlement: Settlement, counts: OutcomeCounts) -> bool:
    """Count a part whose planned events have all the same answer by what the plan says that it is worth.

    :returns: whether that was so; not if some of its events are held by another delivery, which are looked at by key.
    """
    from airflow_provider_tiktok_offline.ledger.event_states import SENT_VERDICTS

    sums = plan.sums.get(part)
    if sums is None or settlement.round != plan.round or any(one.verdict == "held" for one in sums):
        return False
    answer = ""
    if plan.events[part]:
        answers = settlement.answers.get(part, {})
        if list(answers.values()) != [plan.events[part]]:
            return False
        answer = next(iter(answers))
    for one in sums:
        outcome = answer if one.verdict in SENT_VERDICTS else one.verdict
        counts.add_sum(_UNCONFIRMED.get(outcome, outcome), one.currency, one.events, Decimal(one.value))
    return True


def _definite(
    ctx: DeliveryContext, plan: Plan, part: int, events: Events | None, settlement: Settlement
) -> pl.DataFrame | None:
    """``outcome``, ``value`` and ``currency`` of a part, row by row as it was planned.

    None unless the part is unchanged, every event has an outcome, and none is held: those are looked at by key.
    """
    import polars as pl

    standing = settlement.standing.get(part)
    if standing is None or settlement.round != plan.round or standing.has_nulls() or (standing == "held").any():
        return None
    if events is None or part >= len(events.parts):
        return None
    staged = events.read_amounts(part)
    if not is_unchanged(ctx, plan, part, staged):
        return None
    outcome = standing.cast(pl.String).replace(_UNCONFIRMED)
    return with_amounts(staged).select("value", "currency", outcome=outcome)


def keyed_events(ctx: DeliveryContext, plan: Plan, part: int, frame: pl.DataFrame) -> pl.DataFrame:
    """A part's staged events with their event keys.

    If the part is unchanged since planning, the keys are the plan's; else each is computed.
    """
    if is_unchanged(ctx, plan, part, frame):
        return frame.with_columns(plan.verdicts(part)["event_key"])
    return frame.with_columns(ctx.ledger.keys(frame["event_id"]).alias("event_key"))


def is_unchanged(ctx: DeliveryContext, plan: Plan, part: int, frame: pl.DataFrame) -> bool:
    """Whether a part holds the very events that it was planned with, in the same order."""
    return part in plan.fingerprints and ctx.ledger.fingerprint(frame["event_id"]) == plan.fingerprints[part]


def _staged_events(ctx: DeliveryContext, state: DeliveryState) -> Events | None:
    """The delivery's staged events; None if they are gone.

    :raises TikTokOfflineError: if the store can't be read now, and may be later.
    """
    from airflow_provider_tiktok_offline.delivery.events.netting import netting_of

    try:
        return open_events(ctx, state.id, netting_of(ctx, state))
    except TikTokOfflineError as error:
        if error.retryable:
            raise
        log.warning("The staged events can't be read, so the summary has no values: %s", error)
        return None


def _answered(ctx: DeliveryContext, plan: Plan, part: int) -> pl.DataFrame:
    """``event_key`` and ``outcome`` of each event of a part; null for planned events without a receipt."""
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.event_states import SENT_VERDICTS

    with ctx.ledger.receipts(plan.delivery_id, part, ctx.holder, plan=plan) as receipts:
        settled = receipts.settled().select("event_key", "outcome")
    planned = pl.col("verdict").is_in(SENT_VERDICTS)
    verdict = pl.col("verdict").replace(_UNCONFIRMED)
    answer = pl.col("outcome").replace(_UNCONFIRMED)
    return (
        plan.verdicts(part)
        .join(settled, on="event_key", how="left", maintain_order="left")
        .select("event_key", outcome=pl.when(planned).then(answer).otherwise(verdict))
    )


def _without_values(frame: pl.DataFrame) -> pl.DataFrame:
    """A part whose staged events are gone: of an event without an answer only that it was not sent is known."""
    import polars as pl

    return frame.select(
        pl.col("outcome").fill_null("not_sent"),
        value=pl.lit(None, pl.String),
        currency=pl.lit(None, pl.String),
    )


def _settled_by_others(ctx: DeliveryContext, plan: Plan, frame: pl.DataFrame) -> pl.DataFrame:
    """The outcomes, but for events that another delivery held at planning and has settled since."""
    import polars as pl

    asked = frame.filter((pl.col("outcome") == "held") & pl.col("event_time").is_not_null())
    if asked.is_empty():
        return frame
    asked = asked.select("event_key", "content", "event_time")
    now = ctx.ledger.look(asked, now=ctx.clock.now(), lookback=ctx.lookback, delivery_id=plan.delivery_id)
    # Events that it released unsent are left to the next dedupe.
    settled = asked.select("event_key", now=now).filter(pl.col("now").is_in(SETTLED))
    return frame.join(settled, on="event_key", how="left", maintain_order="left").with_columns(
        outcome=pl.coalesce("now", "outcome")
    )


def _unanswered(ctx: DeliveryContext, plan: Plan, part: int, frame: pl.DataFrame, staged: pl.DataFrame) -> pl.DataFrame:
    """The outcomes, with those of planned events that were not sent: suppressed, expired, or not sent yet."""
    import polars as pl

    unsent = frame.filter(pl.col("outcome").is_null()).select("event_key")
    if unsent.is_empty():
        return frame
    oldest = ctx.oldest_event_time(ctx.clock.now())
    noted = read_opted_out(ctx, plan.delivery_id, part)
    frame = frame.with_columns(
        outcome=pl.coalesce(
            "outcome",
            pl.when(pl.col("event_key").is_in(noted.implode())).then(pl.lit("suppressed")),
            pl.when(pl.col("event_time") < oldest).then(pl.lit("expired")),
        )
    )
    unsent = frame.filter(pl.col("outcome").is_null()).select("event_key")
    if unsent.is_empty():
        return frame
    candidates = staged.join(unsent, on="event_key", how="semi", maintain_order="left")
    return frame.with_columns(
        outcome=pl.coalesce(
            "outcome",
            pl.when(pl.col("event_key").is_in(_opted_out_now(ctx, candidates).implode())).then(pl.lit("suppressed")),
            pl.lit("not_sent"),
        )
    )


def _opted_out_now(ctx: DeliveryContext, events: pl.DataFrame) -> pl.Series:
    """The keys of events whose customers are on the opt-out list; none if the list can't be used."""
    try:
        return events.filter(opted_out(load_suppression(ctx, accept=False), events))["event_key"]
    except TikTokOfflineError as error:
        log.warning("The opt-out list can't be used, so events that were not sent are not compared with it: %s", error)
        return events.clear()["event_key"]
