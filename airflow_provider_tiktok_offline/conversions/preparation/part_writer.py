"""Prepared events as Parquet parts of a fixed number of rows, in the order of the file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.baskets import Baskets
from airflow_provider_tiktok_offline.conversions.events.duplicates import Repeats
from airflow_provider_tiktok_offline.conversions.events.event_id import ID_BYTES
from airflow_provider_tiktok_offline.conversions.events.identity_settings import RECIPE
from airflow_provider_tiktok_offline.conversions.events.kept_returns import KEPT_WITH_IDENTITY, once
from airflow_provider_tiktok_offline.conversions.preparation.part_store import RETURNS, PartStore
from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.conversions.text.buffers import frame_of
from airflow_provider_tiktok_offline.conversions.text.digests import DIGEST_BYTES

MANIFEST_VERSION = 1
#: Columns of staged rows that have few different texts.
_OF_FEW_TEXTS = frozenset({"event", "currency", "shop_id"})


class PartEntry(TypedDict):
    """A part in the manifest: its object, how many events it holds, and the list of rows that are none."""

    name: str
    events: int
    leave_out: str | None


class Manifest(TypedDict):
    """The content of ``manifest.json``; ``returns`` is the object of the returned lines, where they are kept."""

    version: int
    package: str
    recipe: str
    file: str
    sha256: str
    size: int
    as_of: str
    profile: str
    basket: str
    amount: str
    send_fields: list[str]
    settings: str
    rows: int
    events: int
    parts: list[PartEntry]
    returns: NotRequired[str]


@dataclass(frozen=True, slots=True)
class ShardPart:
    """A part of staged rows that a shard of a file has left.

    Attributes:
        name: its object.
        rows: how many it holds.
        first: the line of its first row.
        last: the line of its last row.
    """

    name: str
    rows: int
    first: int
    last: int


class PartWriter:
    """Writes parts as rows come; what the whole file shows to be none is left out by a list beside the part.

    :param output: where parts go.
    :param part_rows: rows in a part.
    :param spill_dir: where baskets wait for their later rows.
    :param shard: begins the names of all objects of a shard of a file, whose orders may have rows in others.
    """

    def __init__(
        self,
        output: PartStore,
        part_rows: int,
        settings: ConversionSettings,
        spill_dir: str | Path | None,
        shard: str = "",
    ) -> None:
        self._shard = shard
        self._output = output
        self._part_rows = part_rows
        self._settings = settings
        self._pending: list[pa.Table] = []
        self._count = 0
        self._bounds: list[tuple[int, int]] = []
        self._parts: list[PartEntry] = []
        self._baskets = Baskets(spill_dir, settings.amount) if settings.basket == "order" and not shard else None
        self._returns: list[pl.DataFrame] = []

    def add(self, staged: pa.Table, returns: pl.DataFrame | None = None) -> None:
        """Take the staged rows of the next block, and its returned lines where they are kept."""
        if returns is not None and returns.height:
            self._returns.append(returns)
        if not staged.num_rows:
            return
        self._pending.append(staged)
        self._count += staged.num_rows
        while self._count >= self._part_rows:
            rows = pa.concat_tables(self._pending)
            self._write(rows.slice(0, self._part_rows))
            rest = rows.slice(self._part_rows)
            self._pending, self._count = [rest], rest.num_rows

    def _write(self, rows: pa.Table) -> None:
        number = len(self._bounds)
        lines = rows["line"]
        self._bounds.append((lines[0].as_py(), lines[-1].as_py()))
        if self._baskets is not None:
            self._baskets.hold(number, _to_frame(rows))
        else:
            self._put(rows)

    def _put(self, rows: pa.Table) -> None:
        # Loaded where it is needed: a file that is only validated needs none of it.
        import pyarrow.parquet as pq

        name = f"{self._shard}part-{len(self._parts):05}.parquet"
        with self._output.open_write(name) as stream:
            # Digests can't be compressed; the rest is not worth the time.
            pq.write_table(
                rows.unify_dictionaries(),
                stream,
                compression="none",
                write_statistics=False,
                use_dictionary=[column for column in rows.column_names if column in _OF_FEW_TEXTS],
                store_schema=False,
            )
        self._parts.append({"name": name, "events": rows.num_rows, "leave_out": None})

    def finish_shard(self) -> list[ShardPart]:
        """Write what is left of a shard, and its returned lines where they are kept; returns its parts."""
        if self._count:
            self._write(pa.concat_tables(self._pending))
        self._pending = []
        if self._settings.send_after_days:
            with self._output.open_write(f"{self._shard}{RETURNS}") as stream:
                (pl.concat(self._returns) if self._returns else KEPT_WITH_IDENTITY.to_frame()).write_parquet(stream)
        return [
            ShardPart(part["name"], part["events"], first, last)
            for part, (first, last) in zip(self._parts, self._bounds, strict=True)
        ]

    def add_shard(self, parts: Sequence[ShardPart], left: PartStore, shard: str) -> None:
        """Take the rows of the next shard, which lie where they are sent from.

        :param parts: its parts.
        :param left: where they lie.
        :param shard: begins the names of its objects.
        """
        import pyarrow.parquet as pq

        if self._settings.send_after_days:
            with staged_faults(f"{shard}{RETURNS}"), left.open_read(f"{shard}{RETURNS}") as stream:
                self._returns.append(pl.read_parquet(stream))
        for part in parts:
            if self._baskets is None:
                self._bounds.append((part.first, part.last))
                self._parts.append({"name": part.name, "events": part.rows, "leave_out": None})
            else:
                with staged_faults(part.name), left.open_read(part.name) as stream:
                    self.add(pq.read_table(stream))

    def finish(self, repeats: Repeats) -> None:
        """Write what is left, then which rows of each part are no events."""
        if self._count:
            self._write(pa.concat_tables(self._pending))
        self._pending = []
        gone = np.sort(np.concatenate([rows.line for rows in repeats.lost]))
        if self._baskets is not None:
            self._put_returns(repeats)
            for rows in self._baskets.events(self._bounds, gone, repeats):
                self._put(_to_table(rows))
            return
        self._put_returns(repeats)
        without_value = repeats.later.line if self._settings.amount == "order" else np.empty(0, dtype=np.int64)
        for part, (first, last) in zip(self._parts, self._bounds, strict=True):
            left_out = _between(gone, first, last)
            valueless = _between(without_value, first, last)
            if len(left_out) or len(valueless):
                self._put_list(part, left_out, valueless)

    def _put_list(self, part: PartEntry, left_out: np.ndarray, valueless: np.ndarray) -> None:
        name = part["name"].replace("part-", "leave-out-")
        lists = pl.concat(
            [
                pl.DataFrame({"line": lines}).with_columns(row=pl.lit(whole))
                for lines, whole in ((left_out, True), (valueless, False))
            ]
        )
        with self._output.open_write(name) as stream:
            lists.write_parquet(stream)
        part["leave_out"] = name
        part["events"] -= len(left_out)

    def _put_returns(self, repeats: Repeats) -> None:
        """Write the returned lines, each once, however often the file repeats it; and the orders that have some."""
        if not self._settings.send_after_days:
            return
        lines = [once(self._returns)]
        if self._baskets is not None:
            lines.append(self._baskets.lines(repeats.returned.line, netted=False))
            lines.append(self._baskets.lines(repeats.netted.line, netted=True))
        content = io.BytesIO()
        pl.concat(lines).write_parquet(content)
        self._output.put(RETURNS, content.getvalue())

    def manifest(self, report: Report) -> Manifest:
        """What ``manifest.json`` holds."""
        manifest: Manifest = {
            "version": MANIFEST_VERSION,
            "package": __version__,
            "recipe": RECIPE,
            "file": report.file,
            "sha256": report.sha256,
            "size": report.size,
            "as_of": report.as_of,
            "profile": report.profile,
            "basket": self._settings.basket,
            "amount": self._settings.amount,
            "send_fields": sorted(self._settings.send_fields),
            "settings": self._settings.fingerprint(),
            "rows": report.rows_valid,
            "events": sum(part["events"] for part in self._parts),
            "parts": self._parts,
        }
        return {**manifest, "returns": RETURNS} if self._settings.send_after_days else manifest

    def close(self) -> None:
        """Remove what waits."""
        if self._baskets is not None:
            self._baskets.close()


def _to_frame(staged: pa.Table) -> pl.DataFrame:
    """Staged rows as a frame, columns of few different texts as texts."""
    kinds = [one.type.value_type if pa.types.is_dictionary(one.type) else one.type for one in staged.schema]
    return frame_of(staged.cast(pa.schema(list(zip(staged.column_names, kinds, strict=True)))))


def _to_table(frame: pl.DataFrame) -> pa.Table:
    """The same the other way round, bytes with the width that they have."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    for place, one in enumerate(table.schema):
        if pa.types.is_large_binary(one.type):
            size = ID_BYTES if one.name == "digest" else DIGEST_BYTES
            table = table.set_column(place, one.name, table[one.name].cast(pa.binary(size)))
    return table


def _between(lines: np.ndarray, first: int, last: int) -> np.ndarray:
    return lines[np.searchsorted(lines, first) : np.searchsorted(lines, last, side="right")]
