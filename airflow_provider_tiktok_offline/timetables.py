"""Schedules that mean the same in every deployment.

What ``schedule="@daily"`` makes of a run's interval depends on ``[scheduler] create_cron_data_intervals``; the day of a
conversion file must not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["data_intervals"]

try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:  # Airflow 3.1
    from airflow.timetables.interval import CronDataIntervalTimetable  # type: ignore[assignment]

if TYPE_CHECKING:
    from airflow.sdk.bases.timetable import BaseTimetable


def data_intervals(cron: str, time_zone: str = "UTC") -> BaseTimetable:
    """A run at each tick of ``cron``, for the interval that ends with it: the file of yesterday, run today.

    :param cron: a cron expression or a preset, as ``@daily``.
    :param time_zone: IANA name of the zone that the expression is meant in.
    """
    return CronDataIntervalTimetable(cron, timezone=time_zone)
