"""One phone cell, read slowly by libphonenumber's validity: the rule that the fast path must equal.

A cell can be read as several numbers. Which one is sent:

1. ``+``, ``00`` or the region's own international prefix, a country code, a number of that country.
2. The region's country code without ``+``, a number of the region.
3. A number of the region as it is dialled there, with or without trunk prefix.
4. Another country's code without ``+``, from ten digits on, a number of that country. Of fewer digits it is never
   sent, but a mobile number raises the doubt whether the number that is sent is the right one.

A reading counts if the number is *valid*: its digits lie in a range that is in use. Behind a trunk prefix the third
reading comes before the first. Without a trunk prefix the first reading comes first, then mobile numbers by the
second, third and fourth, then fixed lines in the same order. Numbers that can't belong to a customer (toll-free,
premium rate and so on) come last. If no reading is valid, a zero that a spreadsheet may have taken is put in front,
with a warning; if that is not valid either, the first *possible* one of (1) and (3) is sent, with a warning. Possible
means that the length fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import NamedTuple, cast

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumber, PhoneNumberType, ValidationResult

from airflow_provider_tiktok_offline.conversions.contract.settings import PhoneDigits
from airflow_provider_tiktok_offline.conversions.identifiers.phones.cell_text import Written, written_in

#: Digits of an international number, country code included: the shortest in use, and the most that E.164 allows.
SHORTEST, LONGEST = 5, 15
#: Digits that another country's number has at least, country code included, if it is written without ``+``.
LEAST_FOREIGN_DIGITS = 10
#: The reading with a zero put in front.
ZERO_LOST = 5
#: Reading -> the rule that says why a number may be another one.
DOUBT_OF_READING = {4: "phone_assumed_international", ZERO_LOST: "phone_zero_lost"}


class Kind(IntEnum):
    """What a national number is in its country, the least likely for a customer first."""

    IMPOSSIBLE = 0
    POSSIBLE = 1
    SERVICE = 2
    FIXED = 3
    MOBILE = 4


_KIND_OF_TYPE = {
    PhoneNumberType.UNKNOWN: Kind.POSSIBLE,
    PhoneNumberType.MOBILE: Kind.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.MOBILE,
    PhoneNumberType.FIXED_LINE: Kind.FIXED,
    PhoneNumberType.VOIP: Kind.FIXED,
    PhoneNumberType.PERSONAL_NUMBER: Kind.FIXED,
}


class Reading(NamedTuple):
    """What one cell was read as.

    Attributes:
        normal: E.164 with ``+``, or None.
        fault: name of the rule that the cell breaks, or None.
        warning: name of the rule that says how the cell was mended, or None.
        doubt: name of the rule that says why the number may be another one, or None.
    """

    normal: str | None = None
    fault: str | None = None
    warning: str | None = None
    doubt: str | None = None


class Candidate(NamedTuple):
    """One number that a cell may stand for.

    Attributes:
        number: E.164 with ``+``.
        kind: what it is in its country.
        reading: 1 to 4, as the module says, or ``ZERO_LOST``.
        rank: the lowest is sent. It begins with ``VALID``, with ``SENDABLE``, or with ``POSSIBLE`` for a number that
            is never sent.
    """

    number: str
    kind: Kind
    reading: int
    rank: tuple[int, ...]


VALID, SENDABLE, POSSIBLE = range(3)


def read(cell: str, region: str | None, phone_digits: PhoneDigits = "auto") -> Reading:
    """Read one trimmed, lower-cased, non-empty cell as a phone number of a region.

    :param cell: the cell; no placeholder and no digest.
    :param region: ISO 3166 alpha-2 code, or None where none is known: then only international numbers are understood.
    :param phone_digits: how digits without ``+`` are meant.
    """
    written = written_in(cell)
    return Reading(fault=written) if isinstance(written, str) else read_written(written, region, phone_digits)


def read_written(written: Written, region: str | None, phone_digits: PhoneDigits) -> Reading:
    """Read what stands in a cell; parameters are those of :func:`read`."""
    warning = "phone_extension" if written.shortened else None
    found = _candidates(written, region, phone_digits)
    if not found or found[0].rank[0] == POSSIBLE:
        international = written.plus or written.digits.startswith("00")
        return Reading(fault="phone_impossible" if region or international else "phone_region")
    chosen = found[0]
    if chosen.rank[0] == SENDABLE:
        doubt: str | None = "phone_not_valid"
    elif any(one.kind >= Kind.SERVICE and one.number != chosen.number for one in found):
        doubt = "phone_two_readings"
    else:
        doubt = DOUBT_OF_READING.get(chosen.reading)
    return Reading(chosen.number, warning=warning, doubt=doubt)


def candidates(cell: str, region: str | None, phone_digits: PhoneDigits = "auto") -> list[str]:
    """Every number that a cell may stand for, valid or possible, the one that is sent first.

    Parameters are those of :func:`read`.
    """
    written = written_in(cell)
    return [] if isinstance(written, str) else candidates_of(written, region, phone_digits)


def candidates_of(written: Written, region: str | None, phone_digits: PhoneDigits) -> list[str]:
    """Every number that what stands in a cell may be; parameters are those of :func:`read`."""
    return list(dict.fromkeys(one.number for one in _candidates(written, region, phone_digits)))


def supported(region: str | None) -> str | None:
    """A region's code in capitals, or None where there is no region of that name."""
    name = region.strip().upper() if region else None
    return name if name in phonenumbers.SUPPORTED_REGIONS else None


