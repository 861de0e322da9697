"""The steps between a conversion file and the events to send: validate, normalize and hash, dedupe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError, SkippedFileError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import skipped
from airflow_provider_tiktok_offline.glue.lineage import at
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.links import FileReportLink
from airflow_provider_tiktok_offline.operators.base import (
    DeliveriesOperator,
    DeliveryOperator,
    PlannedPart,
    delivery_ids,
    file_by_file,
    follow_file,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, ValidateResult
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

__all__ = ["DedupeOperator", "NormalizeHashOperator", "ValidateConversionFileOperator"]

#: Upload tasks of one file, at most.
_MOST_UPLOADS = 150
#: The XCom of ``dedupe`` that names the deliveries which a person is asked about.
SET_ASIDE = "set_aside"


class ValidateConversionFileOperator(DeliveryOperator):
    """Check a conversion file against every rule and open its delivery; fail if too many rows are rejected.

    Returns ``{"deliveries": [...]}``: one result a file, with ``delivery_id``, the counts of rows by class and
    ``report_uri``. A file that was delivered before is a no-op and its result says ``closed``. Of several files
    a faulty one is held back, and the others go on; the summary then fails and names it.

    Alone in another DAG it is a quality gate: give it a path or URI, and an advertiser with ``mode: dry_run``.

    :param files: the sensor's result, its ``files``, one stamp (``uri``, ``size``, ``mtime``), or the path or URI of a
        file as it stands now. (templated)
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
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.files = files

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
        from airflow_provider_tiktok_offline.delivery.state.held_back import release_all
        from airflow_provider_tiktok_offline.delivery.steps.validate import validate

        with self.step("validate", context) as ctx, self.showing_report(ctx, context):
            results: list[dict[str, object]] = []
            passed_over: list[str] = []
            release_all(ctx)
            for delivered in delivered_already(ctx) if were_delivered(self.files) else ():
                self.say(ctx, delivered.delivery_id, "", closed=True)
                results.append(delivered.to_dict())
            with file_by_file(ctx, "validate", context) as one_file:
                for file in stamps(self.files):
                    with one_file(file if isinstance(file, str) else str(file["uri"])):
                        watch = log_sentences.Stopwatch(ctx.clock)
                        stamp = stamp_of(ctx, file) if isinstance(file, str) else file
                        try:
                            validated = validate(ctx, stamp, day=day_of(self.files))
                        except SkippedFileError as error:
                            self.log.warning("%s", error)
                            passed_over.append(str(error))
                            continue
                        sentence = log_sentences.validated(validated, watch)
                        self.say(ctx, validated.delivery_id, sentence, closed=validated.closed)
                        self.trace(read=[at(validated.uri)], written=[at(validated.report_uri)])
                        results.append(validated.to_dict())
        if passed_over and not results:
            raise skipped(" ".join(passed_over))
        return {"deliveries": results}


class NormalizeHashOperator(DeliveriesOperator):
    """Normalise and hash the valid rows into staged parts that hold no plaintext identifier.

    Returns ``{"deliveries": [...]}``, one result a delivery with ``events`` and ``parts``.
    """

    def execute(self, context: Context) -> dict[str, object]:
        from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash

        with self.step("normalize_hash", context) as ctx:
            results = []
            with file_by_file(ctx, "normalize_hash", context) as one_file:
                for given in self.delivery_ids():
                    uri = ctx.deliveries.get(given).uri
                    with one_file(uri):
                        delivery_id = follow_file(ctx, context, "normalize_hash", given)
                        if delivery_id is None:
                            continue
                        watch = log_sentences.Stopwatch(ctx.clock)
                        result = normalize_hash(ctx, delivery_id)
                        self.say(ctx, delivery_id, log_sentences.staged(result, watch), closed=result.closed)
                        results.append(result)
                        staged = [] if result.manifest_uri is None else [at(result.manifest_uri, result.events)]
                        self.trace(read=[at(uri)], written=staged)
        return {"deliveries": [result.to_dict() for result in results]}


