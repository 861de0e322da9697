"""Rows of people who opted out after their file was validated: the last look before a feed file leaves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.feed_setup import contract_settings
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import later_opt_outs
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.errors import FileChangedError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def lines_of_later_opt_outs(ctx: DeliveryContext, state: DeliveryState) -> tuple[int, ...]:
    """The lines of a delivery's file whose people are on the list now.

    The file is read again only if the list has changed since its rows were checked. It holds the identifiers in clear,
    so that every reading of them can be compared.

    :raises FileMissingError: if a list is configured and not there.
    :raises OptOutListError: if the list can't be used.
    :raises FileChangedError: if the file's bytes are not those that were validated.
    """
    from airflow_provider_tiktok_offline.conversions.preparation import prepare
    from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
    from airflow_provider_tiktok_offline.storage.files import open_files

    people = later_opt_outs(ctx, StagedParts(ctx.staging, state.id))
    if people is None:
        return ()
    with (
        open_files(state.uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder,
    ):
        verdicts = Path(folder) / "verdicts"
        with verdicts.open("wb") as sink:
            report = prepare.validate(
                StoredFile(state.uri, state.size, files),
                contract_settings(ctx),
                as_of=state.as_of,
                suppression=people,
                verdicts=sink,
                options=prepare.PassOptions(spill_dir=folder),
            )
        if report.sha256 != state.digest:
            raise FileChangedError(
                "the file has changed since it was validated; nothing of it was delivered.",
                rule="file_changed",
                where=state.uri,
                todo="Run the delivery again from validate.",
            )
        with verdicts.open("rb") as stream:
            return tuple(line for frame in read_verdicts(stream) for line in _suppressed(frame))


def _suppressed(verdicts: pl.DataFrame) -> list[int]:
    import polars as pl

    lines: list[int] = verdicts.filter(pl.col("reason") == "suppressed")["line"].to_list()
    return lines
