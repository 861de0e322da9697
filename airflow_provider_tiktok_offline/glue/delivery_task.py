"""What every task of a delivery shares: whose settings, whose credentials, and how an error ends the task."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, conf
from airflow.sdk.log import mask_secret

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.report.report import number_of
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    GateExceededError,
    StoppedError,
    TikTokOfflineError,
    UnsettledError,
)
from airflow_provider_tiktok_offline.glue.log_sentences import size
from airflow_provider_tiktok_offline.glue.metrics import measured
from airflow_provider_tiktok_offline.glue.report_pages import page_link
from airflow_provider_tiktok_offline.glue.status_xcom import leaving_status
from airflow_provider_tiktok_offline.glue.unexpected_errors import unexpected_errors
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage.uris import parse

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext, Progress

#: Executors whose tasks run on the scheduler's own machine.
_LOCAL_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor"})

log = plain_logger(__name__)

#: For how long the link to a report can be followed by whoever has it: a working day.
_LINK_LIFETIME = timedelta(hours=8)
#: Seconds between two progress lines in a task's log.
_PROGRESS_EVERY = 10.0


class DeliveryTask:
    """Mixed into operators and the sensor: finds the advertiser's settings and makes the step's context.

    The settings come from ``settings`` if given, else from the entry ``advertiser`` of the file ``config``, as it
    stands when the task asks.
    """

    config: str | None
    advertiser: str | None
    settings: AdvertiserConfig | Mapping[str, object] | None
    #: Where a browser reads the report of what this task works on.
    report_link: str | None = None

    def name_advertiser(
        self, config: str | None, advertiser: str | None, settings: AdvertiserConfig | Mapping[str, object] | None
    ) -> None:
        """Keep what ``__init__`` was given to find the advertiser's settings by."""
        self.config = config
        self.advertiser = advertiser
        self.settings = settings

    def advertiser_config(self) -> AdvertiserConfig:
        """The advertiser's typed settings.

        :raises ConfigError: if they are missing or broken.
        """
        if isinstance(self.settings, AdvertiserConfig):
            return self.settings
        if self.settings is not None:
            from airflow_provider_tiktok_offline.config.loading import parse_advertiser

            return parse_advertiser(self.settings, where=f"task {getattr(self, 'task_id', '?')}")
        if self.config is None or self.advertiser is None:
            raise ConfigError(
                "no advertiser is named.",
                where=f"task {getattr(self, 'task_id', '?')}",
                todo="Give config= (path of advertisers.yaml) and advertiser=, or settings=.",
            )
        from airflow_provider_tiktok_offline.config.current import current_entry

        return current_entry(self.config_path(), self.advertiser).advertiser(self.advertiser)

    def config_path(self) -> str:
        """Where the configuration lies. A relative path starts at the folder of the task's DAG file, else where the
        process runs.
        """
        given = self.config or ""
        get_dag = getattr(self, "get_dag", None)
        dag = get_dag() if callable(get_dag) else None
        beside = Path(dag.fileloc).parent / given if dag is not None and dag.fileloc else None
        return given if beside is None or not beside.exists() else str(beside)

    def delivery_context(self, context: Context) -> DeliveryContext:
        """The step's view of the advertiser, with Airflow's connections, held by this DAG run."""
        from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
        from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections

        # asyncssh tells every step of every login at INFO.
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        run = context["dag_run"]
        config = self.advertiser_config()
        refuse_lonely_state(config)
        return DeliveryContext(
            config=config,
            connections=AirflowConnections(),
            holder=f"{run.dag_id}/{run.run_id}",
            progress=log_progress(),
            mask=mask_secret,
            set_aside=bool(getattr(self, "set_aside", False)),
        )

    @contextmanager
    def step(self, name: str, context: Context) -> Iterator[DeliveryContext]:
        """What a step is given; its errors end the task by their type, its time is measured, and its status is left.

        :param name: the step's, in the metrics.
        """
        with task_errors(context):
            ctx = self.delivery_context(context)
            status = leaving_status(name, ctx, context)
            with measured(name, ctx.config), status, naming_incidents(ctx), unexpected_errors():
                yield ctx

    @contextmanager
    def showing_report(self, ctx: DeliveryContext, context: Context) -> Iterator[None]:
        """Link the report of the run's first live delivery when the block is through, or stopped over what is in it."""
        try:
            yield
        except (GateExceededError, UnsettledError):
            self._show_report(ctx, context)
            raise
        self._show_report(ctx, context)

    def _show_report(self, ctx: DeliveryContext, context: Context) -> None:
        from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run

        try:
            ids = deliveries_of_run(ctx)
            if len(ids) > 1:
                # A run that was cleared after a dry run has the dry run's delivery, too.
                ids.sort(key=lambda one: not (state := ctx.deliveries.find(one)) or not state.counts)
            found = [f"{ctx.folder(delivery_id)}/report.html" for delivery_id in ids]
        except TikTokOfflineError as error:
            log.warning("There is no link to the report: %s", error)
            return
        for path in found[:1]:
            # The page also finds the advertiser's other reports by it.
            page = page_link(context["ti"], ctx.config.state_uri, path) if "ti" in context else None
            self.report_link = _signed(ctx, path) or page


