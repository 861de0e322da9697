"""The lookback window's edge: the one rule that says which transactions are too old to be sent."""

from __future__ import annotations

from datetime import datetime, timedelta

_DAY = 86_400
#: Older than any event time.
_NO_EDGE = -(2**62)


def oldest_event_time(now: datetime, lookback: timedelta | None) -> int:
    """The oldest event time that may be sent, in epoch seconds: the start of the UTC day ``lookback`` ago.

    The window is counted in UTC days: with 28 days, every transaction of the day four weeks ago may be sent until
    that day of the week is over.

    :param now: aware; ``as_of`` for a file's rows, the present moment for events that are about to leave.
    :param lookback: whole days; None for any age.
    """
    if lookback is None:
        return _NO_EDGE
    return (int(now.timestamp()) // _DAY - lookback.days) * _DAY
