"""Asking a person before a delivery that breaches a guard goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import conf
from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import TikTokOfflineError, UnsettledError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask, skipped, task_errors
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.glue.status_xcom import leave_question
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected
from airflow_provider_tiktok_offline.operators.base import delivery_ids, file_by_file, follow_file
from airflow_provider_tiktok_offline.plain_text import markdown, one_line

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["ApproveDeliveryOperator"]

_SUBJECT = "A conversion file breaches a guard"


def questioned(found: Mapping[str, tuple[str, ...]], files: Mapping[str, str]) -> list[str]:
    """The list of what is asked about; Airflow's page reads it as Markdown.

    :param found: delivery id -> the guards that it breaches.
    :param files: delivery id -> its file's name.
    """
    return [f"- {markdown(f'{files[one]}: {breach}')}" for one, breaches in found.items() for breach in breaches]


class ApproveDeliveryOperator(ApprovalOperator, DeliveryTask):
    """Pass at once if no guard is breached; else wait until somebody approves or rejects in Airflow.

    Stands before ``dedupe`` where ``guards.on_breach`` or ``drift`` is ``approve``. What is approved is kept with the
    delivery, so that exactly these breaches pass; a rejection fails the task, and nothing is sent. ``guards.approvers``
    and ``guards.approval_hours`` say who may answer, and after which time the file counts as rejected.

    Of several files those that breach a guard are asked about in one question, and a rejection holds back these alone.
    The others wait for the answer, and go on whatever it is; behind a ``DedupeOperator`` with ``asks``, which leaves
    only the former to this task, they do not wait. A file that breaches a limit with ``stop`` is held back alone, and
    nobody is asked about it.

    An answer counts for what was asked. If the file, or what it breaches, has changed by then, the file is not sent.

    :param deliveries: a delivery id, the result of a step before, or a list of either. (templated)
    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param set_aside: the task is behind a ``DedupeOperator`` with ``asks``, and works on the files that it left.
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
        subject: str = _SUBJECT,
        set_aside: bool = False,
        on_ask_callback: Callable[[Context], object] | None = None,
        **kwargs: Any,
    ) -> None:
        use_retry_policy(kwargs)
        super().__init__(subject=subject, fail_on_reject=True, **kwargs)
        self.name_advertiser(config, advertiser, settings)
        self.deliveries = deliveries
        self.set_aside = set_aside
        self.on_ask_callback = on_ask_callback

    def execute(self, context: Context) -> object:
        from airflow_provider_tiktok_offline.delivery.events.guards import breaches_to_ask

        if self.set_aside and not delivery_ids(self.deliveries):
            raise skipped("No file needs an approval.")
        ids: list[str] = []
        found: dict[str, tuple[str, ...]] = {}
        with task_errors():
            ctx = self.delivery_context(context)
            with file_by_file(ctx, "approve", context) as one_file:
                for given in delivery_ids(self.deliveries):
                    with one_file(ctx.deliveries.get(given).uri):
                        delivery_id = follow_file(ctx, context, "dedupe", given)
                        if delivery_id is None:
                            continue
                        breached = breaches_to_ask(ctx, delivery_id)
                        ids.append(delivery_id)
                        if breached:
                            found[delivery_id] = breached
            if not found:
                self.log.info("No guard is breached, so nobody is asked.")
                return {"deliveries": ids}
            names = {one: ctx.deliveries.get(one).file_name for one in found}
            config = self.advertiser_config()
        until = self._put_question(config, context, found, names, alone=len(ids) == 1 and not self.set_aside)
        for one, breached in found.items():
            self.log.info("%s", log_sentences.asked(names[one], breached, config.guards.approvers, until))
        self._notify(context, found)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, object]) -> dict[str, list[str]]:
        from airflow_provider_tiktok_offline.delivery.events.guards import approve, breaches, reject, was_asked
        from airflow_provider_tiktok_offline.delivery.state.runs import delivery_of_same_file

        rejected = None
        user = event.get("responded_by_user")
        by = str(user["name"]) if isinstance(user, Mapping) and user.get("name") else None
        try:
            super().execute_complete(context, event)
        except HITLRejectException:
            rejected = "Rejected" if user else "Nobody answered in time, which counts as rejected"
        ids: list[str] = []
        # A rejection of every file fails the task for good: a retry would ask again.
        with task_errors():
            ctx = self.delivery_context(context)
            with file_by_file(ctx, "approve", context) as one_file:
                for given in delivery_ids(self.deliveries):
                    state = ctx.deliveries.get(given)
                    with one_file(state.uri):
                        delivery_id = delivery_of_same_file(ctx, given)
                        breached = breaches(ctx, delivery_id)
                        if rejected and (breached or was_asked(ctx, delivery_id)):
                            reject(ctx, delivery_id, breached, why=rejected)
                            raise UnsettledError(
                                f"{rejected}: nothing of it is sent.",
                                where=state.uri,
                                todo="Clear this task to be asked again.",
                            )
                        if breached:
                            approve(ctx, delivery_id, breached)
                            self.log.info("%s", log_sentences.approved(state.file_name, breached, by))
                        ids.append(delivery_id)
        return {"deliveries": ids}

    def _put_question(
        self,
        config: AdvertiserConfig,
        context: Context,
        found: Mapping[str, tuple[str, ...]],
        files: Mapping[str, str],
        *,
        alone: bool,
    ) -> datetime | None:
        """Say what is asked, of whom and until when; returns the last.

        :param found: delivery id -> the guards that it breaches.
        :param files: delivery id -> its file's name.
        :param alone: whether the run has no other file.
        """
        guards, until = config.guards, None
        lines = questioned(found, files)
        lines += ["", "Approve to send it all the same; reject to send nothing."]
        if not alone:
            lines[-1] = "Approve to send these files all the same; reject to send nothing of them."
        if self.set_aside:
            lines.append("The other files of this run do not wait for the answer.")
        elif not alone:
            lines.append("The other files of this run wait for the answer, and then go on whatever it is.")
        if guards.approvers:
            self.assigned_users = [{"id": one, "name": one} for one in guards.approvers]
        if guards.approval_hours is not None:
            wait = timedelta(hours=guards.approval_hours)
            # Airflow's standard provider took the second as the first before it had that one.
            self.response_timeout = self.execution_timeout = wait
            self.defaults = [self.REJECT]
            until = system_clock().now() + wait
            lines.append(f"Without an answer within {guards.approval_hours:g} hours it counts as rejected.")
        if self.subject == _SUBJECT:
            self.subject = f"{one_line(config.name)}: a conversion file breaches a guard"
        self.body = "\n".join(lines)
        leave_question(config, context, [one for words in found.values() for one in words], until)
        return until

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
