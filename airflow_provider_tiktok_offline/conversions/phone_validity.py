"""Whether possible numbers are valid too: their digits fit a range that is in use.

Validity does not decide whether a number is sent (possible does); it decides whether bare digits may be read as a
number with a country code, and how large a share of the file looks made up.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from .phone_plans import country_codes

_KINDS = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail", "fixed_line",
    "mobile",
)  # fmt: skip


def valid(e164: pl.Series) -> pl.Series:
    """Whether numbers in E.164 form are valid; null where there is none."""
    start = e164.str.slice(1, 3).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    code = country_codes()[start]
    result = np.zeros(len(e164), dtype=np.bool_)
    for one in np.flatnonzero(np.bincount(code, minlength=1000)).tolist():
        if one:
            rows = np.flatnonzero(code == one)
            national = (e164 if len(rows) == len(e164) else e164.gather(rows)).str.slice(1 + len(str(one)))
            result[rows] = _valid_in(one, national).fill_null(False).to_numpy()
    flags = pl.Series(e164.name, result)
    return (
        pl.select(pl.when(e164.is_not_null()).then(flags).alias(e164.name)).to_series() if e164.null_count() else flags
    )


def are_valid(e164: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether numbers, given as country code and national number in one whole number, are valid."""
    return valid("+" + pl.Series("e164", e164).cast(pl.String)).to_numpy()


def _valid_in(country_code: int, national: pl.Series) -> pl.Series:
    """The region is the first whose leading digits fit, or whose ranges do; then that region's ranges decide."""
    verdict: pl.Expr = pl.lit(False)
    number = pl.col(national.name)
    for leading, general, kinds in reversed(_patterns(country_code)):
        fits = number.str.contains(general) & number.str.contains(kinds)
        verdict = (
            pl.when(number.str.contains(leading) if leading else fits)
            .then(fits if leading else True)
            .otherwise(verdict)
        )
    return national.to_frame().select(valid=verdict).to_series()


@cache
def _patterns(country_code: int) -> tuple[tuple[str | None, str, str], ...]:
    return tuple(
        _patterns_of(PhoneMetadata.metadata_for_region_or_calling_code(country_code, region))
        for region in COUNTRY_CODE_TO_REGION_CODE[country_code]
    )


def _patterns_of(metadata: Any) -> tuple[str | None, str, str]:
    kinds = [getattr(metadata, kind) for kind in _KINDS]
    ranges = [kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern]
    leading = f"^(?:{_ascii(metadata.leading_digits)})" if metadata.leading_digits else None
    return (
        leading,
        f"^(?:{_ascii(metadata.general_desc.national_number_pattern)})$",
        f"^(?:{_ascii('|'.join(ranges))})$",
    )


def _ascii(pattern: str) -> str:
    return pattern.replace(r"\d", "[0-9]")
