"""Sending to TikTok's Events API, and making the event set it is sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_tiktok_offline.links import EventsManagerLink
from airflow_provider_tiktok_offline.operators.base import DeliveryOperator, task_errors


class TikTokUploadOperator(DeliveryOperator):
    """Send one part of a delivery's plan. Killed at any moment and run again, it sends what has no receipt yet.

    Map it over :class:`~airflow_provider_tiktok_offline.operators.conversions.DedupeOperator`'s result::

        TikTokUploadOperator.partial(task_id="upload", settings=settings).expand(part=dedupe.output)

    Returns the counts of the part: ``accepted``, ``refused``, ``unconfirmed``.

    :param part: ``{"delivery_id": ..., "part": 0}``. (templated)
    """

    template_fields: Sequence[str] = (*DeliveryOperator.template_fields, "part")
    operator_extra_links = (EventsManagerLink(),)

    def __init__(
        self,
        *,
        part: Mapping[str, Any],
        map_index_template: str | None = "{{ task.part['delivery_id'] }} part {{ task.part['part'] }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(map_index_template=map_index_template, **kwargs)
        self.part = part

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        from airflow_provider_tiktok_offline.delivery.upload import upload

        with task_errors():
            ctx = self.delivery_context(context)
            result = upload(ctx, self.part["delivery_id"], int(self.part["part"]))
        self.log.info("%s part %s: %s", self.part["delivery_id"], self.part["part"], result)
        return result
