"""What the text of a phone cell says: its digits, whether ``+`` stands before them, what was left aside."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Digits that a cell with a phone number has: four are the shortest number, eighteen the longest one with an
#: international prefix before it.
LEAST_DIGITS, MOST_DIGITS = 4, 18

#: How a link to a phone begins (RFC 3966), and how people write it.
LINK = r"^tel[.:]{0,2} ?(?://)?"
#: How an extension may be written after a number; the labels are libphonenumber's own. For lower-cased text.
LABELLED_EXTENSION = (
    r"[ ,;]*(?:ext=|e?xt(?:ensi(?:o\u0301?|\u00f3))?n?|\uff45?\uff58\uff54\uff4e?|\u0434\u043e\u0431|anexo"
    r"|int|\uff49\uff4e\uff54|[x\uff58#\uff03~\uff5e])[:.\uff0e]?[ ,-]*[0-9]{1,20}#?$"
)
#: Extensions without a label: digits behind commas or a semicolon, or before a number sign.
BARE_EXTENSION = r" *(?:,,|;)[:.\uff0e]?[ ,-]*[0-9]{1,15}#?$| *,+[:.\uff0e]?[ ,-]*[0-9]{1,9}#?$|[- ]+[0-9]{1,6}#$"
EXTENSION = f"(?:{LABELLED_EXTENSION}|{BARE_EXTENSION})"
#: What a spreadsheet makes of a number: digits lost behind an exponent, or a fraction that would be read as one more.
SPREADSHEET = r"^[+'=]?[0-9]+(?:[.,][0-9]+)?e[+-]?[0-9]+$|^[+'=]?[0-9]{5,}\.0+$"
#: A trunk zero in brackets, as in ``+44 (0)20``.
ZERO_IN_BRACKETS = r"\(0\)|\[0\]"

#: What may stand between the digits of a number: libphonenumber's punctuation, apostrophe, underscore, middle dot.
_BETWEEN = r"\-\u2010-\u2015\u2212\u30fc\uff0d-\uff0f ().\[\]/~\u2053\u223c\uff5e*'\u2019_\u00b7"
#: What is left of a cell with a phone number, from its first digit or plus to its last digit.
NUMBER = rf"^\+*[{_BETWEEN}0-9]*$"
#: Characters of other scripts that are read as ASCII ones; digits are too.
ASCII_OF = {"\uff0b": "+", "\uff08": "(", "\uff09": ")", "\uff3b": "[", "\uff3d": "]"}


#: An extension is no longer. Farther from the end none is looked for: blanks would be tried from each one again.
_LONGEST_EXTENSION = 80


class Written(NamedTuple):
    """What stands in a cell.

    Attributes:
        digits: its digits, without those of an extension.
        plus: whether ``+`` stands before them.
        zero_in_brackets: whether there is a ``(0)``.
        shortened: whether an extension was cut off.
    """

    digits: str
    plus: bool
    zero_in_brackets: bool
    shortened: bool


def without_extension(text: str) -> str:
    """The text without the extension at its end."""
    start = max(0, len(text) - _LONGEST_EXTENSION)
    return text[:start] + re.sub(EXTENSION, "", text[start:])


def written_in(cell: str) -> Written | str:
    """Read the text of one trimmed, lower-cased, non-empty cell.

    :return: what is written, or the name of the rule that it breaks.
    """
    text = "".join(map(_plain, cell)).strip()
    if re.search(SPREADSHEET, text):
        return "phone_damaged"
    whole = re.sub(LINK, "", text)
    base = without_extension(whole)
    if any(char.isalpha() for char in base):
        return "phone_letters"
    number = re.sub(r"^[^+0-9]+|[^0-9]+$", "", base)
    if not re.search(NUMBER, number):
        return "phone_impossible"
    digits = re.sub("[^0-9]", "", number)
    if not LEAST_DIGITS <= len(digits) <= MOST_DIGITS or not digits.strip("0"):
        return "phone_impossible"
    return Written(digits, number.startswith("+"), bool(re.search(ZERO_IN_BRACKETS, base)), base != whole)


def _plain(char: str) -> str:
    """A character without its script: an ASCII one, one kind of blank, nothing for what can't be seen."""
    if char.isascii():
        return " " if char.isspace() else char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Cf":
        return ""
    if category in ("Zs", "Zl", "Zp"):
        return " "
    return ASCII_OF.get(char, char)
