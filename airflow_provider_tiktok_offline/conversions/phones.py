"""A column of phone numbers to E.164 with ``+``.

Cells that are digits, with or without ``+``, are read as whole numbers by table. What is left is tidied up by a few
patterns and read the same way; what then is still open goes to the library, each distinct cell once.
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from . import phone_library, phone_plans
from .phone_numbers import ASK_LIBRARY, NO_REGION, NOT_POSSIBLE, POSSIBLE, Regions, Resolved, resolve
from .readings import Readings, put_special

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
    return name if phone_plans.supported(name) else None


def _read(cells: pl.Series, regions: Regions, names: pl.Series) -> pl.Series:
    readings = Readings(len(cells))
    number = cells.cast(pl.Int64, strict=False)
    plus = cells.str.starts_with("+")
    length = cells.str.len_bytes().cast(pl.Int64) - plus
    digits = (number >= 0).fill_null(False).to_numpy()
    rows = np.flatnonzero(digits)
    if len(rows) < len(cells):
        number, plus, length = (column.gather(rows) for column in (number, plus, length))
    resolved = resolve(number.to_numpy(), length.to_numpy(), plus.to_numpy(), regions.at(rows))
    _put(readings, rows, resolved)
    still_open = ~digits
    still_open[rows[resolved.verdict == ASK_LIBRARY]] = True
    if still_open.any():
        rows = np.flatnonzero(still_open)
        text = cells.gather(rows).str.strip_chars()
        filled = (text != "").fill_null(False).arg_true().to_numpy()
        rows, text = rows[filled], text.gather(filled).str.to_lowercase()
        _read_written(readings, rows, text, regions.at(rows), names.gather(rows))
    return readings.to_struct(cells.name)


def _put(readings: Readings, rows: Rows, resolved: Resolved, extension: NDArray[np.bool_] | None = None) -> None:
    """Fill in what the tables say."""
    possible = resolved.verdict == POSSIBLE
    if possible.all():
        readings.put("normal", rows, "+" + pl.Series(resolved.e164).cast(pl.String))
    else:
        readings.put("normal", rows[possible], "+" + pl.Series(resolved.e164[possible]).cast(pl.String))
        for verdict, rule in _FAULT_OF.items():
            readings.put("fault", rows[resolved.verdict == verdict], rule)
    readings.put("warning", rows[resolved.assumed], "phone_assumed_international")
    if extension is not None:
        readings.put("warning", rows[extension & possible & ~resolved.assumed], "phone_extension")


def _read_written(readings: Readings, rows: Rows, cells: pl.Series, regions: Regions, names: pl.Series) -> None:
    """Read cells that are more than digits, trimmed and lower-cased."""
    left = put_special(readings, rows, cells)
    damaged = cells.str.contains(phone_library.SPREADSHEET).to_numpy() & left
    readings.put("fault", rows[damaged], "phone_damaged")
    left &= ~damaged
    base = cells.str.replace(phone_library.EXTENSION, "")
    extension = (base != cells).to_numpy()
    base = pl.select(_in_ascii(pl.lit(base))).to_series() if _beyond_ascii(base) else base
    letters = base.str.contains(r"\p{L}").to_numpy() & left
    readings.put("fault", rows[letters], "phone_letters")
    left &= ~letters
    tidy = (base.str.contains(_TIDY)).to_numpy() & left
    number = base.str.replace_all("[^0-9]+", "")
    length = number.str.len_bytes().cast(pl.Int64)
    number = number.cast(pl.Int64, strict=False)
    readable = np.flatnonzero(tidy & number.is_not_null().to_numpy())
    resolved = resolve(
        number.gather(readable).to_numpy(),
        length.gather(readable).to_numpy(),
        base.gather(readable).str.contains("+", literal=True).to_numpy(),
        regions.at(readable),
    )
    _put(readings, rows[readable], resolved, extension[readable])
    left[readable[resolved.verdict != ASK_LIBRARY]] = False
    asked = np.flatnonzero(left)
    if len(asked):
        _ask_library(readings, rows[asked], cells.gather(asked), names.gather(asked))


def _ask_library(readings: Readings, rows: Rows, cells: pl.Series, names: pl.Series) -> None:
    """Read each distinct cell with the library."""
    asked = pl.DataFrame({"cell": cells, "region": names})
    unique = asked.unique()
    answers = unique.with_columns(
        pl.DataFrame(
            [phone_library.read(cell, region) for cell, region in unique.rows()],
            schema=dict.fromkeys(phone_library.Reading._fields, pl.String),
            orient="row",
        )
    )
    found = asked.join(answers, on=["cell", "region"], how="left", nulls_equal=True, maintain_order="left")
    for field in phone_library.Reading._fields:
        has = found[field].is_not_null().to_numpy()
        readings.put(field, rows[has], found[field].drop_nulls())


def _beyond_ascii(text: pl.Series) -> bool:
    return bool((text.str.len_bytes() != text.str.len_chars()).any())


def _in_ascii(text: pl.Expr) -> pl.Expr:
    """Digits of other scripts and punctuation beyond ASCII as ASCII has them."""
    return text.str.replace_many(_ascii_of())


@cache
def _ascii_of() -> dict[str, str]:
    digits = {
        char: str(unicodedata.decimal(char))
        for char in map(chr, range(0x80, sys.maxunicode + 1))
        if unicodedata.category(char) == "Nd"
    }
    return {**digits, **dict.fromkeys(_PUNCTUATION, " "), "\uff0b": "+"}
