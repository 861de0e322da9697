"""Digit strings to E.164 as whole numbers, column by column, by the tables of ``phone_plans``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import phone_plans
from .phone_plans import ABROAD, IMPOSSIBLE, KEY_DIGITS, MOST_DIGITS, POWERS, TABLE_SIZE, UNDECIDED, Table
from .phone_validity import are_valid

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


_KEYS = 10**KEY_DIGITS
#: Fewer digits are no number; two may be one to the library, which is asked.
_LEAST_DIGITS = 3

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
        offset = _region_tables.offset(region, phone_plans.region_table(region))
        return cls(offset, phone_plans.country_code_of(region))

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


def resolve(number: Whole, length: Whole, plus: Flags, regions: Regions) -> Resolved:
    """Read digit strings.

    :param number: the digits as a whole number.
    :param length: how many digits there are, leading zeros counted.
    :param plus: whether ``+`` stands before them.
    """
    within = (length >= _LEAST_DIGITS) & (length <= MOST_DIGITS)
    if not within.all():
        return _scattered(within, number, length, plus, regions)
    if plus.all():
        return _from_abroad(number, length)
    if plus.any():
        return _joined(
            plus, _from_abroad(number[plus], length[plus]), _dialled(number[~plus], length[~plus], regions.at(~plus))
        )
    return _dialled(number, length, regions)


def _scattered(within: Flags, number: Whole, length: Whole, plus: Flags, regions: Regions) -> Resolved:
    read = resolve(number[within], length[within], plus[within], regions.at(within))
    rest = int((~within).sum())
    unread = Resolved(np.zeros(rest, np.int64), np.full(rest, ASK_LIBRARY, np.uint8), np.zeros(rest, np.bool_))
    return _joined(within, read, unread)


def _joined(where: Flags, yes: Resolved, no: Resolved) -> Resolved:
    joined = Resolved(np.empty(len(where), np.int64), np.empty(len(where), np.uint8), np.empty(len(where), np.bool_))
    for name in Resolved.__slots__:
        getattr(joined, name)[where] = getattr(yes, name)
        getattr(joined, name)[~where] = getattr(no, name)
    return joined


def _from_abroad(number: Whole, length: Whole) -> Resolved:
    """Numbers that begin with their country code."""
    first = number // POWERS[length - 3]
    codes_by_start = phone_plans.country_codes()
    starts = np.flatnonzero(np.bincount(first, minlength=1000))
    offsets_by_start = np.zeros(1000, dtype=np.int64)
    for start in starts.tolist():
        if code := int(codes_by_start[start]):
            offsets_by_start[start] = _abroad_tables.offset(code, phone_plans.abroad_table(code))
    codes = codes_by_start[starts]
    widths = {len(str(code)) for code in codes.tolist()}
    code = codes_by_start[first]
    left = length - (widths.pop() if len(widths) == 1 else np.where(code < 10, 1, np.where(code < 100, 2, 3)))
    rest = number - code * POWERS[left]
    entry = _abroad_tables.entries[
        offsets_by_start[first] + left * _KEYS + rest // POWERS[np.maximum(left - KEY_DIGITS, 0)] % _KEYS
    ]
    entry[code == 0] = IMPOSSIBLE
    # An international prefix may follow a plus by mistake; it depends on the region whether it is one.
    entry[first < 100] = UNDECIDED
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


def _dialled(number: Whole, length: Whole, regions: Regions) -> Resolved:
    """Numbers without ``+``."""
    key = number // POWERS[np.maximum(length - KEY_DIGITS, 0)]
    entry = _region_tables.entries[regions.offset + length * _KEYS + key]
    resolved = _by_entry(
        np.where((entry >= ABROAD) & (entry < IMPOSSIBLE), UNDECIDED, entry), number, regions.code, number, length
    )
    dialled_abroad = np.flatnonzero((entry >= ABROAD) & (entry < IMPOSSIBLE))
    if len(dialled_abroad):
        _dial_abroad(resolved, dialled_abroad, number, length - (entry.astype(np.int64) - ABROAD))
    elsewhere = np.flatnonzero(resolved.verdict == NOT_POSSIBLE)
    if len(elsewhere):
        _assume_country_code(resolved, elsewhere, number[elsewhere], length[elsewhere], regions.at(elsewhere))
    return resolved


def _dial_abroad(resolved: Resolved, rows: NDArray[np.int64], number: Whole, left: Whole) -> None:
    """Read on behind an international prefix; only a possible number is taken from here."""
    rows = rows[left[rows] >= _LEAST_DIGITS]
    behind = _from_abroad(number[rows] % POWERS[left[rows]], left[rows])
    possible = behind.verdict == POSSIBLE
    resolved.e164[rows[possible]] = behind.e164[possible]
    resolved.verdict[rows[possible]] = POSSIBLE


def _assume_country_code(
    resolved: Resolved, rows: NDArray[np.int64], number: Whole, length: Whole, regions: Regions
) -> None:
    """Digits that are no number of their region: with ``00`` a possible, bare only a valid number of another one."""
    unknown = np.broadcast_to(np.asarray(regions.code) == 0, len(rows))
    resolved.verdict[rows] = np.where(unknown, NO_REGION, NOT_POSSIBLE)
    zeros = number < POWERS[length - 2]
    left = length - 2 * zeros
    readable = (left >= _LEAST_DIGITS) & (number >= POWERS[np.maximum(left - 1, 0)])
    some, zeros, unknown = rows[readable], zeros[readable], unknown[readable]
    abroad = _from_abroad(number[readable], left[readable])
    resolved.verdict[some[abroad.verdict == ASK_LIBRARY]] = ASK_LIBRARY
    taken = abroad.verdict == POSSIBLE
    bare = np.flatnonzero(taken & ~zeros)
    taken[bare] = are_valid(abroad.e164[bare])
    resolved.e164[some[taken]] = abroad.e164[taken]
    resolved.verdict[some[taken]] = POSSIBLE
    resolved.assumed[some[taken]] = ~(zeros & unknown)[taken]
