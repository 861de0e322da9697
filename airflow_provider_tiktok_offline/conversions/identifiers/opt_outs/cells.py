"""Cells of a list as the identifiers they hold, however a tool has decorated them.

Nearly all cells are one bare address, number or digest, and a few patterns decide them column-wise. What is left is
taken apart one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers import emails
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import DIGESTS_OF_NOTHING, PLACEHOLDERS
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.phone_readings import PhoneReadings, read_phones
from airflow_provider_tiktok_offline.conversions.identifiers.phones.cell_text import EXTENSION, without_extension

#: Fewer digits identify nobody: a total, a year, a postal code.
LEAST_DIGITS = 7

Rows = NDArray[np.int64]


class Kind(IntEnum):
    """What a cell is."""

    BLANK = 0
    #: Text that could identify nobody.
    NOBODY = 1
    EMAIL = 2
    PHONE = 3
    DIGEST = 4
    #: From here on: text that could identify a person and is not understood.
    HALF_ADDRESS = 10
    MD5 = 11
    SHA1 = 12
    SHA512 = 13
    OTHER_DIGEST = 14
    DAMAGED = 15
    NO_PHONE = 16
    OTHER = 17
    #: A line with more cells than the header: which of them is which is not known.
    TOO_WIDE = 18


#: What is said of unreadable text.
UNREADABLE = {
    Kind.HALF_ADDRESS: "parts of e-mail addresses",
    Kind.MD5: "MD5 digests",
    Kind.SHA1: "SHA-1 digests",
    Kind.SHA512: "SHA-512 digests",
    Kind.OTHER_DIGEST: "digests that are not SHA-256",
    Kind.DAMAGED: "numbers damaged by a spreadsheet",
    Kind.NO_PHONE: "numbers that are no phone number",
    Kind.OTHER: "other text that may identify a person",
    Kind.TOO_WIDE: "lines with more cells than the header",
}
_KIND_OF_DIGEST = {32: Kind.MD5, 40: Kind.SHA1, 64: Kind.DIGEST, 128: Kind.SHA512}

_INVISIBLE = r"[\p{Cf}\p{Cc}&&[^\t\r\n]]"
_AROUND = " \t\r\n\"'`´,;\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_PHONES = r"sms|tel(?:ef[oó]n[eo]?|ephone)?|phone|mobile?|cell|handy|fon|whatsapp|viber"
_LABEL = rf"^(?:mailto|smtp|e-?mail|sha-?256|{_PHONES})\s*[:=]\s*"
_PHONE_LABEL = re.compile(rf"^(?:{_PHONES})[.: ]*([+(]*[0-9])")
_DIGEST = r"^(?:0x|\\x)?([0-9a-f]{64})$"
_NAME_AND_ADDRESS = r"^[^@<>]*<\s*(?:mailto:)?([^@<>\s]+@[^@<>\s]+)\s*>$"
_NUMBER = r"^[+(\[]*[\p{Nd} ().\-/\[\]+\u2010-\u2015\u2212\uff0b\uff08\uff09\uff0d]*$"
#: A number that a spreadsheet has cut short, or one with a fraction that would be read as one more digit.
_SPREADSHEET = r"^[+'=]?\p{Nd}+(?:[.,]\p{Nd}+)?e[+-]?\p{Nd}+$|^[+'=]?\p{Nd}{5,}[.,]0+$"

# A line may be a megabyte long: each pattern begins where a run begins, or is bounded, so that none is quadratic.
_TOKEN = re.compile(r"(?<![^\s<>()\[\],;:\"|\\])[^\s<>()\[\],;:\"|\\]*@[^\s<>()\[\],;:\"|\\]*")
_ADDRESS = re.compile(r"[^@]+@[^@]+")
_SPELLED_AT = re.compile(r"\S\s*[\[({<]\s*(?:at|a|arroba|ät)\s*[\])}>]\s*\S|%40", re.IGNORECASE)
_HEX = re.compile(r"(?<![0-9a-z])[0-9a-f]{32,}(?![0-9a-z])")
_DAMAGED = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?e\+?\d+(?!\w)")
#: UUIDs, cut digests, and digests in base64.
_OPAQUE = re.compile(
    r"(?<![\w/+=-])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{16,}"
    r"|[\w/+-]{20,}={1,2}|(?=(?:[^\W\d]|[/+-])*\d)[\w/+-]{40,})(?![\w/+=-])"
)
_TIME = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d)(?!\d)"
    r"|(?<![\d:])\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s*(?:[ap]m|z|utc|gmt|[+-]\d\d:?\d\d))?(?![\d:])"
)
#: A number that differs from a total by its plus sign or its zero.
_NUMBER_BESIDE_WORDS = re.compile(r"(?<![\d+])[+(]{0,9}(?:(?<=\+)[1-9]|0)(?:[ ().\-/]*\d){7,}")
_BETWEEN = re.compile(r"[;|\n\r\t]+|,(?!,)|/(?=[ /]{0,9}[+0(])|\s(?:oder|or|und|and|e|et|y|o|ou)\s")


@dataclass(frozen=True, slots=True)
class Found:
    """What a column of cells holds.

    Attributes:
        kinds: a :class:`Kind` a cell; of several identifiers the first kind that was found.
        emails: normal forms, with ``email_rows`` their cells.
        phones: the readings of the numbers; their rows are cells, and the first of each number counts as sent.
        digests: SHA-256 digests in lower-case hex, with ``digest_rows`` their cells.
    """

    kinds: NDArray[np.uint8]
    emails: pl.Series
    email_rows: Rows
    phones: PhoneReadings
    digests: pl.Series
    digest_rows: Rows

    def at(self, rows: Rows) -> Found:
        """The same for cells that are some of a larger column: ``rows`` says which."""
        return Found(
            self.kinds, self.emails, rows[self.email_rows], self.phones.at(rows), self.digests, rows[self.digest_rows]
        )


def clean(cells: pl.Series) -> pl.Series:
    """Texts without the marks around them, in lower case: blanks, quotes, invisible characters, spreadsheets' marks."""
    text = cells
    odd = text.str.contains(r"[^\x20-\x7e]")
    if odd.any():
        text = text.str.replace_all(_INVISIBLE, "").str.replace_all(r"\p{Zs}", " ")
        text = text.str.replace_many({"\uff20": "@", "\uff0e": "."})
    text = text.str.strip_chars(_AROUND)
    formula = text.str.starts_with("=")
    if formula.any():
        text = text.str.strip_prefix("=").str.strip_chars(_AROUND)
    return text.str.strip_chars_end(_AROUND + ".").str.to_lowercase()


