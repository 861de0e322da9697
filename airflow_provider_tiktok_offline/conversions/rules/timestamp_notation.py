"""The notation of an export's timestamps, as ``dd.MM.yyyy HH:mm``. Importing this loads neither NumPy nor Polars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

#: Symbol -> (field, regular expression). They are those of Unicode's date patterns (UTS 35) that exports use.
SYMBOLS: dict[str, tuple[str, str]] = {
    "yyyy": ("year", "[0-9]{4}"),
    "yy": ("short_year", "[0-9]{2}"),
    "MMMM": ("month_name", r"\p{L}{3,12}"),
    "MMM": ("month_name", r"\p{L}{3,12}\.?"),
    "MM": ("month", "[0-9]{2}"),
    "M": ("month", "[0-9]{1,2}"),
    "dd": ("day", "[0-9]{2}"),
    "d": ("day", "[0-9]{1,2}"),
    "HH": ("hour", "[0-9]{2}"),
    "H": ("hour", "[0-9]{1,2}"),
    "hh": ("hour", "[0-9]{2}"),
    "h": ("hour", "[0-9]{1,2}"),
    "mm": ("minute", "[0-9]{2}"),
    "ss": ("second", "[0-9]{2}"),
    "S": ("fraction", "[0-9]{1,9}"),
    "a": ("half", r"[AaPp]\.?[Mm]\.?"),
    "X": ("offset", r"[Zz]|UTC|GMT|[+\-\x{2212}][0-9]{2}(?::?[0-9]{2})?"),
}
_LETTERS = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|.", re.DOTALL)
_BLANKS = "\u0020\u00a0\u202f\u2009"


@dataclass(frozen=True, slots=True)
class TimestampFormat:
    """One notation.

    Attributes:
        notation: as written in the configuration.
        pattern: the regular expression of a cell; named groups are the fields.
        fields: the fields it names.
        shape: for formats of fixed width: ``d`` a digit, other characters as they stand; else None.
        places: for formats of fixed width: field -> first and last place.
    """

    notation: str
    pattern: str
    fields: frozenset[str]
    shape: str | None
    places: dict[str, tuple[int, int]]


#: Notations of a whole number since 1970 -> the field and its regular expression.
_EPOCHS = {"epoch": ("epoch", "[0-9]{9,10}"), "epoch_ms": ("epoch_ms", "[0-9]{12,13}")}


def parse_format(notation: str) -> TimestampFormat:
    """Understand a notation: symbols, or ``epoch`` or ``epoch_ms`` for seconds or milliseconds since 1970.

    :raises ValueError: with a message for the person who wrote it.
    """
    return _parsed(notation)


@cache
def _parsed(notation: str) -> TimestampFormat:
    if notation in _EPOCHS:
        name, digits_of = _EPOCHS[notation]
        return TimestampFormat(notation, f"^(?<{name}>{digits_of})$", frozenset({name}), None, {})
    pattern, shape, fields, places = "", "", set[str](), dict[str, tuple[int, int]]()
    fixed = True
    for text, field, expression in _parts(notation):
        if field is None:
            pattern += "".join(f"[{_BLANKS}]+" if one in _BLANKS else re.escape(one) for one in text)
            shape += text
            continue
        if field in fields or (field == "short_year" and "year" in fields):
            raise ValueError(f"{notation!r} names the {field.replace('_', ' ')} twice")
        fields.add(field)
        pattern += f"(?<{field}>{expression})"
        digits = re.fullmatch(r"\[0-9\]\{(\d)\}", expression)
        if digits is None:
            fixed = False
        else:
            places[field] = (len(shape), len(shape) + int(digits[1]))
            shape += "d" * int(digits[1])
    missing = [word for word, names in _NEEDED if not fields & names]
    if missing:
        raise ValueError(f"{notation!r} has no {' and no '.join(missing)}")
    if "half" in fields and "hour" not in fields:
        raise ValueError(f"{notation!r} has a, for am and pm, and no hour")
    plain = fixed and "d" not in "".join(text for text, field, _ in _parts(notation) if field is None)
    return TimestampFormat(notation, f"^{pattern}$", frozenset(fields), shape if plain else None, places)


_NEEDED = (
    ("year (yyyy)", {"year", "short_year"}),
    ("month (MM)", {"month", "month_name"}),
    ("day (dd)", {"day"}),
)


def _parts(notation: str) -> Iterator[tuple[str, str | None, str]]:
    """Literal text with None, or a symbol with its field and expression."""
    for match in _LETTERS.finditer(notation):
        text = match[0]
        if text.startswith("'"):
            yield text[1:-1].replace("''", "'") or "'", None, ""
        elif match[1] is None:
            yield text, None, ""
        else:
            symbol = text[0] if text[0] in "SX" else text
            if symbol not in SYMBOLS:
                known = " ".join(SYMBOLS)
                raise ValueError(f"{notation!r}: {text} is no symbol; there are {known}, and text in quotes: 'T'")
            yield text, *SYMBOLS[symbol]
