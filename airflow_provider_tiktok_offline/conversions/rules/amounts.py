"""transaction_amount to millionths, exactly.

Source: seed, "transaction_amount"; decimals by ISO 4217's minor units.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

#: An amount is kept as a whole number of these.
UNITS = 1_000_000
_HUNDREDTH = UNITS // 100
_TWO_DECIMALS = {"point": r"^[0-9]{1,9}\.[0-9]{2}$", "comma": r"^[0-9]{1,9},[0-9]{2}$"}
_ANY = {
    "point": r"^(?<sign>-?)(?<whole>[0-9]{1,12})(?:\.(?<part>[0-9]{1,6}))?$",
    "comma": r"^(?<sign>-?)(?<whole>[0-9]{1,12})(?:,(?<part>[0-9]{1,6}))?$",
}


@dataclass(slots=True)
class Amounts:
    """What the cells of a block say.

    Attributes:
        units: millionths; 0 where it can't be told.
        known: where it can.
        decimals: digits behind the mark, as written.
    """

    units: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    decimals: npt.NDArray[np.int64]


def read_amounts(cells: pl.Series, mark: Literal["point", "comma"]) -> Amounts:
    """Read a column of trimmed text.

    :param mark: the decimal mark.
    """
    usual = cells.str.contains(_TWO_DECIMALS[mark])
    pointed = cells if mark == "point" else cells.str.replace(",", ".", literal=True)
    hundredths = (pointed.cast(pl.Float64, strict=False) * 100).round()
    if usual.all():
        units = hundredths.cast(pl.Int64).to_numpy() * _HUNDREDTH
        return Amounts(units, np.ones(len(cells), dtype=bool), np.full(len(cells), 2, dtype=np.int64))
    known = usual.to_numpy().copy()
    rows = np.flatnonzero(~known)
    units = np.where(known, hundredths.fill_nan(0).fill_null(0).clip(-1e12, 1e12).cast(pl.Int64).to_numpy(), 0)
    units = units * _HUNDREDTH
    decimals = np.where(known, 2, 0)
    groups = cells.gather(rows).str.extract_groups(_ANY[mark]).struct.unnest()
    read = groups.select(
        units=(pl.col("whole").cast(pl.Int64) * UNITS + pl.col("part").fill_null("").str.pad_end(6, "0").cast(pl.Int64))
        * pl.when(pl.col("sign") == "-").then(-1).otherwise(1),
        decimals=pl.col("part").str.len_bytes().cast(pl.Int64).fill_null(0),
    )
    known[rows] = read["units"].is_not_null().to_numpy()
    units[rows] = read["units"].fill_null(0).to_numpy()
    decimals[rows] = read["decimals"].to_numpy()
    return Amounts(units, known, decimals)


def canonical(units: pl.Expr) -> pl.Expr:
    """Millionths as the shortest decimal: no exponent, no superfluous zeros."""
    size = units.abs()
    whole = (size // UNITS).cast(pl.String)
    part = (size % UNITS + UNITS).cast(pl.String).str.slice(1).str.strip_chars_end("0")
    text = pl.when(part == "").then(whole).otherwise(whole + pl.lit(".") + part)
    return pl.when(units < 0).then(pl.lit("-") + text).otherwise(text)


def canonical_text(units: pl.Series) -> pl.Series:
    """The same of a column; whole hundredths, as almost all amounts are, by a look into a list."""
    hundredths = units // _HUNDREDTH
    if not ((hundredths >= 0) & (hundredths * _HUNDREDTH == units)).all():
        return units.alias("units").to_frame().select(canonical(pl.col("units"))).to_series()
    return (hundredths // 100).cast(pl.String) + _after_whole().gather(hundredths % 100)


@cache
def _after_whole() -> pl.Series:
    """What is written behind the whole for each number of hundredths: nothing, ``.01``, ... ``.1``, ... ``.99``."""
    return pl.Series(["", *(f".{hundredths:02}".rstrip("0") for hundredths in range(1, 100))])


def decimal_text(units: int) -> str:
    """Millionths as a decimal with at least two places, for reports."""
    value = Decimal(units) / UNITS
    text = f"{value:.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def sum_units(units: npt.NDArray[np.int64]) -> int:
    """Their sum, however large."""
    return int((units // UNITS).sum()) * UNITS + int((units % UNITS).sum())
