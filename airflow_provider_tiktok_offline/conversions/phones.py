"""A column of phone numbers to E.164 with ``+``."""

from __future__ import annotations

import polars as pl

from . import phone_library
from .readings import HASHED, digest_of, hashed_fault, is_placeholder


def read_by_row(cells: pl.Series, regions: pl.Series) -> pl.Series:
    """Read every cell as a number of its row's region; see :mod:`.identifiers` for the struct."""
    if len(regions) == 1:
        return read(cells, regions[0])
    frame = pl.DataFrame({"cell": cells, "region": regions}).with_row_index("row")
    parts = [
        part.select("row").with_columns(read(part["cell"], region).struct.unnest())
        for (region,), part in frame.group_by("region")
    ]
    rows = pl.concat(parts).sort("row")
    return rows.select(pl.struct("normal", "digest", "fault", "warning").alias(cells.name)).to_series()


def read(cells: pl.Series, region: str | None) -> pl.Series:
    """Read every cell as a number of one region; see :mod:`.identifiers` for the struct."""
    lowered = cells.str.strip_chars().str.to_lowercase().alias("cell")
    unique = lowered.to_frame().filter(pl.col("cell") != "").unique()
    known = unique.select(
        "cell",
        hashed=pl.col("cell").str.contains(HASHED),
        placeholder=is_placeholder(pl.col("cell")),
    )
    numbers = known.filter(~pl.col("hashed") & ~pl.col("placeholder"))["cell"]
    readings = [phone_library.read(number, region) for number in numbers.to_list()]
    read_numbers = pl.DataFrame(
        {
            "cell": numbers,
            "normal": pl.Series([r.normal for r in readings], dtype=pl.String),
            "fault": pl.Series([r.fault for r in readings], dtype=pl.String),
            "warning": pl.Series([r.warning for r in readings], dtype=pl.String),
        }
    )
    answers = known.join(read_numbers, on="cell", how="left").select(
        "cell",
        "normal",
        digest=digest_of(pl.col("cell")),
        fault=pl.coalesce(
            pl.when("placeholder").then(pl.lit("placeholder")), hashed_fault(pl.col("cell")), pl.col("fault")
        ),
        warning="warning",
    )
    rows = lowered.to_frame().join(answers, on="cell", how="left", maintain_order="left")
    return rows.select(pl.struct("normal", "digest", "fault", "warning").alias(cells.name)).to_series()
