"""Whether possible numbers are valid too: their digits fit a range that is in use.

Validity does not decide whether a number is sent (possible does); it decides whether bare digits may be read as a
number with a country code, and how large a share of the file looks made up.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from airflow_provider_tiktok_offline.conversions.identifiers.phones.plans import POWERS, country_codes

_KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager", "uan",
    "voicemail",
)  # fmt: skip


class _Ranges(NamedTuple):
    """Which numbers of a country code belong to one of its regions; patterns.

    Attributes:
        leading: first digits that tell the region among those that share the code, or None.
        general: all its numbers.
        kinds: its kinds of number, a valid one fits one of them and the general one.
        lengths: of the numbers that fit.
    """

    leading: str | None
    general: str
    kinds: str
    lengths: frozenset[int]


def valid(e164: pl.Series) -> pl.Series:
    """Whether numbers in E.164 form are valid; null where there is none."""
    digits = e164.str.slice(1).cast(pl.Int64, strict=False)
    if digits.null_count() == 0:
        return pl.Series(e164.name, are_valid(digits.to_numpy()))
    rows = digits.is_not_null().arg_true()
    known = pl.Series(e164.name, [None], dtype=pl.Boolean).new_from_index(0, len(e164))
    return known.scatter(rows, pl.Series(are_valid(digits.drop_nulls().to_numpy())))


def are_valid(e164: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether numbers, given as country code and national number in one whole number, are valid."""
    result = np.zeros(len(e164), dtype=np.bool_)
    length = np.searchsorted(POWERS, e164, side="right")
    codes = country_codes()[e164 // POWERS[np.maximum(length - 3, 0)] % 1000]
    by_code = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=1000))
    for code in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
        if code:
            rows = by_code[ends[code - 1] : ends[code]]
            left = length[rows] - len(str(code))
            result[rows] = _are_valid_in(code, e164[rows] - code * POWERS[left], left)
    return result


def _are_valid_in(country_code: int, national: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The region is the first whose leading digits fit, or whose ranges do; then that region's ranges decide."""
    result = np.zeros(len(national), dtype=np.bool_)
    regions = _ranges(country_code)
    rows = np.flatnonzero(np.isin(length, list(frozenset().union(*(region.lengths for region in regions)))))
    text = (
        pl.DataFrame({"number": national[rows], "length": length[rows]})
        .select(pl.col("number").cast(pl.String).str.zfill(pl.col("length")))
        .to_series()
    )
    for leading, general, kinds, _ in regions:
        if not len(rows):
            break
        if leading:
            here = np.flatnonzero(text.str.contains(leading).to_numpy())
            numbers = text.gather(here)
            result[rows[here]] = (numbers.str.contains(general) & numbers.str.contains(kinds)).to_numpy()
            decided = np.zeros(len(rows), dtype=np.bool_)
            decided[here] = True
        else:
            decided = (text.str.contains(general) & text.str.contains(kinds)).to_numpy()
            result[rows[decided]] = True
        rows, text = rows[~decided], text.filter(pl.Series(~decided))
    return result


@cache
def _ranges(country_code: int) -> tuple[_Ranges, ...]:
    return tuple(
        _ranges_of(PhoneMetadata.metadata_for_region_or_calling_code(country_code, region))
        for region in COUNTRY_CODE_TO_REGION_CODE[country_code]
    )


def _ranges_of(metadata: Any) -> _Ranges:
    found = (getattr(metadata, kind) for kind in _KINDS)
    kinds = [kind.national_number_pattern for kind in found if kind is not None and kind.national_number_pattern]
    general = metadata.general_desc
    return _Ranges(
        f"^(?:{metadata.leading_digits})" if metadata.leading_digits else None,
        _whole(general.national_number_pattern),
        _whole("|".join(dict.fromkeys(kinds))),
        frozenset(general.possible_length),
    )


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$".replace(r"\d", "[0-9]")
