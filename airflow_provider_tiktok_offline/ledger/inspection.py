"""Looking into the ledger: its state, an event's history, a day's deliveries, everything as one file."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TypedDict

import polars as pl

from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.keys_table import KEYS_SCHEMA
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot

_ROWS = [name for name in KEYS_SCHEMA if name not in ("day", "head")]


class LedgerStatus(TypedDict):
    """What a ledger is and holds.

    Attributes:
        event_set_id, generation, recipe, route, send_from: of the ledger's own document.
        version, files, rows: of the keys table; a row is a change of what is known of an event.
        first_day, last_day: its oldest and newest partition.
        events: outcome -> events that have it now.
        oldest_in_doubt: the first attempt of the oldest event in doubt.
        claims: delivery id -> events that it has claimed.
    """

    event_set_id: str
    generation: str
    recipe: str
    route: str | None
    send_from: str | None
    version: int
    files: int
    rows: int
    first_day: str | None
    last_day: str | None
    events: dict[str, int]
    oldest_in_doubt: str | None
    claims: dict[str, int]


def status(ledger: Ledger) -> LedgerStatus:
    """What the ledger is and holds, as small JSON."""
    snapshot = ledger.table.snapshot()
    days = sorted({file.day for file in snapshot.files})
    counted = _newest_outcomes(ledger, snapshot)
    claims = ledger.claims.read().claims.values()
    return {
        "event_set_id": ledger.event_set_id,
        "generation": ledger.meta.generation,
        "recipe": ledger.meta.recipe,
        "route": ledger.meta.route,
        "send_from": _text(ledger.send_from),
        "version": snapshot.version,
        "files": len(snapshot.files),
        "rows": snapshot.rows,
        "first_day": days[0] if days else None,
        "last_day": days[-1] if days else None,
        "events": {outcome: count for outcome, count, _ in counted.iter_rows()},
        "oldest_in_doubt": _text(next((o for name, _, o in counted.iter_rows() if name == "in_doubt"), None)),
        "claims": {claim.delivery_id: len(ledger.claims.keys_of(claim)) for claim in claims},
    }


def show(ledger: Ledger, event_id: str) -> pl.DataFrame:
    """Everything the ledger knows of one event, oldest first, and the delivery that holds it now, if one does."""
    key = ledger.keys(pl.Series([event_id]))
    known = _history(ledger, key)
    holding = [
        claim.delivery_id
        for claim in ledger.claims.read().claims.values()
        if ledger.claims.keys_of(claim).is_in(key.implode()).any()
    ]
    held = pl.DataFrame(
        {"outcome": ["claimed"] * len(holding), "delivery_id": holding},
        schema={"outcome": pl.String, "delivery_id": pl.String},
    )
    return pl.concat([known, held], how="diagonal").drop("event_key", "content")


def sent(ledger: Ledger, event_ids: pl.Series) -> pl.DataFrame:
    """What became of each event id: ``event_id``, ``outcome`` (null: unknown), ``recorded_at``, ``delivery_id``."""
    asked = pl.DataFrame({"event_id": event_ids, "event_key": ledger.keys(event_ids)})
    newest = _history(ledger, asked["event_key"]).unique("event_key", keep="last", maintain_order=True)
    return asked.join(
        newest.select("event_key", "outcome", "recorded_at", "delivery_id", "route"),
        on="event_key",
        how="left",
        maintain_order="left",
    ).drop("event_key")


def day(ledger: Ledger, of: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What was recorded on one day (UTC): events by delivery and outcome, and the delivery records."""
    files = [file for file in ledger.table.snapshot().files if file.day == of.isoformat()]
    counted = (
        ledger.table.collect(
            ledger.table.scan(files, ["delivery_id", "route", "outcome"])
            .group_by("delivery_id", "route", "outcome")
            .agg(events=pl.len())
        ).sort("delivery_id", "outcome")
        if files
        else pl.DataFrame(
            schema={"delivery_id": pl.String, "route": pl.String, "outcome": pl.String, "events": pl.UInt32}
        )
    )
    return counted, ledger.records.read((of, of))


def export(ledger: Ledger, to: Path) -> int:
    """Write every row to one Parquet or CSV file (keys as hex digits); how many.

    :raises ConfigError: for another ending than ``.parquet`` or ``.csv``.
    """
    snapshot = ledger.table.snapshot()
    rows = (
        ledger.table.scan(snapshot.files, _ROWS)
        if snapshot.files
        else pl.LazyFrame(schema={name: KEYS_SCHEMA[name] for name in _ROWS})
    ).with_columns(pl.col("event_key").bin.encode("hex"))
    if to.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"{to.suffix or 'no ending'!r} is no format of export", where=str(to), todo="Use .parquet.")
    ledger.table.sink(rows, to)
    return snapshot.rows


def _newest_outcomes(ledger: Ledger, snapshot: Snapshot) -> pl.DataFrame:
    """``outcome``, ``events`` and their ``oldest`` first attempt, by each event's newest row.

    All rows are counted by outcome; only of the few events that ever had another outcome than a plain delivery the
    rows before the newest are taken off again.
    """
    if not snapshot.files:
        return pl.DataFrame(schema={"outcome": pl.String, "events": pl.Int64, "oldest": pl.Datetime("us", "UTC")})
    rows = ledger.table.scan(snapshot.files, ["event_key", "outcome", "first_attempt_at"])
    changed = ledger.table.collect(
        rows.filter(~pl.col("outcome").is_in(["accepted", "adopted"])).select("event_key").unique()
    )
    counted = ledger.table.collect(rows.group_by("outcome").agg(events=pl.len().cast(pl.Int64)))
    history = ledger.table.matching(snapshot.files, changed, ["event_key", "outcome", "first_attempt_at", "seq"]).sort(
        "seq"
    )
    newest = history.unique("event_key", keep="last")
    now = newest.group_by("outcome").agg(events=pl.len().cast(pl.Int64), oldest=pl.col("first_attempt_at").min())
    before = history.group_by("outcome").agg(events=-pl.len().cast(pl.Int64))
    return (
        pl.concat([counted, before, now], how="diagonal")
        .group_by("outcome")
        .agg(pl.col("events").sum(), pl.col("oldest").min())
        .filter(pl.col("events") > 0)
        .sort("outcome")
    )


def _history(ledger: Ledger, keys: pl.Series) -> pl.DataFrame:
    """Every row of these events, oldest first."""
    files = ledger.table.snapshot().files
    if not files:
        return pl.DataFrame(schema={name: KEYS_SCHEMA[name] for name in _ROWS})
    return ledger.table.matching(files, keys.alias("event_key").to_frame(), _ROWS).sort("seq")


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
