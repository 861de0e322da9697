"""Dedupe: each event's verdict from what was sent and what is claimed; what is free is claimed in the same step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.lookback import oldest_event_time
from airflow_provider_tiktok_offline.ledger.table import DataFile, Snapshot, WitnessedTable

#: What the ledger remembers of an event, one row for each time that it changed; the highest ``seq`` counts.
KEYS_SCHEMA = pl.Schema(
    {
        "event_key": pl.Binary(),
        "content": pl.Int64(),
        "outcome": pl.String(),
        "first_attempt_at": pl.Datetime("us", "UTC"),
        "recorded_at": pl.Datetime("us", "UTC"),
        "delivery_id": pl.String(),
        "route": pl.String(),
        "code": pl.Int32(),
        "field": pl.String(),
        "seq": pl.Int64(),
        "day": pl.Date(),
    }
)
#: Outcomes after which an event is not sent again: taken by TikTok or LiveRamp, recorded as delivered by other means,
#: or in doubt and taken for sent by a person. An event that was ``released`` may be sent.
SENT = ("accepted", "adopted", "assumed")

_LOOKED_AT = ["event_key", "content", "outcome", "first_attempt_at", "delivery_id", "seq"]


@dataclass(slots=True)
class Memory:
    """Rows of the keys table that concern one batch of events, kept up to date file by file.

    Only files that were not there at the last look are read again, so a lost race costs little.
    """

    keys: pl.DataFrame
    rows: pl.DataFrame | None = None
    seen: frozenset[DataFile] = frozenset()

    def refresh(self, table: WitnessedTable, snapshot: Snapshot) -> pl.DataFrame:
        """The newest row of every event of the batch that the ledger knows."""
        files = frozenset(snapshot.files)
        if self.rows is None or not self.seen <= files:
            self.rows, self.seen = None, frozenset()
        fresh = [file for file in snapshot.files if file not in self.seen]
        if fresh:
            found = table.matching(fresh, self.keys, _LOOKED_AT)
            self.rows = found if self.rows is None else pl.concat([self.rows, found])
            self.seen = files
        if self.rows is None:
            return pl.DataFrame(schema={name: KEYS_SCHEMA[name] for name in _LOOKED_AT})
        return self.rows.sort("seq").unique("event_key", keep="last")


def verdicts(
    frame: pl.DataFrame,
    known: pl.DataFrame,
    *,
    delivery_id: str,
    own: pl.Series,
    held: pl.Series,
    now: datetime,
    lookback: timedelta | None,
    retry_window: timedelta,
    send_from: datetime | None,
    retry_refused: bool,
) -> pl.DataFrame:
    """``verdict`` and ``first_attempt_at`` of every row, in the frame's order.

    :param frame: ``event_key``, ``content`` (keyed), ``event_time`` (epoch seconds).
    :param known: the newest row of each known event, from :class:`Memory`.
    :param own: keys that this delivery has claimed already; ``held``: those of other living deliveries.
    """
    outcome = pl.col("outcome")
    sent = outcome.is_in(SENT)
    joined = frame.join(
        known.select("event_key", "outcome", "first_attempt_at", "delivery_id", known_content="content"),
        on="event_key",
        how="left",
        maintain_order="left",
    )
    too_old = pl.col("event_time") < oldest_event_time(now, lookback)
    before = pl.lit(False) if send_from is None else pl.col("event_time") < int(send_from.timestamp())
    retry = pl.col("first_attempt_at") > now - retry_window
    return joined.select(
        verdict=pl.when(sent & (pl.col("content") != pl.col("known_content")))
        .then(pl.lit("changed_after_sent"))
        .when(sent & (pl.col("delivery_id") == delivery_id))
        .then(pl.lit("accepted"))
        .when(sent)
        .then(pl.lit("already_sent"))
        .when((outcome == "refused") & (not retry_refused))
        .then(pl.lit("refused"))
        .when(before)
        .then(pl.lit("already_sent"))
        .when(_among(held))
        .then(pl.lit("held"))
        .when((outcome == "in_doubt") & (~retry | too_old))
        .then(pl.lit("in_doubt_old"))
        .when(too_old)
        .then(pl.lit("expired"))
        .when(outcome == "in_doubt")
        .then(pl.lit("in_doubt"))
        .when(_among(own))
        .then(pl.lit("own"))
        .otherwise(pl.lit("new")),
        first_attempt_at=pl.when(outcome == "in_doubt").then("first_attempt_at"),
    )


def _among(keys: pl.Series) -> pl.Expr:
    return pl.col("event_key").is_in(keys.implode()) if len(keys) else pl.lit(False)
