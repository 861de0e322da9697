"""One YAML file, one DAG an advertiser.

::

    from airflow_provider_tiktok_offline.dag_factory import build_dags

    build_dags(globals(), "advertisers.yaml")

No function here touches a network or a database, and a task that starts builds only its own DAG.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import DAG, Param, TriggerRule, XComArg, get_parsing_context

from airflow_provider_tiktok_offline.config.current import current_entry
from airflow_provider_tiktok_offline.config.loading import BrokenEntry, LoadedConfig, load_config
from airflow_provider_tiktok_offline.dag_factory.dag_arguments import (
    PREFIX,
    REPORT_PREFIX,
    asks_beside,
    common_options,
    dag_options,
    own_options,
    report_dag_options,
    report_options,
    steps_of,
    time_limit,
)
from airflow_provider_tiktok_offline.dag_factory.deadline_alert import stale_deadline
from airflow_provider_tiktok_offline.dag_factory.placement import Arguments, placement
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.file_day import DAY_PARAM
from airflow_provider_tiktok_offline.operators.conversions import SET_ASIDE, DedupeOperator
from airflow_provider_tiktok_offline.operators.liveramp import LiveRampDeliveryOperator
from airflow_provider_tiktok_offline.operators.prepare import DELIVERIES, TikTokOfflinePrepareOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, MappedOperator

    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig

log = plain_logger(__name__)

_DAY = Param(None, type=["null", "string"], format="date", description="Take this day's file.")


class BrokenAdvertisersError(ConfigError):
    """Some entries of a configuration are broken and have no DAG.

    :param broken: the faults, each with file, line, entry and key.
    """

    def __init__(self, broken: Collection[BrokenEntry]) -> None:
        self.broken = tuple(broken)
        super().__init__("These entries have no DAG; the others do.")

    def __str__(self) -> str:
        return "\n".join([self.what, *map(str, self.broken)])


def build_dags(namespace: MutableMapping[str, object], path: str | os.PathLike[str]) -> dict[str, DAG]:
    """Put a DAG for each advertiser into a DAG file's namespace, and one for its report where it has ``reports:``.

    A broken entry has no DAG and never costs the others theirs. Its fault is logged at each parse;
    :func:`raise_broken_advertisers`, in a DAG file of its own, shows it as an import error.

    :param namespace: the DAG file's ``globals()``.
    :param path: ``advertisers.yaml`` or a directory of such files; a relative path starts at the DAG file's folder.
    :returns: the DAGs by id.
    :raises ConfigError: if the file can't be read at all. A directory of files keeps the DAGs of the files that can be.
    """
    wanted = get_parsing_context().dag_id
    if wanted is None:
        only = None
    elif wanted.startswith((PREFIX, REPORT_PREFIX)):
        only = wanted.removeprefix(PREFIX).removeprefix(REPORT_PREFIX)
    else:
        return {}
    place = _beside(namespace, path)
    with _garbage_collection_paused():
        loaded = load_config(place) if only is None else current_entry(str(place), only)
        dags, refused = _built(loaded, os.fspath(path), wanted)
    if only is None:
        for fault in (*loaded.broken, *refused):
            log.error("No DAG for a broken entry: %s", fault)
    namespace.update(dags)
    return dags


def raise_broken_advertisers(namespace: Mapping[str, object], path: str | os.PathLike[str]) -> None:
    """Raise the faults of a configuration, so that Airflow lists an import error as long as there is one.

    Call it in a DAG file that does nothing else: an import error stands for its whole file, and would take the DAGs of
    that file away.

    :param namespace: the DAG file's ``globals()``.
    :param path: what :func:`build_dags` is given.
    :raises BrokenAdvertisersError: naming file, line, entry and key of every fault.
    """
    with _garbage_collection_paused():
        loaded = load_config(_beside(namespace, path))
        _, refused = _built(loaded, os.fspath(path), None)
    broken = [*loaded.broken, *refused]
    if broken:
        raise BrokenAdvertisersError(broken)


def build_dag(config: AdvertiserConfig, path: str | None = None, *, place: str | None = None) -> DAG:
    """The DAG of one advertiser: the wait for its file, then the steps of its route.

    :param config: its settings.
    :param path: of the configuration, from the DAG file's folder on, for tasks that read today's settings; None for
        tasks that hold these.
    :param place: of the configuration, for a deadline that the triggerer tells of; None for a DAG without one.
    """
    dag = DAG(PREFIX + config.name, **dag_options(config), **stale_deadline(config, place))
    common = common_options(config, path)
    own = own_options(config)
    # A task that is made with its DAG copies the DAG's defaults and parameters. These are added afterwards, the later
    # ones by their dependence on the first.
    wait = ConversionFileSensor(
        task_id="wait_for_file", deferrable=True, **own["wait_for_file"], **common, **placement(config, "wait_for_file")
    )
    dag.add_task(wait)
    before: BaseOperator | MappedOperator = wait
    beside = asks_beside(config)
    steps = steps_of(config)
    for step in steps:
        options = _options(config, step, own, common)
        match step:
            case "cut_file":
                before = _cut(wait.output, options)
            case "prepare_shard":
                before = _shards(dag, before.output, options)
            case "prepare":
                prepare = TikTokOfflinePrepareOperator(
                    files=wait.output, plan="approve" not in steps, asks=beside, **_runs_after(config), **options
                )
                if before is not wait:
                    before >> prepare
                before = prepare
                deliveries = XComArg(before, key=DELIVERIES)
                if beside:
                    _add_approval(config, dag, XComArg(before, key=SET_ASIDE), own, common)
            case "approve":
                before = _approval(deliveries, options)
                deliveries = before.output
            case "dedupe":
                before = DedupeOperator(deliveries=deliveries, **options)
            case "upload":
                before = TikTokUploadOperator.partial(dag=dag, **options).expand(part=before.output)
            case "deliver":
                planned, before = before, LiveRampDeliveryOperator(deliveries=deliveries, **options)
                planned >> before
            case "summary":
                before >> DeliverySummaryOperator(**options)
    dag.params[DAY_PARAM] = _DAY
    return dag


def build_report_dag(config: AdvertiserConfig, path: str | None = None) -> DAG:
    """The DAG that reads what TikTok attributed to an advertiser's ads.

    :param config: its settings; without ``reports:`` their defaults hold.
    :param path: as for :func:`build_dag`.
    """
    # Most advertisers read no reports.
    from airflow_provider_tiktok_offline.config.models import ReportsConfig
    from airflow_provider_tiktok_offline.operators.reports import TikTokOfflineReportOperator

    dag = DAG(REPORT_PREFIX + config.name, **report_dag_options(config, config.reports or ReportsConfig()))
    dag.add_task(
        TikTokOfflineReportOperator(
            task_id="report",
            **report_options(config),
            **common_options(config, path),
            **time_limit(config, "report"),
            **placement(config, "report"),
        )
    )
    return dag


def _built(loaded: LoadedConfig, path: str, wanted: str | None) -> tuple[dict[str, DAG], list[BrokenEntry]]:
    """The DAGs by id, and the advertisers whose settings Airflow refuses."""
    dags: dict[str, DAG] = {}
    refused = []
    for config in loaded.advertisers.values():
        try:
            dags.update({dag.dag_id: dag for dag in _dags(config, path, wanted, str(loaded.path))})
        except ConfigError as error:
            key = (error.where or "").removeprefix("key ")
            what = " ".join(part for part in (error.what, error.todo) if part)
            refused.append(BrokenEntry(file=loaded.path, entry=config.name, key=key, message=what))
        except Exception as error:
            # Whatever it is: the other advertisers keep their DAGs. Its text may repeat a setting.
            what = f"Airflow can't make a DAG of it ({type(error).__name__}); compare schedule, tags, owner and pool"
            refused.append(BrokenEntry(file=loaded.path, entry=config.name, key="", message=what))
    return dags, refused


def _dags(config: AdvertiserConfig, path: str, wanted: str | None, place: str) -> Iterator[DAG]:
    """An advertiser's DAGs; of them the wanted one alone."""
    if wanted is None or wanted.startswith(PREFIX):
        yield build_dag(config, path, place=place)
    if config.reports is not None and (wanted is None or wanted.startswith(REPORT_PREFIX)):
        yield build_report_dag(config, path)