class DedupeOperator(DeliveryOperator):
    """Ask the ledger which events are new, claim them, and write the delivery's plan.

    With ``send_after_days`` a file's events wait: it has no parts until it is due, and the first run on that day or
    after it takes them up here, beside its own file, and sends and closes them. With ``trigger_rule="all_done"`` it
    does so on a day without a file, too.

    Returns the parts that hold something to send, as ``[{"delivery_id": ..., "part": 0, "name": ...}, ...]``: map
    :class:`~airflow_provider_tiktok_offline.operators.tiktok.TikTokUploadOperator` over it. The counts are
    the XCom ``counts``.

    :param deliveries: a delivery id, the result of a step before, or a list of either. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param asks: leave the files that a person has to be asked about to an ``ApproveDeliveryOperator`` behind this task,
        so that the others need not wait for the answer; the XCom ``set_aside`` names their deliveries.
    :param set_aside: the task is behind that approval, and works on these files.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "deliveries")

    def __init__(
        self,
        *,
        deliveries: object,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        asks: bool = False,
        set_aside: bool = False,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.deliveries = deliveries
        self.asks = asks
        self.set_aside = set_aside

    def execute(self, context: Context) -> list[PlannedPart]:
        from airflow_provider_tiktok_offline.delivery.events.guards import leave_to_a_person
        from airflow_provider_tiktok_offline.delivery.sequences import take_up
        from airflow_provider_tiktok_offline.delivery.state.waiting import due_deliveries

        with self.step("dedupe", context) as ctx:
            results: list[DedupeResult] = []
            parts: list[PlannedPart] = []
            set_aside: list[str] = []

            def plan(delivery_id: str) -> None:
                result = self._planned(ctx, delivery_id)
                results.append(result)
                parts.extend(named_parts(ctx.deliveries.get(delivery_id), result))

            with file_by_file(ctx, "dedupe", context) as one_file:
                own = delivery_ids(self.deliveries)
                for given in own:
                    with one_file(ctx.deliveries.get(given).uri):
                        delivery_id = follow_file(ctx, context, "dedupe", given)
                        if delivery_id is None:
                            continue
                        if self.asks and leave_to_a_person(ctx, delivery_id):
                            self.log.info(
                                "%s is left to approve; the other files go on.", ctx.deliveries.get(given).uri
                            )
                            set_aside.append(delivery_id)
                            continue
                        plan(delivery_id)
                # Behind the run's own files, whose returns count.
                for waited in () if self.set_aside else due_deliveries(ctx, besides=own):
                    with one_file(ctx.deliveries.get(waited).uri):
                        take_up(ctx, waited)
                        plan(waited)
        context["ti"].xcom_push(key="counts", value=[result.to_dict() for result in results])
        if self.asks:
            context["ti"].xcom_push(key=SET_ASIDE, value=set_aside)
        return parts

    def _planned(self, ctx: DeliveryContext, delivery_id: str) -> DedupeResult:
        from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe

        watch = log_sentences.Stopwatch(ctx.clock)
        result = dedupe(ctx, delivery_id)
        self.say(ctx, delivery_id, log_sentences.planned(result, watch), closed=result.closed)
        return result


def named_parts(state: DeliveryState, planned: DedupeResult) -> Iterator[PlannedPart]:
    """The parts of a plan that hold something to send, each with its name in the UI.

    Of a very large file one task sends several, so that there are never more than some hundred.
    """
    from airflow_provider_tiktok_offline.delivery.state.step_results import NormalizeHashResult

    staged = NormalizeHashResult.of(state)
    of = max([part + 1 for part in planned.parts] + ([] if staged is None else [staged.parts]), default=0)
    together = -(-len(planned.parts) // _MOST_UPLOADS) or 1
    for start in range(0, len(planned.parts), together):
        first, *others = planned.parts[start : start + together]
        if others:
            name = f"{state.file_name}, parts {first + 1} to {others[-1] + 1} of {of}"
            yield {"delivery_id": planned.delivery_id, "part": first, "parts": [first, *others], "name": name}
        else:
            name = f"{state.file_name}, part {first + 1} of {of}"
            yield {"delivery_id": planned.delivery_id, "part": first, "name": name}


def were_delivered(given: object) -> bool:
    """Whether the sensor says that the day's files are delivered."""
    return isinstance(given, Mapping) and bool(given.get("already_delivered"))


def delivered_already(ctx: DeliveryContext) -> Iterator[ValidateResult]:
    """The deliveries that this run has closed before it was cleared: the tasks of the run say so of each."""
    from airflow_provider_tiktok_offline.delivery.state.runs import closed_deliveries_of_run
    from airflow_provider_tiktok_offline.delivery.state.step_results import ValidateResult

    for state in closed_deliveries_of_run(ctx):
        validated = ValidateResult.of(state)
        if validated is not None:
            yield replace(validated, closed=True)


def day_of(given: object) -> date | None:
    """The day that the files are for, where a sensor found them."""
    day = given.get("day") if isinstance(given, Mapping) else None
    return date.fromisoformat(day) if isinstance(day, str) else None


def stamps(given: object) -> list[Mapping[str, object] | str]:
    """The stamps in what a sensor returned: its result, a list of stamps, or one stamp; a URI stays as it is.

    :raises ConfigError: if it is something else.
    """
    match given:
        case None:
            # The task that waits for the file ended without one.
            return []
        case {"files": inner}:
            return stamps(inner)
        case Mapping() if "uri" in given:
            return [given]
        case str():
            return [given]
        case Sequence():
            return [stamp for item in given for stamp in stamps(item)]
    raise ConfigError(
        "files must be the sensor's result, stamps with uri, size and mtime, or URIs.",
        where="files",
    )
