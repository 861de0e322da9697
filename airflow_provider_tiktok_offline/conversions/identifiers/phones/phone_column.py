"""A column of phone numbers to E.164 with ``+``.

Cells that are digits, with or without ``+``, are read as whole numbers by table. What is left is tidied up by a few
patterns and read the same way; what then is still open goes to the library, each distinct cell once.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.normalized import NormalizedCells, put_special
from airflow_provider_tiktok_offline.conversions.identifiers.phones import library, plans, viability
from airflow_provider_tiktok_offline.conversions.identifiers.phones.numbers import (
    ASK_LIBRARY,
    KEPT_DIGITS,
    NO_REGION,
    NOT_POSSIBLE,
    POSSIBLE,
    Regions,
    Resolved,
    resolve,
    resolve_as_written,
    resolve_elsewhere,
)
from airflow_provider_tiktok_offline.conversions.text.buffers import only_digits

#: What may stand between digits; only these leave no question to the library.
_TIDY = r"^[(\[ ]*\+?[0-9 ().\-/\[\]]*$"
#: libphonenumber's punctuation beyond ASCII (its ``VALID_PUNCTUATION``), without what may begin an extension.
_PUNCTUATION = (
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\uff0d\uff0e\uff0f"
    "\u00a0\u00ad\u200b\u2060\u3000\uff08\uff09\uff3b\uff3d"
)
_FAULT_OF = {NOT_POSSIBLE: "phone_impossible", NO_REGION: "phone_region"}

Rows = NDArray[np.integer]


def read(cells: pl.Series, region: str | None) -> pl.Series:
    """Read every cell as a number of one region; see :mod:`.identifiers` for the struct."""
    name = _supported(region)
    return _read(cells, Regions.one(name), pl.Series([name], dtype=pl.String).new_from_index(0, len(cells)))


def read_by_row(cells: pl.Series, regions: pl.Series) -> pl.Series:
    """Read every cell as a number of its row's region; see :mod:`.identifiers` for the struct."""
    if len(regions) == 1:
        return read(cells, regions[0])
    given = regions.unique(maintain_order=True)
    names = pl.Series([_supported(name) for name in given.to_list()], dtype=pl.String)
    number_of = regions.to_frame("given").join(
        pl.DataFrame({"given": given}).with_row_index("number"),
        on="given",
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["number"]
    return _read(cells, Regions.many(names.to_list(), number_of.to_numpy()), names.gather(number_of))


def _supported(region: str | None) -> str | None:
    name = region.strip().upper() if region else None
    return name if plans.supported(name) else None


def _read(cells: pl.Series, regions: Regions, names: pl.Series) -> pl.Series:
    readings = NormalizedCells(len(cells))
    number = cells.cast(pl.Int64, strict=False)
    digits = ((number >= 0) & (cells.str.len_bytes() <= KEPT_DIGITS)).fill_null(False).to_numpy()
    rows = np.flatnonzero(digits)
    if len(rows) < len(cells):
        cells_of_digits, number = cells.gather(rows), number.gather(rows)
    else:
        cells_of_digits = cells
    plus = cells_of_digits.str.starts_with("+")
    length = cells_of_digits.str.len_bytes().cast(pl.Int64) - plus
    numbers = _Numbers(number.to_numpy(), length.to_numpy(), plus.to_numpy(), regions.at(rows))
    left = ~digits
    left[rows[_put(readings, rows, numbers, cells_of_digits)]] = True
    if left.any():
        rows = np.flatnonzero(left)
        text = cells.gather(rows).str.strip_chars()
        filled = (text != "").fill_null(False).arg_true().to_numpy()
        rows, text = rows[filled], text.gather(filled)
        written = _put_tidy(readings, rows, text, regions.at(rows))
        rows, text = rows[written], text.gather(written)
        _read_written(readings, rows, text.str.to_lowercase(), regions.at(rows), names.gather(rows))
    return readings.to_struct(cells.name)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Digit strings as :func:`resolve` takes them."""

    number: NDArray[np.int64]
    length: NDArray[np.int64]
    plus: NDArray[np.bool_]
    regions: Regions

    @classmethod
    def of(cls, texts: pl.Series, regions: Regions) -> _Numbers:
        """The digits of texts that hold at most twenty of them; a ``+`` anywhere is one before them."""
        digits, length = only_digits(texts)
        plus = texts.str.contains("+", literal=True)
        number = digits.str.head(KEPT_DIGITS).cast(pl.Int64, strict=False).fill_null(0)
        return cls(number.to_numpy(), length, plus.to_numpy(), regions)

    def at(self, rows: Rows | NDArray[np.bool_]) -> _Numbers:
        """Some of them."""
        return _Numbers(self.number[rows], self.length[rows], self.plus[rows], self.regions.at(rows))


def _put(
    readings: NormalizedCells,
    rows: Rows,
    numbers: _Numbers,
    digits: pl.Series | None = None,
    extension: NDArray[np.bool_] | None = None,
) -> Rows:
    """Fill in what the tables say.

    :param digits: the cells themselves, where they are nothing but digits.
    :param extension: which of them lost one.
    :return: those left to the library, by their place among ``rows``.
    """
    found = resolve(numbers.number, numbers.length, numbers.plus, numbers.regions)
    all_possible = bool((found.verdict == POSSIBLE).all())
    written = _written_as_e164(digits, numbers, found.e164) if all_possible else None
    return _put_resolved(readings, rows, found, extension, written)


def _put_resolved(
    readings: NormalizedCells,
    rows: Rows,
    found: Resolved,
    extension: NDArray[np.bool_] | None,
    written: pl.Series | None = None,
) -> Rows:
    """Fill in verdicts; gives back those left to the library, by their place among ``rows``.

    :param written: the numbers as text, where all are possible and this is known already.
    """
    possible = found.verdict == POSSIBLE
    if written is None:
        written = "+" + pl.Series(found.e164[possible]).cast(pl.String)
    readings.put("normal", rows[possible], written)
    for verdict, rule in _FAULT_OF.items():
        readings.put("fault", rows[found.verdict == verdict], rule)
    readings.put("warning", rows[found.assumed], "phone_assumed_international")
    if extension is not None:
        readings.put("warning", rows[extension & possible & ~found.assumed], "phone_extension")
    return np.flatnonzero(found.verdict == ASK_LIBRARY)


def _written_as_e164(digits: pl.Series | None, numbers: _Numbers, e164: NDArray[np.int64]) -> pl.Series:
    """The numbers as text; the cells are used again where they are E.164 already, or only lack the country code."""
    if digits is not None and len(e164):
        if numbers.plus.all() and (numbers.number == e164).all():
            return digits
        code, width = numbers.regions.code, int(numbers.length[0])
        if isinstance(code, int) and code and not numbers.plus.any() and (numbers.length == width).all():
            added = int(e164[0] - numbers.number[0])
            if added == code * 10**width and (e164 - numbers.number == added).all():
                return f"+{code}" + digits
    return "+" + pl.Series(e164).cast(pl.String)


def _put_tidy(readings: NormalizedCells, rows: Rows, cells: pl.Series, regions: Regions) -> Rows:
    """Read cells that are digits with the usual punctuation between them; gives back which are not."""
    tidy = cells.str.contains(_TIDY)
    if not tidy.any():
        return np.arange(len(cells))
    at = tidy.arg_true().to_numpy()
    numbers = _Numbers.of(cells.gather(at), regions.at(at))
    readable = (numbers.length >= 3) & (numbers.length <= library.MOST_DIGITS) & ~_is_damaged(cells.gather(at))
    left = ~tidy.to_numpy()
    left[at[~readable]] = True
    at = at[readable]
    left[at[_put(readings, rows[at], numbers.at(readable))]] = True
    return np.flatnonzero(left)


def _is_damaged(cells: pl.Series) -> NDArray[np.bool_]:
    suspicious = cells.str.ends_with("0") & cells.str.contains(".", literal=True)
    if not suspicious.any():
        return np.zeros(len(cells), dtype=np.bool_)
    return (suspicious & cells.str.contains(library.SPREADSHEET)).to_numpy()


def _read_written(readings: NormalizedCells, rows: Rows, cells: pl.Series, regions: Regions, names: pl.Series) -> None:
    """Read cells that are more than digits and punctuation, trimmed and lower-cased."""
    left = put_special(readings, rows, cells)
    damaged = cells.str.contains(library.SPREADSHEET).to_numpy() & left
    readings.put("fault", rows[damaged], "phone_damaged")
    base = cells.str.replace(library.EXTENSION, "")
    extension = (base != cells).to_numpy()
    written = base
    if (base.str.len_bytes() != base.str.len_chars()).any():
        written = pl.select(pl.lit(base).str.replace_many(_ascii_digit_of())).to_series()
        base = pl.select(pl.lit(written).str.replace_many(list(_PUNCTUATION), [" "])).to_series()
    letters = base.str.contains(r"\p{L}").to_numpy() & left & ~damaged
    readings.put("fault", rows[letters], "phone_letters")
    digits = base.str.count_matches("[0-9]").to_numpy()
    crowded = (digits > library.MOST_DIGITS) & left & ~damaged & ~letters
    readings.put("fault", rows[crowded], "phone_impossible")
    left &= ~(damaged | letters | crowded)
    readable = left & (digits >= 3) & (base.str.len_chars() <= viability.MOST_CHARACTERS).to_numpy()
    is_tidy = base.str.contains(_TIDY).to_numpy()
    tidy, untidy = np.flatnonzero(readable & is_tidy), np.flatnonzero(readable & ~is_tidy)
    left &= ~readable
    if len(tidy):
        numbers = _Numbers.of(base.gather(tidy), regions.at(tidy))
        left[tidy[_put(readings, rows[tidy], numbers, extension=extension[tidy])]] = True
    if len(untidy):
        asked = _put_untidy(readings, rows[untidy], written.gather(untidy), regions.at(untidy), extension[untidy])
        left[untidy[asked]] = True
    asked = np.flatnonzero(left)
    if len(asked):
        _ask_library(readings, rows[asked], cells.gather(asked), names.gather(asked))


def _put_untidy(
    readings: NormalizedCells, rows: Rows, cells: pl.Series, regions: Regions, extension: NDArray[np.bool_]
) -> Rows:
    """Read cells with other punctuation than numbers usually have; gives back those left to the library.

    As the library does: first what it would dial, then, where that is no number, all digits of the cell.
    """
    dialled = viability.dialled(cells)
    viable = np.flatnonzero(dialled.text.is_not_null().to_numpy())
    numbers = _Numbers.of(dialled.text.gather(viable), regions.at(viable))
    found = Resolved.none(len(rows), NOT_POSSIBLE)
    found.put(viable, resolve_as_written(numbers.number, numbers.length, numbers.plus, numbers.regions))
    numbers = _Numbers.of(cells, regions)
    elsewhere = np.flatnonzero((found.verdict == NOT_POSSIBLE) & ~numbers.plus)
    shortened = dialled.shortened.to_numpy().copy()
    shortened[elsewhere] = False
    numbers = numbers.at(elsewhere)
    found.put(elsewhere, resolve_elsewhere(numbers.number, numbers.length, numbers.regions))
    return _put_resolved(readings, rows, found, extension | shortened)


def _ask_library(readings: NormalizedCells, rows: Rows, cells: pl.Series, names: pl.Series) -> None:
    """Read each distinct cell with the library."""
    asked = pl.DataFrame({"cell": cells, "region": names})
    unique = asked.unique()
    answers = unique.with_columns(
        pl.DataFrame(
            [library.read(cell, region) for cell, region in unique.rows()],
            schema=dict.fromkeys(library.Reading._fields, pl.String),
            orient="row",
        )
    )
    found = asked.join(answers, on=["cell", "region"], how="left", nulls_equal=True, maintain_order="left")
    for field in library.Reading._fields:
        has = found[field].is_not_null().to_numpy()
        readings.put(field, rows[has], found[field].drop_nulls())


@cache
def _ascii_digit_of() -> dict[str, str]:
    digits = {
        char: str(unicodedata.decimal(char))
        for char in map(chr, range(0x80, sys.maxunicode + 1))
        if unicodedata.category(char) == "Nd"
    }
    return {**digits, "\uff0b": "+"}
