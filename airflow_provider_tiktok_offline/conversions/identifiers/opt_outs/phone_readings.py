"""Every number that a phone cell may mean: opt-outs reach further than sending, which takes one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column, plans
from airflow_provider_tiktok_offline.conversions.identifiers.phones.library import EXTENSION, MOST_DIGITS

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PhoneReadings:
    """The numbers that cells may mean, several a cell, ordered by cell.

    Attributes:
        rows: the cell of each reading.
        numbers: country code and national number as one whole number.
        sent: whether it is the reading that would be sent.
    """

    rows: Rows
    numbers: Rows
    sent: NDArray[np.bool_]

    def at(self, rows: Rows) -> PhoneReadings:
        """The same readings for cells that are some of a larger column: ``rows`` says which."""
        return PhoneReadings(rows[self.rows], self.numbers, self.sent)

    def filter(self, chosen: NDArray[np.bool_]) -> PhoneReadings:
        """Some of the readings."""
        return PhoneReadings(self.rows[chosen], self.numbers[chosen], self.sent[chosen])

    def leading(self) -> NDArray[np.bool_]:
        """The first reading of each cell: the one that would be sent, if any."""
        first = np.ones(len(self.rows), dtype=np.bool_)
        first[1:] = self.rows[1:] != self.rows[:-1]
        return first


def join_readings(parts: Sequence[PhoneReadings]) -> PhoneReadings:
    """The readings of several columns of the same rows; no longer ordered by row."""
    return PhoneReadings(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.sent for part in parts]),
    )


def read_phones(cells: pl.Series, regions: tuple[str | None, ...]) -> PhoneReadings:
    """Every reading of every cell, dialled from any of several regions; the first region's is the one to send.

    :param cells: texts, none null; blank ones have no reading.
    """
    every = [read_phones_of(cells, region) for region in regions]
    rows = np.concatenate([one.rows for one in every])
    numbers = np.concatenate([one.numbers for one in every])
    sent = np.concatenate([one.sent if place == 0 else np.zeros_like(one.sent) for place, one in enumerate(every)])
    return _ordered(rows, numbers, sent)


def read_phones_of(cells: pl.Series, region: pl.Series | str | None) -> PhoneReadings:
    """Every reading of every cell, dialled from its row's region."""
    text = cells.str.replace(EXTENSION, "").str.strip_chars()
    digits = text.str.replace_all(r"[^\p{Nd}+\uff0b]", "").str.replace("\uff0b", "+", literal=True)
    plus = digits.str.contains("+", literal=True)
    bare = pl.select(pl.when(~plus & (digits.str.len_chars() <= MOST_DIGITS)).then(digits)).to_series()
    whole = digits.str.replace_all("+", "", literal=True)
    code = _country_codes(region, len(cells))
    behind_code = pl.DataFrame({"whole": whole, "code": code}).select(
        pl.when((pl.col("code") != "") & pl.col("whole").str.starts_with(pl.col("code")))
        .then(pl.col("whole").str.strip_prefix(pl.col("code")))
        .alias("rest")
    )["rest"]
    trunk = text.str.contains(r"\(\s*0\s*\)")
    without_trunk = pl.select(pl.when(trunk).then(text.str.replace(r"\(\s*0\s*\)", " "))).to_series()
    national = pl.select(pl.when(~plus).then(pl.lit(code) + whole.str.strip_chars_start("0"))).to_series()
    attempts = [
        _numbers(cells, region),
        _numbers("+" + bare, None),
        _numbers("+" + bare.str.strip_prefix("00"), None),
        _numbers(behind_code, region),
        _numbers("+" + code + behind_code.str.strip_chars_start("0"), None),
        _numbers(without_trunk, region),
        _numbers("+" + pl.select(pl.when(code != "").then(national)).to_series(), None),
    ]
    rows = np.tile(np.arange(len(cells), dtype=np.int64), len(attempts))
    numbers = np.concatenate(attempts)
    sent = np.arange(len(rows)) < len(cells)
    there = numbers > 0
    return _ordered(rows[there], numbers[there], sent[there])


def _ordered(rows: Rows, numbers: Rows, sent: NDArray[np.bool_]) -> PhoneReadings:
    """By cell, the one to send first, each number once."""
    order = np.lexsort((~sent, numbers, rows))
    rows, numbers, sent = rows[order], numbers[order], sent[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (numbers[1:] != numbers[:-1])
    rows, numbers, sent = rows[new], numbers[new], sent[new]
    order = np.lexsort((~sent, rows))
    return PhoneReadings(rows[order], numbers[order], sent[order])


def _country_codes(region: pl.Series | str | None, height: int) -> pl.Series:
    def code(name: str | None) -> str:
        known = name.strip().upper() if name else None
        return str(plans.country_code_of(known)) if known is not None and plans.supported(known) else ""

    if not isinstance(region, pl.Series):
        return pl.Series([code(region)], dtype=pl.String).new_from_index(0, height)
    names = region.unique().to_list()
    codes = {name: code(name) for name in names}
    return region.replace_strict(codes, default="", return_dtype=pl.String).fill_null("")


def _numbers(cells: pl.Series, region: pl.Series | str | None) -> Rows:
    """The number that would be sent for each cell; 0 where there is none."""
    filled = np.flatnonzero(cells.is_not_null().to_numpy())
    numbers = np.zeros(len(cells), dtype=np.int64)
    if len(filled) == 0:
        return numbers
    asked = cells.gather(filled)
    if isinstance(region, pl.Series):
        read = phone_column.read_by_row(asked, region.gather(filled))
    else:
        read = phone_column.read(asked, region)
    normal = read.struct.field("normal").str.slice(1).cast(pl.Int64, strict=False).fill_null(0)
    numbers[filled] = normal.to_numpy()
    return numbers
