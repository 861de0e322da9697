"""How fast calls leave: the rate limit and circuit breaker of one upload, and the pace of management calls."""

from __future__ import annotations

import threading
from collections import deque
from typing import Protocol

from airflow_provider_tiktok_offline.clock import Clock, system_clock

#: The rate never falls below this share of the configured one.
_SLOWEST_SHARE = 1 / 32
#: Each answered request restores this share of the configured rate.
_RECOVERY_SHARE = 1 / 50
_LONGEST_NAP_SECONDS = 0.5
#: The resolution of clocks.
_SHORTEST_NAP_SECONDS = 1e-6


class UploadLimits(Protocol):
    """The limits of an upload; ``config.models.UploadConfig`` is one."""

    @property
    def batch_events(self) -> int: ...
    @property
    def batch_bytes(self) -> int: ...
    @property
    def requests_per_second(self) -> float: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def max_attempts(self) -> int: ...


class Stopping(Exception):
    """The upload is being stopped: the request must not leave."""


class RateLimit:
    """Evenly spaced requests; slower while the service throttles.

    :param requests_per_second: the highest rate.
    :param stopping: set when the upload is being stopped.
    """

    def __init__(self, requests_per_second: float, clock: Clock, stopping: threading.Event) -> None:
        self._highest = self._rate = requests_per_second
        self._clock = clock
        self._stopping = stopping
        self._lock = threading.Lock()
        self._next = clock.monotonic()
        self._closed_until = self._next

    def wait_for_turn(self) -> None:
        """Return when the next request may leave.

        :raises Stopping: if the upload is being stopped.
        """
        with self._lock:
            turn = max(self._next, self._clock.monotonic())
            self._next = turn + 1 / self._rate
        while True:
            self.sleep(turn - self._clock.monotonic())
            with self._lock:
                if turn >= self._closed_until:
                    return
                turn = max(self._next, self._closed_until)
                self._next = turn + 1 / self._rate

    def sleep(self, seconds: float) -> None:
        """Wait, unless the upload is being stopped.

        :raises Stopping: if it is.
        """
        until = self._clock.monotonic() + seconds
        while True:
            if self._stopping.is_set():
                raise Stopping
            left = until - self._clock.monotonic()
            if left < _SHORTEST_NAP_SECONDS:
                return
            self._clock.sleep(min(left, _LONGEST_NAP_SECONDS))

    def throttled(self, seconds: float) -> None:
        """The service throttles: no request leaves for so many seconds, then half as many per second."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._closed_until:
                self._rate = max(self._rate / 2, self._highest * _SLOWEST_SHARE)
            self._closed_until = max(self._closed_until, now + seconds)

    def answered(self) -> None:
        """A request was answered: the rate recovers a little."""
        with self._lock:
            self._rate = min(self._highest, self._rate + self._highest * _RECOVERY_SHARE)


class CircuitBreaker:
    """Opens after a number of failed requests in a row, counted over all threads. It does not close again.

    :param failures: the number.
    """

    def __init__(self, failures: int) -> None:
        self._threshold = failures
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold

    def failed(self) -> None:
        """A request was throttled, refused a connection or left without an answer."""
        with self._lock:
            self._failures += 1

    def answered(self) -> None:
        """A request got a definite answer."""
        with self._lock:
            if self._failures < self._threshold:
                self._failures = 0


class AppPace(Protocol):
    """Spaces out the management calls of one developer app."""

    def wait_for_turn(self) -> None:
        """Return when the next call may leave."""

    def close(self, seconds: float) -> None:
        """Let no call leave for so many seconds: TikTok has suspended the app."""


class ManagementPace:
    """Spaces out management calls, so that a process stays below TikTok's limits: 10 a second, 600 a minute.

    TikTok limits every call but ``event/track`` for each developer app, names no ``Retry-After``, and suspends an app
    that exceeds the limit of a minute for five minutes.
    """

    #: Seconds -> calls within them: a tenth below TikTok's limits, since calls arrive unevenly.
    LIMITS = ((1.0, 9), (60.0, 540))

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: deque[float] = deque(maxlen=max(calls for _, calls in self.LIMITS))

    def wait_for_turn(self) -> None:
        """Return when the next call may leave."""
        with self._lock:
            now = self._clock.monotonic()
            turn = max([now, *self._turns_allowed()])
            self._turns.append(turn)
        if turn > now:
            self._clock.sleep(turn - now)

    def _turns_allowed(self) -> list[float]:
        """The earliest turn that each limit allows, and the last one that was given."""
        allowed = [self._turns[-calls] + seconds for seconds, calls in self.LIMITS if len(self._turns) >= calls]
        return [*allowed, self._turns[-1]] if self._turns else allowed


_PACES: dict[str, ManagementPace] = {}
_PACES_LOCK = threading.Lock()


def shared_pace(base_url: str) -> ManagementPace:
    """The pace that all clients of this process share for one address.

    TikTok counts by developer app. A token does not name its app, so the calls of all apps are counted together, which
    is never too fast.
    """
    with _PACES_LOCK:
        return _PACES.setdefault(base_url, ManagementPace(system_clock()))
