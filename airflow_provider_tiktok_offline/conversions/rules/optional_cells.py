"""Rules on single cells of optional columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from string import ascii_letters, ascii_uppercase, digits
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.amounts import canonical_text
from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat, read_numbers, rounded
from airflow_provider_tiktok_offline.conversions.text.buffers import buffers

_MOST_STORE_CODE = 64
_MOST_DECIMALS = 6
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


def _bytes_of(characters: str) -> npt.NDArray[np.bool_]:
    allowed = np.zeros(256, dtype=bool)
    allowed[list(characters.encode())] = True
    return allowed


def _lengths(*allowed: int) -> npt.NDArray[np.bool_]:
    """Whether a cell of so many bytes may be; the last entry stands for all longer ones."""
    fits = np.zeros(11, dtype=bool)
    fits[list(allowed)] = True
    return fits


_OF_IDS = _bytes_of(ascii_letters + digits + "_-")
#: Column -> the bytes and lengths of cells that surely fit its pattern; without lengths any will do.
_SIMPLE: dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]] = {
    "state": (_bytes_of(ascii_uppercase), _lengths(0, 2)),
    "zip": (_bytes_of(digits), _lengths(0, 5, 9)),
    "order_id": (_OF_IDS, None),
    "product_id": (_OF_IDS, None),
    "quantity": (_bytes_of(digits), _lengths(*range(10))),
}


@cache
def time_zones() -> frozenset[str]:
    """Names of time zones."""
    return frozenset(available_timezones())


def breaks_pattern(cells: pl.Series, name: str) -> pl.Series:
    """Which cells are not as their column asks; blank cells are."""
    if _all_simple(cells, name):
        return pl.repeat(False, len(cells), eager=True)
    return ~cells.str.contains(_PATTERNS[name])


def _all_simple(cells: pl.Series, name: str) -> bool:
    """Whether a look at all bytes at once shows that every cell is as its column asks."""
    simple = _SIMPLE.get(name)
    if simple is None:
        return False
    allowed, lengths = simple
    _, _, ends, characters = buffers(cells)
    if not allowed[characters].all():
        return False
    return lengths is None or bool(lengths[np.minimum(np.diff(ends), len(lengths) - 1)].all())


def plain_numbers(cells: pl.Series, odd: pl.Series, written: NumberFormat) -> pl.Series:
    """Numbers as the export writes them, as digits with a point; what is no number stays as it is.

    :param odd: the cells to look at.
    """
    rows = odd.arg_true()
    numbers = read_numbers(cells.gather(rows), written)
    units = pl.Series(rounded(numbers, _MOST_DECIMALS, units=10**_MOST_DECIMALS))
    known = pl.Series(numbers.known)
    return cells.scatter(rows.filter(known), canonical_text(units.filter(known)))


def blank_where(cells: pl.Series, wrong: pl.Series) -> pl.Series:
    """The cells, blank where they are wrong."""
    return pl.select(pl.when(~wrong).then(cells).otherwise(pl.lit("")).alias(cells.name)).to_series()


def store_code_faults(cells: pl.Series, *, markup: bool) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """The rules that store codes break, with the rows.

    :param markup: whether a ``<``, ``>`` or ``://`` can occur at all.
    """
    if (cells.str.len_bytes() > _MOST_STORE_CODE).any():
        yield "store_code_length", (cells.str.len_chars() > _MOST_STORE_CODE).to_numpy()
    if markup:
        yield "store_code_characters", cells.str.contains("[<>]").to_numpy()
        yield "store_code_url", cells.str.contains(r"(?i)://|^www\.").to_numpy()
    elif (cells.str.starts_with("w") | cells.str.starts_with("W")).any():
        yield "store_code_url", cells.str.contains(r"(?i)^www\.").to_numpy()
