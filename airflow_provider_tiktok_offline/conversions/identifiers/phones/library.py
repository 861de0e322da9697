"""One phone number, read slowly and surely by libphonenumber: what the fast path is held against.

The rules are those of the programme's ``tiktok`` profile: E.164 with ``+``, gated on *possible* numbers
(TikTok Doc ID 1771101303285761). Whatever ``phone_patterns`` can't decide ends here, so the two may never disagree.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

#: How an extension may be written after a number; the labels are libphonenumber's own. For lower-cased text.
EXTENSION = (
    r"[ \u00a0\t,;]*(?:ext=|e?xt(?:ensi(?:o\u0301?|\u00f3))?n?|\uff45?\uff58\uff54\uff4e?|\u0434\u043e\u0431|anexo"
    r"|int|\uff49\uff4e\uff54|[x\uff58#\uff03~\uff5e])[:.\uff0e]?[ \u00a0\t,-]*\d{1,20}#?$"
)
#: What a spreadsheet makes of a number: digits lost behind an exponent, or a fraction that would be read as one more.
SPREADSHEET = r"^[+'=]?\d+(?:[.,]\d+)?e[+-]?\d+$|^[+'=]?\d{5,}\.0+$"


#: More digits than the longest number with an international prefix before it has: not a phone number.
MOST_DIGITS = 20


class Reading(NamedTuple):
    """What one cell was read as.

    Attributes:
        normal: E.164 with ``+``, or None.
        fault: name of the rule that the cell breaks, or None.
        warning: name of the rule that says how the cell was mended, or None.
    """

    normal: str | None = None
    fault: str | None = None
    warning: str | None = None


def read(cell: str, region: str | None) -> Reading:
    """Read one trimmed, lower-cased, non-empty cell as a phone number of a region.

    :param cell: the cell; no placeholder and no digest.
    :param region: ISO 3166 alpha-2 code, or None where none is known: then only international numbers are understood.
    """
    if re.search(SPREADSHEET, cell):
        return Reading(fault="phone_damaged")
    base = re.sub(EXTENSION, "", cell)
    extension = base != cell
    if not _digits(cell).strip("0"):
        return Reading(fault="phone_letters" if _has_letter(base) else "phone_impossible")
    if _has_letter(base):
        return Reading(fault="phone_letters")
    if len(_digits(base)) > MOST_DIGITS:
        return Reading(fault="phone_impossible")
    number = _parse(base, region)
    if number is not None and _possible(number):
        return Reading(_e164(number), warning="phone_extension" if extension or number.extension else None)
    if "+" in base or "\uff0b" in base:
        return Reading(fault="phone_impossible")
    bare = _digits(base)
    abroad = _parse("+" + bare.removeprefix("00"), None)
    if abroad is not None and _possible(abroad):
        if bare.startswith("00") and region is None:
            return Reading(_e164(abroad), warning="phone_extension" if extension else None)
        if bare.startswith("00") or phonenumbers.is_valid_number(abroad):
            return Reading(_e164(abroad), warning="phone_assumed_international")
    return Reading(fault="phone_impossible" if region else "phone_region")


def _digits(text: str) -> str:
    return "".join(str(int(char)) for char in text if char.isdecimal())


def _has_letter(text: str) -> bool:
    return any(char.isalpha() for char in text)


def _parse(text: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _possible(number: PhoneNumber) -> bool:
    return bool(phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE)


def _e164(number: PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
