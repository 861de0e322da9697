"""Digit strings to E.164 as whole numbers, column by column, by the tables of ``phone_plans``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.phones import plans
from airflow_provider_tiktok_offline.conversions.identifiers.phones.plans import (
    ABROAD,
    IMPOSSIBLE,
    KEY_DIGITS,
    MOST_DIGITS,
    POWERS,
    TABLE_SIZE,
    UNDECIDED,
    Table,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.validity import are_valid

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


_KEYS = 10**KEY_DIGITS
#: Fewer digits are no number; two may be one to the library, which is asked.
_LEAST_DIGITS = 3
#: Digits that are kept as a whole number; 64 bits hold them, and no number is longer, country code and all.
KEPT_DIGITS = 17

#: Verdicts on a number.
POSSIBLE, NOT_POSSIBLE, NO_REGION, ASK_LIBRARY = range(4)


class _Stack:
    """Tables one behind the other, so that rows of different regions are looked up in one go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offsets: dict[object, int] = {}
        self.entries: Table = np.full(TABLE_SIZE, IMPOSSIBLE, dtype=np.uint8)

    def offset(self, key: object, table: Table) -> int:
        with self._lock:
            if key not in self._offsets:
                self._offsets[key] = len(self.entries)
                self.entries = np.concatenate([self.entries, table])
            return self._offsets[key]


_abroad_tables = _Stack()
_region_tables = _Stack()


