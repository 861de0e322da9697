"""Step 1: read the file once, judge every row, keep the report, hold the rejected share against the gate."""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.delivery.events.feed_verdicts import feed_settings, stage_verdicts
from airflow_provider_tiktok_offline.delivery.source.checksum_manifest import SummedFile
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.source.source_retention import quarantine
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import note_delivery, note_step
from airflow_provider_tiktok_offline.errors import FileChangedError, GateExceededError, InputFileError
from airflow_provider_tiktok_offline.storage.stamps import FileStamp

log = logging.getLogger(__name__)


def validate(ctx: DeliveryContext, stamp: Mapping[str, Any], *, as_of: datetime | None = None) -> dict[str, Any]:
    """Validate one conversion file and open its delivery.

    :param stamp: the file, as :func:`~airflow_provider_tiktok_offline.delivery.find.find` returns it; with a
        ``checksum`` (``sha256:<hex>``) its bytes are held against it.
    :param as_of: judge ages against another moment than the first time this file was validated.
    :returns: ``delivery_id``, ``uri``, ``digest``, ``as_of``, ``closed`` (a no-op: already delivered), the counts of
        rows by class, and ``report_uri``.
    :raises InputFileError: if the file can't be used at all.
    :raises GateExceededError: if too large a share of the rows is rejected; the report is kept.
    :raises DeliveryHeldError: if another run works on the same file.
    """
    from airflow_provider_tiktok_offline.conversions.preparation import prepare
    from airflow_provider_tiktok_offline.storage.files import open_files

    seen = FileStamp.from_dict(dict(stamp))
    settings = feed_settings(ctx, ctx.config.conversion_settings())
    moment = source_registry.first_seen(ctx, seen, as_of=as_of)
    with ExitStack() as stack:
        files = stack.enter_context(open_files(seen.uri, ctx.connections))
        now = files.stat(seen.uri)
        if (now.size, now.mtime) != (seen.size, seen.mtime):
            raise FileChangedError(
                f"the file has changed since it was found ({seen.size} bytes then, {now.size} now).",
                rule="file_changed",
                where=seen.uri,
                todo="Run the sensor again, so that the file is taken only when it is complete.",
            )
        stored = StoredFile(seen.uri, seen.size, files)
        checksum = stamp.get("checksum")
        source = stored if checksum is None else SummedFile(stored, checksum)
        suppression = load_suppression(ctx)
        spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiktok-offline-"))

        sidecar = Path(spill) / "verdicts" if ctx.config.route == "liveramp" else None

        def one_pass(at: datetime) -> Any:
            with sidecar.open("wb") if sidecar is not None else nullcontext() as verdicts:
                return prepare.validate(
                    source,
                    settings,
                    as_of=at,
                    suppression=suppression,
                    verdicts=verdicts,
                    options=prepare.PassOptions(
                        progress=lambda done, total, rows: ctx.progress("validate", done, total), spill_dir=spill
                    ),
                )

        try:
            report = one_pass(moment)
        except InputFileError:
            quarantine(ctx, seen)
            raise
        if isinstance(source, SummedFile):
            source.check()
        delivery_id = ctx.delivery_id(report.sha256)
        state = ctx.deliveries.enter(
            delivery_id,
            ctx.holder,
            advertiser=ctx.config.name,
            route=ctx.config.route,
            digest=report.sha256,
            uri=seen.uri,
            file_name=source.name,
            size=seen.size,
            as_of=moment,
        )
        note_delivery(ctx, delivery_id)
        source_registry.remember_digest(ctx, seen, as_of=moment, digest=report.sha256)
        if as_of is None and state.as_of != moment and state.status != "closed":
            # The same bytes came before under another stamp: they keep the moment they were first judged against.
            with Lease(ctx, state):
                report = one_pass(state.as_of)
        if sidecar is not None and state.status != "closed":
            stage_verdicts(ctx, delivery_id, sidecar)

    folder = ctx.folder(delivery_id)
    result: dict[str, Any] = {
        "delivery_id": delivery_id,
        "uri": seen.uri,
        "mtime": seen.mtime.isoformat(),
        "digest": report.sha256,
        "as_of": state.as_of.isoformat(),
        "closed": state.status == "closed",
        "rows_total": report.rows_total,
        "rows_valid": report.rows_valid,
        "rows_rejected": report.rows_rejected,
        "rows_duplicate": report.rows_duplicate,
        "rows_excluded": report.rows_excluded,
        "report_uri": ctx.uri(f"{folder}/report.json"),
    }
    if state.status == "closed":
        return result
    ctx.objects.put(f"{folder}/report.json", report.to_json().encode())
    _write_html(ctx, folder, report)
    log.info("%s", _table(report))
    note_step(ctx, state, "validate", {**result, "gate_exceeded": report.gate_exceeded})
    if report.gate_exceeded:
        quarantine(ctx, seen)
        share = report.rows_rejected / report.rows_total
        raise GateExceededError(
            f"{report.rows_rejected} of {report.rows_total} rows are rejected ({share:.1%}), more than "
            f"max_rejected_ratio {ctx.config.max_rejected_ratio:.1%} allows; nothing was sent.",
            where=seen.uri,
            todo=f"The report names rule, column and lines: {result['report_uri']}",
        )
    return result


def settings_fingerprint(ctx: DeliveryContext) -> str:
    """What a staged part depends on beside the file: the settings that decide what a row becomes."""
    return hashlib.sha256(repr(ctx.config.model_dump(mode="json")).encode()).hexdigest()[:16]


def _write_html(ctx: DeliveryContext, folder: str, report: Any) -> None:
    from airflow_provider_tiktok_offline.conversions.report.html_report import html

    ctx.objects.put(f"{folder}/report.html", html(report).encode())


def _table(report: Any) -> str:
    """The report as a table of plain text, as wide as a task's log shows it."""
    from rich.console import Console

    from airflow_provider_tiktok_offline.conversions.report.report import render

    text = io.StringIO()
    render(report, Console(file=text, width=140, color_system=None, force_terminal=False))
    return text.getvalue()
