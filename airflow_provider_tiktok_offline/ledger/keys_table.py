"""The keys table: one row for each time that what is known of an event changed; the highest ``seq`` counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.ledger.key_probe import head_column
from airflow_provider_tiktok_offline.ledger.snapshots import DataFile, Snapshot
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable

KEYS_SCHEMA = pl.Schema(
    {
        "event_key": pl.Binary(),
        "head": pl.Int64(),
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
#: The same for Arrow: what the table's writer takes.
ARROW_SCHEMA = pa.schema(
    [
        ("event_key", pa.binary()),
        ("head", pa.int64()),
        ("content", pa.int64()),
        ("outcome", pa.string()),
        ("first_attempt_at", pa.timestamp("us", "UTC")),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("delivery_id", pa.string()),
        ("route", pa.string()),
        ("code", pa.int32()),
        ("field", pa.string()),
        ("seq", pa.int64()),
        ("day", pa.date32()),
    ]
)

#: The columns of the keys table that an event is compared by.
COMPARED = ["event_key", "content", "outcome", "first_attempt_at", "delivery_id", "seq"]


def key_rows(outcomes: pl.DataFrame, *, now: datetime, delivery_id: str, route: str, seq: int) -> list[pa.RecordBatch]:
    """Outcomes as rows of the keys table.

    :param outcomes: ``event_key``, ``content``, ``outcome``, ``first_attempt_at``, ``code``, ``field``.
    :param seq: the table's version that the rows become part of.
    """
    rows = outcomes.with_columns(
        head_column(outcomes["event_key"]),
        recorded_at=pl.lit(now).cast(pl.Datetime("us", "UTC")),
        delivery_id=pl.lit(delivery_id),
        route=pl.lit(route),
        seq=pl.lit(seq, pl.Int64),
        day=pl.lit(now.date()),
    ).select(KEYS_SCHEMA.keys())
    batches: list[pa.RecordBatch] = rows.to_arrow().cast(ARROW_SCHEMA).to_batches()
    return batches


@dataclass(slots=True)
class KnownEvents:
    """What the keys table says of one batch of events, kept up to date file by file.

    Only files that were not there at the last refresh are read again, so a lost race costs little.

    Attributes:
        keys: ``event_key`` of the batch.
        rows: all rows of these events in the files read so far.
        files: those files.
    """

    keys: pl.DataFrame
    rows: pl.DataFrame | None = None
    files: frozenset[DataFile] = frozenset()

    def refresh(self, table: WitnessedTable, snapshot: Snapshot) -> pl.DataFrame:
        """The newest row of every event of the batch that the table knows."""
        present = frozenset(snapshot.files)
        if self.rows is None or not self.files <= present:
            self.rows, self.files = None, frozenset()
        unread = [file for file in snapshot.files if file not in self.files]
        if unread:
            more = table.matching(unread, self.keys, COMPARED)
            self.rows = more if self.rows is None else pl.concat([self.rows, more])
            self.files = present
        if self.rows is None:
            return pl.DataFrame(schema={name: KEYS_SCHEMA[name] for name in COMPARED})
        return self.rows.sort("seq").unique("event_key", keep="last")
