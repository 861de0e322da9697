"""The arguments that the factory gives an advertiser's DAG and its tasks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import Asset, conf
from airflow.sdk import timezone

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig, ReportsConfig
from airflow_provider_tiktok_offline.dag_factory.placement import Arguments
from airflow_provider_tiktok_offline.dag_factory.texts import delivery_doc, report_doc
from airflow_provider_tiktok_offline.delivery.sequences import STEPS
from airflow_provider_tiktok_offline.notifications.delivery import (
    ApprovalNotifier,
    DeliveryFailedNotifier,
    DeliverySucceededNotifier,
    DriftNotifier,
    GateBreachedNotifier,
    StaleFeedNotifier,
    TikTokReportNotifier,
    UnconfirmedNotifier,
)
from airflow_provider_tiktok_offline.notifications.liveramp import LiveRampConfirmationNotifier
from airflow_provider_tiktok_offline.timetables import data_intervals

if TYPE_CHECKING:
    from pydantic import JsonValue

    from airflow_provider_tiktok_offline.config.task_timeouts import TaskKind

#: Of the DAG's id, before the advertiser's name.
PREFIX = "tiktok_offline__"
#: Of the id of the DAG that reads TikTok's report.
REPORT_PREFIX = "tiktok_offline_report__"
#: Of the name of the asset that a delivery updates, and the group of these assets.
ASSET_PREFIX = "offline_conversions__"
ASSET_GROUP = "tiktok-offline"
_TAGS = ("tiktok", "offline-conversions")
#: Each wait is twice the one before: a switch in Airflow 3.1, a factor since.
_DOUBLED = True if airflow_version.startswith("3.1.") else 2.0
_LONGEST_RETRY_DELAY = timedelta(minutes=30)

# Many advertisers share a schedule, a time zone and a first day; neither object is ever changed.
_timetable = cache(data_intervals)


def dag_options(config: AdvertiserConfig) -> Arguments:
    """The arguments of the DAG itself."""
    return {
        "description": f"Offline conversions of {config.name}, by way of {config.route}",
        "schedule": None if config.schedule is None else _timetable(config.schedule, config.time_zone),
        "start_date": _start(config.start_date, config.zone),
        "catchup": False,
        "max_active_runs": config.max_active_runs,
        "tags": [*_TAGS, f"route:{config.route}", f"mode:{config.mode}", *config.tags],
        "dag_display_name": config.display_name or f"{config.name}: offline conversions",
        "doc_md": delivery_doc(config.name, steps_of(config), beside=asks_beside(config)),
        "owner_links": {} if config.owner_link is None else {config.owner: config.owner_link},
        **_deployment_options(),
    }


def asks_a_person(config: AdvertiserConfig) -> bool:
    """Whether a file that breaches a guard waits for a person's approval."""
    return "approve" in (config.guards.on_breach, config.drift)


def asks_beside(config: AdvertiserConfig) -> bool:
    """Whether the run's other files do not wait for it.

    On the ``liveramp`` route they do: the files of a run become one feed file, and a second one may not go out before
    the next day.
    """
    several = config.source.files != "one" or bool(config.send_after_days)
    return several and config.route == "tiktok" and asks_a_person(config)


def report_dag_options(config: AdvertiserConfig, reports: ReportsConfig) -> Arguments:
    """The arguments of the DAG that reads TikTok's report."""
    return {
        **dag_options(config),
        "description": f"What TikTok attributed to the ads of {config.name}",
        "schedule": _timetable(reports.schedule, config.time_zone),
        "max_active_runs": 1,
        "tags": [*_TAGS, "report", *config.tags],
        "dag_display_name": f"{config.display_name or config.name}: TikTok's report",
        "doc_md": report_doc(config.name),
    }


def steps_of(config: AdvertiserConfig) -> tuple[str, ...]:
    """The DAG's tasks after the wait, in order, but for those beside. Behind an approval the plan is a task."""
    first, *others = STEPS[config.route]
    asks = asks_a_person(config) and not asks_beside(config)
    before = () if config.shards is None else ("cut_file", "prepare_shard")
    return (*before, first, *(("approve", "dedupe") if asks else ()), *others)


