"""How numbers are dialled in a region: trunk prefix, international prefixes and carrier codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from airflow_provider_tiktok_offline.conversions.identifiers.phones.digit_patterns import (
    UnknownSyntaxError,
    digit_pattern,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.number_kinds import POWERS, Whole, country_codes

Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]

#: How many first digits tell whether a prefix may stand in front.
START = 3


@dataclass(frozen=True, slots=True)
class NationalNumbers:
    """Some of the numbers of a column, without what is dialled before them.

    Attributes:
        rows: which numbers of the column.
        numbers: what is left of them.
        digits: how many digits that is.
        place: 1 without the trunk prefix, 2 without whatever libphonenumber takes away.
    """

    rows: Rows
    numbers: Whole
    digits: int
    place: int


class _Rule(NamedTuple):
    """Put a text and what a group of the pattern matched in the place of what the pattern matched."""

    literal: str
    group: int


@dataclass(frozen=True)
class NumberingPlan:
    """How numbers are dialled in a region.

    Attributes:
        country_code: of its numbers.
        trunk: the trunk prefix, or "".
        prefix: pattern of what may be dialled before a national number, or "".
        rule: what to put in its place, or None for nothing.
        international: width -> international prefixes of that width, ``00`` among them; ascending.
        may_have_prefix: first three digits -> whether a match of ``prefix`` may stand there that is not the trunk
            prefix alone.
        may_be_international: first three digits -> whether an international prefix may stand there.
    """

    country_code: int
    trunk: str
    prefix: str
    rule: _Rule | None
    international: dict[int, Whole]
    may_have_prefix: Flags
    may_be_international: Flags

    def has_trunk(self, numbers: Whole, digits: int) -> Flags | bool:
        """Which numbers begin with the trunk prefix."""
        width = len(self.trunk)
        if not width or digits <= width:
            return False
        begins: Flags = numbers // POWERS[digits - width] == int(self.trunk)
        return begins

    def without_prefixes(self, numbers: Whole, digits: int, zero: Flags | None) -> Iterator[NationalNumbers]:
        """National numbers without their trunk prefix, and without whatever else is dialled before them.

        :param digits: how many digits each number has.
        :param zero: which cells have a zero in brackets; None for none of them.
        """
        begins_with_zero = numbers < POWERS[digits - 1]
        if self.trunk == "0":
            dropped = begins_with_zero
        else:
            dropped = begins_with_zero & zero if zero is not None else np.zeros(len(numbers), np.bool_)
        rows = np.flatnonzero(dropped)
        if len(rows) and digits > 1:
            yield NationalNumbers(rows, numbers[rows], digits - 1, 1)
        if self.trunk not in ("", "0"):
            rows = np.flatnonzero(self.has_trunk(numbers, digits))
            if len(rows):
                left = digits - len(self.trunk)
                yield NationalNumbers(rows, numbers[rows] % POWERS[left], left, 1)
        if digits >= START:
            rows = np.flatnonzero(self.may_have_prefix[numbers // POWERS[digits - START]])
            if len(rows):
                yield from self._by_pattern(rows, numbers[rows], digits)

    def _by_pattern(self, rows: Rows, numbers: Whole, digits: int) -> Iterator[NationalNumbers]:
        texts = pl.Series(numbers).cast(pl.String).str.zfill(digits)
        pattern = f"^(?:{self.prefix})"
        matched = texts.str.extract(pattern, 0)
        rest = texts.str.slice(matched.str.len_bytes().fill_null(0))
        if self.rule:
            found = pl.DataFrame({"rest": rest, "group": texts.str.extract(pattern, self.rule.group)})
            found = found.with_columns(last=texts.str.extract(pattern, re.compile(self.prefix).groups))
            replaced = pl.lit(self.rule.literal) + pl.col("group") + pl.col("rest")
            rest = found.select(pl.when(pl.col("last").is_null()).then("rest").otherwise(replaced)).to_series()
        changed = (matched.is_not_null() & (rest != texts) & (rest != "")).to_numpy()
        lengths = rest.str.len_bytes().to_numpy()
        for length in np.unique(lengths[changed]).tolist():
            chosen = np.flatnonzero(changed & (lengths == length))
            yield NationalNumbers(rows[chosen], rest.gather(chosen).cast(pl.Int64).to_numpy(), length, 2)


@cache
def plan_of(region: str | None) -> NumberingPlan:
    """The plan of a region; without a region nothing but ``00`` is dialled before a number.

    :raises UnknownSyntaxError: if the metadata can't be read.
    """
    metadata = PhoneMetadata.metadata_for_region(region, None) if region else None
    prefixes = {"00"}
    if metadata and metadata.international_prefix:
        prefixes |= set(digit_pattern(metadata.international_prefix).texts())
    return _plan(metadata, prefixes)


@cache
def plan_of_code(country_code: int) -> NumberingPlan:
    """The plan of the main region of a country code, without international prefixes.

    :raises UnknownSyntaxError: if the metadata can't be read.
    """
    region = COUNTRY_CODE_TO_REGION_CODE[country_code][0]
    return _plan(PhoneMetadata.metadata_for_region_or_calling_code(country_code, region), set())


def _plan(metadata: PhoneMetadata | None, international: set[str]) -> NumberingPlan:
    trunk = (metadata and metadata.national_prefix) or ""
    prefix = (metadata and metadata.national_prefix_for_parsing) or ""
    rule = (metadata and metadata.national_prefix_transform_rule) or ""
    as_rule = re.fullmatch(r"(\d*)\\(\d)", rule)
    if rule and not as_rule:
        raise UnknownSyntaxError(rule)
    widths = sorted({len(text) for text in international})
    return NumberingPlan(
        country_code=(metadata and metadata.country_code) or 0,
        trunk=trunk,
        prefix=prefix,
        rule=_Rule(as_rule[1], int(as_rule[2])) if as_rule else None,
        international={
            width: np.array(sorted(int(text) for text in international if len(text) == width)) for width in widths
        },
        may_have_prefix=_may_have_prefix(prefix, trunk),
        may_be_international=_may_be_international(international),
    )


def _may_have_prefix(prefix: str, trunk: str) -> Flags:
    if prefix in ("", trunk):
        return np.zeros(10**START, np.bool_)
    return np.array(digit_pattern(prefix).may_match(START, but=trunk))


def _may_be_international(prefixes: set[str]) -> Flags:
    found = np.zeros(10**START, np.bool_)
    for text in {prefix[:START] for prefix in prefixes}:
        width = 10 ** (START - len(text))
        found[int(text) * width : (int(text) + 1) * width] = True
    return found


#: How many first digits of an international number tell whether something may have to be taken out of it, and what.
BEHIND_DIGITS = 5
ZERO_BEHIND, PREFIX_BEHIND = 1, 2
_UNKNOWN = 255


class _BehindCountryCode:
    """What may stand behind a country code, by first digits; worked out for the country codes that occur."""

    def __init__(self) -> None:
        is_code = np.repeat(country_codes() > 0, 10 ** (BEHIND_DIGITS - START))
        self._flags = np.where(is_code, _UNKNOWN, 0).astype(np.uint8)

    def look_up(self, first: Whole) -> NDArray[np.uint8]:
        """``ZERO_BEHIND`` and ``PREFIX_BEHIND`` for the first digits of numbers."""
        found: NDArray[np.uint8] = self._flags[first]
        unknown = found == _UNKNOWN
        if unknown.any():
            for code in np.unique(country_codes()[first[unknown] // 10 ** (BEHIND_DIGITS - START)]).tolist():
                digits = BEHIND_DIGITS - len(str(code))
                self._flags[code * 10**digits : (code + 1) * 10**digits] = _flags_behind(code, digits)
            found = self._flags[first]
        return found


def _flags_behind(code: int, digits: int) -> NDArray[np.uint8]:
    plan = plan_of_code(code)
    keys = np.arange(10**digits)
    flags = np.where(keys < 10 ** (digits - 1), ZERO_BEHIND, 0).astype(np.uint8)
    if plan.trunk:
        flags[_begin_alike(keys, digits, plan.trunk)] |= PREFIX_BEHIND
    starts = plan.may_have_prefix.reshape(10 ** min(digits, START), -1).max(axis=1)
    flags[np.repeat(starts, 10 ** max(digits - START, 0))] |= PREFIX_BEHIND
    return flags


@cache
def behind_country_code() -> _BehindCountryCode:
    """What may have to be taken out behind a country code: a zero in brackets, a trunk prefix, a carrier's code."""
    return _BehindCountryCode()


def _begin_alike(keys: Whole, digits: int, text: str) -> Flags:
    """Which keys agree with a text as far as both go."""
    width = min(digits, len(text))
    same: Flags = keys // 10 ** (digits - width) == int(text[:width])
    return same
