"""The pace of management calls of one developer app, shared by all tasks with one ``state_uri``.

A document under the state says when the next call may leave. A task reserves a few turns at a time by compare-and-swap,
evenly spaced, so that all tasks together stay below TikTok's limits of a second and of a minute.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.tiktok.pacing import ManagementPace

log = plain_logger(__name__)

#: A tenth below TikTok's 600 a minute; so evenly spaced, they are below its 10 a second too.
CALLS_PER_SECOND: Final = 9.0
#: Turns that a task reserves at once.
_AT_ONCE: Final = 3
#: A turn that was not used for so long is dropped: later it would come on top of the turns of others.
_TURN_LASTS_SECONDS: Final = 1.0
#: No clock is so far ahead; a later turn is that of a machine with a wrong one.
_LATEST_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class _Turns:
    """The stored document.

    Attributes:
        free_from: from when on a turn is free, in seconds since 1970.
    """

    free_from: float


class SharedTurns:
    """From when on the next turn is free, kept in a document that all tasks change by compare-and-swap.

    :param objects: opens the state; called when it is needed first.
    :param path: the document's.
    :param latest_seconds: no clock is so far ahead; a later turn is that of a machine with a wrong one.
    """

    def __init__(self, objects: Callable[[], ObjectStore], path: str, clock: Clock, latest_seconds: float) -> None:
        self._open = objects
        self._path = path
        self._clock = clock
        self._latest = latest_seconds

    def now(self) -> float:
        """The time, in seconds since 1970."""
        return self._clock.now().timestamp()

    def reserve(self, free_after: Callable[[float, float], float]) -> float | None:
        """Move on from when a turn is free; returns from when it was free before, None if the state can't be reached.

        :param free_after: takes from when on it is free and the time, returns from when on it is free afterwards.
        """
        try:
            objects = self._open()
            for _ in documents.attempts(self._clock, f"{objects.uri}/{self._path}"):
                now = self.now()
                stored = documents.read(objects, self._path)
                before = now
                if stored is not None:
                    free = documents.typed(stored[0], _Turns, self._path).free_from
                    before = max(now, free) if free < now + self._latest else now
                after: Mapping[str, object] = {"free_from": free_after(before, now)}
                if stored is None:
                    if documents.create(objects, self._path, after):
                        return before
                elif documents.swap(objects, self._path, after, stored[1]):
                    return before
        except TikTokOfflineError as error:
            log.info("The pace of calls can't be shared, so it is this process's own: %s", error)
        return None


class SharedPace:
    """The pace of one app's management calls over all tasks.

    Where the state can't be reached, the process's own pace holds, so that a call never fails for its pace.

    :param objects: opens the state; called at the first call to TikTok.
    :param app: what tells the app from others, as its id or the API's address; only a digest of it is kept.
    :param own: the pace of this process.
    """

    def __init__(self, objects: Callable[[], ObjectStore], app: str, clock: Clock, own: ManagementPace) -> None:
        path = f"pace/{hashlib.sha256(app.encode()).hexdigest()[:16]}.json"
        self._shared = SharedTurns(objects, path, clock, _LATEST_SECONDS)
        self._clock = clock
        self._own = own
        self._lock = threading.Lock()
        self._turns: deque[float] = deque()

    def wait_for_turn(self) -> None:
        """Return when the next call may leave."""
        with self._lock:
            turn = self._next_turn()
        if turn is None:
            self._own.wait_for_turn()
            return
        self._clock.sleep(max(0.0, turn - self._shared.now()))

    def close(self, seconds: float) -> None:
        """Let no task call for so many seconds: TikTok has suspended the app."""
        with self._lock:
            self._turns.clear()
            self._shared.reserve(lambda free, now: max(free, now + seconds))

    def _next_turn(self) -> float | None:
        """A reserved turn, in seconds since 1970; None if the state can't be reached."""
        oldest = self._shared.now() - _TURN_LASTS_SECONDS
        while self._turns and self._turns[0] < oldest:
            self._turns.popleft()
        if not self._turns:
            first = self._shared.reserve(lambda free, now: max(free, now) + _AT_ONCE / CALLS_PER_SECOND)
            if first is None:
                return None
            self._turns.extend(first + number / CALLS_PER_SECOND for number in range(_AT_ONCE))
        return self._turns.popleft()