def common_options(config: AdvertiserConfig, path: str | None) -> Arguments:
    """The arguments that every task has.

    With a path, the settings are read when a task runs: what Airflow stores of a DAG holds none of them, so that a new
    setting makes no new version of it.

    :param path: of the configuration, from the DAG file's folder on; None to give the tasks the settings themselves.
    """
    return {
        **({"settings": config} if path is None else {"config": path, "advertiser": config.name}),
        "owner": config.owner,
        "retries": config.retries,
        # Doubled from try to try (60, 120, 240 seconds by default), so that the last one comes after the lease of a
        # run that has died (300 seconds): tried every minute, another run would give up before it may take over.
        "retry_delay": timedelta(seconds=config.retry_delay_seconds),
        "retry_exponential_backoff": _DOUBLED,
        "max_retry_delay": _LONGEST_RETRY_DELAY,
    }


def own_options(config: AdvertiserConfig) -> dict[str, Arguments]:
    """The arguments that only some tasks have, by task id."""
    events: tuple[str, ...] = () if config.notifications is None else config.notifications.events
    gate = [GateBreachedNotifier(settings=config)] if "gate" in events else []
    # Where a run may have several files, a task that holds back some of them succeeds.
    one_held_back = [] if config.source.files == "one" and not config.send_after_days else gate
    confirmation = (
        [LiveRampConfirmationNotifier(settings=config)] if config.liveramp and config.liveramp.confirm_to else []
    )
    return {
        "wait_for_file": {
            "on_stale_callback": StaleFeedNotifier(settings=config) if "stale" in events else None,
            "on_execute_callback": _unconfirmed(config),
        },
        "prepare": {
            "on_failure_callback": gate,
            "on_success_callback": [*([DriftNotifier(settings=config)] if "drift" in events else []), *one_held_back],
        },
        "approve": {
            "on_failure_callback": gate,
            "on_success_callback": one_held_back,
            "on_ask_callback": ApprovalNotifier(settings=config) if "approval" in events else None,
        },
        "dedupe": {"on_failure_callback": gate, "on_success_callback": one_held_back},
        "upload": {} if config.pool is None else {"pool": config.pool},
        "deliver": {"on_success_callback": [*confirmation, *one_held_back], "on_failure_callback": gate},
        "summary": {
            # Without a URI of its own: for one, Airflow would load every provider at each parse.
            "outlets": [_asset(config)],
            "partitioned": config.partitioned_asset,
            "on_success_callback": [DeliverySucceededNotifier(settings=config)] if "success" in events else [],
            "on_failure_callback": [DeliveryFailedNotifier(settings=config)] if "failure" in events else [],
        },
    }


def report_options(config: AdvertiserConfig) -> Arguments:
    """The arguments of the report task that others do not have."""
    events: tuple[str, ...] = () if config.notifications is None else config.notifications.events
    notifiers = [TikTokReportNotifier(settings=config)] if "report" in events else []
    return {
        "on_success_callback": notifiers,
        "on_failure_callback": notifiers,
        "on_execute_callback": _unconfirmed(config),
    }


def _unconfirmed(config: AdvertiserConfig) -> list[UnconfirmedNotifier]:
    """Looked at when a run starts, whose predecessors may have left something open."""
    wanted = config.notifications is not None and "unconfirmed" in config.notifications.events
    return [UnconfirmedNotifier(settings=config)] if wanted and config.route == "tiktok" else []


def time_limit(config: AdvertiserConfig, task: str) -> Arguments:
    """After how long a task is ended and tried again: one that runs longer hangs."""
    return {"execution_timeout": config.execution_timeout(cast("TaskKind", task))}


def _asset(config: AdvertiserConfig) -> Asset:
    """What a delivery updates: DAGs downstream wait for it."""
    about: dict[str, JsonValue] = {"advertiser": config.name, "route": config.route, "mode": config.mode}
    return Asset(ASSET_PREFIX + config.name, group=ASSET_GROUP, extra=about)


@cache
def _deployment_options() -> Arguments:
    """Airflow's own settings that it would look up for each DAG."""
    return {
        "disable_bundle_versioning": conf.getboolean("dag_processor", "disable_bundle_versioning"),
        "max_active_tasks": conf.getint("core", "max_active_tasks_per_dag"),
        "max_consecutive_failed_dag_runs": conf.getint("core", "max_consecutive_failed_dag_runs_per_dag"),
    }


@cache
def _start(day: date, zone: ZoneInfo) -> datetime:
    """Midnight, as the kind of datetime that Airflow would make of it for each DAG."""
    return timezone.coerce_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))
