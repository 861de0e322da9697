"""Steps 1 and 2 for events that were prepared before: ``tiktok-offline prepare``, perhaps on another machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.delivery.events.validation import check_gate
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery, note_step
from airflow_provider_tiktok_offline.delivery.state.staged_parts import MANIFEST, StagedParts
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents


def take_prepared(ctx: DeliveryContext, directory: Path) -> dict[str, Any]:
    """Open the delivery of the file that ``directory`` was prepared from, and stage its events.

    :returns: as :func:`~airflow_provider_tiktok_offline.delivery.validate.validate`.
    :raises InputFileError: if nothing was prepared there to its end.
    :raises ConfigError: if it was prepared with other settings than the advertiser's.
    :raises GateExceededError: if too large a share of the file's rows was rejected.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    source = DirectoryParts(directory)
    prepared = PreparedEvents.open(source)
    manifest, report = prepared.manifest, prepared.report
    _check(ctx, directory, prepared)
    delivery_id = ctx.delivery_id(manifest["sha256"])
    state = ctx.deliveries.enter(
        delivery_id,
        ctx.holder,
        advertiser=ctx.config.name,
        route=ctx.config.route,
        digest=manifest["sha256"],
        uri=str(directory.absolute()),
        file_name=manifest["file"],
        size=manifest["size"],
        as_of=datetime.fromisoformat(manifest["as_of"]),
    )
    note_delivery(ctx, delivery_id)
    folder = ctx.folder(delivery_id)
    result: dict[str, Any] = {
        "delivery_id": delivery_id,
        "uri": state.uri,
        "digest": state.digest,
        "as_of": state.as_of.isoformat(),
        "closed": state.status == "closed",
        **{name: getattr(report, name) for name in _COUNTS},
        "report_uri": ctx.uri(f"{folder}/report.json"),
    }
    if state.status == "closed":
        return result
    parts = StagedParts(ctx.staging, delivery_id)
    with Lease(ctx, state):
        ctx.objects.put(f"{folder}/report.json", source.get("report.json"))
        if "normalize_hash" not in state.steps or not parts.complete():
            _copy(source, parts, manifest)
    note_step(ctx, state, "validate", {**result, "gate_exceeded": False})
    note_step(
        ctx,
        state,
        "normalize_hash",
        {
            "delivery_id": delivery_id,
            "closed": False,
            "events": manifest["events"],
            "parts": len(manifest["parts"]),
            "manifest_uri": parts.manifest_uri,
            "settings": ctx.settings_fingerprint,
        },
    )
    return result


_COUNTS = ("rows_total", "rows_valid", "rows_rejected", "rows_duplicate", "rows_excluded")


def _check(ctx: DeliveryContext, directory: Path, prepared: PreparedEvents) -> None:
    report = prepared.report
    if prepared.manifest.get("settings") != ctx.config.conversion_settings().fingerprint():
        raise ConfigError(
            f"was prepared with other settings than those of {ctx.config.name}.",
            where=str(directory),
            todo="Prepare the file again with this configuration.",
        )
    check_gate(
        replace(report, max_rejected_ratio=ctx.config.max_rejected_ratio),
        where=str(directory),
        todo="report.json in it names rule, column and lines.",
    )


def _copy(source: DirectoryParts, parts: StagedParts, manifest: dict[str, Any]) -> None:
    parts.clear()
    for part in manifest["parts"]:
        for name in (part["name"], part["leave_out"]):
            if name is not None:
                with source.open_read(name) as stream, parts.open_write(name) as target:
                    shutil.copyfileobj(stream, target, 1 << 20)
    parts.put("report.json", source.get("report.json"))
    parts.put(MANIFEST, source.get("manifest.json"))
