"""The first task behind the wait in one: read the file once, stage its events, plan them against the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import SkippedFileError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import skipped
from airflow_provider_tiktok_offline.glue.lineage import at
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.links import FileReportLink
from airflow_provider_tiktok_offline.operators.base import (
    DeliveryOperator,
    OneFile,
    PlannedPart,
    delivery_ids,
    file_by_file,
)
from airflow_provider_tiktok_offline.operators.conversions import (
    SET_ASIDE,
    day_of,
    delivered_already,
    named_parts,
    stamps,
    were_delivered,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, ValidateResult

__all__ = ["TikTokOfflinePrepareOperator"]

#: The XCom that has a result for each file.
DELIVERIES = "deliveries"


class TikTokOfflinePrepareOperator(DeliveryOperator):
    """Check a conversion file, stage its hashed events and write the delivery's plan, with one read of the file.

    It does what ``ValidateConversionFileOperator``, ``NormalizeHashOperator`` and ``DedupeOperator`` do one after the
    other, with the same results, and the file is transferred once. A file that exceeds the gate or breaches a guard
    fails the task; of several files it is held back, and the others go on. On the ``liveramp`` route it stages which
    rows are to be delivered. With ``send_after_days`` it also plans what has waited and is due, as ``DedupeOperator``
    does: with ``trigger_rule="all_done"``, as in the factory's DAG, on a day without a file, too. Where there is
    neither a file nor anything due, the task is skipped.

    Returns the parts that hold something to send, as ``[{"delivery_id": ..., "part": 0, "name": ...}, ...]``: map
    :class:`~airflow_provider_tiktok_offline.operators.tiktok.TikTokUploadOperator` over it. The XCom ``deliveries`` is
    ``{"deliveries": [...]}``, one result a file with ``delivery_id``, the counts of rows by class and ``report_uri``;
    the XCom ``counts`` what the ledger says of the events.

    :param files: the sensor's result, its ``files``, one stamp (``uri``, ``size``, ``mtime``), or the path or URI of a
        file as it stands now. (templated)
    :param plan: whether to write the plan. False where an approval stands between: give ``ApproveDeliveryOperator``
        ``prepare.output["deliveries"]``, and what it returns to ``DedupeOperator``.
    :param asks: leave the files that a person has to be asked about to an ``ApproveDeliveryOperator`` behind this task,
        so that the others need not wait for the answer; the XCom ``set_aside`` names their deliveries.
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "files")
    operator_extra_links = (FileReportLink(),)

    def __init__(
        self,
        *,
        files: object,
        plan: bool = True,
        asks: bool = False,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.files = files
        self.plan = plan
        self.asks = asks

    def execute(self, context: Context) -> list[PlannedPart]:
        from airflow_provider_tiktok_offline.delivery.events.guards import leave_to_a_person
        from airflow_provider_tiktok_offline.delivery.state.held_back import release_all

        with self.step("prepare", context) as ctx, self.showing_report(ctx, context):
            results: list[dict[str, object]] = []
            plans: list[DedupeResult] = []
            passed_over: list[str] = []
            set_aside: list[str] = []
            release_all(ctx, asks=self.asks)
            for validated in delivered_already(ctx) if were_delivered(self.files) else ():
                self.say(ctx, validated.delivery_id, "", closed=True)
                results.append(validated.to_dict())
                if self.asks and leave_to_a_person(ctx, validated.delivery_id):
                    set_aside.append(validated.delivery_id)
                else:
                    plans += self._planned(ctx, validated.delivery_id)
            with file_by_file(ctx, "prepare", context) as one_file:
                for file in stamps(self.files):
                    with one_file(file if isinstance(file, str) else str(file["uri"])):
                        try:
                            validated = self._prepared(ctx, file)
                        except SkippedFileError as error:
                            self.log.warning("%s", error)
                            passed_over.append(str(error))
                            continue
                        if self.asks and leave_to_a_person(ctx, validated.delivery_id):
                            self.log.info("%s is left to approve; the other files go on.", validated.uri)
                            set_aside.append(validated.delivery_id)
                        else:
                            plans += self._planned(ctx, validated.delivery_id)
                        results.append(validated.to_dict())
                plans += self._planned_due(ctx, delivery_ids(results), one_file)
            parts = [part for plan in plans for part in named_parts(ctx.deliveries.get(plan.delivery_id), plan)]
        if (passed_over or self.files is None) and not (results or plans):
            raise skipped(" ".join(passed_over) or "No file, and nothing is due.")
        context["ti"].xcom_push(key=DELIVERIES, value={"deliveries": results})
        context["ti"].xcom_push(key="counts", value=[plan.to_dict() for plan in plans])
        if self.asks:
            context["ti"].xcom_push(key=SET_ASIDE, value=set_aside)
        return parts

    def _prepared(self, ctx: DeliveryContext, file: Mapping[str, object] | str) -> ValidateResult:
        """Read a file, and log and trace what that gave."""
        from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
        from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file

        watch = log_sentences.Stopwatch(ctx.clock)
        stamp = stamp_of(ctx, file) if isinstance(file, str) else file
        prepared = prepare_file(ctx, stamp, day=day_of(self.files))
        validated, staged = prepared.validated, prepared.staged
        sentence = log_sentences.prepared(validated, staged, watch)
        self.say(ctx, validated.delivery_id, sentence, closed=validated.closed)
        parts = [] if staged is None or staged.manifest_uri is None else [at(staged.manifest_uri, staged.events)]
        self.trace(read=[at(validated.uri)], written=[at(validated.report_uri), *parts])
        return validated

    def _planned_due(self, ctx: DeliveryContext, own: list[str], one_file: OneFile) -> list[DedupeResult]:
        """The plans of deliveries of earlier runs that have waited and are due, behind the run's own files."""
        from airflow_provider_tiktok_offline.delivery.sequences import take_up
        from airflow_provider_tiktok_offline.delivery.state.waiting import due_deliveries

        plans: list[DedupeResult] = []
        for waited in due_deliveries(ctx, besides=own) if self.plan else ():
            with one_file(ctx.deliveries.get(waited).uri):
                take_up(ctx, waited)
                plans += self._planned(ctx, waited)
        return plans

    def _planned(self, ctx: DeliveryContext, delivery_id: str) -> list[DedupeResult]:
        """The plan of a delivery; none where a person may have to approve it first."""
        from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe

        if not self.plan:
            return []
        watch = log_sentences.Stopwatch(ctx.clock)
        plan = dedupe(ctx, delivery_id)
        if not plan.closed:
            self.log.info("%s", log_sentences.planned(plan, watch))
        return [plan]
