"""What the texts of a phone column say: the rule of :mod:`.cell_text` as patterns over a column."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.phones.cell_text import (
    ASCII_OF,
    EXTENSION,
    LEAST_DIGITS,
    LINK,
    MOST_DIGITS,
    NUMBER,
    SPREADSHEET,
    ZERO_IN_BRACKETS,
)
from airflow_provider_tiktok_offline.conversions.text.buffers import only_digits
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

_PLUS = ord("+")
#: Digits with the punctuation that numbers usually have: neither an extension nor anything else can be in them.
_TIDY = r"^[(\[ ]*\+?[0-9 ().\-/\[\]]*$"


@dataclass(frozen=True)
class WrittenColumn:
    """What stands in some cells of a column.

    Attributes:
        numbers: their digits as whole numbers.
        digits: how many digits each has, leading zeros counted.
        plus: before which of them ``+`` stands.
        zero: which of them have a zero in brackets.
        shortened: of which an extension was cut off.
    """

    numbers: NDArray[np.int64]
    digits: NDArray[np.int64]
    plus: NDArray[np.bool_]
    zero: NDArray[np.bool_]
    shortened: NDArray[np.bool_]

    def at(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> WrittenColumn:
        """Some of them."""
        return WrittenColumn(*(getattr(self, name)[rows] for name in WrittenColumn.__dataclass_fields__))


def plain_digits(cells: pl.Series) -> tuple[NDArray[np.bool_], WrittenColumn]:
    """Which cells are nothing but digits, with or without ``+``, and what stands in those."""
    numbers = cells.cast(pl.Int64, strict=False)
    column = column_bytes(cells)
    digits = column.lengths
    plus = np.zeros(len(cells), dtype=np.bool_)
    if column.holds(_PLUS):
        plus = cells.str.starts_with("+").fill_null(False).to_numpy()
        digits = digits - plus
    is_plain = (digits >= LEAST_DIGITS) & (digits <= MOST_DIGITS)
    is_plain &= (numbers > 0).fill_null(False).to_numpy()
    if not is_plain.all():
        numbers, plus, digits = numbers.filter(pl.Series(is_plain)), plus[is_plain], digits[is_plain]
    nothing = np.zeros(len(numbers), dtype=np.bool_)
    return is_plain, WrittenColumn(numbers.to_numpy(), digits, plus, nothing, nothing)


def tidy(cells: pl.Series) -> tuple[NDArray[np.bool_], WrittenColumn]:
    """Which trimmed cells are digits with the usual punctuation between them, and what stands in those."""
    is_tidy = cells.str.contains(_TIDY)
    damaged = is_tidy & cells.str.ends_with("0") & cells.str.contains(".", literal=True)
    if damaged.any():
        is_tidy &= ~cells.str.contains(SPREADSHEET)
    written = _written(cells.filter(is_tidy))
    readable = _readable(written)
    chosen = is_tidy.to_numpy().copy()
    chosen[np.flatnonzero(chosen)[~readable]] = False
    return chosen, written.at(readable)


@dataclass(frozen=True)
class OddColumn:
    """What stands in cells that are more than digits and the usual punctuation.

    Attributes:
        faults: rule -> cells that break it, by their places.
        readable: places of the other cells.
        written: what stands in those.
    """

    faults: dict[str, NDArray[np.int64]]
    readable: NDArray[np.int64]
    written: WrittenColumn


def odd(cells: pl.Series) -> OddColumn:
    """Read trimmed, lower-cased, non-empty cells."""
    text = _plain(cells)
    damaged = text.str.contains(SPREADSHEET)
    whole = text.str.replace(LINK, "")
    base = whole.str.replace(EXTENSION, "")
    letters = base.str.contains(r"\p{L}") & ~damaged
    number = base.str.replace("^[^+0-9]+", "").str.replace("[^0-9]+$", "")
    written = _written(number, base, (base != whole).to_numpy())
    readable = (number.str.contains(NUMBER) & ~damaged & ~letters).to_numpy() & _readable(written)
    impossible = ~(damaged | letters).to_numpy() & ~readable
    return OddColumn(
        {
            "phone_damaged": damaged.arg_true().to_numpy().astype(np.int64),
            "phone_letters": letters.arg_true().to_numpy().astype(np.int64),
            "phone_impossible": np.flatnonzero(impossible),
        },
        np.flatnonzero(readable),
        written.at(readable),
    )


def _written(
    numbers: pl.Series, texts: pl.Series | None = None, shortened: NDArray[np.bool_] | None = None
) -> WrittenColumn:
    """What stands in cells, given from their first digit or plus on.

    :param texts: the cells with what stands before that, if it is another column.
    """
    digits, length = only_digits(numbers)
    texts = numbers if texts is None else texts
    zero = texts.str.contains("0", literal=True) & texts.str.contains(ZERO_IN_BRACKETS)
    return WrittenColumn(
        digits.str.head(MOST_DIGITS).cast(pl.Int64, strict=False).fill_null(0).to_numpy(),
        length,
        numbers.str.contains("+", literal=True).to_numpy(),
        zero.to_numpy(),
        np.zeros(len(numbers), dtype=np.bool_) if shortened is None else shortened,
    )


def _readable(written: WrittenColumn) -> NDArray[np.bool_]:
    readable: NDArray[np.bool_] = (
        (written.digits >= LEAST_DIGITS) & (written.digits <= MOST_DIGITS) & (written.numbers > 0)
    )
    return readable


def _plain(cells: pl.Series) -> pl.Series:
    """The cells without their scripts: ASCII digits and plus, one kind of blank, nothing for what can't be seen."""
    text = cells.str.replace_all(r"[\t-\r\x1c-\x1f]", " ")
    if (text.str.len_bytes() != text.str.len_chars()).any():
        text = text.to_frame("text").select(pl.col("text").str.replace_many(_ascii_of())).to_series()
        text = text.str.replace_all(r"\p{Cf}", "").str.replace_all(r"\p{Z}", " ")
    return text.str.strip_chars(" ")


@cache
def _ascii_of() -> dict[str, str]:
    digits = {
        char: str(unicodedata.decimal(char))
        for char in map(chr, range(0x80, sys.maxunicode + 1))
        if unicodedata.category(char) == "Nd"
    }
    return {**digits, **ASCII_OF}
