"""Which events are attributed late: the figures of a day grow until three days after it."""

from __future__ import annotations

import zlib

from msgspec import Struct

from airflow_provider_tiktok_offline.simulator.store import Store

_DEFAULT_PERCENT = 20
_LATEST_DAYS = 3


class Lateness(Struct, kw_only=True, forbid_unknown_fields=True):
    """How many events are attributed late, and which.

    Attributes:
        percent: of all events; each of them one, two or three days after its own day.
        seed: another one makes other events late.
    """

    percent: int = _DEFAULT_PERCENT
    seed: int = 0


def set_lateness(store: Store, lateness: Lateness) -> None:
    """Change it, until the next reset."""
    for name, value in (("late_percent_change", lateness.percent - _DEFAULT_PERCENT), ("late_seed", lateness.seed)):
        store.count(name, value - store.counter(name))


def days_late(store: Store, event_id: str) -> int:
    """How many days after its own day an event is attributed; 0 for most."""
    percent = _DEFAULT_PERCENT + store.counter("late_percent_change")
    drawn = zlib.crc32(f"{store.counter('late_seed')}:{event_id}".encode())
    return 1 + drawn // 100 % _LATEST_DAYS if drawn % 100 < percent else 0
