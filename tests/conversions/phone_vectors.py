"""Vectors for phones: valid numbers of every region, written in every way, each with the number that it stands for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
MOBILE, FIXED = "mobile", "fixed"
_TYPES = {
    MOBILE: (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE),
    FIXED: (PhoneNumberType.FIXED_LINE, PhoneNumberType.FIXED_LINE_OR_MOBILE),
}
_FULL_WIDTH = str.maketrans("0123456789+", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff0b")
_ARABIC = str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")
_DEVANAGARI = str.maketrans("0123456789", "\u0966\u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e\u096f")


class Vector(NamedTuple):
    """A cell of a region's file, and what it stands for.

    Attributes:
        region: the region of the file.
        cell: what is written.
        number: E.164 with ``+``.
        kind: mobile or fixed.
        spelling: name of the way of writing.
    """

    region: str
    cell: str
    number: str
    kind: str
    spelling: str


@cache
def numbers(region: str, kind: str, count: int) -> tuple[phonenumbers.PhoneNumber, ...]:
    """Valid numbers of a region: its example, and others drawn from the ranges of that kind."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    assert metadata is not None
    described = metadata.mobile if kind == MOBILE else metadata.fixed_line
    found: dict[str, phonenumbers.PhoneNumber] = {}
    if described is None or not described.national_number_pattern:
        return ()
    dice = random.Random(f"{region}-{kind}")
    drawn = [described.example_number] if described.example_number else []
    drawn += ["".join(_draw(_parser.parse(described.national_number_pattern), dice)) for _ in range(4 * count)]
    for national in drawn:
        number = phonenumbers.parse(f"+{metadata.country_code}{national}")
        same = phonenumbers.national_significant_number(number) == national
        valid = phonenumbers.is_valid_number_for_region(number, region)
        if same and valid and phonenumbers.number_type(number) in _TYPES[kind]:
            found.setdefault(national, number)
    return tuple(list(found.values())[:count])


def home_vectors(count: int) -> Iterator[Vector]:
    """Every region's own numbers in its own list, in every spelling."""
    for region in REGIONS:
        for kind in (MOBILE, FIXED):
            for number in numbers(region, kind, count):
                e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                for spelling, cell in spellings(region, number):
                    yield Vector(region, cell, e164, kind, spelling)


def foreign_vectors() -> Iterator[Vector]:
    """Every other region's mobiles in each region's list."""
    for home in REGIONS:
        for region in REGIONS:
            if phonenumbers.country_code_for_region(home) != phonenumbers.country_code_for_region(region):
                for number in numbers(region, MOBILE, 1):
                    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                    yield Vector(home, e164[1:], e164, MOBILE, "foreign cc...")
                    yield Vector(home, "00" + e164[1:], e164, MOBILE, "foreign 00cc...")
                    yield Vector(home, e164, e164, MOBILE, "foreign +cc...")


def spellings(region: str, number: phonenumbers.PhoneNumber) -> Iterator[tuple[str, str]]:
    """The ways in which a number of a region is written there, each with its name."""
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(number)
    code = str(number.country_code)
    written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    dialled = re.sub("[^0-9]", "", written)
    yield "+cc...", e164
    yield "+cc with blanks", phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    yield "tel:+cc...", "tel:" + e164
    yield "cc...", e164[1:]
    yield "00cc...", "00" + e164[1:]
    for prefix in international_prefixes(region):
        yield "own prefix", prefix + e164[1:]
    yield "+cc (0)...", f"+{code} (0){national}"
    yield "cc (0)...", f"{code} (0){national}"
    yield "national, written", written
    yield "national, with extension", f"{written} x12"
    yield "national, digits", dialled
    yield "zero lost", dialled.lstrip("0")
    yield "full width", dialled.translate(_FULL_WIDTH)
    yield "Arabic digits", e164.translate(_ARABIC)
    yield "Devanagari digits", written.translate(_DEVANAGARI)


@cache
def international_prefixes(region: str) -> tuple[str, ...]:
    """A region's own international prefixes, at most five of them, without ``00``."""
    metadata = PhoneMetadata.metadata_for_region(region, None)
    assert metadata is not None
    dice = random.Random(region)
    drawn = ["".join(_draw(_parser.parse(metadata.international_prefix), dice)) for _ in range(20)]
    preferred = [metadata.preferred_international_prefix] if metadata.preferred_international_prefix else []
    plain = [re.sub("[^0-9]", "", prefix) for prefix in preferred] + drawn
    return tuple(prefix for prefix in dict.fromkeys(plain) if prefix != "00")[:5]


def _draw(pattern: Any, dice: random.Random) -> Iterator[str]:
    """A text that a pattern of digits matches."""
    for operation, argument in pattern:
        name = str(operation)
        if name == "LITERAL":
            yield chr(argument)
        elif name == "IN":
            yield dice.choice([char for char in "0123456789" if re.match(_set(argument), char)])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = argument
            for _ in range(dice.randint(least, most)):
                yield from _draw(inner, dice)
        elif name == "SUBPATTERN":
            yield from _draw(argument[-1], dice)
        elif name == "BRANCH":
            yield from _draw(dice.choice(argument[1]), dice)
        else:
            assert name == "AT", name


def _set(members: Any) -> str:
    found = ""
    for operation, argument in members:
        name = str(operation)
        if name == "LITERAL":
            found += chr(argument)
        elif name == "RANGE":
            found += f"{chr(argument[0])}-{chr(argument[1])}"
        else:
            assert name == "CATEGORY", name
            found += "0-9"
    return f"[{found}]"
