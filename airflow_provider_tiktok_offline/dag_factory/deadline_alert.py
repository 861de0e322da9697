"""A deadline of Airflow for a file that does not come: it tells also when no task of the run is at work."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.config.airflow_values import next_ticks
from airflow_provider_tiktok_offline.config.stale_files import stale_at
from airflow_provider_tiktok_offline.dag_factory.placement import Arguments
from airflow_provider_tiktok_offline.notifications.delivery import StaleFeedNotifier

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

#: The sensor tells first, with the log's link; the deadline tells if it could not.
_AFTER_THE_SENSOR = timedelta(minutes=15)
#: Runs whose times of day are looked at: a day of an hourly schedule.
_RUNS = 24


def stale_deadline(config: AdvertiserConfig, place: str | None) -> Arguments:
    """The argument ``deadline`` of a DAG: a while after ``no_file_by``, while the run has no file.

    :param place: the configuration's path, as the triggerer sees it; None for a DAG without one.
    :returns: nothing where the entry names no such time, or Airflow has no deadlines.
    """
    wanted = config.notifications
    if place is None or config.schedule is None or wanted is None or "stale" not in wanted.events:
        return {}
    if wanted.no_file_by is None:
        return {}
    alerts = _alerts()
    if alerts is None:
        return {}
    callback = alerts.AsyncCallback(
        f"{StaleFeedNotifier.__module__}.{StaleFeedNotifier.__name__}", {"config": place, "advertiser": config.name}
    )
    interval = _longest_wait(config, config.schedule) + _AFTER_THE_SENSOR
    return {"deadline": alerts.DeadlineAlert(alerts.DeadlineReference.DAGRUN_QUEUED_AT, interval, callback)}


def _longest_wait(config: AdvertiserConfig, schedule: str) -> timedelta:
    """From when a run is due to its ``no_file_by``; where runs differ in it, the longest."""
    start = datetime.combine(config.start_date, datetime.min.time(), config.zone)
    dues = next_ticks(schedule, start, _RUNS)
    return max((by - due for due in dues if (by := stale_at(config, due)) is not None), default=timedelta(days=1))


@cache
def _alerts() -> Any | None:
    """The module with Airflow's deadlines: ``airflow.sdk`` from 3.2 on; None where there are none."""
    from importlib import import_module

    for name in ("airflow.sdk", "airflow.sdk.definitions.deadline"):
        try:
            module = import_module(name)
        except ImportError:
            continue
        if all(hasattr(module, one) for one in ("AsyncCallback", "DeadlineAlert", "DeadlineReference")):
            return module
    return None
