"""Which day's file a DAG run is for."""

from __future__ import annotations

from collections.abc import Mapping
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

    :param given: the day itself, as 2026-11-21; else the DAG parameter ``file_day``, else the day of the file whose
        arrival started the run, else the run's interval.
    :raises ConfigError: if the file's name depends on a day and nothing names one.
    """
    from airflow_provider_tiktok_offline.delivery.source.find_file import day_of_file

    named = given or (context.get("params") or {}).get(DAY_PARAM)
    if named:
        try:
            return date.fromisoformat(str(named))
        except ValueError:
            raise ConfigError(f"{named!r} is no day; write it as 2026-11-21.", where=f"parameter {DAY_PARAM}") from None
    arrived = arrived_files(config, context)
    if arrived is not None:
        return date.fromisoformat(str(arrived["day"]))
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


def arrived_files(config: AdvertiserConfig, context: Context) -> dict[str, object] | None:
    """What an asset watcher's trigger has found, if it started this run: ``day``, ``files``, ``already_delivered``."""
    events = context.get("triggering_asset_events") or {}
    for asset_event in (event for group in events.values() for event in group):
        payload = (asset_event.extra or {}).get("payload")
        if isinstance(payload, Mapping) and payload.get("advertiser") == config.name:
            return {key: payload[key] for key in ("day", "files", "already_delivered")}
    return None