def _options(config: AdvertiserConfig, step: str, own: Mapping[str, Arguments], common: Arguments) -> Arguments:
    """The arguments of a step's task."""
    # A question has a time limit of its own.
    limit = {} if step == "approve" else time_limit(config, step)
    return {"task_id": step, **own.get(step, {}), **common, **limit, **placement(config, step)}


def _runs_after(config: AdvertiserConfig) -> Arguments:
    """When ``prepare`` runs."""
    if config.send_after_days:
        # What has waited is sent on its day, whether a file came or not.
        return {"trigger_rule": TriggerRule.ALL_DONE}
    # A file that stays whole has no shards: their task is skipped.
    return {"trigger_rule": TriggerRule.ALL_SUCCESS if config.shards is None else TriggerRule.NONE_FAILED}


def _cut(files: XComArg, options: Arguments) -> BaseOperator:
    """The task that cuts a large file."""
    # Few advertisers have files that large.
    from airflow_provider_tiktok_offline.operators.shards import CutConversionFileOperator

    return CutConversionFileOperator(files=files, **options)


def _shards(dag: DAG, shards: XComArg, options: Arguments) -> MappedOperator:
    """The tasks that read a shard each."""
    from airflow_provider_tiktok_offline.operators.shards import PrepareShardOperator

    return PrepareShardOperator.partial(dag=dag, **options).expand(shard=shards)


def _approval(deliveries: XComArg, options: Arguments) -> BaseOperator:
    """The task that asks a person about deliveries that breach a guard."""
    # Human-in-the-loop operators are slow to import, and few advertisers ask for one.
    from airflow_provider_tiktok_offline.operators.approval import ApproveDeliveryOperator

    return ApproveDeliveryOperator(deliveries=deliveries, **options)


def _add_approval(
    config: AdvertiserConfig,
    dag: DAG,
    deliveries: XComArg,
    own: Mapping[str, Arguments],
    common: Arguments,
) -> None:
    """Add the tasks of the files that a person is asked about, beside those of the others.

    :param deliveries: what ``prepare`` has set aside.
    """

    def options(step: str) -> Arguments:
        return {**_options(config, step, own, common), "task_id": f"{step}_approved"}

    asked = {**_options(config, "approve", own, common), "set_aside": True}
    planned = DedupeOperator(deliveries=_approval(deliveries, asked).output, set_aside=True, **options("dedupe"))
    sent = TikTokUploadOperator.partial(dag=dag, **options("upload")).expand(part=planned.output)
    sent >> DeliverySummaryOperator(set_aside=True, **options("summary"))


def _beside(namespace: Mapping[str, object], path: str | os.PathLike[str]) -> Path:
    return Path(str(namespace["__file__"])).parent / path


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Make many objects that all stay alive, without looking for garbage among them again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:
            # Both together move all objects to the oldest generation, unseen: the first collection of the youngest
            # would look at each. Where a process has frozen objects of its own, they stay frozen.
            gc.freeze()
            gc.unfreeze()
        gc.enable()
