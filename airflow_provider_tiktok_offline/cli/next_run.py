"""When an advertiser's DAG runs next, and where it will look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config import AdvertiserConfig


@dataclass(frozen=True, slots=True)
class NextRun:
    """The next run of an advertiser's DAG.

    Attributes:
        advertiser: its name.
        at: when it is due, in the advertiser's time zone; None without a schedule.
        day: the day whose file it takes, as 2026-11-21.
        looks_for: the file's URI, or the pattern.
    """

    advertiser: str
    at: datetime | None
    day: str
    looks_for: str

    def __str__(self) -> str:
        when = "no schedule" if self.at is None else f"next run {self.at:%Y-%m-%d %H:%M %Z}"
        return f"{self.advertiser}: {when}, file of {self.day}: {self.looks_for}"


def next_run(config: AdvertiserConfig, now: datetime) -> NextRun:
    """The next run after a moment; without a schedule, a run asked for at that moment.

    :raises ConfigError: if the path's template is broken.
    """
    from airflow_provider_tiktok_offline.config.airflow_values import ticks
    from airflow_provider_tiktok_offline.delivery.source.find_file import day_of_file, source_uri

    local = now.astimezone(config.zone)
    at = start = None
    if config.schedule is not None:
        start, at = ticks(config.schedule, local)
    day = day_of_file(config.source, interval_start=start, run_day=at or local)
    return NextRun(config.name, at, day.isoformat(), source_uri(config.source, day))
