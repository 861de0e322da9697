"""What numbers are in their country (mobile, fixed, ...), by tables worked out from libphonenumber's ranges.

A number is looked up by its first five digits, country code included. Where its kind depends on later digits too, the
entry leads to a smaller table for the next three, and so on. Tables are made on first use, one for each length.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from airflow_provider_tiktok_offline.conversions.identifiers.phones import one_cell
from airflow_provider_tiktok_offline.conversions.identifiers.phones.digit_patterns import (
    DigitPattern,
    States,
    UnknownSyntaxError,
    digit_pattern,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.one_cell import LONGEST, SHORTEST, Kind

Whole = NDArray[np.int64]
Kinds = NDArray[np.int32]

#: Powers of ten that 64 bits hold.
POWERS: Whole = 10 ** np.arange(19, dtype=np.int64)

_FIRST, _NEXT = 5, 3
#: Entries of a table: a kind, ``_UNKNOWN`` until it is worked out, ``_ASK`` where the ranges can't be read, or, from
#: ``_TABLE`` on, the place of the table for the next digits.
_UNKNOWN, _ASK, _TABLE = -1, -2, 16
#: Types of numbers in libphonenumber's order: the first that fits is the number's.
_TYPES = (
    (("premium_rate", "toll_free", "shared_cost"), Kind.SERVICE),
    (("voip", "personal_number"), Kind.FIXED),
    (("pager", "uan", "voicemail"), Kind.SERVICE),
)


@cache
def country_codes() -> Whole:
    """First three digits of an international number -> its country code, 0 where there is none."""
    found = np.zeros(1000, dtype=np.int64)
    for code in COUNTRY_CODE_TO_REGION_CODE:
        width = 10 ** (3 - len(str(code)))
        found[code * width : (code + 1) * width] = code
    return found


def kinds(numbers: Whole, digits: int) -> Kinds:
    """What numbers are, as values of :class:`.Kind`.

    :param numbers: country code and national number in one whole number.
    :param digits: how many digits each of them has.
    """
    if not SHORTEST <= digits <= LONGEST:
        return np.zeros(len(numbers), dtype=np.int32)
    return _tables(digits).look_up(numbers)


def are_valid(numbers: Whole) -> NDArray[np.bool_]:
    """Which numbers are valid; parameters are those of :func:`kinds`, the numbers may have any length."""
    found = np.zeros(len(numbers), dtype=np.bool_)
    digits = np.searchsorted(POWERS, numbers, side="right")
    for length in np.unique(digits).tolist():
        rows = np.flatnonzero(digits == length)
        found[rows] = kinds(numbers[rows], length) >= Kind.SERVICE
    return found


@cache
def _tables(digits: int) -> _Tables:
    return _Tables(digits)


class _Tables:
    """The tables for numbers of one length.

    :param digits: the length, country code included.
    """

    def __init__(self, digits: int) -> None:
        self._digits = digits
        self._lock = threading.Lock()
        self._entries = np.full(10**_FIRST, _UNKNOWN, dtype=np.int32)
        self._used = len(self._entries)
        self._places: dict[tuple[int, int, int], int] = {}

    def look_up(self, numbers: Whole) -> Kinds:
        """The kinds of numbers of this length."""
        left = self._digits - _FIRST
        keys = numbers // POWERS[left]
        found: Kinds = self._entries[keys]
        if found.min(initial=0) == _UNKNOWN:
            self._work_out(np.unique(keys[found == _UNKNOWN]).tolist())
            found = self._entries[keys]
        rows = np.flatnonzero(found >= _TABLE)
        while len(rows):
            width = min(_NEXT, left)
            left -= width
            entries = self._entries[found[rows] + numbers[rows] // POWERS[left] % 10**width]
            found[rows] = entries
            rows = rows[entries >= _TABLE]
        if found.min(initial=0) == _ASK:
            asked = np.flatnonzero(found == _ASK)
            found[asked] = [_by_library(number) for number in numbers[asked].tolist()]
        return found

    def _work_out(self, keys: list[int]) -> None:
        """Fill in entries of the first table, each with all others that share its kind for the same reason."""
        with self._lock:
            for key in keys:
                if self._entries[key] == _UNKNOWN:
                    self._fill_around(f"{key:0{_FIRST}}")

    def _fill_around(self, key: str) -> None:
        code = int(country_codes()[int(key[:3])])
        if code == 0:
            self._fill(key[:3], int(Kind.IMPOSSIBLE))
            return
        width = len(str(code))
        ranges = _ranges(code, self._digits - width)
        if ranges is None:
            self._fill(key[:width], _ASK)
            return
        state = ranges.start
        for known in range(width, _FIRST + 1):
            kind = ranges.verdict(state, self._digits - known)
            if kind != _UNKNOWN:
                self._fill(key[:known], kind)
                return
            if known < _FIRST:
                state = ranges.step(state, int(key[known]))
        self._fill(key, self._table(ranges, state, self._digits - _FIRST))

    def _fill(self, beginning: str, entry: int) -> None:
        width = 10 ** (_FIRST - len(beginning))
        first = int(beginning) * width
        self._entries[first : first + width] = entry

    def _table(self, ranges: _Ranges, state: int, left: int) -> int:
        """The place of the table for the digits behind a state, of which there are so many."""
        place = self._places.get((ranges.country_code, state, left))
        if place is None:
            below = self._block(ranges, state, left, min(_NEXT, left))
            place = self._used
            self._used += len(below)
            if self._used > len(self._entries):
                grown = np.full(2 * self._used, _UNKNOWN, dtype=np.int32)
                grown[:place] = self._entries[:place]
                self._entries = grown
            self._entries[place : self._used] = below
            self._places[ranges.country_code, state, left] = place
        return place

    def _block(self, ranges: _Ranges, state: int, left: int, width: int) -> list[int]:
        """The entries for the next ``width`` of the digits behind a state."""
        kind = ranges.verdict(state, left)
        if kind != _UNKNOWN:
            return [kind] * 10**width
        if width == 0:
            return [self._table(ranges, state, left)]
        following = (ranges.step(state, digit) for digit in range(10))
        return [entry for after in following for entry in self._block(ranges, after, left - 1, width - 1)]


class _Region(NamedTuple):
    """The ranges of one region for numbers of one length.

    Attributes:
        leading: how numbers of the region begin among those that share the code, or None.
        general: all its numbers.
        types: types of numbers with their kinds, the first that fits counts.
    """

    leading: DigitPattern | None
    general: DigitPattern
    types: tuple[tuple[DigitPattern, Kind], ...]


class _RegionState(NamedTuple):
    """Where a number stands in the patterns of one region; ``leading`` is True once it is known to begin so."""

    region: int
    leading: States | bool
    general: States
    types: tuple[States, ...]


class _Ranges:
    """The ranges of all regions of a country code, for national numbers of one length, as one automaton.

    :raises UnknownSyntaxError: if a pattern can't be read.
    """

    def __init__(self, country_code: int, length: int) -> None:
        self.country_code = country_code
        names = COUNTRY_CODE_TO_REGION_CODE[country_code]
        found = (PhoneMetadata.metadata_for_region_or_calling_code(country_code, one) for one in names)
        metadata = [one for one in found if one is not None]
        general = metadata[0].general_desc
        possible = general is not None and length in general.possible_length
        self._none = Kind.POSSIBLE if possible else Kind.IMPOSSIBLE
        self._regions = [_region(one, length, alone=len(metadata) == 1) for one in metadata]
        self._ids: dict[tuple[_RegionState, ...], int] = {}
        self._states: list[tuple[_RegionState, ...]] = []
        self._steps: dict[tuple[int, int], int] = {}
        self._verdicts: dict[tuple[int, int], int] = {}
        self.start = self._id(
            tuple(
                _RegionState(
                    place,
                    True if region.leading is None else region.leading.start,
                    region.general.start,
                    tuple(pattern.start for pattern, _ in region.types),
                )
                for place, region in enumerate(self._regions)
            )
        )

    def step(self, state: int, digit: int) -> int:
        """The state after one more digit."""
        known = self._steps.get((state, digit))
        if known is None:
            following = (self._step_region(one, digit) for one in self._states[state])
            known = self._steps[state, digit] = self._id(tuple(one for one in following if one is not None))
        return known

    def verdict(self, state: int, left: int) -> int:
        """The kind of all numbers that go on with so many digits, or ``_UNKNOWN`` if that depends on them."""
        if left == 0:
            return self._kind(state)
        known = self._verdicts.get((state, left))
        if known is None:
            first, *others = (self.step(state, digit) for digit in range(10))
            known = self.verdict(first, left - 1)
            if known != _UNKNOWN and any(self.verdict(other, left - 1) != known for other in set(others) - {first}):
                known = _UNKNOWN
            self._verdicts[state, left] = known
        return known

    def _id(self, states: tuple[_RegionState, ...]) -> int:
        known = self._ids.get(states)
        if known is None:
            known = self._ids[states] = len(self._states)
            self._states.append(states)
        return known

    def _step_region(self, state: _RegionState, digit: int) -> _RegionState | None:
        """None where the region can't have the number any more."""
        region = self._regions[state.region]
        leading = state.leading
        if not isinstance(leading, bool) and region.leading is not None:
            leading = region.leading.step(leading, digit)
            if not leading:
                return None
            leading = True if region.leading.accepts(leading, at_end=False) else leading
        general = region.general.step(state.general, digit)
        nothing: States = frozenset()
        types = tuple(
            pattern.step(states, digit) if general else nothing
            for (pattern, _), states in zip(region.types, state.types, strict=True)
        )
        if not any(types):
            general = nothing
            if region.leading is None:
                return None
        return _RegionState(state.region, leading, general, types)

    def _kind(self, state: int) -> int:
        """The kind of a number that ends here: the first region decides that it begins or fits like."""
        for place, leading, general, types in self._states[state]:
            region = self._regions[place]
            if leading is not True:
                continue
            found = self._none
            if region.general.accepts(general, at_end=True):
                pairs = zip(region.types, types, strict=True)
                found = next((kind for (one, kind), at in pairs if one.accepts(at, at_end=True)), found)
            if found >= Kind.SERVICE or region.leading is not None:
                return int(found)
        return int(self._none)


