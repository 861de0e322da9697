"""Step 2: valid rows become hashed events, staged as Parquet parts that hold no plaintext identifier."""

from __future__ import annotations

import tempfile
from typing import Any

from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import note_step, resume
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts


def normalize_hash(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    """Normalise and hash the delivery's file into staged parts.

    :returns: ``delivery_id``, ``closed``, ``events``, ``parts`` (how many) and ``manifest_uri``.
    :raises FileChangedError: if the file's bytes are not those that were validated.
    :raises DeliveryHeldError: if another run holds the delivery.
    """
    from airflow_provider_tiktok_offline.conversions.preparation import prepare
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.storage.files import open_files

    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return {"delivery_id": delivery_id, "closed": True, "events": 0, "parts": 0, "manifest_uri": None}
    parts = StagedParts(ctx.staging, delivery_id)
    wanted = ctx.config.conversion_settings().fingerprint()
    done = state.steps.get("normalize_hash")
    if done is not None and parts.complete() and PreparedEvents.open(parts).manifest["settings"] == wanted:
        return dict(done)
    with (
        Lease(ctx, state),
        open_files(state.uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as spill,
    ):
        sweep_staging(ctx)
        parts.clear()
        prepared = prepare.prepare(
            StoredFile(state.uri, state.size, files),
            ctx.config.conversion_settings(),
            as_of=state.as_of,
            output=parts,
            suppression=load_suppression(ctx),
            options=prepare.PassOptions(
                expected_sha256=state.digest,
                part_events=ctx.config.upload.part_events,
                progress=lambda done, total, rows: ctx.progress("normalize_hash", done, total),
                spill_dir=spill,
            ),
        )
    result = {
        "delivery_id": delivery_id,
        "closed": False,
        "events": sum(part["events"] for part in prepared.manifest["parts"]),
        "parts": len(prepared.manifest["parts"]),
        "manifest_uri": parts.manifest_uri,
    }
    note_step(ctx, state, "normalize_hash", result)
    return result
