"""From a pass over a file to its delivery: what ``validate`` and ``prepare_file`` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.coverage import with_coverage
from airflow_provider_tiktok_offline.delivery.events.delivery_events import staged_verdicts
from airflow_provider_tiktok_offline.delivery.events.file_drift import with_drift
from airflow_provider_tiktok_offline.delivery.events.validation import (
    FileCheck,
    check_gate,
    keep_report,
    validate_result,
)
from airflow_provider_tiktok_offline.delivery.source.find_file import is_quiet
from airflow_provider_tiktok_offline.delivery.source.repeated_file import file_day_of, refuse_repeated
from airflow_provider_tiktok_offline.delivery.source.source_retention import quarantine
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import is_planned, leave_replaced, note_delivery
from airflow_provider_tiktok_offline.delivery.state.step_results import ValidateResult
from airflow_provider_tiktok_offline.errors import InputFileError, SkippedFileError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def open_delivery(
    ctx: DeliveryContext,
    check: FileCheck,
    read: Callable[[datetime], Report],
    *,
    as_of: datetime | None,
    day: date | None,
) -> tuple[DeliveryState, Report]:
    """Judge a file's rows, and open its delivery if the file is one to be delivered.

    :param read: judges every row against a moment; :meth:`.validation.FileCheck.run` reads the file for it.
    :param as_of: judge ages against another moment than the first time this file was read.
    :param day: the day that the file is for, else the one that its name says.
    :raises SkippedFileError: if the file has no rows, or those of another day, and is passed over on such a day.
    :raises InputFileError: if the file can't be used at all, or has the rows of another day's delivery.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    seen = check.stamp
    moment = source_registry.first_seen(ctx, seen, as_of=as_of)
    day = file_day_of(ctx, check.source.name, day)
    try:
        report = read(moment)
    except InputFileError as error:
        if error.rule == "header_only" and is_quiet(ctx.config, day, ctx.connections):
            leave_replaced(ctx, None, seen.uri)
            raise SkippedFileError(
                "a header and no rows: a quiet day, nothing to send.", rule=error.rule, where=seen.uri
            ) from None
        if error.rule != "checksum":
            quarantine(ctx, seen)
        raise
    refuse_repeated(ctx, report, day, where=seen.uri, seen=(seen, moment))
    state = _enter(ctx, check, report, as_of=moment, day=day)
    if as_of is None and state.as_of != moment and state.status != "closed":
        # The same bytes came before under another stamp: they keep the moment they were first judged against.
        with Lease(ctx, state):
            report = read(state.as_of)
    return state, report


def _enter(
    ctx: DeliveryContext, check: FileCheck, report: Report, *, as_of: datetime, day: date | None
) -> DeliveryState:
    seen = check.stamp
    delivery_id = ctx.delivery_id(report.sha256)
    state = ctx.deliveries.enter(
        delivery_id,
        ctx.holder,
        DeliveredFile(
            advertiser=ctx.config.name,
            route=ctx.config.route,
            digest=report.sha256,
            uri=seen.uri,
            file_name=check.source.name,
            size=seen.size,
            shared=bool(ctx.config.where),
            content=report.rows_sha256,
            day=day,
        ),
        as_of=as_of,
    )
    note_delivery(ctx, delivery_id)
    leave_replaced(ctx, delivery_id, seen.uri)
    source_registry.remember_digest(ctx, seen, as_of=as_of, digest=report.sha256, checksum=check.checksum)
    return state


def stage_new_verdicts(ctx: DeliveryContext, check: FileCheck, state: DeliveryState) -> None:
    """Stage the verdicts of a pass, where the route needs them and no plan was made on those that are staged."""
    if state.status != "closed" and not (is_planned(ctx, state) and staged_verdicts(ctx, state.id)):
        check.stage_verdicts(state.id)


def judge(ctx: DeliveryContext, seen: FileStamp, state: DeliveryState, report: Report) -> ValidateResult:
    """Compare a file with those of the days before and with the gate, and keep its report with the delivery.

    :param seen: the file as it stood when it was read.
    :raises GateExceededError: if too large a share of the rows is rejected; the report is kept.
    """
    if state.status != "closed":
        report = with_coverage(ctx, with_drift(ctx, report))
    result = validate_result(ctx, state, report, mtime=seen.mtime)
    if result.closed:
        return result
    keep_report(ctx, state, report, result)
    if report.gate_exceeded:
        quarantine(ctx, seen)
    check_gate(report, where=seen.uri, todo=f"The report names rule, column and lines: {result.report_uri}")
    return result
