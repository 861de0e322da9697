"""transaction_amount to millionths, exactly.

Source: the programme's page, "transaction_amount"; decimals by ISO 4217's minor units.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat
from airflow_provider_tiktok_offline.conversions.rules.number_format import Decimal as DecimalMark
from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat, read_numbers, rounded
from airflow_provider_tiktok_offline.conversions.text.column_bytes import ColumnBytes, column_bytes
from airflow_provider_tiktok_offline.conversions.text.words import WORD, WordShape, eight_digits, words_at

#: An amount is kept as a whole number of these.
UNITS = 1_000_000
_HUNDREDTH = UNITS // 100
#: The usual amount: one to nine digits, the mark, two digits.
_SHORTEST, _LONGEST = 4, 12
_LAST_WORD = {".": WordShape("ddddd.dd"), ",": WordShape("ddddd,dd")}
_DIGITS = WordShape("dddddddd")
_BEFORE_MARK, _BEHIND_MARK = np.uint64(0x000000FFFFFFFFFF), np.uint64(0xFFFF000000000000)
#: What stands before the last word counts so many hundredths.
_BEYOND_WORD = 10_000_000
#: Bytes of a text that lie in a word at whose end it ends -> those bytes.
_OF_LENGTH = np.array([(2**64 - 1) ^ ((1 << 8 * (WORD - count)) - 1) for count in range(WORD + 1)], dtype=np.uint64)
#: Decimals of a currency that is not known.
_USUAL_DECIMALS = 2
#: More decimals than an amount keeps.
_MOST_DECIMALS = 6
#: More decimals than this are the noise of a floating-point sum.
_EXACT_DECIMALS = 3


@dataclass(slots=True)
class Amounts:
    """What the cells of a block say.

    Attributes:
        units: millionths; 0 where it is not known.
        known: where it can.
        decimals: digits behind the mark, as written.
        ambiguous: where three digits behind the mark may be a thousands group.
        rounded: where decimals beyond the currency's were rounded off.
        bare: where no digit stands before the mark.
    """

    units: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    decimals: npt.NDArray[np.int64]
    ambiguous: npt.NDArray[np.bool_]
    rounded: npt.NDArray[np.bool_]
    bare: npt.NDArray[np.bool_]


def number_format(written: FileFormat) -> NumberFormat:
    """How the file writes numbers."""
    return NumberFormat(
        decimal=written.decimal or ".",
        thousands=written.thousands or "",
        strip_symbols=written.strip_symbols,
        settled=written.decimal is not None or written.thousands is not None,
    )


def read_amounts(
    cells: pl.Series, written: NumberFormat, currency_decimals: npt.NDArray[np.int64] | int | None = None
) -> Amounts:
    """Read a column of trimmed text.

    :param written: the marks, as the export writes them.
    :param currency_decimals: decimals of the currency's minor unit, -1 where the currency is not known: one for all,
        or by row. Then three decimals that may be a thousands group are ambiguous, and the noise of floating-point
        sums is rounded off. None to take the digits as they stand, at most six.
    """
    known, hundredths = _two_decimals_read(column_bytes(cells), written.decimal)
    units = hundredths * _HUNDREDTH
    if known.all():
        nothing = np.zeros(len(cells), dtype=bool)
        return Amounts(units, known, np.full(len(cells), 2, dtype=np.int64), nothing, nothing, nothing)
    rows = np.flatnonzero(~known)
    decimals = np.where(known, 2, 0)
    odd = cells.gather(rows)
    numbers = read_numbers(odd, written)
    ambiguous, noisy, bare = np.zeros((3, len(cells)), dtype=bool)
    bare[rows] = odd.str.contains(r"^[^\d]*[.,]\d").to_numpy()
    if currency_decimals is None:
        numbers.known &= numbers.decimals <= _MOST_DECIMALS
        units[rows] = rounded(numbers, _MOST_DECIMALS, units=UNITS)
    else:
        minor = np.broadcast_to(np.asarray(currency_decimals, dtype=np.int64), len(cells))[rows]
        may_group = numbers.grouped_like & (minor < _EXACT_DECIMALS) & (not written.settled)
        ambiguous[rows] = may_group
        digits = np.where(minor < 0, _USUAL_DECIMALS, minor)
        noise = numbers.known & (numbers.decimals >= _EXACT_DECIMALS) & (numbers.decimals > digits) & ~may_group
        noisy[rows] = noise
        units[rows] = rounded(numbers, np.where(noise, digits, _MOST_DECIMALS), units=UNITS)
    known[rows] = numbers.known & ~ambiguous[rows]
    units[~known] = 0
    decimals[rows] = numbers.decimals
    return Amounts(units, known, decimals, ambiguous, noisy, bare & known)


def _two_decimals_read(column: ColumnBytes, mark: DecimalMark) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which cells are one to nine digits, the mark and two digits, as almost all are, and their hundredths, else 0."""
    lengths = column.lengths
    fits = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
    padded = np.concatenate([np.zeros(2 * WORD, dtype=np.uint8), column.characters])
    ends = column.ends[1:] + WORD
    last = _LAST_WORD[mark]
    digits = last.digits(words_at(padded, ends))
    digits &= _OF_LENGTH[np.minimum(lengths, WORD)]
    fits &= last.fits(digits)
    before_mark, behind_mark = digits & _BEFORE_MARK, digits & _BEHIND_MARK
    hundredths = eight_digits((before_mark << np.uint64(8)) | behind_mark)
    if lengths.max(initial=0) > WORD:
        digits = _DIGITS.digits(words_at(padded, ends - WORD))
        digits &= _OF_LENGTH[np.clip(lengths - WORD, 0, WORD)]
        fits &= _DIGITS.fits(digits)
        hundredths += eight_digits(digits) * _BEYOND_WORD
    return fits, np.where(fits, hundredths, 0)


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


def two_decimals(units: npt.NDArray[np.int64]) -> pl.Series:
    """Millionths of whole hundredths as the programme writes amounts: digits, a point, two digits."""
    hundredths = pl.Series(units // _HUNDREDTH)
    return (hundredths // 100).cast(pl.String) + "." + (hundredths % 100).cast(pl.String).str.zfill(2)


def decimal_text(units: int) -> str:
    """Millionths as a decimal with at least two places, for reports."""
    value = Decimal(units) / UNITS
    text = f"{value:.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def sum_units(units: npt.NDArray[np.int64]) -> int:
    """Their sum, however large."""
    return int((units // UNITS).sum()) * UNITS + int((units % UNITS).sum())
