"""Events to send, limits to send them under, and receipts that remember."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence

import polars as pl

from airflow_provider_tiktok_offline.config.models import UploadConfig
from airflow_provider_tiktok_offline.tiktok.send_buffer import Items
from tests.servers.simulator import EVENT_SET_ID

#: As fast as the machine goes.
FAST = UploadConfig(requests_per_second=100_000, in_flight=4, max_attempts=3)

__all__ = ["EVENT_SET_ID", "FAST", "Receipts", "event_id", "in_one", "items", "key", "keys"]


def event_id(number: int) -> str:
    return f"v1-{number:032x}"


def items(count: int) -> pl.Series:
    """So many ``data[]`` items, all different."""
    return pl.Series(
        "json",
        [
            json.dumps(
                {
                    "event": "Purchase",
                    "event_time": 1_795_300_000 + number,
                    "event_id": event_id(number),
                    "user": {"email": [hashlib.sha256(f"shopper{number}@example.com".encode()).hexdigest()]},
                    "properties": {"value": 12.5, "currency": "EUR", "order_id": f"order-{number}"},
                }
            )
            for number in range(count)
        ],
        dtype=pl.String,
    )


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def keys(count: int) -> pl.Series:
    """The event keys of :func:`items`: their numbers."""
    return pl.Series("event_key", [key(number) for number in range(count)], dtype=pl.Binary)


def in_one(json: pl.Series) -> list[Items]:
    """An upload's events in a single window, under the keys of :func:`keys`."""
    return [Items("," + json, keys(len(json)))]


class Receipts:
    """Remembers what it was told, by event number; fails the test when that makes no sense."""

    def __init__(self) -> None:
        self.attempted_events: set[int] = set()
        self.accepted_events: list[int] = []
        self.refused_events: dict[int, tuple[int, str | None]] = {}
        self.released_events: list[int] = []
        self.request_ids: set[str | None] = set()
        self.largest_window = 0
        self.flushes = 0
        self.unflushed = 0
        self._thread = threading.get_ident()

    def attempted(self, keys: pl.Series) -> None:
        assert threading.get_ident() == self._thread
        numbers = _numbers(keys)
        assert not self.attempted_events.intersection(numbers)
        self.attempted_events.update(numbers)
        self.largest_window = max(self.largest_window, len(numbers))

    def accepted(self, keys: pl.Series, request_id: str | None) -> None:
        self.accepted_events += self._new(keys)
        self.request_ids.add(request_id)

    def refused(self, keys: pl.Series, code: int, field: str | None, request_id: str | None) -> None:
        self.refused_events |= dict.fromkeys(self._new(keys), (code, field))

    def released(self, keys: pl.Series) -> None:
        self.released_events += self._new(keys)

    def flush(self) -> None:
        self.flushes += 1
        self.unflushed = 0

    def finish(self) -> None:
        self.flush()

    @property
    def in_doubt(self) -> set[int]:
        """Attempted, and nothing else said."""
        return self.attempted_events.difference(self.accepted_events, self.refused_events, self.released_events)

    def _new(self, keys: pl.Series) -> Sequence[int]:
        assert threading.get_ident() == self._thread
        numbers = _numbers(keys)
        assert self.in_doubt.issuperset(numbers)
        self.unflushed += len(numbers)
        return numbers


def _numbers(keys: pl.Series) -> list[int]:
    return [int.from_bytes(each, "big") for each in keys]