def read_cells(cells: pl.Series, regions: tuple[str | None, ...]) -> Found:
    """Read every cell.

    :param cells: texts, none null.
    :param regions: the regions from which a number without country code may be dialled; at least one.
    """
    text = clean(cells)
    kinds = np.full(len(text), Kind.NOBODY, dtype=np.uint8)
    blank = text.is_in(["", *PLACEHOLDERS, *DIGESTS_OF_NOTHING, "+", "--", "\u2013", "\u2014"]).to_numpy()
    kinds[blank] = Kind.BLANK
    text = text.str.replace(_LABEL, "").str.replace(_PHONE_LABEL.pattern, "$1")
    left = np.flatnonzero(~blank)
    mails: list[pl.Series] = []
    mail_rows: list[Rows] = []
    left = _take_addresses(text, left, kinds, mails, mail_rows)
    hexed = text.gather(left).str.extract(_DIGEST)
    hashed = hexed.is_not_null().to_numpy()
    digests, digest_rows = [hexed.drop_nulls()], [left[hashed]]
    kinds[left[hashed]] = Kind.DIGEST
    left = left[~hashed]
    numbers, left = _numbers(text, left, kinds)
    number_texts, number_rows = [text.gather(numbers)], [numbers]
    if len(left):
        pieces = _Pieces(text, left, kinds)
        mails.append(pieces.emails)
        mail_rows.append(pieces.email_rows)
        digests.append(pieces.digests)
        digest_rows.append(pieces.digest_rows)
        number_texts.append(pieces.numbers)
        number_rows.append(pieces.number_rows)
    phones = _read_numbers(pl.concat(number_texts), np.concatenate(number_rows), kinds, regions)
    return Found(
        kinds, pl.concat(mails), np.concatenate(mail_rows), phones, pl.concat(digests), np.concatenate(digest_rows)
    )


def _take_addresses(
    text: pl.Series, rows: Rows, kinds: NDArray[np.uint8], mails: list[pl.Series], mail_rows: list[Rows]
) -> Rows:
    """Take cells that are one address, bare or in angle brackets behind a name; gives back the others."""
    asked = text.gather(rows)
    inside = asked.str.extract(_NAME_AND_ADDRESS)
    if inside.null_count() < len(inside):
        before = asked.str.extract("^([^<]*)").str.count_matches(r"\p{Nd}") < LEAST_DIGITS
        asked = pl.select(pl.when(inside.is_not_null() & before).then(inside).otherwise(asked)).to_series()
    normal = addresses(asked)
    taken: NDArray[np.bool_] = normal.is_not_null().to_numpy()
    kinds[rows[taken]] = Kind.EMAIL
    mails.append(normal.drop_nulls())
    mail_rows.append(rows[taken])
    return rows[~taken]


def addresses(texts: pl.Series) -> pl.Series:
    """The normal form of each text that is an address, else null; a wildcard (``*@example.com``) is none."""
    at = texts.str.contains("@", literal=True)
    if not at.any():
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    normal = emails.read(texts).struct.field("normal")
    return pl.select(pl.when(at & ~texts.str.contains(r"^[*%]+@|@[^@]*\*")).then(normal)).to_series()


