"""The last task of a delivery: it runs whatever happened before, and says whether the run may be called a success."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import TriggerRule

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import number_of
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary, RowCounts
from airflow_provider_tiktok_offline.errors import UnsettledError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import skipped, task_errors
from airflow_provider_tiktok_offline.glue.file_day import file_day
from airflow_provider_tiktok_offline.glue.lineage import at, event_set
from airflow_provider_tiktok_offline.glue.metrics import count_delivery
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.links import EventsManagerLink, FileReportLink
from airflow_provider_tiktok_offline.operators.base import DeliveryOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from pydantic import JsonValue

__all__ = ["DeliverySummaryOperator"]

_FAILED = frozenset({"failed", "upstream_failed"})


class DeliverySummaryOperator(DeliveryOperator):
    """Close every delivery that this run has opened: settle receipts and claims, publish the report.

    It runs after failures too (``all_done``) and is the leaf that decides the run's state, so it fails if anything
    is unconfirmed or held, or if a task before it failed; and it is skipped if there was no file.

    Returns ``{"deliveries": [...]}``, one result a delivery with its counts; each asset in ``outlets`` gets an
    event with the same counts, and with ``sent``: a run that sent nothing says so.

    :param partitioned: the assets' events have the file's day as partition key, where Airflow has partitions (3.3).
        Such events start only DAGs with a partitioned schedule.
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param set_aside: settle only what a ``DedupeOperator`` with ``asks`` has left to a person; a summary without it
        settles the others. Skipped where nothing was left.
    """

    operator_extra_links = (FileReportLink(), EventsManagerLink())

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        partitioned: bool = False,
        set_aside: bool = False,
        trigger_rule: str = TriggerRule.ALL_DONE,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.partitioned = partitioned
        self.set_aside = set_aside

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.state.held_back import held_back
        from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, deliveries_set_aside
        from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all

        if self.set_aside:
            with task_errors():
                if not deliveries_of_run(self.delivery_context(context)):
                    raise skipped("No file was left to a person.")
        failed = self._failed_before(context)
        with self.step("summary", context) as ctx, self.showing_report(ctx, context):
            held = held_back(ctx)
            for file in held:
                self.log.error("Held back: %s", file)
            with _naming_first_cause(failed):
                summaries = summarize_all(ctx)
            results = [summary.to_dict() for summary in summaries]
            for summary in summaries:
                self.log.info("%s", log_sentences.summarized(summary))
                if summary.already_closed:
                    self.say(ctx, summary.delivery_id, "", closed=True)
                count_delivery(ctx.config, summary)
                reached = [event_set(ctx.config, summary.events.get("accepted", 0))]
                self.trace(read=[at(summary.file)], written=reached if ctx.config.route == "tiktok" else [])
            if failed:
                raise UnsettledError(
                    f"the run is no success: {_first_cause(failed)}.",
                    where=f"{context['dag_run'].dag_id}, {context['dag_run'].run_id}",
                    todo=f"The log of {next(iter(failed))} says why. Clear it and what follows; nothing is sent twice.",
                )
            if held:
                raise UnsettledError(
                    f"{number_of(len(held), 'file')} held back, the others are delivered: {held[0]}",
                    where=f"{context['dag_run'].dag_id}, {context['dag_run'].run_id}",
                    todo=f"This log names them all. Correct them, then clear {self._reading()} and what follows.",
                )
        if not results:
            waits = not self.set_aside and deliveries_set_aside(ctx)
            raise skipped("No file but those that are left to a person." if waits else "No file, nothing to close.")
        for asset in self.outlets:
            event = context["outlet_events"][asset]
            event.extra = asset_event(summaries, ctx.holder)
            if self.partitioned and hasattr(event, "add_partitions"):  # Airflow 3.3
                event.add_partitions(file_day(ctx.config, context).isoformat())
        return {"deliveries": results}

    def _failed_before(self, context: Context) -> dict[str, bool]:
        """The tasks before this one that failed, first cause first; whether each failed itself."""
        run = context["dag_run"]
        before = self._tasks_before()
        if not before:
            return {}
        found = context["ti"].get_task_states(dag_id=run.dag_id, task_ids=before, run_ids=[run.run_id])
        states: Mapping[str, str | None] = found.get(run.run_id, {})
        of_task = {task_id: set(_of_task(states, task_id)) & _FAILED for task_id in before}
        failed = {task_id: "failed" in found for task_id, found in of_task.items() if found}
        return dict(sorted(failed.items(), key=lambda task: not task[1]))

    def _reading(self) -> str:
        """The task before this one that reads the files."""
        before = set(self._tasks_before())
        return next((task for task in ("prepare", "validate") if task in before), "the task that read them")

    def _tasks_before(self) -> list[str]:
        """The tasks that this one depends on, each after those that it depends on itself."""
        dag = self.get_dag()
        upstream: dict[str, set[str]] = {}
        todo = set(self.upstream_task_ids)
        while dag is not None and todo:
            task_id = todo.pop()
            upstream[task_id] = set(dag.get_task(task_id).upstream_task_ids)
            todo |= upstream[task_id] - upstream.keys()
        return list(TopologicalSorter(upstream).static_order())


@contextmanager
def _naming_first_cause(failed: Mapping[str, bool]) -> Iterator[None]:
    """Let the error of an unsettled run say which task failed, and whose log to read."""
    try:
        yield
    except UnsettledError as error:
        if not failed:
            raise
        raise type(error)(
            f"{error.what.rstrip('.')} ({_first_cause(failed)}).",
            where=error.where,
            todo=f"The log of {next(iter(failed))} says why. {error.todo or ''}".strip(),
        ) from None


def _first_cause(failed: Mapping[str, bool]) -> str:
    """The task that failed first, and those that did not run for it."""
    causes = [task_id for task_id, itself in failed.items() if itself] or list(failed)
    others = [task_id for task_id in failed if task_id not in causes]
    left_out = f", so {' and '.join(others)} did not run" if others else ""
    return f"{' and '.join(causes)} failed{left_out}"


def asset_event(summaries: Sequence[DeliverySummary], run: str) -> dict[str, JsonValue]:
    """What an asset event says of a run.

    :param run: the run, as ``dag_id/run_id``. What another run has delivered has zero counts, so that nobody counts it
        twice.
    :returns: ``sent``, the live events that were accepted; ``sent_nothing``; and ``deliveries``, one a file with
        ``already_delivered``, rows by class, and events and values by outcome.
    """
    found = [_counts(summary, run) for summary in summaries]
    own = [summary for summary in summaries if summary.mode == "live" and not _of_another_run(summary, run)]
    sent = sum(summary.events.get("accepted", 0) for summary in own)
    return {"sent": sent, "sent_nothing": not sent, "deliveries": cast("JsonValue", found)}


def _of_another_run(summary: DeliverySummary, run: str) -> bool:
    """Whether a run before has closed it; a retry of the task that closed it finds it closed by its own run."""
    return summary.already_closed and summary.run != run


def _counts(summary: DeliverySummary, run: str) -> dict[str, JsonValue]:
    """What an asset event says of a file."""
    before = _of_another_run(summary, run)
    if before:
        nothing: dict[str, int] = {"accepted": 0}
        summary = replace(summary, rows=RowCounts(), events=nothing, values={})
    plain = summary.to_dict()
    names = ("delivery_id", "file", "digest", "mode", "rows", "events", "values")
    return {"already_delivered": before, **{name: cast("JsonValue", plain.get(name)) for name in names}}


def _of_task(states: Mapping[str, str | None], task_id: str) -> Iterator[str | None]:
    """The states of a task's instances; those of a mapped task are keyed ``upload_0``, ``upload_1`` and so on."""
    for key, state in states.items():
        if key == task_id or (key.startswith(f"{task_id}_") and key[len(task_id) + 1 :].isdigit()):
            yield state
