"""One verdict a data row, in file order: what a feed file is made from without looking at the rows again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.events.duplicates import Repeats
from airflow_provider_tiktok_offline.conversions.events.event_id import id_text
from airflow_provider_tiktok_offline.conversions.file.line_scan import Positions
from airflow_provider_tiktok_offline.conversions.rules.checked_block import (
    CLASSES,
    EXCLUDED,
    REASONS,
    REJECTED,
    RULE_NAMES,
    CheckedBlock,
)

_SCHEMA = pa.schema(
    [("line", pa.int64()), ("class", pa.string()), ("reason", pa.string()), ("event_id", pa.string()),
     ("event_time", pa.int64()), ("content", pa.binary(8))]
)  # fmt: skip


def block_verdicts(
    checked: CheckedBlock, faults: dict[str, Positions], valid_lines: Positions, digests: pl.Series, content: np.ndarray
) -> pl.DataFrame:
    """The verdicts of a block, before the whole file was seen.

    :param digests: the event id bytes of its valid rows.
    :param content: fingerprints of time and amount of its valid rows.
    """
    reason = np.full(len(checked.lines), "", dtype=object)
    for row_class, names in ((REJECTED, RULE_NAMES), (EXCLUDED, REASONS)):
        rows = np.flatnonzero(checked.classes == row_class)
        if len(rows):
            reason[rows] = np.array(names, dtype=object)[checked.reasons[rows]]
    events = pl.DataFrame({"line": valid_lines, "digest": digests, "content": pl.Series(content)}).select(
        "line", event_id=id_text(pl.col("digest")), content="content"
    )
    frame = pl.DataFrame(
        {
            "line": checked.lines,
            "class": pl.Series(checked.classes),
            "reason": pl.Series(reason, dtype=pl.String),
            "event_time": pl.Series(checked.sent_epoch),
        }
    ).join(events, on="line", how="left", maintain_order="left")
    aside = [
        pl.DataFrame({"line": lines}).with_columns(
            pl.lit(REJECTED, dtype=pl.UInt8).alias("class"), pl.lit(rule).alias("reason"),
            pl.lit(None, dtype=pl.Int64).alias("event_time"), pl.lit(None, dtype=pl.String).alias("event_id"),
            pl.lit(None, dtype=pl.UInt64).alias("content"),
        )
        for rule, lines in faults.items()
    ]  # fmt: skip
    return pl.concat([frame, *(part.select(frame.columns) for part in aside)]).sort("line")


class VerdictWriter:
    """Collects verdicts on disk and writes them out once duplicates are known.

    :param sink: gets one Parquet file.
    :param directory: where they wait.
    """

    def __init__(self, sink: BinaryIO, directory: str | Path | None) -> None:
        self._sink = sink
        self._waiting = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115
        self._writer: pa.RecordBatchFileWriter | None = None

    def add(self, verdicts: pl.DataFrame) -> None:
        table = verdicts.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._waiting, table.schema)
        self._writer.write_table(table)

    def finish(self, repeats: Repeats) -> None:
        """Write the file: duplicates and collisions take their final class."""
        import pyarrow.parquet as pq

        with pq.ParquetWriter(self._sink, _SCHEMA, compression="zstd") as target:
            if self._writer is None:
                return
            self._writer.close()
            self._waiting.seek(0)
            reader = pa.ipc.open_file(self._waiting)
            for number in range(reader.num_record_batches):
                frame = pl.from_arrow(reader.get_batch(number))
                if isinstance(frame, pl.DataFrame):
                    target.write_table(self._final(frame, repeats))

    def _final(self, frame: pl.DataFrame, repeats: Repeats) -> pa.Table:
        lines = frame["line"].to_numpy()
        late = {
            "duplicate": repeats.duplicates, "id_damaged": repeats.damaged, "id_collision": repeats.collisions,
            "order_incomplete": repeats.incomplete,
        }  # fmt: skip
        reason = pl.Series([""], dtype=pl.String).new_from_index(0, len(lines))
        for rule, rows in late.items():
            found = np.flatnonzero(np.isin(lines, rows.line))
            reason = reason.scatter(found, rule) if len(found) else reason
        names = dict(enumerate(CLASSES))
        final = frame.with_columns(late=reason).select(
            "line",
            pl.when(pl.col("late") == "duplicate").then(pl.lit("duplicate")).when(pl.col("late") != "")
            .then(pl.lit("rejected"))
            .otherwise(pl.col("class").replace_strict(names, return_dtype=pl.String)).alias("class"),
            pl.when(pl.col("late") != "").then("late").otherwise("reason").alias("reason"),
            "event_id",
            pl.when(pl.col("event_id").is_not_null()).then("event_time").alias("event_time"),
            pl.Series("content", _bytes(frame["content"]), dtype=pl.Binary),
        )  # fmt: skip
        return final.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_SCHEMA)

    def close(self) -> None:
        """Remove what waits."""
        self._waiting.close()


def _bytes(numbers: pl.Series) -> list[bytes | None]:
    return [None if number is None else number.to_bytes(8, "big") for number in numbers.to_list()]


def read_verdicts(stream: BinaryIO, rows: int = 200_000) -> Iterator[pl.DataFrame]:
    """The verdicts in file order, so many at a time.

    Columns: ``line``, ``class`` (valid, rejected, duplicate or excluded), ``reason`` (rule or exclusion, else ``""``),
    and for rows that make an event ``event_id``, ``event_time`` (seconds) and ``content`` (fingerprint, 8 bytes).
    """
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(stream).iter_batches(batch_size=rows):
        frame = pl.from_arrow(batch)
        if isinstance(frame, pl.DataFrame):
            yield frame
