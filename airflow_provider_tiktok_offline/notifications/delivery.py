"""Telling people what became of a run: by e-mail, Slack and webhook, through Airflow's own notifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Self, cast

from airflow.providers.common.compat.sdk import BaseNotifier
from asgiref.sync import sync_to_async

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import GateExceededError, GuardError, TikTokOfflineError, UnexpectedError
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask
from airflow_provider_tiktok_offline.glue.file_day import file_day
from airflow_provider_tiktok_offline.glue.report_pages import delivery_link
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected
from airflow_provider_tiktok_offline.notifications.task_context import (
    links,
    own_error,
    pages,
    task_of,
    why_ended,
    with_run,
)
from airflow_provider_tiktok_offline.plain_text import plain_logger, slack

if TYPE_CHECKING:
    from datetime import date

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.operations.notices import Event, Notice
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

__all__ = [
    "ApprovalNotifier",
    "DeliveryFailedNotifier",
    "DeliverySucceededNotifier",
    "DriftNotifier",
    "GateBreachedNotifier",
    "StaleFeedNotifier",
    "TikTokReportNotifier",
    "UnconfirmedNotifier",
]

log = plain_logger(__name__)

#: Why, where no error says it, and further facts by name.
News = tuple[str | None, list[tuple[str, str]]]


class DeliveryNotifier(DeliveryTask, BaseNotifier):
    """Tell everybody whom the advertiser's ``notifications:`` name.

    As a task's callback it runs where the task ran; as a deadline's, in the triggerer. The message names files, counts,
    sums and what is open, and never holds a customer's data. One channel that fails does not silence the others.

    :param config: path of advertisers.yaml, as the worker (or triggerer) sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param context: Airflow's, where a deadline gives one.
    """

    template_fields: Sequence[str] = ("config", "advertiser")
    event: ClassVar[Event]
    _task: object = None

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.config = config
        self.advertiser = advertiser
        self.settings = settings

    def notify(self, context: Context) -> None:
        failed: list[UnexpectedError] = []
        for message in self._messages(context):
            try:
                message.notify(context)
            except Exception as error:
                failed.append(unexpected(error))
        self._raise_first(failed)

    async def async_notify(self, context: Context) -> None:
        failed: list[UnexpectedError] = []
        for message in await sync_to_async(self._messages)(context):
            try:
                await _notify(message, context)
            except Exception as error:
                failed.append(unexpected(error))
        self._raise_first(failed)

    def applies(self, error: BaseException | None) -> bool:  # noqa: ARG002 - some kinds look at it
        """Whether this applies to a task that ended with that error; None where none is known."""
        return True

    def _messages(self, context: Context) -> list[BaseNotifier]:
        """What is to be sent: each notice by each channel."""
        found: list[BaseNotifier] = []
        for one in self._each_advertiser(context):
            try:
                found += [channel for notice in one._notices(context) for channel in one._channels(notice)]
            except TikTokOfflineError as error:
                if one is self:
                    raise
                log.warning("%s: nobody is notified: %s", one.advertiser, error)
        return found

    def _each_advertiser(self, context: Context) -> list[Self]:
        """This notifier; for a task that works on many advertisers, one for each."""
        task = task_of(context)
        names = None if self._is_named else getattr(task, "advertisers", None)
        if names is None or not isinstance(task, DeliveryTask):
            return [self]
        return [type(self)(config=task.config_path(), advertiser=name) for name in names]

    @property
    def _is_named(self) -> bool:
        """Whether it has an advertiser of its own, and not that of the task that it is given to."""
        return self.settings is not None or self.config is not None

    def _notices(self, context: Context) -> list[Notice]:
        from airflow_provider_tiktok_offline.delivery.operations.notices import Places, notice

        error = own_error(context.get("exception"))
        self._task = task_of(context)
        context = with_run(context)
        config = self.advertiser_config()
        wanted = config.notifications
        if wanted is None or self.event not in wanted.events or not self.applies(error):
            return []
        ctx = self.delivery_context(context)
        reason = why_ended(context, error)
        dag_id = str(ctx.holder.partition("/")[0])
        places = Places(links(context), partial(delivery_link, dag_id))
        return [
            notice(ctx, self.event, reason=why or reason, day=self._day(context, config), more=more, places=places)
            for why, more in self.news(ctx, reason, context)
        ]

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        """What nobody was notified of yet.

        :param reason: why the task ended, in words; None if it succeeded.
        """
        return [(None, [])]

    def advertiser_config(self) -> AdvertiserConfig:
        """The advertiser's typed settings; without an advertiser of its own, those of the task that it is given to."""
        if not self._is_named and isinstance(self._task, DeliveryTask):
            return self._task.advertiser_config()
        return super().advertiser_config()

    @property
    def set_aside(self) -> bool:
        """Whether this is about those files of the run that a person is asked about, as its task is."""
        return bool(getattr(self._task, "set_aside", False))

    def _day(self, context: Context, config: AdvertiserConfig) -> date | None:
        """The day whose file the run is for; a deadline does not name it."""
        try:
            return file_day(config, context)
        except (TikTokOfflineError, AttributeError):
            return None

    def _channels(self, notice: Notice) -> Iterator[BaseNotifier]:
        wanted = self.advertiser_config().notifications
        if wanted is None:
            return
        if wanted.email:
            from airflow.providers.smtp.notifications.smtp import SmtpNotifier

            yield SmtpNotifier(
                to=list(wanted.email),
                subject=notice.subject,
                html_content=notice.html,
                smtp_conn_id=wanted.smtp_conn_id,
            )
        if wanted.slack_conn_id:
            from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

            yield SlackWebhookNotifier(slack_webhook_conn_id=wanted.slack_conn_id, text=slack(notice.text))
        if wanted.webhook_conn_id:
            from airflow.providers.http.notifications.http import HttpNotifier

            yield HttpNotifier(
                http_conn_id=wanted.webhook_conn_id, endpoint=wanted.webhook_endpoint, json=notice.to_dict()
            )

    def _raise_first(self, failed: list[UnexpectedError]) -> None:
        for error in failed:
            self.log.warning("A notification of %s could not be sent: %s", self.event, error)
        if failed:
            raise failed[0]


