"""Files that were delivered by other means: what is in them counts as sent, and nothing is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger


def adopt_file(ctx: DeliveryContext, ledger: Ledger, uri: str, *, reason: str) -> dict[str, Any]:
    """Record a file's valid transactions as delivered, whatever their age, and the file as handled.

    :param ledger: the event set's ledger, or one whose rebuild is under way.
    :param uri: the file.
    :returns: ``delivery_id``, ``file``, ``events`` (valid ones of the file), ``new`` (not in the ledger before) and the
        rows that are not adopted because they are ``rejected``.
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
        state = ctx.deliveries.enter(
            delivery_id,
            ctx.holder,
            advertiser=ctx.config.name,
            route=ctx.config.route,
            digest=report.sha256,
            uri=uri,
            file_name=report.file,
            size=stamp.size,
            as_of=now,
        )
        events = PreparedEvents.open(parts)
        new = corrections.adopt(
            ledger, delivery_id, _frames(ledger, events), route=ctx.config.route, reason=reason, actor=ctx.holder
        )
    result = {
        "delivery_id": delivery_id,
        "file": report.file,
        "events": events.manifest["events"],
        "new": new,
        "rejected": report.rows_rejected,
    }
    if state.status != "closed":
        ctx.deliveries.save(state, status="closed", steps={"adopt": result})
    return result


def rebuild_ledger(
    ctx: DeliveryContext, uris: list[str], *, reason: str, told: Callable[[dict[str, Any]], None]
) -> None:
    """Make a lost or damaged ledger again from the files that were kept; one that broke off is gone on with.

    :param uris: every file that was ever delivered and may still be within the lookback.
    :param told: called with the result of each file.
    :raises ConfigError: without a file.
    """
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger
    from airflow_provider_tiktok_offline.ledger.rebuilding import begin_rebuild, finish_rebuild

    if not uris:
        raise ConfigError("a ledger is rebuilt from files.", todo="Name every file that was delivered.")
    event_set_id = ctx.config.event_set_id
    identity = ctx.config.identity_settings()
    begin_rebuild(
        ctx.objects,
        event_set_id,
        identity=identity,
        clock=ctx.clock,
        reason=reason,
        actor=ctx.holder,
        secret=ctx.ledger_secret,
    )
    ledger = Ledger.open(
        ctx.objects,
        event_set_id,
        identity=identity,
        clock=ctx.clock,
        secret=ctx.ledger_secret,
        deliveries=ctx.deliveries,
        rebuilding=True,
    )
    for uri in uris:
        told(adopt_file(ctx, ledger, uri, reason=reason))
    finish_rebuild(ctx.objects, event_set_id, clock=ctx.clock, reason=reason, actor=ctx.holder)


def _frames(ledger: Ledger, events: PreparedEvents) -> Iterator[pl.DataFrame]:
    for index in range(len(events.parts)):
        frame = events.read(index)
        yield frame.select(ledger.keys(frame["event_id"]).alias("event_key"), "content", "event_time")
