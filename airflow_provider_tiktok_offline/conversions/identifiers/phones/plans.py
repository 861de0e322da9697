"""libphonenumber's metadata as tables: what becomes of a digit string, by its length and first four digits.

Parsing a number means stripping an international prefix, a country code or a national prefix, each only under
conditions on what is left. For almost every beginning and length the outcome is the same whatever digits follow; it is
worked out once per region, from the metadata of the installed ``phonenumbers``, and looked up for millions of rows.
Where it depends on the rest, the table says so and the number is left to the library.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import phonenumbers
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from airflow_provider_tiktok_offline.conversions.identifiers.phones.grammar import (
    UnknownSyntaxError,
    grammar,
)

#: Digits by which a table is looked up; all of them where there are fewer.
KEY_DIGITS = 4
#: Longest digit string that a table knows.
MOST_DIGITS = 20
TABLE_SIZE = (MOST_DIGITS + 1) * 10**KEY_DIGITS

#: Entries below ``ABROAD``: so many leading digits fall away, the rest is a possible national number.
#: From ``ABROAD`` on: so many more digits are an international prefix, and a country code follows.
ABROAD = 100
IMPOSSIBLE = 254
UNDECIDED = 255

#: Powers of ten that 64 bits hold.
POWERS: NDArray[np.int64] = 10 ** np.arange(19, dtype=np.int64)

Table = NDArray[np.uint8]


class _Undecided(Exception):
    """The outcome depends on digits that are not in the beginning."""


class _Lengths(NamedTuple):
    """Which lengths of a national number are possible.

    Attributes:
        possible: lengths of whole numbers.
        local: lengths of numbers without their area code.
    """

    possible: frozenset[int]
    local: frozenset[int]

    def keeps_prefix(self, length: int) -> bool:
        """Whether a number that would be left with this length keeps its national prefix."""
        if length in self.local:
            return True
        return length not in self.possible and length < max(self.possible)

    def too_long(self, length: int) -> bool:
        return length not in self.local and length > max(self.possible)


def _metadata(region: str) -> Any:
    return PhoneMetadata.metadata_for_region(region, None)


def _main_metadata(country_code: int) -> Any:
    region = COUNTRY_CODE_TO_REGION_CODE[country_code][0]
    return PhoneMetadata.metadata_for_region_or_calling_code(country_code, region)


def _lengths(metadata: Any) -> _Lengths:
    described = metadata.general_desc
    return _Lengths(frozenset(described.possible_length), frozenset(described.possible_length_local_only))


@cache
def country_codes() -> NDArray[np.int64]:
    """First three digits of an international number -> its country code, 0 where none is known."""
    found = np.zeros(1000, dtype=np.int64)
    for code in COUNTRY_CODE_TO_REGION_CODE:
        width = 10 ** (3 - len(str(code)))
        found[code * width : (code + 1) * width] = code
    return found


def supported(region: str | None) -> bool:
    """Whether there is metadata for a region."""
    return region in phonenumbers.SUPPORTED_REGIONS


def country_code_of(region: str) -> int:
    """The country code that numbers of a region have."""
    return int(phonenumbers.country_code_for_region(region))


@cache
def abroad_table(country_code: int) -> Table:
    """What becomes of the digits after ``+`` and this country code."""
    metadata = _main_metadata(country_code)
    return _table(lambda beginning, length: _after_country_code(metadata, beginning, length))


@cache
def region_table(region: str) -> Table:
    """What becomes of digits without ``+`` that are dialled from a region."""
    own = _metadata(region)
    main = _main_metadata(own.country_code)
    return _table(lambda beginning, length: _dialled(own, main, beginning, length))


def _table(outcome: Callable[[str, int], int]) -> Table:
    table = np.full((MOST_DIGITS + 1, 10**KEY_DIGITS), UNDECIDED, dtype=np.uint8)
    for length in range(1, MOST_DIGITS + 1):
        _fill(table[length], outcome, "", length)
    return table.reshape(-1)


def _fill(row: Table, outcome: Callable[[str, int], int], beginning: str, length: int) -> None:
    """Decide by as few digits as possible; go one digit deeper where that is not enough."""
    try:
        entry = outcome(beginning, length)
    except _Undecided:
        if len(beginning) < min(KEY_DIGITS, length):
            for digit in "0123456789":
                _fill(row, outcome, beginning + digit, length)
    except UnknownSyntaxError:
        return
    else:
        width = 10 ** (min(KEY_DIGITS, length) - len(beginning))
        first = int(beginning or 0) * width
        row[first : first + width] = entry


def _dialled(own: Any, main: Any, beginning: str, length: int) -> int:
    prefix = _international_prefix(own, beginning, length)
    if prefix:
        return ABROAD + prefix
    code = str(own.country_code)
    if len(beginning) < len(code) and code.startswith(beginning):
        raise _Undecided
    if beginning.startswith(code):
        dropped = _country_code_without_plus(own, beginning, length)
        if dropped:
            return _counted(_after_country_code(main, beginning[dropped:], length - dropped), dropped)
    dropped = _kept_prefix(own, beginning, length)
    return dropped if length - dropped in _lengths(main).possible else IMPOSSIBLE


def _after_country_code(main: Any, beginning: str, length: int) -> int:
    dropped = _kept_prefix(main, beginning, length)
    return dropped if length - dropped in _lengths(main).possible else IMPOSSIBLE


def _counted(entry: int, dropped: int) -> int:
    return entry if entry == IMPOSSIBLE else entry + dropped


def _international_prefix(own: Any, beginning: str, length: int) -> int:
    """How many digits the region's international prefix takes at the start; 0 for none."""
    found = grammar(own.international_prefix).match(beginning, length) if own.international_prefix else None
    if found == "some":
        raise _Undecided
    if found is None or found.end() == 0:
        return 0
    if len(beginning) <= found.end():
        raise _Undecided
    return 0 if beginning[found.end()] == "0" else int(found.end())