@dataclass(frozen=True, slots=True)
class Regions:
    """Where numbers are dialled from: one for all rows, or one a row.

    Attributes:
        offset: where the region's table begins; the first table is that of no region.
        code: country code, 0 for no region.
    """

    offset: int | Whole
    code: int | Whole

    @classmethod
    def one(cls, region: str | None) -> Regions:
        """The same region for all rows; None where none is known."""
        if region is None:
            return cls(0, 0)
        offset = _region_tables.offset(region, plans.region_table(region))
        return cls(offset, plans.country_code_of(region))

    @classmethod
    def many(cls, names: list[str | None], number_of: NDArray[np.integer[Any]]) -> Regions:
        """A region a row: ``number_of`` says which of the names."""
        each = [cls.one(name) for name in names]
        offsets = np.array([region.offset for region in each], dtype=np.int64)
        codes = np.array([region.code for region in each], dtype=np.int64)
        return cls(offsets[number_of], codes[number_of])

    def at(self, rows: Flags | NDArray[np.integer[Any]]) -> Regions:
        """The regions of some of the rows."""
        if isinstance(self.offset, int) or isinstance(self.code, int):
            return self
        return Regions(self.offset[rows], self.code[rows])


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a column of digit strings was read as.

    Attributes:
        e164: country code and national number as one whole number; 0 where there is none.
        verdict: POSSIBLE, NOT_POSSIBLE, NO_REGION or ASK_LIBRARY.
        assumed: whether a country code was read into digits that are no number of the region.
    """

    e164: Whole
    verdict: NDArray[np.uint8]
    assumed: Flags

    @classmethod
    def none(cls, rows: int, verdict: int) -> Resolved:
        """The same verdict for all rows, and no number."""
        return cls(np.zeros(rows, np.int64), np.full(rows, verdict, np.uint8), np.zeros(rows, np.bool_))

    def put(self, rows: Flags | NDArray[np.int64], found: Resolved) -> None:
        """Fill in some of the rows."""
        for name in Resolved.__slots__:
            getattr(self, name)[rows] = getattr(found, name)


_Resolve = Callable[[Whole, Whole, Flags, Regions, int], Resolved]


def resolve(number: Whole, length: Whole, plus: Flags, regions: Regions) -> Resolved:
    """Read digit strings; those that are no number of their region are tried as numbers of another one.

    :param number: the digits as a whole number, only the first ``KEPT_DIGITS`` of them where there are more.
    :param length: how many digits there are, leading zeros counted.
    :param plus: whether ``+`` stands before them.
    """
    resolved = resolve_as_written(number, length, plus, regions)
    elsewhere = np.flatnonzero((resolved.verdict == NOT_POSSIBLE) & ~plus)
    if len(elsewhere):
        resolved.put(elsewhere, resolve_elsewhere(number[elsewhere], length[elsewhere], regions.at(elsewhere)))
    return resolved


def resolve_as_written(number: Whole, length: Whole, plus: Flags, regions: Regions) -> Resolved:
    """Read digit strings as what they are dialled as; parameters as for :func:`resolve`."""
    return _by_length(_resolve_as_written, number, length, plus, regions)


def resolve_elsewhere(number: Whole, length: Whole, regions: Regions) -> Resolved:
    """Read a country code into digit strings that are no number of their region.

    With ``00`` before it a possible number is taken, bare digits only as a valid one.
    """
    return _by_length(_resolve_elsewhere, number, length, np.zeros(len(number), np.bool_), regions)


def _by_length(resolve_some: _Resolve, number: Whole, length: Whole, plus: Flags, regions: Regions) -> Resolved:
    """Resolve those that the tables know; of longer ones than can be kept only that they are impossible."""
    short = (length >= _LEAST_DIGITS) & (length <= KEPT_DIGITS)
    if short.all():
        return resolve_some(number, length, plus, regions, 0)
    resolved = Resolved.none(len(number), ASK_LIBRARY)
    resolved.put(short, resolve_some(number[short], length[short], plus[short], regions.at(short), 0))
    for digits in range(KEPT_DIGITS + 1, MOST_DIGITS + 1):
        long = np.flatnonzero(length == digits)
        if len(long):
            kept = np.full(len(long), KEPT_DIGITS)
            found = resolve_some(number[long], kept, plus[long], regions.at(long), digits - KEPT_DIGITS)
            decided = (found.verdict == NOT_POSSIBLE) | (found.verdict == NO_REGION)
            resolved.verdict[long[decided]] = found.verdict[decided]
    return resolved


def _resolve_as_written(number: Whole, length: Whole, plus: Flags, regions: Regions, cut: int) -> Resolved:
    if plus.all():
        return _international(number, length, regions, cut)
    if not plus.any():
        return _dialled(number, length, regions, cut)
    resolved = Resolved.none(len(number), NOT_POSSIBLE)
    resolved.put(plus, _international(number[plus], length[plus], regions.at(plus), cut))
    resolved.put(~plus, _dialled(number[~plus], length[~plus], regions.at(~plus), cut))
    return resolved


def _international(number: Whole, length: Whole, regions: Regions, cut: int) -> Resolved:
    """Numbers with ``+``; where no country code follows it, it may be the region's international prefix."""
    resolved = _from_abroad(number, length, cut)
    rows = np.flatnonzero(resolved.verdict == NOT_POSSIBLE)
    rows = rows[plans.country_codes()[number[rows] // POWERS[length[rows] - 3]] == 0]
    if len(rows):
        number, length, regions = number[rows], length[rows], regions.at(rows)
        entry = _region_entry(number, length, regions, cut)
        without = Resolved.none(len(rows), NOT_POSSIBLE)
        without.verdict[entry == UNDECIDED] = ASK_LIBRARY
        _dial_abroad(without, entry, number, length, cut)
        resolved.put(rows, without)
    return resolved


def _from_abroad(number: Whole, length: Whole, cut: int) -> Resolved:
    """Numbers that begin with their country code.

    :param cut: how many digits more than ``length`` they had.
    """
    first = number // POWERS[length - 3]
    codes_by_start = plans.country_codes()
    starts = np.flatnonzero(np.bincount(first, minlength=1000))
    offsets_by_start = np.zeros(1000, dtype=np.int64)
    for start in starts.tolist():
        if code := int(codes_by_start[start]):
            offsets_by_start[start] = _abroad_tables.offset(code, plans.abroad_table(code))
    codes = codes_by_start[starts]
    widths = {len(str(code)) for code in codes.tolist()}
    code = codes_by_start[first]
    left = length - (widths.pop() if len(widths) == 1 else np.where(code < 10, 1, np.where(code < 100, 2, 3)))
    rest = number - code * POWERS[left]
    entry = _abroad_tables.entries[
        offsets_by_start[first] + (left + cut) * _KEYS + rest // POWERS[np.maximum(left - KEY_DIGITS, 0)] % _KEYS
    ]
    entry[code == 0] = IMPOSSIBLE
    return _by_entry(entry, number, code, rest, left)


def _by_entry(entry: Table, number: Whole, code: Whole | int, rest: Whole, left: Whole) -> Resolved:
    """What the entries say, for numbers of which ``rest`` follows the country code."""
    verdict = np.full(len(entry), POSSIBLE, dtype=np.uint8)
    verdict[entry == IMPOSSIBLE] = NOT_POSSIBLE
    verdict[(entry == UNDECIDED) | (number == 0)] = ASK_LIBRARY
    possible = verdict == POSSIBLE
    drop = np.where(possible, entry, 0).astype(np.int64)
    kept = POWERS[left - drop]
    e164 = np.where(possible, code * kept + (rest % kept if drop.any() else rest), 0)
    return Resolved(e164, verdict, np.zeros(len(entry), np.bool_))


def _region_entry(number: Whole, length: Whole, regions: Regions, cut: int) -> Table:
    key = number // POWERS[np.maximum(length - KEY_DIGITS, 0)]
    entry: Table = _region_tables.entries[regions.offset + (length + cut) * _KEYS + key]
    return entry


def _dialled(number: Whole, length: Whole, regions: Regions, cut: int) -> Resolved:
    """Numbers without ``+``."""
    entry = _region_entry(number, length, regions, cut)
    at_home = np.where((entry >= ABROAD) & (entry < IMPOSSIBLE), UNDECIDED, entry)
    resolved = _by_entry(at_home, number, regions.code, number, length)
    _dial_abroad(resolved, entry, number, length, cut)
    return resolved


def _dial_abroad(resolved: Resolved, entry: Table, number: Whole, length: Whole, cut: int) -> None:
    """Read on behind an international prefix."""
    rows = np.flatnonzero((entry >= ABROAD) & (entry < IMPOSSIBLE))
    left = length[rows] - (entry[rows].astype(np.int64) - ABROAD)
    resolved.verdict[rows] = ASK_LIBRARY
    rows, left = rows[left >= _LEAST_DIGITS], left[left >= _LEAST_DIGITS]
    if len(rows):
        resolved.put(rows, _from_abroad(number[rows] % POWERS[left], left, cut))


def _resolve_elsewhere(number: Whole, length: Whole, _plus: Flags, regions: Regions, cut: int) -> Resolved:
    unknown = np.broadcast_to(np.asarray(regions.code) == 0, len(number))
    resolved = Resolved.none(len(number), NOT_POSSIBLE)
    resolved.verdict[unknown] = NO_REGION
    resolved.verdict[number == 0] = ASK_LIBRARY
    zeros = number < POWERS[length - 2]
    left = length - 2 * zeros
    readable = np.flatnonzero((left >= _LEAST_DIGITS) & (number >= POWERS[np.maximum(left - 1, 0)]))
    if len(readable) == 0:
        return resolved
    zeros, unknown = zeros[readable], unknown[readable]
    abroad = _from_abroad(number[readable], left[readable], cut)
    resolved.verdict[readable[abroad.verdict == ASK_LIBRARY]] = ASK_LIBRARY
    taken = abroad.verdict == POSSIBLE
    if cut:
        resolved.verdict[readable[taken]] = ASK_LIBRARY
        return resolved
    bare = np.flatnonzero(taken & ~zeros)
    taken[bare] = are_valid(abroad.e164[bare])
    resolved.e164[readable[taken]] = abroad.e164[taken]
    resolved.verdict[readable[taken]] = POSSIBLE
    resolved.assumed[readable[taken]] = ~(zeros & unknown)[taken]
    return resolved