def _region(metadata: PhoneMetadata, length: int, *, alone: bool) -> _Region:
    def united(names: tuple[str, ...]) -> str | None:
        described = (getattr(metadata, name) for name in names)
        patterns = [
            one.national_number_pattern
            for one in described
            if one is not None and one.national_number_pattern and (length in (one.possible_length or (length,)))
        ]
        return "|".join(patterns) or None

    same = metadata.same_mobile_and_fixed_line_pattern
    types = (*_TYPES, (("fixed_line" if same else "mobile",), Kind.MOBILE), (("fixed_line",), Kind.FIXED))
    general = united(("general_desc",))
    patterns = ((united(names), kind) for names, kind in types if general)
    return _Region(
        digit_pattern(metadata.leading_digits) if metadata.leading_digits and not alone else None,
        digit_pattern(general or "$"),
        tuple((digit_pattern(pattern), kind) for pattern, kind in patterns if pattern),
    )


@cache
def _ranges(country_code: int, length: int) -> _Ranges | None:
    try:
        return _Ranges(country_code, length)
    except UnknownSyntaxError:
        return None


def _by_library(number: int) -> int:
    code = int(country_codes()[int(f"{number}"[:3])])
    return int(one_cell.kind_of(code, f"{number}"[len(str(code)) :]))