def _country_code_without_plus(own: Any, beginning: str, length: int) -> int:
    """How many digits to drop where the number starts with its region's country code in spite of having no ``+``."""
    width = len(str(own.country_code))
    rest, left = beginning[width:], length - width
    dropped = _national_prefix(own, rest, left)
    if _lengths(own).too_long(length):
        return width + dropped
    before = _viable(own, beginning, length)
    after = _viable(own, rest[dropped:], left - dropped)
    if before == "all" or after == "none":
        return 0
    if before == "none" and after == "all":
        return width + dropped
    raise _Undecided


def _kept_prefix(metadata: Any, beginning: str, length: int) -> int:
    """How many digits the national prefix takes, unless what is left would be no possible number."""
    dropped = _national_prefix(metadata, beginning, length)
    return 0 if _lengths(metadata).keeps_prefix(length - dropped) else dropped


def _national_prefix(metadata: Any, beginning: str, length: int) -> int:
    """How many digits the national prefix takes at the start; 0 for none."""
    pattern = metadata.national_prefix_for_parsing
    if not pattern:
        return 0
    found = grammar(pattern).match(beginning, length)
    if found == "some":
        raise _Undecided
    if found is None:
        return 0
    dropped = int(found.end())
    if metadata.national_prefix_transform_rule and found.groups()[-1] is not None:
        raise _Undecided
    if dropped == 0:
        return 0
    if dropped > len(beginning):
        raise _Undecided
    before = _viable(metadata, beginning, length)
    after = _viable(metadata, beginning[dropped:], length - dropped)
    if before == "none" or after == "all":
        return dropped
    if before == "all" and after == "none":
        return 0
    raise _Undecided


def _viable(metadata: Any, beginning: str, length: int) -> str:
    return grammar(metadata.general_desc.national_number_pattern).verdict(beginning, length)
