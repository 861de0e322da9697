"""Delivery records: what was delivered, counted and valued, kept long after the keys are gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import date

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: A record's columns; what has none is kept in ``details`` as JSON.
SCHEMA = pl.Schema(
    {
        "recorded_at": pl.Datetime("us", "UTC"),
        "delivery_id": pl.String(),
        "advertiser": pl.String(),
        "event_set_id": pl.String(),
        "route": pl.String(),
        "mode": pl.String(),
        "file_name": pl.String(),
        "digest": pl.String(),
        "run": pl.String(),
        "package_version": pl.String(),
        "config_fingerprint": pl.String(),
        "counts": pl.String(),
        "values": pl.String(),
        "request_ids": pl.String(),
        "details": pl.String(),
        "day": pl.Date(),
    }
)


class Records:
    """The append-only table of delivery records of one event set."""

    def __init__(self, objects: ObjectStore, path: str, clock: Clock) -> None:
        self.table = WitnessedTable(objects, path, clock)
        self._clock = clock
        self._where = f"{objects.uri}/{path}"

    def append(self, record: Mapping[str, object]) -> None:
        """Keep one record; the same record again is kept once.

        :param record: by the columns' names; ``counts``, ``values`` and ``request_ids`` as mappings and lists, whatever
            has no column goes into ``details``.
        :raises LedgerBusyError: if other writers came first each time.
        """
        known = {key: value for key, value in record.items() if key in SCHEMA and key != "details"}
        details = {key: value for key, value in record.items() if key not in SCHEMA}
        text = json.dumps([known, details], sort_keys=True, default=str)
        app_id = f"record:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        for _ in documents.attempts(self._clock, self._where):
            snapshot = self.table.snapshot()
            if snapshot.transaction(app_id) >= 0:
                return
            now = self._clock.now()
            row: dict[str, object] = {
                key: value if isinstance(value, str | None) else _json(value) for key, value in known.items()
            }
            row |= {"recorded_at": now, "day": now.date(), "details": _json(details)}
            frame = pl.DataFrame([row], schema=SCHEMA)
            with suppress(CommitConflict):
                self.table.append(frame, snapshot, app_id=app_id, transaction=0)
                return

    def copy_from(self, rows: pl.DataFrame) -> None:
        """Copy the records of a ledger that is replaced into this empty one. Idempotent."""
        snapshot = self.table.snapshot()
        if snapshot.transaction("carry") < 0:
            with_day = rows.with_columns(day=pl.col("recorded_at").dt.date()).select(SCHEMA.keys())
            with suppress(CommitConflict):
                self.table.append(with_day, snapshot, app_id="carry", transaction=0)

    def read(self, *spans: tuple[date, date]) -> pl.DataFrame:
        """The records, oldest first.

        :param spans: the first and the last day of each span of days (UTC) whose records are wanted; none for all.
        """
        files = [
            file
            for file in self.table.snapshot().files
            if not spans or any(since.isoformat() <= file.day <= until.isoformat() for since, until in spans)
        ]
        if not files:
            return pl.DataFrame(schema={name: kind for name, kind in SCHEMA.items() if name != "day"})
        columns = [name for name in SCHEMA if name != "day"]
        return self.table.collect(self.table.scan(files, columns)).sort("recorded_at")


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
