"""One YAML file, one DAG an advertiser.

::

    from airflow_provider_tiktok_offline.dag_factory import build_dags

    build_dags(globals(), "advertisers.yaml")

Nothing here touches a network or a database, and a task that starts builds only its own DAG.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, Param, get_parsing_context

from airflow_provider_tiktok_offline.config.loading import BrokenEntry, load_config
from airflow_provider_tiktok_offline.dag_factory.options import PREFIX, common_options, own_options
from airflow_provider_tiktok_offline.dag_factory.twins import add_twins
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.file_day import DAY_PARAM
from airflow_provider_tiktok_offline.operators.conversions import (
    DedupeOperator,
    NormalizeHashOperator,
    ValidateConversionFileOperator,
)
from airflow_provider_tiktok_offline.operators.liveramp import LiveRampDeliveryOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.timetables import data_intervals

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

log = logging.getLogger(__name__)

_TAGS = ("tiktok", "offline-conversions")
_DAY = Param(None, type=["null", "string"], format="date", description="Take this day's file.")


class BrokenAdvertisersError(ConfigError):
    """Some entries of a configuration make no DAG; the others do. Airflow shows it as an import error.

    :param broken: the faults, each with file, entry and key.
    """

    def __init__(self, broken: Collection[BrokenEntry]) -> None:
        self.broken = tuple(broken)
        super().__init__("\n".join(["Entries without a DAG; the others have theirs.", *map(str, self.broken)]))


def build_dags(namespace: MutableMapping[str, Any], path: str | os.PathLike[str]) -> dict[str, DAG]:
    """Put a DAG for each advertiser into a DAG file's namespace.

    A broken entry becomes an import error that Airflow shows under the configuration's name, with file, entry and key,
    while the DAGs of the others stay.

    :param namespace: the DAG file's ``globals()``.
    :param path: ``advertisers.yaml`` or a directory of such files; a relative path starts at the DAG file's folder.
    :returns: the DAGs by id.
    :raises ConfigError: if the file can't be read at all.
    """
    place = Path(namespace["__file__"]).parent / path
    wanted = get_parsing_context().dag_id
    if wanted is None:
        loaded = load_config(place)
        if loaded.broken:
            error = BrokenAdvertisersError(loaded.broken)
            log.error("%s", error)
            namespace["broken_advertisers"] = _BrokenAdvertisers(Path(path), namespace["__file__"], error)
    else:
        name = wanted.removeprefix(PREFIX)
        if name == wanted:
            return {}
        loaded = load_config(place, only=[name])
    patterns: dict[str, DAG] = {}
    built = {PREFIX + config.name: _like(patterns, config) for config in loaded.advertisers.values()}
    namespace.update(built)
    return built


def build_dag(config: AdvertiserConfig) -> DAG:
    """The DAG of one advertiser: wait, validate, dedupe, send or deliver, close.

    :param config: its settings.
    """
    dag = _empty_dag(config)
    common = {"dag": dag, **common_options(config)}
    own = own_options(config)
    wait = ConversionFileSensor(task_id="wait_for_file", deferrable=True, **own["wait_for_file"], **common)
    validate = ValidateConversionFileOperator(task_id="validate", files=wait.output, **own["validate"], **common)
    route = _liveramp_route if config.route == "liveramp" else _tiktok_route
    route(config, validate, common) >> DeliverySummaryOperator(task_id="summary", **own["summary"], **common)
    # After the tasks, which would each copy it otherwise.
    dag.params[DAY_PARAM] = _DAY
    return dag


def _like(patterns: dict[str, DAG], config: AdvertiserConfig) -> DAG:
    """The same as :func:`build_dag`, from the first DAG of the same shape."""
    if config.pool is not None or config.guards.on_breach == "approve":
        return build_dag(config)
    pattern = patterns.get(config.route)
    if pattern is None:
        patterns[config.route] = pattern = build_dag(config)
        return pattern
    dag = _empty_dag(config)
    common = common_options(config)
    own = own_options(config)
    changes = {task_id: {**common, **own.get(task_id, {})} for task_id in pattern.task_ids}
    add_twins(pattern, dag, changes)
    dag.params[DAY_PARAM] = _DAY
    return dag


def _empty_dag(config: AdvertiserConfig) -> DAG:
    day = config.start_date
    return DAG(
        PREFIX + config.name,
        description=f"Offline conversions of {config.name}, by way of {config.route}",
        schedule=None if config.schedule is None else data_intervals(config.schedule, config.time_zone),
        start_date=datetime(day.year, day.month, day.day, tzinfo=config.zone),
        catchup=False,
        max_active_runs=1,
        tags=[*_TAGS, config.route, config.mode, *config.tags],
    )


def _tiktok_route(config: AdvertiserConfig, validate: ValidateConversionFileOperator, common: dict[str, Any]) -> Any:
    prepared: Any = NormalizeHashOperator(task_id="normalize_hash", deliveries=validate.output, **common)
    if config.guards.on_breach == "approve":
        # Human-in-the-loop operators are slow to import, and few advertisers ask for one.
        from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator

        prepared = ApproveDeliveryOperator(task_id="approve", deliveries=prepared.output, **common)
    dedupe = DedupeOperator(task_id="dedupe", deliveries=prepared.output, **own_options(config)["dedupe"], **common)
    pool = {} if config.pool is None else {"pool": config.pool}
    return TikTokUploadOperator.partial(task_id="upload", **pool, **common).expand(part=dedupe.output)


def _liveramp_route(config: AdvertiserConfig, validate: ValidateConversionFileOperator, common: dict[str, Any]) -> Any:
    own = own_options(config)
    dedupe = DedupeOperator(task_id="dedupe", deliveries=validate.output, **own["dedupe"], **common)
    deliver = LiveRampDeliveryOperator(task_id="deliver", deliveries=validate.output, **own["deliver"], **common)
    return dedupe >> deliver


class _BrokenAdvertisers(DAG):
    """Stands in Airflow's list of import errors for the entries that make no DAG.

    It can't be serialised, and Airflow records that under this object's own location. Raising in the DAG file
    would take the other DAGs with it, and an import error under the DAG file's name would keep them from being
    scheduled.
    """

    def __init__(self, configuration: Path, dag_file: str, error: BrokenAdvertisersError) -> None:
        self._error = error
        super().__init__(f"{PREFIX}broken_advertisers", schedule=None)
        # Airflow 3.1 goes by the first, which must lie in the DAG bundle wherever the configuration lies; later ones by
        # the second.
        self.__dict__.update(
            fileloc=str(Path(dag_file).with_name(configuration.name)), relative_fileloc=str(configuration)
        )

    def __setattr__(self, name: str, value: object) -> None:
        # While it collects DAGs, Airflow says that this one lies in the DAG file.
        if name not in ("fileloc", "relative_fileloc"):
            super().__setattr__(name, value)

    @property
    def edge_info(self) -> Any:
        raise self._error

    @edge_info.setter
    def edge_info(self, value: Any) -> None:
        pass
