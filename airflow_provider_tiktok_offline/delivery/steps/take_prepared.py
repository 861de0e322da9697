"""Steps 1 and 2 for events that were prepared before: ``tiktok-offline prepare``, perhaps on another machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.preparation.part_store import RETURNS, DirectoryParts
from airflow_provider_tiktok_offline.delivery.events.coverage import with_coverage
from airflow_provider_tiktok_offline.delivery.events.validation import check_gate, keep_report, validate_result
from airflow_provider_tiktok_offline.delivery.source.repeated_file import file_day_of, refuse_repeated
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery, note_step
from airflow_provider_tiktok_offline.delivery.state.staged_parts import PARTS_MANIFEST, StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import NormalizeHashResult, ValidateResult
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents


def take_prepared(ctx: DeliveryContext, directory: Path, *, day: date | None = None) -> ValidateResult:
    """Open the delivery of the file that ``directory`` was prepared from, and stage its events.

    :param day: the day that the file was for, else the one that its name says.

    :returns: as :func:`~airflow_provider_tiktok_offline.delivery.steps.validate.validate`.
    :raises InputFileError: if the preparation was not finished, or the file repeats the rows of another day.
    :raises SkippedFileError: if the file repeats the rows of another day, and is passed over.
    :raises ConfigError: if it was prepared with other settings than the advertiser's.
    :raises GateExceededError: if too large a share of the file's rows was rejected.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    source = DirectoryParts(directory)
    prepared = PreparedEvents.open(source)
    manifest = prepared.manifest
    _refuse_other_settings(ctx, prepared, where=str(directory))
    report = replace(prepared.report, max_rejected_ratio=ctx.config.max_rejected_ratio)
    day = file_day_of(ctx, manifest["file"], day)
    refuse_repeated(ctx, report, day, where=str(directory))
    check_gate(report, where=str(directory), todo="report.json in it names rule, column and lines.")
    state = ctx.deliveries.enter(
        ctx.delivery_id(manifest["sha256"]),
        ctx.holder,
        DeliveredFile(
            advertiser=ctx.config.name,
            route=ctx.config.route,
            digest=manifest["sha256"],
            uri=str(directory.absolute()),
            file_name=manifest["file"],
            size=manifest["size"],
            shared=bool(ctx.config.where),
            content=report.rows_sha256 or None,
            day=day,
        ),
        as_of=datetime.fromisoformat(manifest["as_of"]),
    )
    note_delivery(ctx, state.id)
    result = validate_result(ctx, state, report)
    if result.closed:
        return result
    parts = StagedParts(ctx.staging, state.id)
    with Lease(ctx, state):
        if NormalizeHashResult.of(state) is None or not parts.complete():
            _copy(source, parts, prepared)
    keep_report(ctx, state, with_coverage(ctx, report), result)
    staged = NormalizeHashResult(
        delivery_id=state.id,
        events=manifest["events"],
        parts=len(manifest["parts"]),
        manifest_uri=parts.manifest_uri,
    )
    note_step(ctx, state, staged)
    return result


def _refuse_other_settings(ctx: DeliveryContext, prepared: PreparedEvents, *, where: str) -> None:
    if not prepared.made_by(ctx.config.conversion_settings()):
        raise ConfigError(
            f"was prepared with other settings than those of {ctx.config.name}, or by another version of the package.",
            where=where,
            todo="Prepare the file again with this configuration.",
        )
    if ctx.config.send_after_days and not prepared.keeps_returns:
        raise ConfigError(
            f"was prepared without the returns that send_after_days of {ctx.config.name} needs.",
            where=where,
            todo="Prepare the file again with this configuration.",
        )


def _copy(source: DirectoryParts, parts: StagedParts, prepared: PreparedEvents) -> None:
    parts.clear()
    for part in prepared.manifest["parts"]:
        for name in (part["name"], part["leave_out"]):
            if name is not None:
                with source.open_read(name) as stream, parts.open_write(name) as target:
                    shutil.copyfileobj(stream, target, 1 << 20)
    if prepared.keeps_returns:
        parts.put(RETURNS, source.get(RETURNS))
    parts.put("report.json", source.get("report.json"))
    parts.put(PARTS_MANIFEST, source.get(PARTS_MANIFEST))
