"""Step 2: valid rows become hashed events, staged as Parquet parts that hold no plaintext identifier."""

from __future__ import annotations

import tempfile

from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression, note_staged_under
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import is_planned, note_step, resume
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import NormalizeHashResult


def normalize_hash(ctx: DeliveryContext, delivery_id: str) -> NormalizeHashResult:
    """Normalise and hash the delivery's file into staged parts.

    :returns: how many events and parts are staged, and where.
    :raises FileChangedError: if the file's bytes are not those that were validated.
    :raises DeliveryHeldError: if another run holds the delivery.
    """
    from airflow_provider_tiktok_offline.conversions.preparation import prepare
    from airflow_provider_tiktok_offline.storage.files import open_files

    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return NormalizeHashResult(delivery_id=delivery_id, closed=True)
    parts = StagedParts(ctx.staging, delivery_id)
    done = NormalizeHashResult.of(state)
    if done is not None and parts.complete() and (is_planned(ctx, state) or _same_settings(ctx, parts)):
        return done
    with (
        Lease(ctx, state),
        open_files(state.uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as spill,
    ):
        sweep_staging(ctx)
        parts.clear()
        people = load_suppression(ctx)
        prepared = prepare.prepare(
            StoredFile(state.uri, state.size, files),
            ctx.config.conversion_settings(),
            as_of=state.as_of,
            output=parts,
            suppression=people,
            options=prepare.PassOptions(
                expected_sha256=state.digest,
                part_events=ctx.config.upload.part_events,
                progress=lambda done, total, rows: ctx.progress("normalize_hash", done, total),
                spill_dir=spill,
            ),
        )
    note_staged_under(ctx, parts, people)
    staged = prepared.manifest["parts"]
    result = NormalizeHashResult(
        delivery_id=delivery_id,
        events=sum(part["events"] for part in staged),
        parts=len(staged),
        manifest_uri=parts.manifest_uri,
    )
    note_step(ctx, state, result)
    return result


def _same_settings(ctx: DeliveryContext, parts: StagedParts) -> bool:
    """Whether the parts were staged with the settings and the recipe of now, and with the returns that are wanted."""
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents

    events = PreparedEvents.open(parts)
    return events.made_by(ctx.config.conversion_settings()) and events.keeps_returns >= bool(ctx.config.send_after_days)
