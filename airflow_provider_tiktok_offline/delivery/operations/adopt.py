"""Adopting files that were delivered by other means: their transactions count as sent, and nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.source.repeated_file import file_day_of
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import AdoptResult
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger


def adopt_file(ctx: DeliveryContext, ledger: Ledger, uri: str, *, reason: str, day: date | None = None) -> AdoptResult:
    """Record a file's valid transactions as delivered, whatever their age, and the file as handled.

    :param ledger: the event set's ledger, or one whose rebuild is under way.
    :param uri: the file.
    :param day: the day that the file is for, else the one that its name says.
    :returns: how many transactions the file holds, and how many of them the ledger did not know.
    :raises InputFileError: if the file can't be used at all.
    :raises DeliveryHeldError: if a run delivers it now.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.ledger import corrections
    from airflow_provider_tiktok_offline.storage.files import open_files

    now = ctx.clock.now()
    settings = replace(ctx.config.conversion_settings(), lookback_days=None, send_from=None)
    with (
        open_files(uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder,
    ):
        parts = DirectoryParts(Path(folder) / "parts")
        stamp = files.stat(uri)
        report = prepare(
            StoredFile(uri, stamp.size, files),
            settings,
            as_of=now,
            output=parts,
            options=PassOptions(
                progress=lambda done, total, _rows: ctx.progress("adopt", done, total), spill_dir=folder
            ),
        ).report
        delivery_id = ctx.delivery_id(report.sha256)
        file = _delivered_file(ctx, uri, stamp.size, report, day)
        state = ctx.deliveries.enter(delivery_id, ctx.holder, file, as_of=now)
        ledger.keep_identity(ctx.config.identity_settings().with_file(report.identity_columns), actor=ctx.holder)
        events = PreparedEvents.open(parts)
        new = corrections.adopt(
            ledger, delivery_id, _frames(ledger, events), route=ctx.config.route, reason=reason, actor=ctx.holder
        )
    result = AdoptResult(
        delivery_id=delivery_id,
        file=report.file,
        events=events.manifest["events"],
        new=new,
        rejected=report.rows_rejected,
    )
    if state.status != "closed":
        ctx.deliveries.save(state, status="closed", steps={result.STEP: result.to_document()})
    return result


def rebuild_ledger(
    ctx: DeliveryContext, uris: list[str], *, reason: str, on_adopted: Callable[[AdoptResult], None]
) -> None:
    """Rebuild a lost or damaged ledger from the files that were kept; an interrupted rebuild is continued.

    :param uris: every file that was ever delivered and may still be within the lookback.
    :param on_adopted: called with the result of each file.
    :raises ConfigError: without a file.
    """
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger, LedgerOptions
    from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace
    from airflow_provider_tiktok_offline.ledger.rebuilding import begin_rebuild, finish_rebuild

    if not uris:
        raise ConfigError("a ledger is rebuilt from files.", todo="Name every file that was delivered.")
    place = LedgerPlace(ctx.objects, ctx.config.event_set_id, ctx.clock)
    identity = ctx.config.identity_settings()
    begin_rebuild(place, identity=identity, reason=reason, actor=ctx.holder, secret=ctx.ledger_secret)
    ledger = Ledger.open(
        ctx.objects,
        place.event_set_id,
        identity=identity,
        clock=ctx.clock,
        secret=ctx.ledger_secret,
        options=LedgerOptions(deliveries=ctx.deliveries, rebuilding=True),
    )
    for uri in uris:
        on_adopted(adopt_file(ctx, ledger, uri, reason=reason))
    finish_rebuild(place, reason=reason, actor=ctx.holder)


def _delivered_file(ctx: DeliveryContext, uri: str, size: int, report: Report, day: date | None) -> DeliveredFile:
    return DeliveredFile(
        advertiser=ctx.config.name,
        route=ctx.config.route,
        digest=report.sha256,
        uri=uri,
        file_name=report.file,
        size=size,
        shared=bool(ctx.config.where),
        content=report.rows_sha256,
        day=file_day_of(ctx, report.file, day),
    )


def _frames(ledger: Ledger, events: PreparedEvents) -> Iterator[pl.DataFrame]:
    for index in range(len(events.parts)):
        frame = events.read(index)
        yield frame.select(ledger.keys(frame["event_id"]).alias("event_key"), "content", "event_time")
