"""Which day's file a DAG run is for."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: The DAG parameter that names the file's day, as 2026-11-21.
DAY_PARAM = "file_day"


def file_day(config: AdvertiserConfig, context: Context, given: str | None = None) -> date:
    """The day whose file this run is for (``{{ ds }}`` is undefined in runs without a logical date).

    :param given: the day itself, as 2026-11-21; else the DAG parameter ``file_day``.
    :raises ConfigError: if the file's name depends on a day and nothing names one.
    """
    from airflow_provider_tiktok_offline.delivery.source.find_file import day_of_file

    named = given or (context.get("params") or {}).get(DAY_PARAM)
    if named:
        try:
            return date.fromisoformat(str(named))
        except ValueError:
            raise ConfigError(f"{named!r} is no day; write it as 2026-11-21.", where=f"parameter {DAY_PARAM}") from None
    run = context["dag_run"]
    start: datetime | None = run.data_interval_start
    if start is None and "{{" in config.source.path:
        raise ConfigError(
            "the run has no logical date, and the file's name depends on the day.",
            where=f"{run.dag_id}, {run.run_id}",
            todo=f"Give the parameter {DAY_PARAM}, as 2026-11-21.",
        )
    due: datetime = run.data_interval_end or run.run_after
    return day_of_file(
        config.source,
        interval_start=None if start is None else start.astimezone(config.zone),
        run_day=due.astimezone(config.zone),
    )
