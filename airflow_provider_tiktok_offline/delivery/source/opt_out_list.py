"""The advertiser's list of people who opted out, loaded fresh for every pass."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import GuardError

if TYPE_CHECKING:
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs import Suppression


def load_suppression(ctx: DeliveryContext) -> Suppression | None:
    """The advertiser's suppression list, or None where none is configured.

    :raises FileMissingError: if the list is configured and not there.
    :raises GuardError: if the list is older than ``max_age_hours``.
    """
    wanted = ctx.config.suppression
    if wanted is None:
        return None
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs import Suppression
    from airflow_provider_tiktok_offline.storage.files import open_files

    with open_files(wanted.uri, ctx.connections) as files:
        stamp = files.stat(wanted.uri)
        age = ctx.clock.now() - stamp.mtime
        if age > timedelta(hours=wanted.max_age_hours):
            raise GuardError(
                f"the suppression list is {age / timedelta(hours=1):.0f} hours old, "
                f"more than max_age_hours {wanted.max_age_hours:g} allows; nothing was sent.",
                where=wanted.uri,
                todo="Export the list again, or raise suppression.max_age_hours.",
            )
        with files.open_read(wanted.uri) as stream:
            return Suppression.load(stream, column=wanted.column, phone_region=ctx.config.phone_region)


def opted_out(ctx: DeliveryContext, frame: pl.DataFrame) -> pl.Series:
    """Which prepared events belong to somebody who is on the suppression list now.

    A list may have grown since the events were staged: what waits for a retry is held against the list of today.

    :param frame: prepared events, with their ``email_n`` and ``phone_n`` digests.
    :returns: one Boolean an event.
    """
    import numpy as np
    import polars as pl

    suppression = load_suppression(ctx)
    hit = np.zeros(frame.height, dtype=bool)
    if suppression is not None:
        for column in frame.columns:
            if column.startswith(("email_", "phone_")):
                hit |= suppression.covers(frame[column])
    return pl.Series("opted_out", hit)
