"""Each event's verdict: what was sent before, what is claimed, and what may be sent now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.lookback import oldest_event_time
from airflow_provider_tiktok_offline.ledger.event_states import SENT_OUTCOMES, may_be_retried

NO_KEYS = pl.Series("event_key", [], dtype=pl.Binary)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRules:
    """What decides about an event beside the ledger's rows and claims.

    Attributes:
        delivery_id: the delivery that asks.
        now: the present moment.
        lookback: how old a transaction may be; None for any age.
        retry_window: how long after its first attempt an event in doubt may be sent again.
        send_from: transactions before it count as sent; None without a cut-over.
        retry_refused: events that TikTok refused may be sent again.
    """

    delivery_id: str
    now: datetime
    lookback: timedelta | None
    retry_window: timedelta
    send_from: datetime | None
    retry_refused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedKeys:
    """Event keys that are claimed.

    Attributes:
        own: by the delivery that asks.
        held: by other deliveries.
    """

    own: pl.Series
    held: pl.Series


def verdicts(events: pl.DataFrame, known: pl.DataFrame, claimed: ClaimedKeys, rules: VerdictRules) -> pl.DataFrame:
    """``verdict`` and ``first_attempt_at`` of every event, in the frame's order.

    :param events: ``event_key``, ``content`` (keyed), ``event_time`` (epoch seconds), and ``returned`` where some may
        have been returned as a whole before they were sent.
    :param known: the newest row of each event that the ledger knows.
    """
    outcome = pl.col("outcome")
    sent = outcome.is_in(SENT_OUTCOMES)
    joined = events.join(
        known.select("event_key", "outcome", "first_attempt_at", "delivery_id", known_content="content"),
        on="event_key",
        how="left",
        maintain_order="left",
    )
    too_old = pl.col("event_time") < oldest_event_time(rules.now, rules.lookback)
    cut_over = None if rules.send_from is None else int(rules.send_from.timestamp())
    before_cut_over = pl.lit(False) if cut_over is None else pl.col("event_time") < cut_over
    doubt_is_old = ~may_be_retried(rules.now, rules.retry_window)
    return joined.select(
        verdict=pl.when(sent & (pl.col("content") != pl.col("known_content")))
        .then(pl.lit("changed_after_sent"))
        .when(sent & (pl.col("delivery_id") == rules.delivery_id))
        .then(pl.lit("accepted"))
        .when(sent)
        .then(pl.lit("already_sent"))
        .when((outcome == "refused") & (not rules.retry_refused))
        .then(pl.lit("refused"))
        .when(before_cut_over)
        .then(pl.lit("already_sent"))
        .when(_among(claimed.held))
        .then(pl.lit("held"))
        .when(pl.col("returned") if "returned" in events.columns else pl.lit(False))
        .then(pl.lit("returned"))
        .when((outcome == "in_doubt") & (doubt_is_old | too_old))
        .then(pl.lit("in_doubt_old"))
        .when(too_old)
        .then(pl.lit("expired"))
        .when(outcome == "in_doubt")
        .then(pl.lit("in_doubt"))
        .when(_among(claimed.own))
        .then(pl.lit("own"))
        .otherwise(pl.lit("new")),
        first_attempt_at=pl.when(outcome == "in_doubt").then("first_attempt_at"),
    )


def _among(keys: pl.Series) -> pl.Expr:
    return pl.col("event_key").is_in(keys.implode()) if len(keys) else pl.lit(False)