class DeliverySucceededNotifier(DeliveryNotifier):
    """The run has delivered its files; one notification for them. For ``on_success_callback`` of the summary."""

    event = "success"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state

        return [(None, [])] if claim_state(ctx, "success") else []


class DeliveryFailedNotifier(DeliveryNotifier):
    """The run failed, or did not end by its deadline. For ``on_failure_callback`` of the summary, or a deadline.

    One notification for the same files and reason, and none where that of the gate says the same.
    """

    event = "failure"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state, stopped_by_breach

        wanted = ctx.config.notifications
        if wanted is not None and "gate" in wanted.events and stopped_by_breach(ctx):
            return []
        return [(None, [])] if claim_state(ctx, "failure", reason or "") else []


class GateBreachedNotifier(DeliveryNotifier):
    """Too many rows were rejected, or a guard was breached: nothing was sent.

    One notification for the same files and reason. For ``on_failure_callback`` of the tasks before the upload; other
    failures are not its concern. Where a run may have several files also for ``on_success_callback`` of these tasks:
    one notification for each file that is held back while the others go on.
    """

    event = "gate"

    def applies(self, error: BaseException | None) -> bool:
        return error is None or isinstance(error, GateExceededError | GuardError)

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_held_back, claim_state

        if reason is None:
            return [(str(held), []) for held in claim_held_back(ctx)]
        return [(None, [])] if claim_state(ctx, "gate", reason) else []


class ApprovalNotifier(DeliveryNotifier):
    """A file waits for a person's approval; one notification for the same file and breaches.

    For ``on_ask_callback`` of ``ApproveDeliveryOperator``.
    """

    event = "approval"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.notices import approval_facts
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state

        breaches = cast("Mapping[str, tuple[str, ...]]", context.get("breaches", {}))
        words = "; ".join(one for found in breaches.values() for one in found)
        if not claim_state(ctx, "approval", words, delivery_ids=sorted(breaches)):
            return []
        answer = context.get("approval_link")
        link = [("Approval", str(answer))] if answer else []
        return [(None, [*approval_facts(breaches, ctx.config, ctx.clock.now()), *link])]


class UnconfirmedNotifier(DeliveryNotifier):
    """Events without an answer: within 24 hours they are not sent again by themselves, or no longer now.

    One notification for each of the two. For ``on_execute_callback`` of a task that starts at least once a day; without
    an advertiser it looks at that of its task.
    """

    event = "unconfirmed"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.doubts import new_doubts
        from airflow_provider_tiktok_offline.delivery.operations.notices import unconfirmed_facts

        return [(None, [*unconfirmed_facts(doubt, ctx.config), *pages(doubt.delivery)]) for doubt in new_doubts(ctx)]

    def _day(self, context: Context, config: AdvertiserConfig) -> date | None:  # noqa: ARG002 - of another file
        return None


class DriftNotifier(DeliveryNotifier):
    """A file has less than the files before it; one notification a file. For ``on_success_callback`` of validate."""

    event = "drift"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.notices import has_drifted
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state

        return [(None, [])] if has_drifted(ctx) and claim_state(ctx, "drift") else []


class TikTokReportNotifier(DeliveryNotifier):
    """The report task found something at TikTok's end: one notification when it begins, none while it lasts.

    That is: no active ad tracks the event set, attribution has fallen away while as much is accepted, the grant was
    revoked or narrowed, or TikTok lists an open incident. For ``on_success_callback`` and ``on_failure_callback`` of
    the report task.
    """

    event = "report"

    def news(self, ctx: DeliveryContext, reason: str | None, context: Context) -> list[News]:  # noqa: ARG002
        from airflow_provider_tiktok_offline.delivery.operations.alerts import take_unnotified

        found = take_unnotified(ctx)
        return [(" ".join(found), [])] if found else []


class StaleFeedNotifier(DeliveryNotifier):
    """No file has appeared. For ``on_stale_callback`` of the sensor, or a deadline.

    Told only while the run has no file.
    """

    event = "stale"

    def news(
        self,
        ctx: DeliveryContext,
        reason: str | None,  # noqa: ARG002 - some kinds name it
        context: Context,
    ) -> list[News]:
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_day
        from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run

        if deliveries_of_run(ctx):
            return []
        day = self._day(context, ctx.config) if context.get("deadline") else None
        # The sensor has claimed the day before it calls; a deadline tells only what the sensor has not told.
        return [(None, [])] if day is None or claim_day(ctx, "stale", day) else []

    def _day(self, context: Context, config: AdvertiserConfig) -> date | None:
        return cast("date | None", context.get("file_day")) or super()._day(context, config)


async def _notify(channel: BaseNotifier, context: Context) -> None:
    """Let a channel tell; the ones of older providers can't in an event loop, so a thread does it."""
    try:
        await channel.async_notify(context)
    except NotImplementedError:
        await sync_to_async(channel.notify)(context)