def _signed(ctx: DeliveryContext, path: str) -> str | None:
    """The URL of a report in a bucket; None on a disk, or with credentials that can't sign."""
    try:
        return ctx.objects.link(path, _LINK_LIFETIME)
    except TikTokOfflineError as error:
        log.info("The report's URL can't be signed, so it is shown by Airflow: %s", error)
        return None


def refuse_lonely_state(config: AdvertiserConfig) -> None:
    """Refuse a local directory that the next task may not see.

    :raises ConfigError: if tasks run on other machines (any executor but the local one) while ``state_uri`` or
        ``staging_uri`` is a local directory that is not declared shared: a ledger there would forget what was sent.
    """
    executors = [name.strip() for name in conf.get("core", "executor", fallback="LocalExecutor").split(",")]
    remote = [name for name in executors if name.rpartition(".")[2].rpartition(":")[2] not in _LOCAL_EXECUTORS]
    local = [
        key
        for key, uri in (("state_uri", config.state_uri), ("staging_uri", config.staging))
        if parse(uri).scheme == "file"
    ]
    if remote and local and not config.state_shared:
        raise ConfigError(
            f"{' and '.join(local)} is a directory of one machine, and {', '.join(remote)} runs tasks on several: "
            "the ledger would forget what was sent.",
            where=config.name,
            todo="Use s3://conn_id@bucket/prefix, or set state_shared: true if every worker mounts the same directory.",
        )


class TaskFailedError(AirflowFailException):
    """A task failed, and a retry would not help.

    :param error: why.
    """

    def __init__(self, error: TikTokOfflineError) -> None:
        self.error = error
        super().__init__(f"{type(error).__name__}: {error}")


def skipped(reason: str) -> AirflowSkipException:
    """What a task that has nothing to do raises. Airflow's page folds its text away, so it is logged here, too."""
    log.info("Skipped: %s", reason)
    return AirflowSkipException(reason)


@contextmanager
def task_errors(context: Context | None = None) -> Iterator[None]:
    """Let Airflow retry what may pass, and fail at once what can't: the type of the error decides.

    :param context: the task's, for the log to say whether it is tried again.
    """
    try:
        with unexpected_errors():
            yield
    except TikTokOfflineError as error:
        if error.retryable:
            _log_try(error, context)
            raise
        log.error("%s", error)
        raise TaskFailedError(error) from None


def _log_try(error: TikTokOfflineError, context: Context | None) -> None:
    """Say that the task is tried again, or that it is not."""
    ti = None if context is None else context.get("ti")
    if ti is None or isinstance(error, StoppedError):
        # Who stops a task from outside decides whether there is another try.
        return
    if ti.try_number > ti.max_tries:
        log.error("%s That was the last try: clear this task once the cause is gone.", error)
    else:
        log.warning("%s That was try %d of %d; Airflow tries again.", error, ti.try_number, ti.max_tries + 1)


def _sent_events(number: int) -> str:
    return number_of(number, "event")


@contextmanager
def naming_incidents(ctx: DeliveryContext) -> Iterator[None]:
    """Let an error of TikTok's API say which incidents TikTok lists as open."""
    try:
        yield
    except TikTokOfflineError as error:
        from airflow_provider_tiktok_offline.delivery.operations.incidents import name_incidents

        name_incidents(ctx, error)
        raise


def log_progress() -> Progress:
    """Progress as a line in the task's log, at most one every ten seconds."""
    clock = system_clock()
    last = clock.monotonic()

    def report(step: str, done: int, total: int | None) -> None:
        nonlocal last
        now = clock.monotonic()
        if now - last < _PROGRESS_EVERY:
            return
        last = now
        amount = _sent_events if step == "upload" else size
        if total:
            log.info("%s: %s of %s (%.0f %%)", step, amount(done), amount(total), 100 * done / total)
        else:
            log.info("%s: %s", step, amount(done))

    return report
