"""An order's item rows as one event with several contents, wherever in the file they stand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.events.duplicates import Repeats
from airflow_provider_tiktok_offline.conversions.events.kept_returns import KEPT
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import READINGS
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS
from airflow_provider_tiktok_offline.errors import InputFileError

#: Beyond it, millionths leave 64 bits.
_LARGEST_SUM = 9_000_000_000_000


class Baskets:
    """Holds rows on disk until it is known which of them belong together.

    :param directory: where they wait, below a temporary directory that :meth:`close` removes.
    :param amount: whether each row's amount is the line's or the whole order's.
    """

    def __init__(self, directory: str | Path | None, amount: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="baskets-", dir=directory))
        self._amount = amount

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:05}.parquet"

    def hold(self, number: int, rows: pl.DataFrame) -> None:
        """Keep the rows of a part."""
        rows.write_parquet(self._path(number), compression="lz4", statistics=False)

    def lines(self, wanted: np.ndarray, *, netted: bool) -> pl.DataFrame:
        """Some of the rows that wait, by line, as returned lines are kept.

        :param netted: whether they are of orders from which returns were taken off.
        """
        held = pl.scan_parquet(sorted(self._directory.glob("[0-9]*.parquet"))) if wanted.size else None
        if held is None:
            return KEPT.to_frame()
        lines = held.filter(pl.col("line").is_in(wanted.tolist()))
        return lines.with_columns(netted=pl.lit(netted)).select(KEPT.names()).collect()

    def events(self, bounds: Sequence[tuple[int, int]], gone: np.ndarray, repeats: Repeats) -> Iterator[pl.DataFrame]:
        """Each part's events: its orders' first rows, with what all their rows hold.

        :param bounds: first and last line of each part.
        :param gone: lines that are no events.
        :param repeats: which lines belong to an earlier one.
        """
        starts = np.array([first for first, _ in bounds], dtype=np.int64)
        for number in range(len(bounds)):
            self._send_ahead(number, starts, bounds[number], gone, repeats)
        for number in range(len(bounds)):
            heads = pl.read_parquet(self._path(number))
            ahead = [pl.read_parquet(path) for path in sorted(self._directory.glob(f"ahead-{number:05}-*.parquet"))]
            if heads.height:
                yield self._merged(heads, ahead)

    def _send_ahead(
        self, number: int, starts: np.ndarray, bound: tuple[int, int], gone: np.ndarray, repeats: Repeats
    ) -> None:
        """Move rows of orders that began in this or an earlier part beside that part."""
        rows = pl.read_parquet(self._path(number)).filter(~pl.col("line").is_in(_between(gone, bound).tolist()))
        low, high = np.searchsorted(repeats.later.line, [bound[0], bound[1] + 1])
        links = pl.DataFrame({"line": repeats.later.line[low:high], "head": repeats.heads[low:high]})
        linked = rows.join(links, on="line", how="left", maintain_order="left")
        linked.filter(pl.col("head").is_null()).drop("head").write_parquet(self._path(number))
        moved = linked.filter(pl.col("head").is_not_null())
        if not moved.height:
            return
        target = np.searchsorted(starts, moved["head"].to_numpy(), side="right") - 1
        for part in np.unique(target).tolist():
            own = moved.filter(pl.Series(target == part))
            own.write_parquet(self._directory / f"ahead-{part:05}-{number:05}.parquet")

    def _merged(self, heads: pl.DataFrame, ahead: list[pl.DataFrame]) -> pl.DataFrame:
        heads = heads.with_columns(rows=pl.lit(1, dtype=pl.Int64))
        if not ahead:
            return heads
        members = pl.concat([heads.with_columns(head=pl.col("line")).drop("rows"), *ahead]).sort("line")
        # Of digests a sum that wraps around does not depend on the order of the rows.
        totals = [pl.len().cast(pl.Int64).alias("rows"), pl.col("units").sum(), pl.col("content").sum()]
        if self._amount == "line":
            _refuse_beyond_range(members)
        if "item" in heads.columns:
            totals.append(pl.col("item").drop_nulls().str.join(",").alias("item"))
        if READINGS in heads.columns:
            totals.append(pl.col(READINGS).explode().drop_nulls())
        by_head = members.group_by("head").agg(totals)
        kept = heads.drop("rows", *({"item", READINGS} & set(heads.columns)))
        merged = kept.join(by_head, left_on="line", right_on="head", how="left", maintain_order="left", suffix="_all")
        units = "units" if self._amount == "order" else "units_all"
        merged = merged.with_columns(units=pl.col(units), content=pl.col("content_all")).drop(
            "units_all", "content_all"
        )
        if "item" in merged.columns:
            merged = merged.with_columns(pl.when(pl.col("item") != "").then("item").alias("item"))
        return merged

    def close(self) -> None:
        """Remove what waits."""
        shutil.rmtree(self._directory, ignore_errors=True)


def _refuse_beyond_range(lines: pl.DataFrame) -> None:
    """Sums are whole millionths in 64 bits; one that would wrap around is refused."""
    beyond = (
        lines.group_by("head")
        .agg(whole=(pl.col("units") // UNITS).sum())
        .filter(pl.col("whole").abs() > _LARGEST_SUM)
        .sort("head")
    )
    if beyond.height:
        raise InputFileError(
            f"the lines of an order add up to more than {_LARGEST_SUM:,}.",
            rule="amount_out_of_range",
            where=f"line {beyond['head'][0]}",
            todo="Correct the amounts of the order that begins there.",
        )


def _between(lines: np.ndarray, bound: tuple[int, int]) -> np.ndarray:
    return lines[np.searchsorted(lines, bound[0]) : np.searchsorted(lines, bound[1], side="right")]
