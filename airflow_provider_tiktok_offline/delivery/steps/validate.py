"""Step 1: read the file once, judge every row, keep the report, and compare the rejected share with the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from airflow_provider_tiktok_offline.delivery.events.coverage import with_coverage
from airflow_provider_tiktok_offline.delivery.events.delivery_events import staged_verdicts
from airflow_provider_tiktok_offline.delivery.events.file_drift import with_drift
from airflow_provider_tiktok_offline.delivery.events.validation import (
    check_gate,
    keep_report,
    open_check,
    validate_result,
)
from airflow_provider_tiktok_offline.delivery.source.find_file import is_quiet
from airflow_provider_tiktok_offline.delivery.source.repeated_file import file_day_of, refuse_repeated
from airflow_provider_tiktok_offline.delivery.source.source_retention import quarantine
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import leave_replaced, note_delivery
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, ValidateResult
from airflow_provider_tiktok_offline.errors import InputFileError, SkippedFileError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

__all__ = ["validate"]


def validate(
    ctx: DeliveryContext, stamp: Mapping[str, object], *, as_of: datetime | None = None, day: date | None = None
) -> ValidateResult:
    """Validate one conversion file and open its delivery.

    :param stamp: the file, as :func:`~airflow_provider_tiktok_offline.delivery.source.find_file.find` returns it; with
        a ``checksum`` (``sha256:<hex>``) its bytes are compared with it.
    :param as_of: judge ages against another moment than the first time this file was validated.
    :param day: the day that the file is for, else the one that its name says: what a file without rows does depends on
        it, and whether a file repeats another day's.
    :returns: the delivery's id, the counts of rows by class and the report; ``closed`` if the file was delivered
        before and there is nothing to do.
    :raises SkippedFileError: if the file has no rows, or those of another day, and is passed over on such a day.
    :raises InputFileError: if the file can't be used at all, or has the rows of another day's delivery.
    :raises GateExceededError: if too large a share of the rows is rejected; the report is kept.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    checksum = stamp.get("checksum")
    found = FileStamp.from_dict(dict(stamp))
    with open_check(ctx, found, None if checksum is None else str(checksum)) as check:
        seen = check.stamp
        moment = source_registry.first_seen(ctx, seen, as_of=as_of)
        day = file_day_of(ctx, check.source.name, day)
        try:
            report = check.run(moment)
        except InputFileError as error:
            if error.rule == "header_only" and is_quiet(ctx.config, day, ctx.connections):
                leave_replaced(ctx, None, seen.uri)
                raise SkippedFileError(
                    "a header and no rows: a quiet day, nothing to send.", rule=error.rule, where=seen.uri
                ) from None
            quarantine(ctx, seen)
            raise
        check.verify_checksum()
        refuse_repeated(ctx, report, day, where=seen.uri, seen=(seen, moment))
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
            as_of=moment,
        )
        note_delivery(ctx, delivery_id)
        leave_replaced(ctx, delivery_id, seen.uri)
        source_registry.remember_digest(ctx, seen, as_of=moment, digest=report.sha256)
        if as_of is None and state.as_of != moment and state.status != "closed":
            # The same bytes came before under another stamp: they keep the moment they were first judged against.
            with Lease(ctx, state):
                report = check.run(state.as_of)
        planned = ctx.live and DedupeResult.of(state) is not None
        if state.status != "closed" and not (planned and staged_verdicts(ctx, delivery_id)):
            check.stage_verdicts(delivery_id)
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