def kind_of(country_code: int, national: str) -> Kind:
    """What a national number is in the country, or countries, of a code."""
    if not SHORTEST <= len(f"{country_code}{national}") <= LONGEST:
        return Kind.IMPOSSIBLE
    number = _number(country_code, national)
    kind = _KIND_OF_TYPE.get(phonenumbers.number_type(number), Kind.SERVICE)
    if kind == Kind.POSSIBLE:
        possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
        return Kind.POSSIBLE if possible else Kind.IMPOSSIBLE
    return kind


def _number(country_code: int, national: str) -> PhoneNumber:
    number = PhoneNumber(country_code=country_code, national_number=int(national))
    zeros = len(national) - len(national[:-1].lstrip("0") + national[-1])
    if zeros:
        number.italian_leading_zero = True
        number.number_of_leading_zeros = zeros
    return number


def _candidates(written: Written, region: str | None, phone_digits: PhoneDigits) -> list[Candidate]:
    """All numbers that a cell may stand for, by rank."""
    digits = written.digits
    own = _metadata(region) if region else None
    own_code = (own.country_code or 0) if own else 0
    leads_with_zero = digits.startswith("0")
    as_plus = written.plus or (phone_digits == "international" and not leads_with_zero)
    trunk = bool(own and own.national_prefix and digits.startswith(own.national_prefix) and not as_plus)
    found: list[Candidate] = []

    def add(reading: int, code: int, rest: str, metadata: PhoneMetadata, order: tuple[int, ...] = ()) -> None:
        for place, national in enumerate(_national_numbers(rest, metadata, written.zero_in_brackets)):
            kind = kind_of(code, national)
            rank: tuple[int, ...]
            if reading == 4 and len(digits) < LEAST_FOREIGN_DIGITS:
                kind, rank = (kind if kind == Kind.MOBILE else Kind.IMPOSSIBLE), (POSSIBLE, reading, place)
            elif kind >= Kind.SERVICE:
                rank = (VALID, _group(reading, kind, trunk=trunk), *(order or (reading,)), place)
            elif reading in (1, 3) and (as_plus or code == own_code) and not national.startswith("0"):
                rank = (SENDABLE, reading, *order, trunk and reading == 3 and place == 0, place)
            else:
                rank = (POSSIBLE, reading, *order, place)
            if kind != Kind.IMPOSSIBLE:
                found.append(Candidate(f"+{code}{national}", kind, reading, rank))

    for place, rest in _international(digits, own, as_plus):
        code, national = _split(rest)
        if code:
            add(1, code, national, _main_metadata(code), (code != own_code, place))
    if own and not as_plus:
        if phone_digits != "national" and digits.startswith(str(own_code)):
            add(2, own_code, digits[len(str(own_code)) :], _main_metadata(own_code))
        add(3, own_code, digits, own)
    if not as_plus and phone_digits != "national":
        code, national = _split(digits)
        if code and code != own_code:
            add(4, code, national, _main_metadata(code))
    if own and not as_plus and not leads_with_zero and all(one.rank[0] != VALID for one in found):
        add(ZERO_LOST, own_code, "0" + digits, own)
    return sorted(found, key=lambda one: one.rank)


def _group(reading: int, kind: Kind, *, trunk: bool) -> int:
    """Which candidates come before which; within a group they are ordered by reading."""
    if kind == Kind.SERVICE:
        return 9
    if trunk and reading == 3:
        return 0
    if reading == 1:
        return 1
    return 2 if kind == Kind.MOBILE else 3


def _international(digits: str, own: PhoneMetadata | None, plus: bool) -> Iterator[tuple[int, str]]:
    """What stands behind ``+`` or an international prefix, with the place of the prefix in the order of preference.

    Behind ``+`` a prefix is looked for only where no country code follows.
    """
    if plus and _split(digits)[0]:
        yield 0, digits
        return
    if digits.startswith("00"):
        yield 1, digits[2:]
    if own and own.international_prefix:
        for width in range(1, len(digits)):
            if digits[:width] != "00" and re.fullmatch(own.international_prefix, digits[:width]):
                yield 1 + width, digits[width:]


def _split(digits: str) -> tuple[int, str]:
    """A country code and what follows; 0 where the digits begin with none."""
    for width in (1, 2, 3):
        if int(digits[:width] or 0) in COUNTRY_CODE_TO_REGION_CODE and len(digits) > width and digits[0] != "0":
            return int(digits[:width]), digits[width:]
    return 0, digits


def _national_numbers(rest: str, metadata: PhoneMetadata, zero_in_brackets: bool) -> list[str]:
    """A number as it stands, without its trunk prefix, and without whatever else is dialled before it there."""
    found = [rest]
    trunk = metadata.national_prefix
    if rest.startswith("0") and (zero_in_brackets or trunk == "0"):
        found.append(rest[1:])
    elif trunk and rest.startswith(trunk):
        found.append(rest[len(trunk) :])
    found.append(_without_prefix(rest, metadata))
    return [national for national in dict.fromkeys(found) if national]


def _without_prefix(rest: str, metadata: PhoneMetadata) -> str:
    """A number without the prefixes, carrier codes and so on of its country, as libphonenumber takes them away."""
    pattern, rule = metadata.national_prefix_for_parsing, metadata.national_prefix_transform_rule
    match = re.match(pattern, rest) if pattern else None
    if match is None:
        return rest
    if rule and match.groups()[-1] is not None:
        return str(match.expand(rule)) + rest[match.end() :]
    return rest[match.end() :]


@cache
def _metadata(region: str) -> PhoneMetadata | None:
    return PhoneMetadata.metadata_for_region(region, None)


@cache
def _main_metadata(country_code: int) -> PhoneMetadata:
    region = COUNTRY_CODE_TO_REGION_CODE[country_code][0]
    return cast("PhoneMetadata", PhoneMetadata.metadata_for_region_or_calling_code(country_code, region))
