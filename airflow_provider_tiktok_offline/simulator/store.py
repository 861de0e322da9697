"""The simulator's events and accounts, in one SQLite database.

Without a path it is SQLite's private temporary database: it spills to an unnamed file when it outgrows the cache, so
that a million events cost disk and not memory, and it is deleted when the process ends.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.simulator import defaults
from airflow_provider_tiktok_offline.simulator.events import Event

#: Seconds in which a second event of the same name and id is dropped, from the first on.
DEDUPE_SECONDS = 48 * 3600

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    seq INTEGER PRIMARY KEY, event_set_id TEXT NOT NULL, event TEXT NOT NULL, event_id TEXT,
    event_time INTEGER NOT NULL, value REAL, taken_at REAL NOT NULL, request_id TEXT NOT NULL, item BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS received (
    event_set_id TEXT, event TEXT, event_id TEXT, first_at REAL NOT NULL, times INTEGER NOT NULL, held INTEGER NOT NULL,
    PRIMARY KEY (event_set_id, event, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tested (
    seq INTEGER PRIMARY KEY, event_set_id TEXT NOT NULL, code TEXT NOT NULL, taken_at REAL NOT NULL,
    item BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER NOT NULL,
    code INTEGER, message TEXT NOT NULL, events INTEGER NOT NULL, request_id TEXT NOT NULL, fault TEXT);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS undocumented (field TEXT PRIMARY KEY, events INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS apps (app_id TEXT PRIMARY KEY, secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS advertisers (
    advertiser_id TEXT PRIMARY KEY, name TEXT NOT NULL, currency TEXT NOT NULL, timezone TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event_sets (
    event_set_id TEXT PRIMARY KEY, advertiser_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    auto_tracking INTEGER NOT NULL, create_time REAL NOT NULL, update_time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY, app_id TEXT NOT NULL, scopes TEXT NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS grants (
    token TEXT, advertiser_id TEXT, role TEXT NOT NULL, PRIMARY KEY (token, advertiser_id));
CREATE TABLE IF NOT EXISTS auth_codes (
    code TEXT PRIMARY KEY, app_id TEXT NOT NULL, scopes TEXT NOT NULL, made_at REAL NOT NULL, used INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ads (
    ad_id TEXT PRIMARY KEY, advertiser_id TEXT NOT NULL, smart_plus INTEGER NOT NULL, status TEXT NOT NULL,
    event_set_ids TEXT NOT NULL, create_time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS incidents (
    title TEXT PRIMARY KEY, status TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL);
"""
#: Of the schema above; a file of another version can't be used.
_VERSION = 2
_NEW = "INSERT OR IGNORE INTO received VALUES (?, ?, ?, ?, 1, 1)"


