"""The rate of one advertiser's requests, shared by all tasks that send parts of its files.

A task takes a second's requests at a time from a document of the advertiser's, and sends them as fast as it can; the
next second's are free only when this one is over. So all tasks together keep to the rate, whichever of them run at
once, of one file or of several, and a task alone has all of it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from airflow_provider_tiktok_offline.tiktok.shared_pace import SharedTurns

#: Requests that a task takes at once are those of so many seconds.
_SECONDS_AT_ONCE: Final = 1.0
#: Requests that were not sent for so long are given up: later they would come on top of those of others.
_LASTS_SECONDS: Final = 10.0


class SharedRate:
    """The requests that an advertiser may send.

    Where the state can't be reached, the task's own rate holds alone, so that no upload fails for its rate.

    :param turns: of the advertiser.
    :param requests_per_second: of all its tasks together.
    """

    def __init__(self, turns: SharedTurns, requests_per_second: float) -> None:
        self._turns = turns
        self._rate = requests_per_second
        self._at_once = max(1, math.ceil(requests_per_second * _SECONDS_AT_ONCE))
        self._lock = threading.Lock()
        self._left = 0
        self._until = 0.0

    def wait_for_turn(self, sleep: Callable[[float], None]) -> None:
        """Return when the next request may leave.

        :param sleep: waits for so many seconds, or raises if the upload is being stopped.
        """
        with self._lock:
            if not self._left or self._turns.now() > self._until:
                seconds = self._at_once / self._rate
                begin = self._turns.reserve(lambda free, _now: free + seconds)
                if begin is None:
                    begin = self._turns.now()
                sleep(max(0.0, begin - self._turns.now()))
                self._left, self._until = self._at_once, begin + _LASTS_SECONDS
            self._left -= 1


def latest_turn(tasks: int) -> float:
    """How far ahead the next free turn may lie, where so many tasks share a rate; further is a wrong clock's."""
    return 2 * _SECONDS_AT_ONCE * tasks + _LASTS_SECONDS
