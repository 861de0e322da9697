"""Telling people what became of a run: by e-mail, Slack and webhook, through Airflow's own notifiers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseNotifier, conf
from asgiref.sync import sync_to_async

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import GateExceededError, GuardError, TikTokOfflineError, UnexpectedError
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask, TaskFailedError
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected

if TYPE_CHECKING:
    from datetime import date

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.operations.notices import Event, Notice
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

__all__ = [
    "DeliveryFailedNotifier",
    "DeliverySucceededNotifier",
    "DriftNotifier",
    "GateBreachedNotifier",
    "StaleFeedNotifier",
    "TikTokReportNotifier",
]


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
        notice = self._notice(context)
        if notice is None:
            return
        failed: list[UnexpectedError] = []
        for channel in self._channels(notice):
            try:
                channel.notify(context)
            except Exception as error:
                failed.append(unexpected(error))
        self._raise_first(failed)

    async def async_notify(self, context: Context) -> None:
        notice = await sync_to_async(self._notice)(context)
        if notice is None:
            return
        failed: list[UnexpectedError] = []
        for channel in self._channels(notice):
            try:
                await _notify(channel, context)
            except Exception as error:
                failed.append(unexpected(error))
        self._raise_first(failed)

    def applies(self, error: BaseException | None) -> bool:  # noqa: ARG002 - some kinds look at it
        """Whether this applies to a task that ended with that error; None where none is known."""
        return True

    def _notice(self, context: Context) -> Notice | None:
        from airflow_provider_tiktok_offline.delivery.operations.notices import notice

        error = _own_error(context.get("exception"))
        config = self.advertiser_config()
        wanted = config.notifications
        if wanted is None or self.event not in wanted.events or not self.applies(error):
            return None
        ctx = self.delivery_context(_with_run(context))
        if not self.is_news(ctx):
            return None
        reason = self.found(ctx) or _reason(context, error)
        return notice(ctx, self.event, reason=reason, day=self._day(context), links=_links(context))

    def is_news(self, ctx: DeliveryContext) -> bool:  # noqa: ARG002 - some kinds look at it
        """Whether there is something that nobody was notified of yet."""
        return True

    def found(self, ctx: DeliveryContext) -> str | None:  # noqa: ARG002 - some kinds look at it
        """What there is to tell, where no error says it."""
        return None

    def _day(self, context: Context) -> date | None:  # noqa: ARG002 - some kinds know it
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

            yield SlackWebhookNotifier(slack_webhook_conn_id=wanted.slack_conn_id, text=notice.text)
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
    """The run has delivered its files; one notification a run. For ``on_success_callback`` of the summary."""

    event = "success"

    def is_news(self, ctx: DeliveryContext) -> bool:
        from airflow_provider_tiktok_offline.delivery.operations.notices import claim_of_run

        return claim_of_run(ctx, "success")


class DeliveryFailedNotifier(DeliveryNotifier):
    """The run failed, or did not end by its deadline. For ``on_failure_callback`` of the summary, or a deadline."""

    event = "failure"


class GateBreachedNotifier(DeliveryNotifier):
    """Too many rows were rejected, or a guard was breached: nothing was sent.

    For ``on_failure_callback`` of validate and dedupe; other failures are not its concern.
    """

    event = "gate"

    def applies(self, error: BaseException | None) -> bool:
        return isinstance(error, GateExceededError | GuardError)


class DriftNotifier(DeliveryNotifier):
    """A file has less than the files before it; one notification a run. For ``on_success_callback`` of validate."""

    event = "drift"

    def is_news(self, ctx: DeliveryContext) -> bool:
        from airflow_provider_tiktok_offline.delivery.operations.notices import claim_of_run, has_drifted

        return has_drifted(ctx) and claim_of_run(ctx, "drift")


class TikTokReportNotifier(DeliveryNotifier):
    """The report task found something at TikTok's end: one notification when it begins, none while it lasts.

    That is: no active ad tracks the event set, attribution has fallen away while as much is accepted, the grant was
    revoked or narrowed, or TikTok lists an open incident. For ``on_success_callback`` and ``on_failure_callback`` of
    the report task.
    """

    event = "report"
    _news: Sequence[str] = ()

    def is_news(self, ctx: DeliveryContext) -> bool:
        from airflow_provider_tiktok_offline.delivery.operations.alerts import take_unnotified

        self._news = take_unnotified(ctx)
        return bool(self._news)

    def found(self, ctx: DeliveryContext) -> str | None:  # noqa: ARG002 - is_news has taken it
        return " ".join(self._news)


class StaleFeedNotifier(DeliveryNotifier):
    """No file has appeared. For ``on_stale_callback`` of the sensor, or a deadline.

    Told only while the run has no file.
    """

    event = "stale"

    def _notice(self, context: Context) -> Notice | None:
        from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run

        if deliveries_of_run(self.delivery_context(_with_run(context))):
            return None
        return super()._notice(context)

    def _day(self, context: Context) -> date | None:
        return cast("date | None", context.get("file_day"))


async def _notify(channel: BaseNotifier, context: Context) -> None:
    """Let a channel tell; the ones of older providers can't in an event loop, so a thread does it."""
    try:
        await channel.async_notify(context)
    except NotImplementedError:
        await sync_to_async(channel.notify)(context)


def _own_error(error: object) -> BaseException | None:
    """The package's own error, which a failed task carries."""
    if isinstance(error, TaskFailedError):
        return error.error
    return error if isinstance(error, BaseException) else None


def _reason(context: Context, error: BaseException | None) -> str | None:
    if isinstance(error, TikTokOfflineError):
        return str(error)
    if error is not None:
        # Somebody else's words may repeat a value.
        return f"{type(error).__name__}, see the task's log"
    return "the deadline is over" if context.get("deadline") else None


def _links(context: Context) -> list[tuple[str, str]]:
    """Where the run and the task's log are shown."""
    run: object = context["dag_run"]
    dag_id, run_id = getattr(run, "dag_id", None), getattr(run, "run_id", None)
    base = conf.get("api", "base_url", fallback="").rstrip("/")
    links = [("Run's page", f"{base}/dags/{dag_id}/runs/{quote(str(run_id), safe='')}")] if base and dag_id else []
    log_url = getattr(context.get("ti"), "log_url", None)
    return [*links, ("Log", str(log_url))] if log_url else links


def _with_run(context: Context) -> Context:
    """A deadline gives the run as plain values."""
    run: object = context["dag_run"]
    if isinstance(run, Mapping):
        named = SimpleNamespace(dag_id=run["dag_id"], run_id=run.get("dag_run_id") or run["run_id"])
        return cast("Context", {**context, "dag_run": named})
    return context
