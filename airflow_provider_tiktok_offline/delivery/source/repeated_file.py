"""Yesterday's content under today's name: neither delivered nor a success."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.source.find_file import day_in_name, expected
from airflow_provider_tiktok_offline.delivery.source.source_retention import quarantine
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.source_registry import remember_repeat
from airflow_provider_tiktok_offline.errors import InputFileError, SkippedFileError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp


def file_day_of(ctx: DeliveryContext, name: str, day: date | None) -> date | None:
    """The day that a file is for: as given, else as its name says; None if neither does."""
    return day or day_in_name(ctx.config.source, name, today=ctx.clock.now().astimezone(ctx.config.zone).date())


def repeated_delivery(ctx: DeliveryContext, report: Report, day: date | None) -> DeliveryState | None:
    """The closed live delivery of the same data rows for another day; None if there is none.

    A delivery of the same rows for the same day makes the file no repetition: it is delivered already.

    :param day: the day that the file is for; without one no file is a repetition.
    """
    if day is None or not report.rows_sha256:
        return None
    known = ctx.deliveries.delivered_content(ctx.config.name, report.rows_sha256)
    others = [state for state in known if state.day not in (None, day)]
    return others[-1] if others and not any(state.day == day for state in known) else None


def refuse_repeated(
    ctx: DeliveryContext,
    report: Report,
    day: date | None,
    *,
    where: str,
    seen: tuple[FileStamp, datetime] | None = None,
) -> None:
    """Stop at a file with the data rows of a closed delivery for another day, before anything is opened or staged.

    :param where: the file, for the error.
    :param seen: the file's stamp and the moment it is judged against; a path without a day then waits for the next one.
    :raises InputFileError: on a day on which a file is due, unless ``repeated_file`` is ``skip``.
    :raises SkippedFileError: if the file is passed over.
    """
    delivered = repeated_delivery(ctx, report, day)
    if delivered is None or day is None:
        return
    if seen is not None:
        remember_repeat(ctx, seen[0], as_of=seen[1], delivery_id=delivered.id)
    what = (
        f"the file for {day} has the rows that were delivered for {delivered.day} "
        f"({delivered.file_name}, {delivered.id})"
    )
    if ctx.config.source.repeated_file == "skip" or not expected(ctx.config, day, ctx.connections):
        raise SkippedFileError(f"{what}: nothing to send.", rule="repeated_file", where=where)
    if seen is not None:
        quarantine(ctx, seen[0])
    raise InputFileError(
        f"{what}; nothing was sent.",
        rule="repeated_file",
        where=where,
        todo="Ask for the export of that day. `source.repeated_file: skip` passes such files over.",
    )
