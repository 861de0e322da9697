"""The one source of the time, so that tests can move it.

All code that asks for the time takes a :class:`Clock`; nothing calls ``datetime.now`` or ``time.sleep`` itself.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["LEASE_TOLERANCE", "Clock", "ManualClock", "SystemClock", "lease_runs", "system_clock"]


#: By so much the clocks of two workers may differ. A lease that ends later was written by a clock that is wrong.
LEASE_TOLERANCE = timedelta(minutes=15)
#: What ``ledger.record_months`` counts: the longest month, so that nothing goes early.
MONTH = timedelta(days=31)


class Clock(Protocol):
    """Wall clock, stop watch and waiting."""

    def now(self) -> datetime:
        """The time as an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""


class SystemClock:
    """The machine's clock.

    :param offset: added to its time; for tests and benchmarks.
    """

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ManualClock:
    """A clock that moves only by :meth:`advance`; sleeping advances it at once."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def advance(self, step: timedelta) -> None:
        """Move wall clock and stop watch on."""
        with self._lock:
            self._now += step
            self._elapsed += step.total_seconds()


def lease_runs(until: datetime, now: datetime, lease: timedelta) -> bool:
    """Whether a lease has still to run: at most its own length, whatever the clock that wrote it said.

    :param until: its end as stored.
    :param lease: its length.
    """
    return now < until <= now + lease + LEASE_TOLERANCE


def system_clock() -> SystemClock:
    """The machine's clock as it is; no setting and no variable moves it."""
    return SystemClock()
