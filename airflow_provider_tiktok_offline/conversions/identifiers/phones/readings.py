"""Which numbers millions of digit strings may stand for: the rule of :mod:`.one_cell`, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from airflow_provider_tiktok_offline.conversions.contract.settings import PhoneDigits
from airflow_provider_tiktok_offline.conversions.identifiers.phones.number_kinds import (
    POWERS,
    Kinds,
    Whole,
    country_codes,
    kinds,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.numbering_plans import (
    BEHIND_DIGITS,
    PREFIX_BEHIND,
    START,
    ZERO_BEHIND,
    Flags,
    NumberingPlan,
    Rows,
    behind_country_code,
    plan_of,
    plan_of_code,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.offers import (
    NONE,
    SENDABLE,
    VALID,
    Offer,
    Ranks,
    Taker,
)
from airflow_provider_tiktok_offline.conversions.identifiers.phones.one_cell import (
    LEAST_FOREIGN_DIGITS,
    LONGEST,
    ZERO_LOST,
    Kind,
)

#: What a reading adds to the rank of its numbers: prefixes of the first reading by their place, countries other than
#: the region's later; then the other readings.
_PREFIX, _FOREIGN, _READING = 10, 1_000, 2_000
_GROUP = 10_000


@dataclass(frozen=True)
class Digits:
    """Digit strings of one length.

    Attributes:
        numbers: the digits as whole numbers.
        digits: how many there are, leading zeros counted.
        zero: which cells have a zero in brackets; None for none of them.
    """

    numbers: Whole
    digits: int
    zero: Flags | None = None

    def at(self, rows: Rows, skipped: int = 0) -> Digits:
        """Some of them, without so many first digits."""
        left = self.digits - skipped
        numbers = self.numbers[rows]
        return Digits(
            numbers % POWERS[left] if skipped else numbers, left, None if self.zero is None else self.zero[rows]
        )

    def first(self, digits: int) -> Whole:
        """Their first digits."""
        first: Whole = self.numbers // POWERS[self.digits - digits]
        return first


def offer_readings(cells: Digits, region: str | None, phone_digits: PhoneDigits, taker: Taker, *, plus: bool) -> None:
    """Offer every reading of digit strings of four to eighteen digits, not all of them zeros.

    :param region: ISO 3166 alpha-2 code, or None where none is known.
    :param plus: whether ``+`` stands before them.
    :raises UnknownSyntaxError: if the region's metadata can't be read.
    """
    column = _Column(plan_of(region), phone_digits, taker)
    if plus:
        column.behind_plus(cells, None)
    elif phone_digits == "international":
        begins_with_zero = cells.first(1) == 0
        column.behind_plus(cells, np.flatnonzero(~begins_with_zero))
        column.bare(cells, np.flatnonzero(begins_with_zero))
    else:
        column.bare(cells, None)


class _CountryCode(NamedTuple):
    """How a country code is written.

    Attributes:
        marked: whether ``+`` or an international prefix stands before it: the first reading, else the second and the
            fourth.
        place: place of the prefix in the order of preference.
        any_country: whether a number of any country is sent if it is only possible, or the region's own ones only.
    """

    marked: bool
    place: int = 0
    any_country: bool = False


class _Column:
    """The readings of digit strings in the lists of one region."""

    def __init__(self, plan: NumberingPlan, phone_digits: PhoneDigits, taker: Taker) -> None:
        self._plan = plan
        self._phone_digits = phone_digits
        self._taker = taker

    def behind_plus(self, cells: Digits, rows: Rows | None) -> None:
        """What is written with ``+``: a country code, or an international prefix where none follows.

        :param rows: which of the taker's rows are read; None for all.
        """
        if rows is not None:
            cells = cells.at(rows)
        known = country_codes()[cells.first(START)] > 0
        self._with_code(cells, rows, _CountryCode(marked=True, any_country=True))
        if not known.all():
            self._behind_prefixes(cells, rows, ~known & self._plan.may_be_international[cells.first(START)], plus=True)

    def bare(self, cells: Digits, rows: Rows | None) -> None:
        """What is written without ``+``; parameters are those of :meth:`behind_plus`."""
        if rows is not None:
            cells = cells.at(rows)
        may_be_international = self._plan.may_be_international[cells.first(START)]
        if self._plan.country_code:
            self._national(cells, rows)
        if may_be_international.any():
            self._behind_prefixes(cells, rows, may_be_international, plus=False)
        if self._phone_digits != "national":
            self._with_code(cells, rows, _CountryCode(marked=False))
        if self._plan.country_code:
            self._with_lost_zero(cells, rows)

    def _behind_prefixes(self, cells: Digits, rows: Rows | None, flags: Flags, *, plus: bool) -> None:
        for width, prefixes in self._plan.international.items():
            if cells.digits - width <= START:
                break
            at = np.flatnonzero(flags)
            at = at[np.isin(cells.first(width)[at], prefixes)]
            is_double_zero = (cells.first(width)[at] == 0) & (width == 2)
            for chosen, place in ((at[is_double_zero], 1), (at[~is_double_zero], 1 + width)):
                if len(chosen):
                    how = _CountryCode(marked=True, place=place, any_country=plus)
                    self._with_code(cells.at(chosen, width), _of(rows, chosen), how)

    def _national(self, cells: Digits, rows: Rows | None) -> None:
        plan = self._plan
        trunk = plan.has_trunk(cells.numbers, cells.digits)
        self._offer_national(3, cells.numbers, cells.digits, rows, 0, trunk)
        for part in plan.without_prefixes(cells.numbers, cells.digits, cells.zero):
            of_part = trunk if isinstance(trunk, bool) else trunk[part.rows]
            self._offer_national(3, part.numbers, part.digits, _of(rows, part.rows), part.place, of_part)

    def _with_lost_zero(self, cells: Digits, rows: Rows | None) -> None:
        without_valid = self._taker.without_valid()
        at = np.flatnonzero((without_valid if rows is None else without_valid[rows]) & (cells.first(1) > 0))
        if not len(at):
            return
        cells, rows = cells.at(at), _of(rows, at)
        cells = Digits(cells.numbers, cells.digits + 1, cells.zero)
        self._offer_national(ZERO_LOST, cells.numbers, cells.digits, rows, 0, trunk=False)
        for part in self._plan.without_prefixes(cells.numbers, cells.digits, cells.zero):
            self._offer_national(ZERO_LOST, part.numbers, part.digits, _of(rows, part.rows), part.place, trunk=False)

    def _offer_national(
        self, reading: int, numbers: Whole, digits: int, rows: Rows | None, place: int, trunk: Flags | bool
    ) -> None:
        code = self._plan.country_code
        length = digits + len(str(code))
        if length > LONGEST:
            return
        whole = numbers + code * POWERS[digits]
        found = kinds(whole, length)
        order = _READING + reading * _PREFIX + place
        if isinstance(trunk, bool):
            ranks = (_VALID_BEHIND_TRUNK if trunk else _VALID)[found] + order
        else:
            ranks = np.where(trunk, _VALID_BEHIND_TRUNK[found], _VALID[found]) + order
        at = np.flatnonzero(found <= Kind.POSSIBLE)
        if len(at):
            sends = (numbers[at] >= POWERS[digits - 1]) & (reading == 3)
            as_dialled = (trunk if isinstance(trunk, bool) else trunk[at]) & (place == 0)
            ranks[at] = _rank_if_possible(found[at], sends, _GROUP + order + 5 * as_dialled)
        self._taker.take(Offer(rows, whole, found, ranks, reading))

    def _with_code(self, cells: Digits, rows: Rows | None, how: _CountryCode) -> None:
        if not cells.digits > START:
            return
        codes = country_codes()[cells.first(START)]
        self._offer_with_code(how, codes, cells, rows, 0, cells.digits)
        if cells.digits < BEHIND_DIGITS:
            return
        behind = behind_country_code().look_up(cells.first(BEHIND_DIGITS))
        removable = behind & PREFIX_BEHIND > 0
        if cells.zero is not None:
            removable |= (behind & ZERO_BEHIND > 0) & cells.zero
        at = np.flatnonzero(removable)
        for code in np.unique(codes[at]).tolist():
            of_code = at[codes[at] == code]
            part = cells.at(of_code, len(str(code)))
            for national in plan_of_code(code).without_prefixes(part.numbers, part.digits, part.zero):
                length = national.digits + len(str(code))
                if length <= LONGEST:
                    whole = national.numbers + code * POWERS[national.digits]
                    of_rows = _of(rows, of_code[national.rows])
                    same = np.full(len(whole), code)
                    self._offer_with_code(how, same, Digits(whole, length), of_rows, national.place, cells.digits)

    def _offer_with_code(
        self, how: _CountryCode, codes: Whole, whole: Digits, rows: Rows | None, place: int, written: int
    ) -> None:
        """Offer numbers with a country code.

        :param whole: the numbers, country code included.
        :param place: place of the national prefix that was left out, in the order of preference.
        :param written: how many digits the cells have, which decides whether foreign numbers may be sent.
        """
        numbers, length = whole.numbers, whole.digits
        found = kinds(numbers, length)
        if not how.marked:
            at = np.flatnonzero(found >= self._taker.least)
            if not len(at):
                return
            codes, numbers, found, rows = codes[at], numbers[at], found[at], _of(rows, at)
        own = codes == self._plan.country_code
        if how.marked:
            order = np.where(own, 0, _FOREIGN) + how.place * _PREFIX + place
            ranks = _VALID_MARKED[found] + order
            at = np.flatnonzero(found <= Kind.POSSIBLE)
            if len(at):
                left = length - np.where(codes[at] < 10, 1, np.where(codes[at] < 100, 2, 3))
                begins_with_zero = numbers[at] - codes[at] * POWERS[left] < POWERS[left - 1]
                sends = ~begins_with_zero & (own[at] | how.any_country)
                ranks[at] = _rank_if_possible(found[at], sends, order[at])
            self._taker.take(Offer(rows, numbers, found, ranks.astype(np.int32), 1))
            return
        readings = np.where(own, 2, 4).astype(np.uint8)
        order = _READING + readings.astype(np.int32) * _PREFIX + place
        ranks = np.where(found >= Kind.SERVICE, _VALID[found] + order, SENDABLE + order).astype(np.int32)
        if written < LEAST_FOREIGN_DIGITS:
            never_sent = np.where(found == Kind.MOBILE, SENDABLE + order, NONE)
            ranks = np.where(own, ranks, never_sent).astype(np.int32)
        self._taker.take(Offer(rows, numbers, found, ranks, readings))


def _of(rows: Rows | None, at: Rows) -> Rows:
    return at if rows is None else rows[at]


def _rank_if_possible(found: Kinds, sends: Flags, order: Whole | int) -> Ranks:
    ranks = np.where(sends, VALID + order, SENDABLE + order)
    return np.where(found == Kind.IMPOSSIBLE, NONE, ranks).astype(np.int32)


def _ranks(*, service: int, fixed: int, mobile: int) -> Ranks:
    """Kind -> the rank that its group begins with."""
    return np.array([0, 0, service * _GROUP, fixed * _GROUP, mobile * _GROUP], dtype=np.int32)


_VALID_BEHIND_TRUNK = _ranks(service=9, fixed=0, mobile=0)
_VALID_MARKED = _ranks(service=9, fixed=1, mobile=1)
_VALID = _ranks(service=9, fixed=3, mobile=2)
