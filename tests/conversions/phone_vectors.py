"""Vectors for phones: valid numbers of every region, written in every way, each with the number that it stands for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from functools import cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

import phonenumbers
import polars as pl
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column

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
    described = _ranges(region, kind)
    if described is None:
        return ()
    examples = [described.example_number] if described.example_number else []
    found: dict[str, phonenumbers.PhoneNumber] = {}
    for national in (*examples, *_drawn(region, kind, 4 * count)):
        number = _valid(region, kind, national)
        if number is not None:
            found.setdefault(national, number)
    return tuple(found.values())[:count]


@cache
def numbers_like_their_country_code(region: str, kind: str, count: int) -> tuple[phonenumbers.PhoneNumber, ...]:
    """Valid numbers of a region that begin, without their country code, with the digits of that code."""
    if _ranges(region, kind) is None:
        return ()
    code = str(phonenumbers.country_code_for_region(region))
    drawn = [code + national[len(code) :] for national in _drawn(region, kind, 60)]
    valid = (_valid(region, kind, national) for national in dict.fromkeys(drawn))
    return tuple(number for number in valid if number is not None)[:count]


def _ranges(region: str, kind: str) -> Any:
    metadata = _metadata(region)
    described = metadata.mobile if kind == MOBILE else metadata.fixed_line
    return described if described is not None and described.national_number_pattern else None


@cache
def _metadata(region: str) -> Any:
    return PhoneMetadata.metadata_for_region(region, None)


def _drawn(region: str, kind: str, count: int) -> list[str]:
    dice = random.Random(f"{region}-{kind}")
    pattern = _parser.parse(_ranges(region, kind).national_number_pattern)
    return ["".join(_draw(pattern, dice)) for _ in range(count)]


def _valid(region: str, kind: str, national: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(f"+{_metadata(region).country_code}{national}")
    except phonenumbers.NumberParseException:
        return None
    same = phonenumbers.national_significant_number(number) == national
    valid = phonenumbers.is_valid_number_for_region(number, region)
    return number if same and valid and phonenumbers.number_type(number) in _TYPES[kind] else None


def home_vectors(count: int) -> Iterator[Vector]:
    """Every region's own numbers in its own list, in every spelling."""
    for region in REGIONS:
        for kind in (MOBILE, FIXED):
            for number in numbers(region, kind, count):
                for spelling, cell in spellings(region, number):
                    yield Vector(region, cell, _e164(number), kind, spelling)
            for number in numbers_like_their_country_code(region, kind, count):
                national = phonenumbers.national_significant_number(number)
                trunk = _metadata(region).national_prefix or ""
                yield Vector(region, national, _e164(number), kind, "bare, like own code")
                yield Vector(region, trunk + national, _e164(number), kind, "national, like own code")
                yield Vector(region, _e164(number)[1:], _e164(number), kind, "cc..., like own code")


def foreign_vectors(every: int) -> Iterator[Vector]:
    """Every other region's mobiles in the lists of one region in so many."""
    for home in REGIONS[::every]:
        for region in REGIONS:
            if _metadata(home).country_code != _metadata(region).country_code:
                for number in numbers(region, MOBILE, 1):
                    e164 = _e164(number)
                    short = "" if len(e164) > 10 else ", under ten digits"
                    yield Vector(home, e164[1:], e164, MOBILE, "foreign cc..." + short)
                    yield Vector(home, "00" + e164[1:], e164, MOBILE, "foreign 00cc...")
                    yield Vector(home, e164, e164, MOBILE, "foreign +cc...")


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def spellings(region: str, number: phonenumbers.PhoneNumber) -> Iterator[tuple[str, str]]:
    """The ways in which a number of a region is written there, each with its name."""
    e164 = _e164(number)
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
        yield ("own prefix" if len(prefix) <= 5 else "carrier code and prefix"), prefix + e164[1:]
    yield "+cc (0)...", f"+{code} (0){national}"
    yield "cc (0)...", f"{code} (0){national}"
    yield "national, written", written
    yield "national, with extension", f"{written} x12"
    yield "national, digits", dialled
    yield "zero lost", dialled.lstrip("0")
    yield "full width", dialled.translate(_FULL_WIDTH)
    yield "Arabic digits", e164.translate(_ARABIC)
    yield "Devanagari digits", written.translate(_DEVANAGARI)


RIGHT, RIGHT_NOTED, ABSENT, WRONG_NOTED, SILENT = "right", "right, noted", "absent", "wrong, noted", "silently wrong"


def outcomes(vectors: Iterable[Vector]) -> Iterator[tuple[Vector, str]]:
    """What becomes of vectors: each with one of the five words above."""
    by_region: dict[str, list[Vector]] = {}
    for vector in vectors:
        by_region.setdefault(vector.region, []).append(vector)
    for region, of_region in by_region.items():
        cells = pl.Series([vector.cell for vector in of_region], dtype=pl.String)
        for vector, found in zip(of_region, phone_column.read(cells, region).to_list(), strict=True):
            yield vector, _outcome(vector, found)


def _outcome(vector: Vector, found: dict[str, str | None]) -> str:
    if found["normal"] is None:
        assert found["fault"] is not None, vector
        return ABSENT
    if found["normal"] == vector.number:
        return RIGHT_NOTED if found["doubt"] == "phone_two_readings" else RIGHT
    return WRONG_NOTED if found["doubt"] in ("phone_two_readings", "phone_not_valid") else SILENT


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
