"""Sending to TikTok's Events API, and making the event set it is sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import OutcomeUnknownError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import task_errors
from airflow_provider_tiktok_offline.glue.lineage import at, event_set
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.links import EventsManagerLink
from airflow_provider_tiktok_offline.operators.base import DeliveryOperator, PlannedPart

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.delivery.state.step_results import UploadPartResult

__all__ = ["TikTokOfflineEventSetOperator", "TikTokUploadOperator"]


#: The name in the UI of one mapped task; a part that was planned by an older release has none.
_PART_NAME = "{{ task.part.get('name') or task.part['delivery_id'] ~ ' part ' ~ task.part['part'] }}"


class TikTokUploadOperator(DeliveryOperator):
    """Send one part of a delivery's plan. Killed at any moment and run again, it sends what has no receipt yet.

    Map it over :class:`~airflow_provider_tiktok_offline.operators.conversions.DedupeOperator`'s result::

        TikTokUploadOperator.partial(task_id="upload", settings=settings).expand(part=dedupe.output)

    Returns the counts of the part: ``accepted``, ``refused``, ``unconfirmed``.

    :param part: ``{"delivery_id": ..., "part": 0}``, or several with ``"parts": [0, 1]``. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "part")
    operator_extra_links = (EventsManagerLink(),)

    def __init__(
        self,
        *,
        part: PlannedPart,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        map_index_template: str | None = _PART_NAME,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.part = part
        self._running: DeliveryContext | None = None

    def execute(self, context: Context) -> dict[str, object]:
        with self.step("upload", context) as ctx:
            self._running = ctx
            watch = log_sentences.Stopwatch(ctx.clock)
            result = self._sent(ctx)
            staged = at(f"{ctx.config.staging}/{self.part['delivery_id']}/manifest.json")
            self.trace(read=[staged], written=[event_set(ctx.config, result.accepted)])
            sentence = log_sentences.uploaded(result, watch, self.part.get("name"))
            self.say(ctx, result.delivery_id, sentence, closed=result.closed)
        return result.to_dict()

    def _sent(self, ctx: DeliveryContext) -> UploadPartResult:
        """Send the parts. One without a definite answer keeps no other back, and fails the task at the end."""
        from airflow_provider_tiktok_offline.delivery.steps.upload import upload

        results: list[UploadPartResult] = []
        unknown: list[OutcomeUnknownError] = []
        for number in self.part.get("parts") or [self.part["part"]]:
            try:
                results.append(upload(ctx, self.part["delivery_id"], int(number)))
            except OutcomeUnknownError as error:
                unknown.append(error)
        if unknown:
            raise unknown[0]
        counts = {
            name: sum(getattr(one, name) for one in results)
            for name in ("accepted", "refused", "unconfirmed", "settled")
        }
        return replace(results[0], **counts)

    def on_kill(self) -> None:
        """End between two batches, and record every answer: Airflow ends the process a few seconds later."""
        if self._running is not None:
            self._running.stopping.set()
            self.log.warning(
                "The upload of %s is stopped from outside: the task was marked, cleared, or ran out of time. Every"
                " answer so far is kept. Clear the task to send what is left.",
                self.part.get("name") or f"part {self.part['part'] + 1} of delivery {self.part['delivery_id']}",
            )


class TikTokOfflineEventSetOperator(BaseOperator):
    """Make sure that an ad account has an offline event set of a name, and return its id.

    An event set that is there already is left as it is.

    :param advertiser_id: the ad account, a string of digits. (templated)
    :param name: the event set's name. (templated)
    :param auto_tracking: whether later campaigns use a new one for attribution by themselves.
    :param tiktok_conn_id: the connection with the access token. (templated)
    """

    template_fields: Sequence[str] = ("advertiser_id", "name", "tiktok_conn_id")
    ui_color = "#e8f4f3"

    def __init__(
        self,
        *,
        advertiser_id: str,
        name: str,
        auto_tracking: bool = False,
        tiktok_conn_id: str = "tiktok_default",
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.advertiser_id = advertiser_id
        self.name = name
        self.auto_tracking = auto_tracking
        self.tiktok_conn_id = tiktok_conn_id

    def execute(self, context: Context) -> str:  # noqa: ARG002 - Airflow's signature
        from airflow_provider_tiktok_offline.hooks.tiktok import TikTokHook
        from airflow_provider_tiktok_offline.tiktok.event_sets import ensure_event_set

        with task_errors(), TikTokHook(self.tiktok_conn_id).get_conn() as client:
            return ensure_event_set(client, self.advertiser_id, self.name, auto_tracking=self.auto_tracking)
