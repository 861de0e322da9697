"""Rules on single cells of optional columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.amounts import canonical_text
from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat, read_numbers, rounded
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes, is_capital, is_digit

_MOST_STORE_CODE = 64
_MOST_DECIMALS = 6
_LESS, _GREATER, _SLASH, _POINT = b"<>/."
#: Column and the rule that its pattern stands for.
PATTERN_RULES = (
    ("state", "state_format"),
    ("zip", "zip_format"),
    ("order_id", "id_characters"),
    ("product_id", "id_characters"),
    ("quantity", "quantity_format"),
    ("product_price", "price_format"),
)
_PATTERNS = {
    "state": "^(?:[A-Z]{2})?$",
    "zip": "^(?:[0-9]{5}(?:[0-9]{4})?)?$",
    "order_id": "^[A-Za-z0-9_-]*$",
    "product_id": "^[A-Za-z0-9_-]*$",
    "quantity": r"^(?:[0-9]{1,9}(?:\.[0-9]{1,6})?)?$",
    "product_price": r"^(?:[0-9]{1,9}(?:\.[0-9]{1,6})?)?$",
}


def _lengths(*allowed: int) -> npt.NDArray[np.bool_]:
    """Whether a cell of so many bytes may be; the last entry stands for all longer ones."""
    fits = np.zeros(11, dtype=bool)
    fits[list(allowed)] = True
    return fits


#: Column -> the kind of bytes and the lengths of cells that surely fit its pattern.
_SIMPLE = {
    "state": (is_capital, _lengths(0, 2)),
    "zip": (is_digit, _lengths(0, 5, 9)),
    "quantity": (is_digit, _lengths(*range(10))),
}


@cache
def time_zones() -> frozenset[str]:
    """Names of time zones."""
    return frozenset(available_timezones())


def breaks_pattern(cells: pl.Series, name: str) -> pl.Series | None:
    """Which cells are not as their column asks, None if all are; blank cells are."""
    if _all_simple(cells, name):
        return None
    wrong = ~cells.str.contains(_PATTERNS[name])
    return wrong if wrong.any() else None


def _all_simple(cells: pl.Series, name: str) -> bool:
    """Whether a look at all bytes at once shows that every cell is as its column asks."""
    column = column_bytes(cells)
    if name in ("order_id", "product_id"):
        return column.are_words
    if name not in _SIMPLE:
        return False
    is_allowed, lengths = _SIMPLE[name]
    if not is_allowed(column.characters).all():
        return False
    return bool(lengths[np.minimum(column.lengths, len(lengths) - 1)].all())


def plain_numbers(cells: pl.Series, odd: pl.Series, written: NumberFormat) -> pl.Series:
    """Numbers as the export writes them, as digits with a point; what is no number stays as it is.

    :param odd: the cells to look at.
    """
    rows = odd.arg_true()
    numbers = read_numbers(cells.gather(rows), written)
    units = pl.Series(rounded(numbers, _MOST_DECIMALS, units=10**_MOST_DECIMALS))
    known = pl.Series(numbers.known)
    return cells.clone().scatter(rows.filter(known), canonical_text(units.filter(known)))


def blank_where(cells: pl.Series, wrong: pl.Series) -> pl.Series:
    """The cells, blank where they are wrong."""
    return pl.select(pl.when(~wrong).then(cells).otherwise(pl.lit("")).alias(cells.name)).to_series()


def store_code_faults(cells: pl.Series) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The rules that store codes break, with the rows."""
    column = column_bytes(cells)
    if column.lengths.max(initial=0) > _MOST_STORE_CODE:
        yield "store_code_length", (cells.str.len_chars() > _MOST_STORE_CODE).to_numpy()
    if column.are_words:
        return
    if column.holds(_LESS) or column.holds(_GREATER):
        yield "store_code_characters", cells.str.contains("[<>]").to_numpy()
    if column.holds(_SLASH) or column.holds(_POINT):
        yield "store_code_url", cells.str.contains(r"(?i)://|^www\.").to_numpy()
