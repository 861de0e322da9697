"""What Airflow accepts for a DAG: schedules, tags, delays.

A value that Airflow refuses would take all DAGs of a file away.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, Field

#: The preset that Airflow adds to croniter's own.
_PRESETS = {"@quarterly": "0 0 1 */3 *"}
_DAY = 24 * 3600


@cache
def _ticks(expression: str) -> bool:
    from croniter import croniter  # type: ignore[import-untyped]

    try:
        croniter(_PRESETS.get(expression, expression), datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
    except Exception:
        # Each kind of fault has an error of its own, OverflowError among them.
        return False
    return True


def ticks(expression: str, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of the data interval that ends next: the run for it is due at its end.

    :param expression: a cron expression or preset.
    :param now: in the schedule's time zone.
    """
    from croniter import croniter

    times = croniter(_PRESETS.get(expression, expression), now)
    end: datetime = times.get_next(datetime)
    start: datetime = times.get_prev(datetime)
    return start, end


def next_ticks(expression: str, start: datetime, count: int) -> list[datetime]:
    """The first times of a schedule after a moment.

    :param start: in the schedule's time zone.
    """
    from croniter import croniter

    times = croniter(_PRESETS.get(expression, expression), start)
    return [times.get_next(datetime) for _ in range(count)]


def _schedule(value: str) -> str:
    if not _ticks(value):
        raise ValueError("is no cron expression (minute hour day month weekday), no preset as @daily, or never comes")
    return value


Schedule = Annotated[str, AfterValidator(_schedule)]
Tag = Annotated[str, Field(min_length=1, max_length=100)]
Owner = Annotated[str, Field(min_length=1, max_length=500)]
#: What Airflow takes for a link: a page, or an address for mails.
OwnerLink = Annotated[str, Field(pattern=r"^(https?://[^\s@]+|mailto:[^\s@]+@[^\s@]+)$", max_length=500)]
DisplayName = Annotated[str, Field(min_length=1, max_length=200)]
PoolName = Annotated[str, Field(min_length=1, max_length=256)]
ActiveRuns = Annotated[int, Field(ge=1, le=100)]
Retries = Annotated[int, Field(ge=0, le=100)]
RetryDelay = Annotated[float, Field(ge=0, le=_DAY)]
#: Seconds of a wait, at most a month.
Wait = Annotated[int, Field(ge=1, le=31 * _DAY)]