class Store:
    """The simulator's memory. Used from one thread only: the server's loop.

    :param path: a file that outlives the process, or None.
    :raises ConfigError: if another version of the simulator wrote the file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.db = sqlite3.connect("" if path is None else path, check_same_thread=False, isolation_level=None)
        self.db.row_factory = sqlite3.Row
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if self.row("SELECT 1 FROM sqlite_master") is not None and version != _VERSION:
            self.db.close()
            raise ConfigError(
                "another version of the simulator wrote this state file.", where=str(path), todo="Delete it."
            )
        self.db.execute(f"PRAGMA user_version = {_VERSION}")
        self.db.execute("PRAGMA cache_size = -65536")
        if path is None:
            self.db.execute("PRAGMA journal_mode = MEMORY")
            self.db.execute("PRAGMA synchronous = OFF")
        else:
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.executescript(_SCHEMA)
        self._counters: dict[str, int] = {row["name"]: row["number"] for row in self.rows("SELECT * FROM counters")}
        if not self.row("SELECT 1 FROM apps"):
            self._seed()

    def close(self) -> None:
        self.db.close()

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        first: sqlite3.Row | None = self.db.execute(query, values).fetchone()
        return first

    def rows(self, query: str, *values: object) -> Iterator[sqlite3.Row]:
        """The rows of a query, one after the other."""
        return self.db.execute(query, values)

    def run(self, statement: str, *values: object) -> int:
        """Execute a statement; returns the number of rows changed."""
        return self.db.execute(statement, values).rowcount

    def counter(self, name: str) -> int:
        return self._counters.get(name, 0)

    def count(self, name: str, step: int = 1) -> int:
        """Advance a counter; returns its new value."""
        number = self._counters.get(name, 0) + step
        self._counters[name] = number
        self.run("INSERT OR REPLACE INTO counters VALUES (?, ?)", name, number)
        return number

    def take(self, event_set_id: str, events: Iterable[Event], now: float, request_id: str) -> int:
        """Hold the events that are new within the window, count all.

        :param now: seconds since 1970.
        :returns: how many are now held that were not.
        """
        events = list(events)
        keys = [(event_set_id, event.event, event.event_id, now) for event in events if event.event_id is not None]
        self.run("BEGIN")
        self.run("SAVEPOINT batch")
        fresh = events
        if self.db.executemany(_NEW, keys).rowcount != len(keys):
            self.run("ROLLBACK TO batch")
            fresh = [event for event in events if self._is_fresh(event_set_id, event, now)]
        rows = [
            (event_set_id, event.event, event.event_id, event.event_time, event.value, now, request_id, event.raw)
            for event in fresh
        ]
        self.db.executemany(
            "INSERT INTO held (event_set_id, event, event_id, event_time, value, taken_at, request_id, item)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self.count("events_received", len(events))
        self.count("events_held", len(fresh))
        self.run("COMMIT")
        return len(fresh)

    def _is_fresh(self, event_set_id: str, event: Event, now: float) -> bool:
        """Count one event; whether it is the first of its name and id within the window."""
        if event.event_id is None:
            return True
        key = (event_set_id, event.event, event.event_id)
        if self.run(_NEW, *key, now) == 1:
            return True
        known = self.row("SELECT first_at FROM received WHERE event_set_id = ? AND event = ? AND event_id = ?", *key)
        fresh = known is not None and now - known["first_at"] >= DEDUPE_SECONDS
        self.run(
            "UPDATE received SET times = times + 1, held = held + ?, first_at = iif(?, ?, first_at)"
            " WHERE event_set_id = ? AND event = ? AND event_id = ?",
            fresh, fresh, now, *key,
        )  # fmt: skip
        return fresh

    def test(self, event_set_id: str, code: str, events: Iterable[Event], now: float) -> None:
        """Show events in the Test Events tab; they count nowhere."""
        rows = [(event_set_id, code, now, event.raw) for event in events]
        self.db.executemany("INSERT INTO tested (event_set_id, code, taken_at, item) VALUES (?, ?, ?, ?)", rows)
        self.count("events_tested", len(rows))

    def reset(self) -> None:
        """Forget everything and know the default accounts again."""
        tables = [row["name"] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            self.run(f"DELETE FROM {table}")  # noqa: S608 - names come from the schema above
        self._counters.clear()
        self._seed()

    def _seed(self) -> None:
        self.run("INSERT INTO apps VALUES (?, ?)", defaults.APP_ID, defaults.APP_SECRET)
        accounts = (
            (defaults.ADVERTISER_ID, defaults.ADVERTISER_NAME, defaults.EVENT_SET_ID),
            (defaults.SECOND_ADVERTISER_ID, defaults.SECOND_ADVERTISER_NAME, defaults.SECOND_EVENT_SET_ID),
        )
        for advertiser_id, name, event_set_id in accounts:
            self.run("INSERT INTO advertisers VALUES (?, ?, 'USD', 'UTC')", advertiser_id, name)
            made = (event_set_id, advertiser_id, f"{name} tills", "Sales")
            self.run("INSERT INTO event_sets VALUES (?, ?, ?, ?, 0, 0, 0)", *made)
            for _ in range(defaults.ADS):
                self.add_ad(advertiser_id, [event_set_id], status="ENABLE", smart_plus=False, now=0.0)
            self.grant(defaults.ACCESS_TOKEN, advertiser_id, "ADMIN")
        self.grant(defaults.EVENTS_TOKEN, defaults.ADVERTISER_ID, "OPERATOR", app_id="")
        self.grant(defaults.ANALYST_TOKEN, defaults.ADVERTISER_ID, "ANALYST")

    def grant(
        self,
        token: str,
        advertiser_id: str,
        role: str,
        *,
        app_id: str = defaults.APP_ID,
        scopes: Sequence[int] = defaults.SCOPES,
    ) -> None:
        """Let a token (made if new) act for an advertiser in a role.

        :param app_id: the developer app of a new token; empty for one that Events Manager made.
        :param scopes: the permissions of a new token.
        """
        self.run("INSERT OR IGNORE INTO tokens VALUES (?, ?, ?, 0)", token, app_id, json.dumps(scopes))
        self.run("INSERT OR REPLACE INTO grants VALUES (?, ?, ?)", token, advertiser_id, role)

    def add_ad(
        self, advertiser_id: str, event_set_ids: Sequence[str], *, status: str, smart_plus: bool, now: float
    ) -> None:
        """Make an ad that tracks event sets."""
        ad_id = str(7_200_000_000_000_000_000 + self.count("ads_made"))
        self.run(
            "INSERT INTO ads VALUES (?, ?, ?, ?, ?, ?)",
            ad_id, advertiser_id, int(smart_plus), status, json.dumps(event_set_ids), now,
        )  # fmt: skip

    def set_revoked(self, token: str, revoked: bool) -> bool:
        """Kill a token or bring it back; False if there is none such."""
        return self.run("UPDATE tokens SET revoked = ? WHERE token = ?", int(revoked), token) == 1
