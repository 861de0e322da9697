"""Asking a person before a delivery that breaches a guard goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import AirflowFailException, conf
from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask, task_errors
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.glue.status_xcom import leave_question
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected
from airflow_provider_tiktok_offline.operators.base import delivery_ids, follow_file
from airflow_provider_tiktok_offline.plain_text import one_line

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["ApproveDeliveryOperator"]


class ApproveDeliveryOperator(ApprovalOperator, DeliveryTask):
    """Pass at once if no guard is breached; else wait until somebody approves or rejects in Airflow.

    Stands between ``normalize_hash`` and ``dedupe`` where ``guards.on_breach`` or ``drift`` is ``approve``. What is
    approved is kept with the delivery, so that exactly these breaches pass; a rejection fails the task, and nothing is
    sent. ``guards.approvers`` and ``guards.approval_hours`` say who may answer, and after which time the file counts as
    rejected.

    :param deliveries: a delivery id, the result of a step before, or a list of either. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param on_ask_callback: called with the context when somebody is asked; it finds there the ``breaches`` by delivery
        id and the ``approval_link``.
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
        on_ask_callback: Callable[[Context], object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(subject=subject, fail_on_reject=True, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.deliveries = deliveries
        self.on_ask_callback = on_ask_callback

    def execute(self, context: Context) -> object:
        with task_errors():
            ctx = self.delivery_context(context)
            followed = (follow_file(ctx, context, "dedupe", given) for given in self._ids())
            ids = [one for one in followed if one is not None]
        found = self._breaches(context, ids)
        if not found:
            return {"deliveries": ids}
        with task_errors():
            config = self.advertiser_config()
        guards, until = config.guards, None
        lines = [f"- {one_line(breach)}" for breaches in found.values() for breach in breaches]
        lines += ["", "Approve to send it all the same; reject to send nothing."]
        if guards.approvers:
            self.assigned_users = [{"id": one, "name": one} for one in guards.approvers]
        if guards.approval_hours is not None:
            wait = timedelta(hours=guards.approval_hours)
            # Airflow's standard provider took the second as the first before it had that one.
            self.response_timeout = self.execution_timeout = wait
            self.defaults = [self.REJECT]
            until = system_clock().now() + wait
            lines.append(f"Without an answer within {guards.approval_hours:g} hours it counts as rejected.")
        self.body = "\n".join(lines)
        leave_question(config, context, [one for words in found.values() for one in words], until)
        self._notify(context, found)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, object]) -> dict[str, list[str]]:
        from airflow_provider_tiktok_offline.delivery.events.guards import approve
        from airflow_provider_tiktok_offline.delivery.state.runs import delivery_of_same_file

        try:
            super().execute_complete(context, event)
        except HITLRejectException:
            # A retry would ask again.
            why = "Rejected" if event.get("responded_by_user") else "Nobody answered in time, which counts as rejected"
            ended = f"{why}: nothing is sent. Clear this task to be asked again."
            self.log.error("%s", ended)
            raise AirflowFailException(ended) from None
        with task_errors():
            ctx = self.delivery_context(context)
            # What was shown was approved, whatever the files hold by now.
            ids = [delivery_of_same_file(ctx, given) for given in self._ids()]
            for delivery_id, breaches in self._breaches(context, ids).items():
                approve(ctx, delivery_id, breaches)
        return {"deliveries": ids}

    def _notify(self, context: Context, found: Mapping[str, tuple[str, ...]]) -> None:
        """Say that somebody is asked; a message that can't be sent does not end the wait."""
        if self.on_ask_callback is None:
            return
        link = (
            self.generate_link_to_ui(task_instance=context["ti"]) if conf.get("api", "base_url", fallback="") else None
        )
        try:
            self.on_ask_callback(cast("Context", {**context, "breaches": found, "approval_link": link}))
        except Exception as error:
            fault = error if isinstance(error, TikTokOfflineError) else unexpected(error)
            self.log.error("The notification of the approval failed; the task goes on waiting. %s", fault)

    def _ids(self) -> list[str]:
        return delivery_ids(self.deliveries)

    def _breaches(self, context: Context, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        from airflow_provider_tiktok_offline.delivery.events.guards import breaches

        with task_errors():
            ctx = self.delivery_context(context)
            found = {delivery_id: breaches(ctx, delivery_id) for delivery_id in ids}
        return {delivery_id: words for delivery_id, words in found.items() if words}
