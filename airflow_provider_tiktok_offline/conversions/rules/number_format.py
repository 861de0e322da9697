"""Amounts as tills and shops write them: decimal marks, thousands groups, symbols and signs, to millionths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

#: Blanks that separate thousands: plain, non-breaking, narrow non-breaking, thin, figure.
_BLANKS = "\u0020\u00a0\u202f\u2009\u2007"
_APOSTROPHES = "'\u2019\u02bc"
_MINUS = "\\-\u2212\u2012\u2013"
#: A currency's sign or its letters at one end of a cell.
_SYMBOL = r"(?:\p{Sc}|\p{L}{1,4}\.?|\p{L}{0,3}\p{Sc})"
#: Digits behind the mark that are kept exactly; further ones only decide how a half is rounded.
_KEPT = 9
_BILLION = 10**_KEPT

Decimal = Literal[".", ","]
Thousands = Literal["", ".", ",", " ", "'"]


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How an export writes numbers.

    Attributes:
        decimal: the decimal mark.
        thousands: the mark between groups of digits; empty for none. A blank stands for every kind of blank, an
            apostrophe for every kind of apostrophe.
        strip_symbols: whether a currency's sign or letters at either end are dropped.
        settled: whether a person has said what the marks mean, so that ``1.299`` needs no doubt.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    strip_symbols: bool = False
    settled: bool = False

    def __post_init__(self) -> None:
        if self.decimal == self.thousands:
            raise ValueError(f"the decimal mark and the thousands mark are both {self.decimal!r}")

    def pattern(self) -> str:
        """The regular expression of a cell; its groups are ``open``, ``sign``, ``whole``, ``part`` and ``after``."""
        mark = re.escape(self.decimal)
        groups = {"": "", " ": f"[{_BLANKS}]", "'": f"[{_APOSTROPHES}]"}.get(self.thousands, re.escape(self.thousands))
        grouped = f"[0-9]{{1,3}}(?:{groups}[0-9]{{2,3}})*{groups}[0-9]{{3}}|" if groups else ""
        symbol = f"(?:{_SYMBOL}[{_BLANKS}]*)?" if self.strip_symbols else ""
        behind = f"(?:[{_BLANKS}]*{_SYMBOL})?" if self.strip_symbols else ""
        number = f"(?<whole>{grouped}[0-9]{{1,12}})?(?:{mark}(?<part>[0-9]{{0,30}}))?"
        return (
            rf"^(?<open>\()?(?<sign>[{_MINUS}+])?{symbol}(?<inner>[{_MINUS}+])?{number}"
            rf"(?<after>[{_MINUS}])?{behind}(?<last>[{_MINUS}])?(?<close>\))?$"
        )


@dataclass(slots=True)
class Numbers:
    """What the cells of a block say.

    Attributes:
        whole: the whole number; 0 where the cell is no number.
        part: billionths behind the mark.
        negative: whether it is below 0.
        known: where the cell is a number.
        decimals: digits behind the mark, as written.
        beyond: whether digits behind the ninth decimal differ from 0.
        grouped_like: whether one to three digits, the first not 0, stand before the mark and exactly three behind it.
    """

    whole: npt.NDArray[np.int64]
    part: npt.NDArray[np.int64]
    negative: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    decimals: npt.NDArray[np.int64]
    beyond: npt.NDArray[np.bool_]
    grouped_like: npt.NDArray[np.bool_]


def read_numbers(cells: pl.Series, number_format: NumberFormat) -> Numbers:
    """Read a column of trimmed text, whatever the cells look like.

    :param cells: text; a blank cell is no number.
    :param number_format: the marks, as the export writes them.
    """
    groups = cells.str.extract_groups(number_format.pattern()).struct.unnest()
    whole = groups["whole"].fill_null("")
    if number_format.thousands:
        whole = whole.str.replace_all("[^0-9]", "")
    part = groups["part"].fill_null("")
    # A pattern in which everything is optional fits a lone mark too: a number has a digit.
    signs = sum((groups[name].is_not_null().cast(pl.Int8) for name in ("sign", "inner", "after", "last")), start=0)
    balanced = groups["open"].is_null() == groups["close"].is_null()
    known = (
        ((whole != "") | (part != "")) & (whole.str.len_bytes() <= 12) & balanced & (signs <= 1)
        & ~(groups["open"].is_not_null() & (signs > 0))
    ).fill_null(False)  # fmt: skip
    negative = groups["open"].is_not_null()
    for name in ("sign", "inner", "after", "last"):
        negative = negative | (groups[name].fill_null("+") != "+")
    known_flags = known.to_numpy()
    decimals = part.str.len_bytes().cast(pl.Int64).to_numpy()
    return Numbers(
        whole=np.where(known_flags, whole.cast(pl.Int64, strict=False).fill_null(0).to_numpy(), 0),
        part=np.where(
            known_flags,
            part.str.slice(0, _KEPT).str.pad_end(_KEPT, "0").cast(pl.Int64, strict=False).fill_null(0).to_numpy(),
            0,
        ),
        negative=(negative & known).to_numpy(),
        known=known_flags,
        decimals=np.where(known_flags, decimals, 0),
        beyond=(part.str.slice(_KEPT).str.contains("[1-9]") & known).to_numpy(),
        grouped_like=(known & whole.str.contains("^[1-9][0-9]{0,2}$") & (part.str.len_bytes() == 3)).to_numpy(),
    )


def rounded(numbers: Numbers, digits: npt.NDArray[np.int64] | int, *, units: int) -> npt.NDArray[np.int64]:
    """Round to so many decimals, half to even, and give whole numbers of ``1 / units``.

    :param digits: decimals that are kept, 0 to 6: one for all, or by row.
    :param units: how many units make 1; a power of ten, at least ``10 ** digits``.
    """
    step = 10 ** (_KEPT - np.asarray(digits, dtype=np.int64))
    kept, rest = np.divmod(numbers.part, step)
    half = step // 2
    up = (rest > half) | ((rest == half) & (numbers.beyond | (kept % 2 == 1)))
    kept = kept + up
    value: npt.NDArray[np.int64] = numbers.whole * units + kept * (step * units // _BILLION)
    return np.where(numbers.negative, -value, value)
