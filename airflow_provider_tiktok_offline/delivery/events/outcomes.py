"""What became of a delivery's events: by their receipts, else by the plan's verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.delivery_events import open_events
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import opted_out
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import OutcomeCounts, with_amounts

if TYPE_CHECKING:
    import polars as pl

#: Outcomes of an event after which nothing is left to do.
SETTLED = ("already_sent", "changed_after_sent", "expired", "suppressed", "accepted", "refused", "would_send")


def outcomes(ctx: DeliveryContext, delivery_id: str) -> OutcomeCounts:
    """How each event of the delivery stands: by its receipt, else by the plan's verdict."""
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.plan import SENT_VERDICTS

    prepared = open_events(ctx, delivery_id)
    plan = ctx.ledger.plan(delivery_id)
    oldest = ctx.oldest_event_time(ctx.clock.now())
    verdict = pl.col("verdict").replace({"in_doubt_old": "unconfirmed"})
    answer = pl.col("outcome").replace({"in_doubt": "unconfirmed"})
    counts = OutcomeCounts()
    for part in range(len(prepared.parts)):
        with ctx.ledger.receipts(delivery_id, part, ctx.holder) as receipts:
            settled = receipts.settled().select("event_key", "outcome")
        events = with_amounts(prepared.read(part))
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
        counts.add(
            joined.select(
                "value", "currency", pl.when(planned).then(answer.fill_null(unsent)).otherwise(verdict).alias("outcome")
            )
        )
    return counts


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
