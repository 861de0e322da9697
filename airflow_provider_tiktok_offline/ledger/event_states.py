"""What the ledger can say of an event: the names of outcomes and verdicts, and how long a doubt may be retried."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

#: TikTok drops a repeated event for 48 hours; an event in doubt is retried only so long after its first attempt.
RETRY_WINDOW = timedelta(hours=44)
#: By so much the clocks of two workers may differ, within the hours that are left to TikTok's 48.
_CLOCK_TOLERANCE = timedelta(hours=1)

#: Outcomes after which an event is not sent again: taken by TikTok or LiveRamp, recorded as delivered by other means,
#: or in doubt and declared sent by a person. An event that was ``released`` may be sent.
SENT_OUTCOMES = ("accepted", "adopted", "assumed")

#: The verdicts of an event that no delivery has tried to send, and no other delivery has claimed.
UNTRIED_VERDICTS = ("new", "own")
#: The verdicts under which an event is sent.
SENT_VERDICTS = (*UNTRIED_VERDICTS, "in_doubt")
#: All verdicts.
VERDICTS = (
    "accepted", "refused", "already_sent", "changed_after_sent", "returned", "expired", "held", "in_doubt_old",
    *SENT_VERDICTS,
)  # fmt: skip

#: What is known of an event: ``accepted``, ``refused`` or ``in_doubt``; one row an event.
OUTCOMES = pl.Schema(
    {
        "event_key": pl.Binary(),
        "outcome": pl.String(),
        "first_attempt_at": pl.Datetime("us", "UTC"),
        "code": pl.Int32(),
        "field": pl.String(),
    }
)


def may_be_retried(now: datetime, retry_window: timedelta = RETRY_WINDOW) -> pl.Expr:
    """Whether an event in doubt may be sent again: its ``first_attempt_at`` is less than the window ago.

    An attempt in the future was noted by a clock that was wrong, or this one is: nobody knows how long ago it was.
    """
    return pl.col("first_attempt_at").is_between(now - retry_window, now + _CLOCK_TOLERANCE, closed="right")