def _numbers(text: pl.Series, rows: Rows, kinds: NDArray[np.uint8]) -> tuple[Rows, Rows]:
    """Which of the rows are one number, to be read as a phone; and which are something else."""
    asked = text.gather(rows)
    digits = asked.str.count_matches(r"\p{Nd}")
    damaged = asked.str.contains(_SPREADSHEET)
    kinds[rows[damaged.to_numpy()]] = Kind.DAMAGED
    timed = asked.str.contains(r"^[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}$")
    number = (digits >= LEAST_DIGITS) & asked.str.contains(_NUMBER) & ~damaged & ~timed
    several = asked.str.contains(r"/[ /]*[+0(]|\+.*\+")
    is_number = (number & ~several).to_numpy()
    return rows[is_number], rows[~is_number & ~damaged.to_numpy()]


def _read_numbers(
    texts: pl.Series, rows: Rows, kinds: NDArray[np.uint8], regions: tuple[str | None, ...]
) -> PhoneReadings:
    worded = texts.str.replace(EXTENSION, "").str.contains(r"\p{L}")
    readings = read_phones(pl.select(pl.when(~worded).then(texts).otherwise(pl.lit(""))).to_series(), regions)
    read = np.zeros(len(texts), dtype=np.bool_)
    read[readings.rows] = True
    kinds[rows[read & (kinds[rows] == Kind.NOBODY)]] = Kind.PHONE
    kinds[rows[~read & (kinds[rows] < Kind.HALF_ADDRESS)]] = Kind.NO_PHONE
    return PhoneReadings(readings.rows, readings.numbers, readings.leading()).at(rows)


class _Pieces:
    """Cells that hold more than one bare identifier, taken apart.

    :param text: the column; ``rows`` those of its cells that are looked at, ``kinds`` is filled in for them.
    """

    def __init__(self, text: pl.Series, rows: Rows, kinds: NDArray[np.uint8]) -> None:
        found: dict[Kind, list[tuple[int, str]]] = {Kind.EMAIL: [], Kind.DIGEST: [], Kind.PHONE: []}
        for row, cell in zip(rows.tolist(), text.gather(rows).to_list(), strict=True):
            said = Kind.NOBODY
            for kind, piece in take_apart(cell):
                if kind in found:
                    found[kind].append((row, piece))
                if said == Kind.NOBODY or said < Kind.HALF_ADDRESS <= kind:
                    said = kind
            kinds[row] = said
        texts, at = _columns(found[Kind.EMAIL])
        normal = addresses(texts)
        kinds[at[normal.is_null().to_numpy()]] = Kind.HALF_ADDRESS
        self.emails, self.email_rows = normal.drop_nulls(), at[normal.is_not_null().to_numpy()]
        self.digests, self.digest_rows = _columns(found[Kind.DIGEST])
        self.numbers, self.number_rows = _columns(found[Kind.PHONE])


def _columns(pieces: list[tuple[int, str]]) -> tuple[pl.Series, Rows]:
    rows = np.array([row for row, _ in pieces], dtype=np.int64)
    return pl.Series([piece for _, piece in pieces], dtype=pl.String), rows


def take_apart(cell: str) -> Iterator[tuple[Kind, str]]:
    """The pieces of a cleaned cell: candidates for addresses and numbers, digests, and what is not understood."""
    if _SPELLED_AT.search(cell):
        yield Kind.HALF_ADDRESS, ""
    rest = cell
    if "@" in cell:
        for token in _TOKEN.findall(cell):
            address = token.partition("?")[0].strip(".'`´")
            yield (Kind.EMAIL, address) if _ADDRESS.fullmatch(address) else (Kind.HALF_ADDRESS, "")
        rest = _TOKEN.sub(" ", cell)
    for digest in _HEX.findall(rest):
        kind = _KIND_OF_DIGEST.get(len(digest), Kind.OTHER_DIGEST)
        yield kind, digest if kind == Kind.DIGEST else ""
    rest = _HEX.sub(" ", rest)
    for pattern, kind in ((_OPAQUE, Kind.OTHER), (_DAMAGED, Kind.DAMAGED)):
        if pattern.search(rest):
            yield kind, ""
            rest = pattern.sub(" ", rest)
    rest = _TIME.sub(" ", rest)
    if sum(map(str.isdecimal, rest)) >= LEAST_DIGITS:
        yield from _numbers_in(rest)


def _numbers_in(text: str) -> Iterator[tuple[Kind, str]]:
    parts = [part.strip(_AROUND) for part in _BETWEEN.split(text)]
    counts = [sum(map(str.isdecimal, part)) for part in parts]
    long = [part for part, digits in zip(parts, counts, strict=True) if digits >= LEAST_DIGITS]
    torn = "," in text and not re.search(r"[^\W\d_]", text) and any(0 < digits < LEAST_DIGITS for digits in counts)
    for part in [text.strip(_AROUND)] if torn or not long else long:
        number = without_extension(_PHONE_LABEL.sub(r"\1", part))
        beside_words = _NUMBER_BESIDE_WORDS.findall(number) if re.search(r"[^\W\d_]", number) else []
        for one in beside_words or [number]:
            yield Kind.PHONE, one
