"""Returned lines that are kept: they are taken off the sales that wait, in this file and in others.

A return is known by the event id that its row would have and by its time and amount: one that comes again in a later
file is the same return. Inside a file its product tells it apart, too. Nothing of it is plaintext.

A return that was taken off its order inside its file is kept too, with the order's other lines. If the file repeats the
lines of a sale that waits, as an export of several days does, the return is that sale's as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.events.event_id import content_numbers, id_bytes
from airflow_provider_tiktok_offline.conversions.rules.checked_block import EXCLUDED, REASONS, CheckedBlock

#: What is kept of one: the event id's 16 bytes, the fingerprint of time and amount, the amount in millionths, its
#: currency, and the file's line. A line whose category is not known is kept under each event that it may be of.
#: ``netted`` are all lines of an order from which returns were taken off inside the file.
KEPT = pl.Schema(
    {
        "digest": pl.Binary(),
        "content": pl.UInt64(),
        "units": pl.Int64(),
        "currency": pl.String(),
        "line": pl.Int64(),
        "netted": pl.Boolean(),
    }
)
#: The same with a number for the row's own identity, its product in it, by which :func:`once` knows it.
KEPT_WITH_IDENTITY = pl.Schema({**KEPT, "identity": pl.UInt64()})
#: What makes two of them one.
_SAME = ("digest", "content", "units", "currency")
#: How many ways to find a sale's lines among those of another file's order are tried.
_MOST_TRIED = 20_000


def returned_lines(checked: CheckedBlock) -> npt.NDArray[np.int64]:
    """The positions of a block's rows that are left out as returns."""
    if "order_id" not in checked.values:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero((checked.classes == EXCLUDED) & (checked.reasons == REASONS.index("return")))


def kept_returns(
    checked: CheckedBlock, rows: npt.NDArray[np.int64], texts: pl.DataFrame, identities: npt.NDArray[np.uint64]
) -> pl.DataFrame:
    """Some rows of a block as they are kept: :data:`KEPT`, and ``identity`` for :func:`once`.

    :param rows: their positions.
    :param texts: ``row``, an index into ``rows``, and ``text``, what the event id is the hash of.
    :param identities: a number for each row's own identity, its product in it.
    """
    picked = rows[texts["row"].to_numpy()]
    return pl.DataFrame(
        {
            "digest": texts.select(id_bytes(pl.col("text"))).to_series(),
            "content": content_numbers(checked.epoch[picked], checked.units[picked]),
            "units": checked.units[picked],
            "currency": checked.values["currency"].gather(picked),
            "line": checked.lines[picked],
            "netted": np.zeros(len(picked), dtype=np.bool_),
            "identity": identities[texts["row"].to_numpy()],
        },
        schema=KEPT_WITH_IDENTITY,
    )


def as_kept(stored: pl.DataFrame) -> pl.DataFrame:
    """Lines that were kept, also by a package that did not keep what is netted inside a file."""
    if "netted" not in stored.columns:
        stored = stored.with_columns(netted=pl.lit(False))
    return stored.select(KEPT.names())


def each_once(returns: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Returned lines of several files, each once and with its first line, in an order that depends on them alone.

    Equal lines of one file that were told apart there, as by their products, stay apart: they are as many as the file
    with the most of them has.
    """
    lines = pl.concat([_numbered(one) for one in returns])
    return lines.sort(*_SAME, "line").unique([*_SAME, "which"], keep="first", maintain_order=True).drop("which")


def without(returns: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Returned lines but for those that are among others, one for one."""
    same = [*_SAME, "which"]
    return _numbered(returns).join(_numbered(others), on=same, how="anti", nulls_equal=True).drop("which")


def once(blocks: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The returned lines of a file's blocks, of those that the file repeats the first."""
    if not blocks:
        return KEPT.to_frame()
    lines = pl.concat(blocks).sort(*_SAME, "line")
    return lines.unique([*_SAME, "identity"], keep="first", maintain_order=True).select(KEPT.names())


def _numbered(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with ``which`` of several equal ones of their file each is."""
    return lines.sort(*_SAME, "line").with_columns(which=pl.int_range(pl.len()).over(_SAME))


def returns_for(kept: pl.DataFrame, sales: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What another file's kept lines say of the returns of some sales.

    Of an order that holds the lines of the sale itself, its returns are the sale's, whether they were taken off there
    or not. Of another order of the same id, what is left of its returns inside its file; those that were taken off
    there have their sale.

    :param kept: the file's :data:`KEPT` lines.
    :param sales: ``digest``, ``rows`` and ``content`` of each sale.
    :returns: the lines to take off, and the returned lines that were taken off another sale.
    """
    of_sales = kept.join(sales.select("digest"), on="digest", how="semi")
    with_sales = of_sales.filter(pl.col("netted") | (pl.col("units") > 0)).select("digest").unique()
    if with_sales.is_empty():
        return of_sales, of_sales.clear()
    known = {digest: (rows, content) for digest, rows, content in sales.select("digest", "rows", "content").iter_rows()}
    orders = of_sales.join(with_sales, on="digest", how="semi").sort("line").group_by("digest", maintain_order=True)
    same = [digest for (digest,), lines in orders if _holds(lines["content"].to_list(), *known[digest])]
    is_same = pl.col("digest").is_in(pl.Series(same, dtype=pl.Binary()).implode())
    returned = pl.col("units") < 0
    taken = of_sales.filter(pl.when(is_same).then(returned).otherwise(~pl.col("netted")))
    return taken, of_sales.filter(~is_same & pl.col("netted") & returned)


def _holds(lines: Sequence[int], rows: int, content: int) -> bool:
    """Whether a number of an order's lines have the fingerprints that a sale is the sum of, as 64 bits."""
    if rows > len(lines):
        return False
    # An export that goes on has the sale's lines first.
    ways = islice(combinations(lines, rows), _MOST_TRIED)
    return any(sum(way) & 0xFFFFFFFFFFFFFFFF == content for way in ways)


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
