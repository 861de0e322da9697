"""Asking a person before a delivery that breaches a guard goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask, task_errors
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.operators.base import delivery_ids

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["ApproveDeliveryOperator"]


class ApproveDeliveryOperator(ApprovalOperator, DeliveryTask):
    """Pass at once if no guard is breached; else wait until somebody approves or rejects in Airflow.

    Stands between ``normalize_hash`` and ``dedupe`` where ``guards.on_breach`` or ``drift`` is ``approve``. What is
    approved is kept with the delivery, so that exactly these breaches pass; a rejection fails the task, and nothing is
    sent.

    :param deliveries: a delivery id, the result of a step before, or a list of either. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    """

    template_fields: Sequence[str] = ("config", "advertiser", "deliveries")

    def __init__(
        self,
        *,
        deliveries: object,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        subject: str = "A conversion file breaches a guard",
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(subject=subject, fail_on_reject=True, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.deliveries = deliveries

    def execute(self, context: Context) -> object:
        found = self._breaches(context)
        if not found:
            return {"deliveries": self._ids()}
        lines = [f"- {breach}" for breaches in found.values() for breach in breaches]
        self.body = "\n".join([*lines, "", "Approve to send it all the same; reject to send nothing."])
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, object]) -> dict[str, list[str]]:
        from airflow_provider_tiktok_offline.delivery.events.guards import approve

        try:
            super().execute_complete(context, event)
        except HITLRejectException:
            # A retry would ask again.
            raise AirflowFailException("Rejected: nothing is sent. Clear this task to be asked again.") from None
        with task_errors():
            ctx = self.delivery_context(context)
            for delivery_id, breaches in self._breaches(context).items():
                approve(ctx, delivery_id, breaches)
        return {"deliveries": self._ids()}

    def _ids(self) -> list[str]:
        return delivery_ids(self.deliveries)

    def _breaches(self, context: Context) -> dict[str, tuple[str, ...]]:
        from airflow_provider_tiktok_offline.delivery.events.guards import breaches

        with task_errors():
            ctx = self.delivery_context(context)
            found = {delivery_id: breaches(ctx, delivery_id) for delivery_id in self._ids()}
        return {delivery_id: words for delivery_id, words in found.items() if words}
