"""Waiting for the day's complete conversion file, wherever it appears."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue import log_sentences
from airflow_provider_tiktok_offline.glue.delivery_task import DeliveryTask, skipped, task_errors
from airflow_provider_tiktok_offline.glue.due_deliveries import send_overdue
from airflow_provider_tiktok_offline.glue.file_day import arrived_files, file_day
from airflow_provider_tiktok_offline.glue.retry_policy import use_retry_policy
from airflow_provider_tiktok_offline.glue.status_xcom import leave_expected
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["ConversionFileSensor"]

#: Seconds between two looks of the task itself, where the triggerer can't see the configuration: each starts a task.
_TASK_LOOKS_EVERY = 300.0
#: Seconds for which a server that does not answer is asked again where no file will come.
_ASK_IN_VAIN = 3600.0
#: The time limit until the task reads the advertiser's own, in seconds. Without one, Airflow looks up its own for each
#: advertiser when DAGs are parsed.
_UNTIL_READ = 604800.0


class ConversionFileSensor(BaseSensorOperator, DeliveryTask):
    """Wait until the day's conversion file is there and complete; SFTP, S3, other object stores and local disk.

    Both modes return the same: ``{"day": "2026-11-21", "files": [{"uri": ..., "size": ..., "mtime": ...}],
    "already_delivered": false}``. A file whose delivery is closed lets the sensor succeed at once with
    ``already_delivered`` true and no files, so that what follows has nothing to do.

    A server that doesn't answer is asked again at the next poke; a wrong password or host key fails at once. With
    ``missing_file: skip`` the task is skipped instead of failed when the time is over and the server says that there is
    no file; a server that does not answer then fails it.

    On a day on which no file is due the sensor looks once, and is skipped if there is nothing. If the server does not
    answer, it is asked for an hour; then the task fails, since a file that has come may lie there.

    With ``send_after_days`` a delivery that is due is sent by the tasks behind, with the returns of the day's file. If
    that has not come by 22:00 UTC (or an hour after the delivery has waited for so many days), the sensor sends it.

    A day of a backfill whose time is over (``timeout`` seconds from when its run was due) is not waited for: if nothing
    is there, the task ends at once as ``missing_file`` says, and nobody is notified.

    :param config: path of advertisers.yaml, as the worker sees it. (templated)
    :param advertiser: the entry's name. (templated)
    :param settings: the advertiser's settings themselves, instead of ``config`` and ``advertiser``.
    :param day: the file's day, as 2026-11-21; else the parameter ``file_day``, else the run's interval. (templated)
    :param deferrable: wait in the triggerer instead of a worker.
    :param poke_interval: seconds between two looks; else the advertiser's ``poke_seconds``.
    :param timeout: seconds until the file counts as missing; else the advertiser's ``timeout_seconds``.
    :param on_stale_callback: called with the context (and the file's day as ``file_day``), once a day, when no file has
        appeared by ``notifications.no_file_by``, or when the time is over; as a
        :class:`~airflow_provider_tiktok_offline.notifications.delivery.StaleFeedNotifier`.
    """

    template_fields: Sequence[str] = ("config", "advertiser", "day")
    ui_color = "#e8f4f3"

    def __init__(
        self,
        *,
        config: str | None = None,
        advertiser: str | None = None,
        settings: AdvertiserConfig | Mapping[str, object] | None = None,
        day: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        on_stale_callback: Callable[[Context], object] | None = None,
        **kwargs: Any,
    ) -> None:
        given = {"poke_interval": poke_interval, "timeout": timeout}
        kwargs.update({name: value for name, value in given.items() if value is not None})
        kwargs.setdefault("timeout", _UNTIL_READ)
        use_retry_policy(kwargs)
        super().__init__(**kwargs)
        self.config = config
        self.advertiser = advertiser
        self.settings = settings
        self.day = day
        self.deferrable = deferrable
        self.on_stale_callback = on_stale_callback
        self._from_config = [name for name, value in given.items() if value is None]
        self._pending: list[Mapping[str, object]] | None = None
        self._no_file_due: bool | None = None
        self._since: datetime | None = None

    def execute(self, context: Context) -> object:
        with task_errors():
            source = self.advertiser_config().source
            if "poke_interval" in self._from_config:
                self.poke_interval = float(source.poke_seconds)
            if "timeout" in self._from_config:
                self.timeout = float(source.timeout_seconds)
            self._end_where_none_will_come(context)
            self._tell_expected(context)
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        self._since = first or system_clock().now()
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout:
                return self._over(context)
        # One look here first: a trigger that fires at once may overtake the scheduler (apache/airflow#66374).
        result = self.poke(context)
        if result:
            return result.xcom_value
        return self._wait(context, until=system_clock().now() + timedelta(seconds=self.timeout))

    def _wait(self, context: Context, *, until: datetime, least: float = 0.0) -> object:
        """Go on in the triggerer.

        :param least: seconds between two looks, at least.
        """
        from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger

        stale = self._stale_at(context)
        due = send_overdue(self.delivery_context(context))
        now = system_clock().now()
        since = None if self._since is None else self._since.isoformat()
        return self.defer(
            trigger=ConversionFileTrigger(
                **self._whose_settings(),
                day=self._day(context).isoformat(),
                pending=self._pending or [],
                poke_interval=None
                if "poke_interval" in self._from_config and not least
                else max(self.poke_interval, least),
                stale_at=None if stale is None or stale <= now else stale.isoformat(),
                send_due_at=None if due is None else due.isoformat(),
                since=since,
            ),
            method_name="execute_complete",
            kwargs={"until": until.isoformat(), "since": since},
            timeout=max(until - now, timedelta(0)),
        )

    def _whose_settings(self) -> dict[str, Any]:
        """What the trigger finds the settings by: the file and the entry, which it reads again when they change."""
        if self.settings is None:
            return {"config": self.config_path(), "advertiser": self.advertiser}
        return {"settings": self.advertiser_config().model_dump(mode="json")}

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once: one connection, one listing."""
        from airflow_provider_tiktok_offline.delivery.source.find_file import find, source_uri
        from airflow_provider_tiktok_offline.delivery.state.runs import read_poll_state, write_poll_state

        arrived = self._handed_over(context)
        if arrived is not None:
            return PokeReturnValue(is_done=True, xcom_value=self._found(arrived))
        with task_errors():
            ctx = self.delivery_context(context)
            if self._pending is None:
                self._pending = read_poll_state(ctx) if self.reschedule else []
            try:
                look = find(ctx, self._day(context), previous=self._pending)
            except TikTokOfflineError as error:
                if not error.retryable:
                    raise
                self.log.warning("%s Asking again in %.0f s.", error, self.poke_interval)
                return PokeReturnValue(is_done=False)
            self._pending = list(look.pending)
            done = look.ready
            if self.reschedule:
                write_poll_state(ctx, [] if done else self._pending)
        if not done:
            uri = source_uri(ctx.config.source, self._day(context))
            sentence = log_sentences.waiting(uri, look.day, self._pending, self.poke_interval, self._since)
            self.log.info("%s", sentence)
            stale = self._stale_at(context)
            if stale is not None and stale <= system_clock().now():
                self._tell_stale(context)
            if not self.deferrable:
                send_overdue(ctx)
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=self._found(look.to_dict()))

    def _found(self, result: dict[str, object]) -> dict[str, object]:
        """Say in the log what is handed on."""
        for sentence in log_sentences.found(result, system_clock().now()):
            self.log.info("%s", sentence)
        return result

    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, object],
        until: str | None = None,
        since: str | None = None,
    ) -> dict[str, object]:
        """Take over from the trigger.

        :param event: ``status`` (found, stale, due, look_again or error) and what was found, or the error's type and
            message.
        :param until: when the time is over.
        :param since: when the wait began; a task that an older release deferred does not know.
        """
        self._since = datetime.fromisoformat(since) if since else None
        over = datetime.fromisoformat(until) if until else system_clock().now() + timedelta(seconds=self.timeout)
        if event["status"] == "look_again":
            self._pending = list(cast("list[Mapping[str, object]]", event["pending"]))
            result = self.poke(context)
            if result:
                return cast("dict[str, object]", result.xcom_value)
            self._wait(context, until=over, least=_TASK_LOOKS_EVERY)
        if event["status"] in ("stale", "due"):
            if event["status"] == "stale":
                self._tell_stale(context)
            self._pending = list(cast("list[Mapping[str, object]]", event["pending"]))
            self._wait(context, until=over)
        if event["status"] == "error":
            raise AirflowFailException(f"{event['error']}: {event['message']}")
        return self._found({key: event[key] for key in ("day", "files", "already_delivered")})

    def resume_execution(self, next_method: str, next_kwargs: dict[str, object] | None, context: Context) -> object:
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSensorTimeout:
            return self._over(context)

    def _stale_at(self, context: Context) -> datetime | None:
        from airflow_provider_tiktok_offline.config.stale_files import stale_at

        if self._none_will_come(context) is not None:
            return None
        run = context["dag_run"]
        return stale_at(self.advertiser_config(), run.data_interval_end or run.run_after)

    def _tell_stale(self, context: Context) -> None:
        """Tell once a day that there is no file; a message that can't be sent does not end the wait."""
        if self.on_stale_callback is None:
            return
        from airflow_provider_tiktok_offline.delivery.operations.notified import claim_day

        day = self._day(context)
        if not claim_day(self.delivery_context(context), "stale", day):
            return
        try:
            self.on_stale_callback(cast("Context", {**context, "file_day": day}))
        except Exception as error:
            fault = error if isinstance(error, TikTokOfflineError) else unexpected(error)
            self.log.error("The notification of the stale file failed; the sensor goes on waiting. %s", fault)

    def _over(self, context: Context) -> object:
        """What the task comes to when the time is over."""
        why = self._none_will_come(context)
        if why is None:
            return self._missing(context)
        try:
            with task_errors():
                result = self._look_once(context)
        except TikTokOfflineError as error:
            raise AirflowFailException(
                f"{why}, but the server does not answer, and a file that has come all the same would "
                f"be passed over. Clear this task once it answers. {error}"
            ) from None
        if result is None:
            raise AirflowSensorTimeout(f"{why}, and the file that is there is not complete.") from None
        return self._found(result)

    def _missing(self, context: Context) -> object:
        """Fail, or skip if the server says that there is no file; one that has come at the last moment is taken."""
        from airflow_provider_tiktok_offline.delivery.source.find_file import find, source_uri

        source, day = self.advertiser_config().source, self._day(context)
        sentence = log_sentences.missing(source_uri(source, day), day, self._time_limit())
        if source.missing_file == "fail":
            self._tell_stale(context)
            sentence = f"{sentence}. Have it exported and clear this task, or set missing_file: skip."
            self.log.error("%s", sentence)
            raise AirflowSensorTimeout(sentence) from None
        try:
            with task_errors():
                look = find(self.delivery_context(context), day, previous=self._pending or ())
        except TikTokOfflineError as error:
            self._tell_stale(context)
            raise AirflowFailException(
                f"The time for the file of {day} is over, but the server does not answer, so nobody knows whether it "
                f"is missing (missing_file: skip). Clear this task once it answers. {error}"
            ) from None
        if look.ready:
            return self._found(look.to_dict())
        self._tell_stale(context)
        raise skipped(f"{sentence}; missing_file says skip.")

    def _closed(self, context: Context) -> bool:
        """Whether no file is due on this day, and none was handed over."""
        from airflow_provider_tiktok_offline.delivery.source.find_file import expected
        from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections

        if self._no_file_due is None:
            self._no_file_due = self._handed_over(context) is None and not expected(
                self.advertiser_config(), self._day(context), AirflowConnections()
            )
        return self._no_file_due

    def _past(self, context: Context) -> bool:
        """Whether this is a backfill's run for a day whose time was over before it began."""
        run = context["dag_run"]
        if run.run_type != "backfill" or self._handed_over(context) is not None:
            return False
        due: datetime = run.data_interval_end or run.run_after
        return due + timedelta(seconds=self._time_limit()) < system_clock().now()

    def _time_limit(self) -> float:
        """Seconds until the file counts as missing."""
        return self.advertiser_config().source.timeout_seconds if "timeout" in self._from_config else self.timeout

    def _none_will_come(self, context: Context) -> str | None:
        """Why waiting for a file that is not there is in vain; None where it may come."""
        if self._closed(context):
            return f"No file is due on {self._day(context)}"
        return f"The time for the file of {self._day(context)} is over" if self._past(context) else None

    def _end_where_none_will_come(self, context: Context) -> None:
        """Look once on a day on which no file is due, and on a past day of a backfill.

        A file that is there is taken, and waited for if it still grows. A server that does not answer is asked again as
        on other days, but not for long.
        """
        why = self._none_will_come(context)
        if why is None:
            return
        try:
            self._look_once(context)
        except TikTokOfflineError as error:
            if not error.retryable:
                raise
            self.timeout = min(self.timeout, _ASK_IN_VAIN)
            self.log.warning(
                "%s, but the server does not answer: it is asked again for %.0f minutes. %s",
                why, self.timeout / 60, error,
            )  # fmt: skip

    def _look_once(self, context: Context) -> dict[str, object] | None:
        """What is there on a day for which none will come; None of a file that still grows.

        :raises AirflowSkipException: if there is nothing, on a day on which no file is due.
        :raises AirflowFailException: if there is nothing, on a past day on which one was due.
        """
        from airflow_provider_tiktok_offline.delivery.source.find_file import find, source_uri

        day = self._day(context)
        look = find(self.delivery_context(context), day, previous=self._pending or ())
        if look.ready:
            return look.to_dict()
        if look.pending:
            return None
        if self._closed(context):
            raise skipped(f"No file is due on {day} (expected_days, closed_dates), and none came.")
        source = self.advertiser_config().source
        uri = source_uri(source, day)
        if source.missing_file == "skip":
            raise skipped(f"The day {day} is past and has no file ({uri}); missing_file says skip.")
        raise AirflowFailException(
            f"The day {day} is past and has no file ({uri}). "
            "Put it there and clear this task, or set missing_file: skip."
        )

    def _tell_expected(self, context: Context) -> None:
        """Leave the place of the awaited file for the page in Airflow."""
        from airflow_provider_tiktok_offline.delivery.source.find_file import source_uri

        if self._handed_over(context) is None:
            config, day = self.advertiser_config(), self._day(context)
            leave_expected(config, context, day, source_uri(config.source, day))

    def _day(self, context: Context) -> date:
        return file_day(self.advertiser_config(), context, self.day)

    def _handed_over(self, context: Context) -> dict[str, object] | None:
        return arrived_files(self.advertiser_config(), context)
