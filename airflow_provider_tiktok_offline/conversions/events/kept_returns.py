"""Returned lines that are kept: they are taken off the sales that wait, in this file and in others.

A return is known by the event id that its row would have and by its time and amount: one that comes again in a later
file, or twice in one, is the same return. Nothing of it is plaintext.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.events.event_id import content_numbers, id_bytes
from airflow_provider_tiktok_offline.conversions.rules.checked_block import EXCLUDED, REASONS, CheckedBlock

#: What is kept of one: the event id's 16 bytes, the fingerprint of time and amount, the amount in millionths, its
#: currency, and the file's line. A line whose category is not known is kept under each event that it may be of.
KEPT = pl.Schema(
    {
        "digest": pl.Binary(),
        "content": pl.UInt64(),
        "units": pl.Int64(),
        "currency": pl.String(),
        "line": pl.Int64(),
    }
)
#: What makes two of them one.
_SAME = ("digest", "content", "units", "currency")


def returned_lines(checked: CheckedBlock) -> npt.NDArray[np.int64]:
    """The positions of a block's rows that are left out as returns."""
    if "order_id" not in checked.values:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero((checked.classes == EXCLUDED) & (checked.reasons == REASONS.index("return")))


def kept_returns(checked: CheckedBlock, rows: npt.NDArray[np.int64], texts: pl.DataFrame) -> pl.DataFrame:
    """Some rows of a block as they are kept: :data:`KEPT`.

    :param rows: their positions.
    :param texts: ``row``, an index into ``rows``, and ``text``, what the event id is the hash of.
    """
    picked = rows[texts["row"].to_numpy()]
    return pl.DataFrame(
        {
            "digest": texts.select(id_bytes(pl.col("text"))).to_series(),
            "content": content_numbers(checked.epoch[picked], checked.units[picked]),
            "units": checked.units[picked],
            "currency": checked.values["currency"].gather(picked),
            "line": checked.lines[picked],
        },
        schema=KEPT,
    )


def each_once(returns: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Returned lines of several frames, each once and with its first line, in an order that depends on them alone."""
    lines = pl.concat(returns)
    return lines.sort(*_SAME, "line").unique(_SAME, keep="first", maintain_order=True)


class Netting:
    """What is taken off the events of one file before they are sent.

    :param returns: ``event_key`` and ``units`` (below 0) of each return.
    :param keys: event ids as event keys.
    """

    def __init__(self, returns: pl.DataFrame, keys: Callable[[pl.Series], pl.Series]) -> None:
        self._off = returns.group_by("event_key").agg(off=pl.col("units").sum())
        self._keys = keys

    def applied(self, staged: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
        """Staged rows with what is left of their amount, and with ``returned``: whether nothing is.

        Of what is returned as a whole the amount stays: it is the value that is not sent.

        :param ids: the event id of each row.
        """
        netted = staged.with_columns(event_key=self._keys(ids)).join(
            self._off, on="event_key", how="left", maintain_order="left"
        )
        left = pl.col("units") + pl.col("off").fill_null(0)
        returned = pl.col("off").is_not_null() & (left <= 0)
        return netted.with_columns(units=pl.when(returned).then("units").otherwise(left), returned=returned).drop(
            "event_key", "off"
        )
