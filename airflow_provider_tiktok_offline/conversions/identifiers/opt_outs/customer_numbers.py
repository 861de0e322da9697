"""Customer numbers of a list and of a conversion file, in one spelling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.normalized import PLACEHOLDERS
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.cells import clean


class CustomerNumbers(NamedTuple):
    """A column of customer numbers.

    Attributes:
        numbers: without marks, case and leading zeros; null for none: blanks, placeholders and zeros, which tills
            write for anybody.
        damaged: cells whose digits a spreadsheet has cut short.
    """

    numbers: pl.Series
    damaged: NDArray[np.int64]


def read_customer_numbers(cells: pl.Series) -> CustomerNumbers:
    """Read a column."""
    text = clean(cells)
    damaged = text.str.contains(r"^[+]?\d+(?:[.,]\d+)?e\+?\d+$").fill_null(False)
    digits = text.str.contains(r"^\d+(?:\.0+)?$").fill_null(False)
    if digits.any():
        shortened = text.str.replace(r"\.0+$", "").str.strip_chars_start("0")
        text = pl.select(pl.when(digits).then(shortened).otherwise(text)).to_series()
    none = damaged | text.is_in(["", *PLACEHOLDERS])
    return CustomerNumbers(
        pl.select(pl.when(~none).then(text)).to_series(), damaged.arg_true().to_numpy().astype(np.int64)
    )
