"""What TikTok attributed to an ad account, as it was read: a table of numbers, each with the time of its reading.

The figures of a day grow for some days, so every reading is kept, and the newest one of each number counts.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import date, timedelta

import polars as pl

from airflow_provider_tiktok_offline.clock import MONTH, Clock
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: ``stat_day`` is a day in the account's ``timezone``, money is in its ``currency``; ``day`` is that of the reading.
SCHEMA = pl.Schema(
    {
        "read_at": pl.Datetime("us", "UTC"),
        "advertiser_id": pl.String(),
        "level": pl.String(),
        "object_id": pl.String(),
        "stat_day": pl.Date(),
        "metric": pl.String(),
        "value": pl.Float64(),
        "currency": pl.String(),
        "timezone": pl.String(),
        "day": pl.Date(),
    }
)
_COLUMNS = [name for name in SCHEMA if name != "day"]
#: What makes two readings readings of one number.
_NUMBER = ["advertiser_id", "level", "object_id", "stat_day", "metric"]
_VACUUM_HOURS = 24


class Attribution:
    """The readings of one advertiser.

    :param advertiser: the entry's name.
    """

    def __init__(self, objects: ObjectStore, advertiser: str, clock: Clock) -> None:
        self._table = WitnessedTable(objects, f"advertisers/{advertiser}/attribution", clock)
        self._clock = clock
        self.uri = f"{objects.uri}/{self._table.path}"

    def append(self, reading: pl.DataFrame) -> None:
        """Keep a reading.

        :param reading: the columns of :data:`SCHEMA` without ``day``.
        :raises LedgerBusyError: if other writers came first each time.
        :raises LedgerDamagedError: if the table is damaged.
        """
        if not self._table.remains():
            self._table.create(SCHEMA)
        rows = reading.with_columns(day=pl.col("read_at").dt.date()).select(SCHEMA.keys()).cast(SCHEMA)
        app_id = f"reading:{secrets.token_hex(16)}"
        for _ in documents.attempts(self._clock, self.uri):
            with suppress(CommitConflict):
                self._table.append(rows, self._table.snapshot(), app_id=app_id, transaction=0)
                return

    def readings(self, *, since: date | None = None) -> pl.DataFrame:
        """Every reading of some days, oldest reading first.

        :param since: the first ``stat_day``; None for all.
        """
        if not self._table.remains():
            return pl.DataFrame(schema={name: SCHEMA[name] for name in _COLUMNS})
        # A day is read on the day itself at the earliest, in a time zone that may be a day ahead.
        oldest = None if since is None else (since - timedelta(days=1)).isoformat()
        files = [file for file in self._table.snapshot().files if oldest is None or file.day >= oldest]
        if not files:
            return pl.DataFrame(schema={name: SCHEMA[name] for name in _COLUMNS})
        scanned = self._table.scan(files, _COLUMNS)
        if since is not None:
            scanned = scanned.filter(pl.col("stat_day") >= since)
        return self._table.collect(scanned).sort("read_at", *_NUMBER)

    def latest(self, *, since: date | None = None) -> pl.DataFrame:
        """The newest reading of each number.

        :param since: the first ``stat_day``; None for all.
        """
        return self.readings(since=since).unique(_NUMBER, keep="last", maintain_order=True).sort(_NUMBER)

    def maintain(self, *, months: int) -> int:
        """Forget readings that are older, merge small files and remove unused ones; how many rows were forgotten."""
        if not self._table.remains():
            return 0
        forgotten = self._table.delete_before((self._clock.now() - months * MONTH).date())
        self._table.compact()
        self._table.trim_log()
        self._table.vacuum(_VACUUM_HOURS)
        return forgotten
