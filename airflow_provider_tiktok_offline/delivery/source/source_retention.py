"""What becomes of a source file: kept, archived or deleted once delivered, quarantined if it can't be used."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import ValidateResult
from airflow_provider_tiktok_offline.errors import FileMissingError, StorageDeniedError, StorageError
from airflow_provider_tiktok_offline.storage.uris import is_uri, parse

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp


def retain_source(ctx: DeliveryContext, state: DeliveryState) -> None:
    """Keep, archive or delete a delivered file, as ``source.after_delivery`` says; nothing outside live mode.

    A file that is gone was archived or deleted before; another file under the same name is left alone.

    :raises StorageError: if the file can't be moved or deleted.
    """
    wanted = ctx.config.source.after_delivery
    if wanted == "keep" or not ctx.live:
        return
    from airflow_provider_tiktok_offline.storage.files import open_files

    with open_files(state.uri, ctx.connections) as files, contextlib.suppress(FileMissingError):
        stamp = files.stat(state.uri)
        validated = ValidateResult.of(state)
        mtime = None if validated is None else validated.mtime
        if stamp.size != state.size or (mtime is not None and stamp.mtime != datetime.fromisoformat(mtime)):
            return
        if wanted == "delete":
            files.delete(state.uri)
        elif ctx.config.source.archive_path is not None:
            _move(files, state.uri, ctx.config.source.archive_path, state.digest)


def quarantine(ctx: DeliveryContext, stamp: FileStamp) -> None:
    """Move a file that can't be used to ``source.quarantine_path``, if there is one; nothing outside live mode."""
    folder = ctx.config.source.quarantine_path
    if folder is None or not ctx.live:
        return
    from airflow_provider_tiktok_offline.storage.files import open_files

    with open_files(stamp.uri, ctx.connections) as files, contextlib.suppress(FileMissingError):
        now = files.stat(stamp.uri)
        if (now.size, now.mtime) == (stamp.size, stamp.mtime):
            _move(files, stamp.uri, folder, f"{stamp.mtime:%Y%m%dT%H%M%S}")


def _move(files: RemoteFiles, uri: str, folder: str, mark: str) -> None:
    """Move a file into a folder of its own store; where its name is taken, under a name with a mark."""
    source = parse(uri)
    if is_uri(folder):
        target = parse(folder)
    else:
        target = replace(source, path=folder.lstrip("/") if source.bucket else f"/{folder.lstrip('/')}")
    try:
        files.move(uri, str(target.child(source.name)))
    except (StorageDeniedError, FileMissingError):
        raise
    except StorageError as error:
        if error.retryable:
            raise
        stem, dot, ending = source.name.partition(".")
        files.move(uri, str(target.child(f"{stem}-{mark[:15]}{dot}{ending}")))
