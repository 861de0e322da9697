"""The status that a task leaves as XCom, whether it succeeds or fails: what the page in Airflow shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.glue.file_day import file_day
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import AdvertiserStatus
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
    from airflow_provider_tiktok_offline.tiktok.check import Finding

log = plain_logger(__name__)

#: The small document of each step that reports its status.
STATUS_KEY = "tiktok_offline_status"
#: The figures of the last days, as columns.
HISTORY_KEY = "tiktok_offline_history"
#: What doctor has found, among the XComs of its task.
DOCTOR_KEY = "tiktok_offline_doctor"
#: Steps that leave a status when they end.
STEPS = frozenset({"prepare", "validate", "upload", "summary", "report"})
#: Steps that hand the history on.
_WITH_HISTORY = frozenset({"summary", "report"})


@contextmanager
def leaving_status(step: str, ctx: DeliveryContext, context: Context) -> Iterator[None]:
    """Leave the status when the block ends, with its error if it fails. A status that can't be left is logged."""
    try:
        yield
    except TikTokOfflineError as error:
        if step in STEPS:
            _leave(step, ctx, context, lambda: _noted(step, ctx, context), error)
        raise
    if step in STEPS:
        _leave(step, ctx, context, lambda: _noted(step, ctx, context))


def leave_findings(ctx: DeliveryContext, context: Context, findings: Sequence[Finding]) -> None:
    """Leave what doctor has found, and keep it with the advertiser's status."""
    from airflow_provider_tiktok_offline.delivery.operations import status_documents
    from airflow_provider_tiktok_offline.delivery.operations.status import doctor_status, note_doctor

    _leave(
        "doctor",
        ctx,
        context,
        lambda: note_doctor(ctx, findings),
        more={"doctor": status_documents.doctor_document(doctor_status(ctx, findings))},
    )


def leave_expected(config: AdvertiserConfig, context: Context, day: date, expected: str) -> None:
    """Leave what a sensor waits for.

    :param day: the file's day.
    :param expected: the file's place, rendered.
    """
    from airflow_provider_tiktok_offline.clock import system_clock
    from airflow_provider_tiktok_offline.delivery.operations.status_documents import settings_document
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import VERSION

    if "ti" not in context:
        return
    context["ti"].xcom_push(
        key=STATUS_KEY,
        value={
            "version": VERSION,
            "step": "wait_for_file",
            "at": system_clock().now().isoformat(timespec="seconds"),
            "ok": True,
            "settings": settings_document(config),
            "day": day.isoformat(),
            "expected": expected,
            "poke_seconds": config.source.poke_seconds,
            "timeout_seconds": config.source.timeout_seconds,
            "no_file_by": _time(config),
        },
    )


def leave_question(config: AdvertiserConfig, context: Context, breaches: Sequence[str], until: datetime | None) -> None:
    """Leave what a person is asked.

    :param breaches: the guards that are breached, in words without an amount.
    :param until: when the file counts as rejected, aware; None for never.
    """
    from airflow_provider_tiktok_offline.clock import system_clock
    from airflow_provider_tiktok_offline.delivery.operations.status_documents import settings_document
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import VERSION

    if "ti" not in context:
        return
    day = _day(config, context)
    context["ti"].xcom_push(
        key=STATUS_KEY,
        value={
            "version": VERSION,
            "step": "approve",
            "at": system_clock().now().isoformat(timespec="seconds"),
            "ok": True,
            "settings": settings_document(config),
            "day": None if day is None else day.isoformat(),
            "breaches": list(breaches),
            "approvers": list(config.guards.approvers),
            "until": None if until is None else until.isoformat(timespec="seconds"),
        },
    )


def _leave(
    step: str,
    ctx: DeliveryContext,
    context: Context,
    note: Callable[[], AdvertiserStatus | None],
    error: TikTokOfflineError | None = None,
    *,
    more: Mapping[str, object] | None = None,
) -> None:
    """Leave a step's status.

    :param note: keeps what the step did with the advertiser's status, and returns that; None if there is nothing.
    :param more: what is known even if the state can't be reached.
    """
    if "ti" not in context:
        return
    from airflow_provider_tiktok_offline.delivery.operations import status_documents
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import VERSION
    from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run, deliveries_set_aside

    now = ctx.clock.now()
    day = _day(ctx.config, context)
    document: dict[str, object] = {
        "version": VERSION,
        "step": step,
        "at": now.isoformat(timespec="seconds"),
        "ok": error is None,
        "error": None if error is None else status_documents.error_document(error),
        "settings": status_documents.settings_document(ctx.config),
        "day": None if day is None else day.isoformat(),
        **(more or {}),
    }
    # Whatever goes wrong here, the delivery goes on, and a step's own error ends its task.
    try:
        status = note()
        if status is not None:
            last = max(now.astimezone(ctx.config.zone).date(), day or date.min)
            ids = () if step in ("doctor", "report") else deliveries_of_run(ctx)
            document |= status_documents.recent_document(status, last, ids)
            if step == "summary":
                document["set_aside"] = len(deliveries_set_aside(ctx))
            if step in _WITH_HISTORY:
                context["ti"].xcom_push(key=HISTORY_KEY, value=status_documents.history_document(status, last))
    except TikTokOfflineError as fault:
        log.warning("The status of the run is incomplete: %s", fault)
    except Exception as fault:
        log.warning("The status of the run is incomplete: unexpected %s", type(fault).__name__)
    context["ti"].xcom_push(key=DOCTOR_KEY if step == "doctor" else STATUS_KEY, value=document)


def _noted(step: str, ctx: DeliveryContext, context: Context) -> AdvertiserStatus | None:
    """The advertiser's status after a step; None where the step changes nothing of it."""
    from airflow_provider_tiktok_offline.delivery.operations.status import note_run
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import read_status

    match step:
        case "prepare" | "validate" | "summary":
            return note_run(ctx, _day(ctx.config, context))
        case "report":
            return read_status(ctx)
    return None


def _time(config: AdvertiserConfig) -> str | None:
    told_by = None if config.notifications is None else config.notifications.no_file_by
    return None if told_by is None else told_by.isoformat(timespec="minutes")


def _day(config: AdvertiserConfig, context: Context) -> date | None:
    """The day whose file the run is for; None for a run without one."""
    try:
        return file_day(config, context)
    except TikTokOfflineError:
        return None
