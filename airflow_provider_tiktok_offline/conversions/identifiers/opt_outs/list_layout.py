"""Which parts of a list hold identifiers: its delimiter, its header, its columns, by their names and by their cells."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.cells import Found, Kind, read_cells
from airflow_provider_tiktok_offline.conversions.identifiers.phones.number_kinds import are_valid
from airflow_provider_tiktok_offline.errors import OptOutListError

_DELIMITERS = (";", "\t", "|", ",")
#: A header is looked for in so many records; titles may stand before it.
_HEADER_WITHIN = 10
_DELIMITER_LINES = 200
#: A line with more cells is a list of identifiers, no record.
_MOST_COLUMNS = 300

_EMAIL_NAMES = (
    "mail", "correo", "courriel", "eposta", "epost", "sahkoposti", "почта", "メール", "邮箱", "邮件", "郵件", "이메일",
    "메일", "بريد", "דואל", "ηλεκτρονικ", "อีเมล",
)  # fmt: skip
_PHONE_NAMES = (
    "phone", "mobile", "mobil", "cellular", "celular", "telefo", "telep", "handy", "gsm", "sms", "whatsapp", "msisdn",
    "movil", "portable", "komork", "puhelin", "rufnummer", "telp", "nohp", "телефон", "電話", "携帯", "手机", "电话",
    "전화", "휴대", "هاتف", "טלפון", "โทร", "dienthoai", "τηλεφων",
)  # fmt: skip
_DIGEST_NAMES = ("sha256", "sha1", "md5", "hash", "digest")
_SHORT_NAMES = frozenset({"tel", "fon", "cell", "cel", "mob", "ph", "puh", "hp", "hem"})
#: Whole names of columns that hold identifiers, or something else: most of their cells must be identifiers.
_ANY_NAMES = frozenset(
    {
        "contact", "contactno", "contactnumber", "kontakt", "contacto", "contatto", "number", "nummer",
        "numero", "rufnr", "from", "to", "sender", "recipient", "destination", "destinatario", "destinataire",
        "empfaenger", "empfanger", "subscriber", "identifier", "user", "handle",
    }
)  # fmt: skip
#: Words of columns that are about an identifier and hold none.
_ABOUT = frozenset(
    {
        "date", "time", "timestamp", "at", "datum", "zeit", "created", "updated", "modified", "status", "optin",
        "optout", "opt", "consent", "subscribed", "bounce", "bounced", "opened", "clicked", "sent", "count", "domain",
        "type", "provider", "valid", "verified", "source", "campaign", "mailing", "street", "city", "state", "zip",
        "country", "code", "region", "frequency", "format", "client", "quality", "score", "device", "carrier", "ip",
        "owner", "id",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings:
    """How a list is read.

    Attributes:
        columns: names, or numbers from 1, of the columns that hold identifiers; empty to recognise them.
        match: column of the conversion file -> column of the list, beside the identifiers.
        phone_regions: regions from which a number without country code may be dialled; the first is the advertiser's.
        max_unreadable: how many lines may hold text that could identify a person and is not understood.
        allow_empty: a list without entries is no error.
    """

    columns: Sequence[str | int] = ()
    match: Mapping[str, str] = field(default_factory=dict)
    phone_regions: Sequence[str] = ()
    max_unreadable: int = 0
    allow_empty: bool = False

    @property
    def regions(self) -> tuple[str | None, ...]:
        """The phone regions; None stands for no region."""
        return tuple(self.phone_regions) or (None,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a list is laid out.

    Attributes:
        delimiter: between cells; None where each line is one cell.
        header: place of the header among the records; None where there is none.
        width: cells of the header.
        identifiers: places of the columns that hold identifiers.
        matched: column of the conversion file -> place of the list's column.
        named: the settings name the columns, so that no other is looked at.
        skipped: lines before the first record.
    """

    delimiter: str | None
    header: int | None = None
    width: int = 0
    identifiers: tuple[int, ...] = (0,)
    matched: Mapping[str, int] = field(default_factory=dict)
    named: bool = False
    skipped: int = 0


def recognise(lines: Sequence[str], settings: ListSettings) -> Layout:
    """Recognise a list's layout by its first lines.

    :raises OptOutListError: a column that the settings name is not there.
    """
    skipped = next((place + 1 for place, line in enumerate(lines) if line.strip().lower().startswith("sep=")), 0)
    delimiter = lines[skipped - 1].strip()[4:5] if skipped else _delimiter(lines)
    if not delimiter:
        records = [[line.strip("\r\n")] for line in lines]
    else:
        records = list(csv.reader(lines[skipped:], delimiter=delimiter))
    header = _header(records, settings)
    names = [] if header is None else records[header]
    named = _places(names, [one for one in settings.columns if isinstance(one, str)])
    numbered = [one - 1 for one in settings.columns if isinstance(one, int)]
    matched = dict(zip(settings.match, _places(names, list(settings.match.values())), strict=True))
    if settings.columns:
        identifiers = [*named, *numbered]
    elif delimiter:
        body = records if header is None else records[header + 1 :]
        identifiers = _identifiers(names, body, settings, without=frozenset(matched.values()))
    else:
        identifiers = [0]
    return Layout(
        delimiter=delimiter or None,
        header=header,
        width=len(names),
        identifiers=tuple(sorted(set(identifiers) - set(matched.values()))),
        matched=matched,
        named=bool(settings.columns),
        skipped=skipped,
    )


def _delimiter(lines: Sequence[str]) -> str | None:
    """The delimiter by which most lines fall into the same number of cells, several of them."""
    filled = [line for line in lines if line.strip()][:_DELIMITER_LINES]
    best: tuple[float, int, str] | None = None
    if not filled:
        return None
    for delimiter in _DELIMITERS:
        try:
            # Line by line: a quotation mark that is never closed does not hide the rest.
            widths = Counter(len(next(csv.reader([line], delimiter=delimiter), [])) for line in filled)
        except csv.Error:
            continue
        several = sum(count for width, count in widths.items() if width > 1)
        width, alike = max(
            ((width, count) for width, count in widths.items() if width > 1), key=lambda one: one[1], default=(1, 0)
        )
        if several * 2 > widths.total() and width <= _MOST_COLUMNS:
            best = max(best or (0.0, 0, ""), (alike / widths.total(), width, delimiter))
    return best[2] if best else None


def _header(records: Sequence[Sequence[str]], settings: ListSettings) -> int | None:
    """The place of the header: the first record that has the named columns, or a column's usual name and no entry."""
    first = [place for place, record in enumerate(records) if any(cell.strip() for cell in record)][:_HEADER_WITHIN]
    wanted = [one for one in settings.columns if isinstance(one, str)] + list(settings.match.values())
    if wanted:
        found = [place for place in first if {_plain(one) for one in wanted} <= set(map(_plain, records[place]))]
        if found:
            return found[0]
        if not first:
            return None
        raise OptOutListError(
            f"the suppression list has no header with the column {', '.join(map(repr, wanted))}.",
            todo="Correct suppression.columns or suppression.match. Nothing was sent.",
        )
    entries = [place for place in first if _kinds(records[place], settings).max(initial=0) > Kind.NOBODY]
    before = [place for place in first if not entries or place < entries[0]]
    usual = [
        place for place in before if any(_is_usual(cell) or _folded(cell) in _ANY_NAMES for cell in records[place])
    ]
    if usual:
        return usual[0]
    wide = [place for place in before if len(records[place]) > 1 and sum(map(bool, map(str.strip, records[place]))) > 1]
    return wide[-1] if wide and entries else None


def _kinds(cells: Sequence[str], settings: ListSettings) -> np.ndarray:
    return read_cells(pl.Series(cells, dtype=pl.String), settings.regions).kinds


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted columns stand; a name that stands twice is taken at its first place."""
    plain = [_plain(name) for name in names]
    return [plain.index(_plain(one)) for one in wanted if _plain(one) in plain]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip(" \t\r\n\"'\ufeff").casefold()


def _folded(name: str) -> str:
    """A name without accents, case and punctuation."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sign for sign in decomposed if sign.isalnum())


def _words(name: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[^\W_]+", spaced.casefold()))


def _is_usual(name: str) -> bool:
    """Whether a column of this name usually holds identifiers."""
    folded = _folded(name)
    if not folded or len(folded) > 60:
        return False
    known = any(part in folded for part in (*_EMAIL_NAMES, *_PHONE_NAMES, *_DIGEST_NAMES))
    return (known or bool(_words(name) & _SHORT_NAMES)) and not _is_about(name)


def _may_be_header(name: str) -> bool:
    return _is_usual(name) or _folded(name) in _ANY_NAMES


def _is_about(name: str) -> bool:
    words = _words(name)
    # In some countries an address is an "email ID".
    return bool(words & (_ABOUT - {"id"})) or ("id" in words and not any(part in _folded(name) for part in ("mail",)))


def _identifiers(
    names: Sequence[str], body: Sequence[Sequence[str]], settings: ListSettings, *, without: frozenset[int]
) -> list[int]:
    width = max(map(len, [names, *body]), default=0)
    found = []
    for place in range(width):
        if place in without:
            continue
        name = names[place] if place < len(names) else None
        cells = pl.Series([record[place] for record in body if len(record) > place], dtype=pl.String)
        if _holds_identifiers(name, cells, settings):
            found.append(place)
    return found


def _holds_identifiers(name: str | None, cells: pl.Series, settings: ListSettings) -> bool:
    read = read_cells(cells, settings.regions)
    kinds = read.kinds[read.kinds != Kind.BLANK]
    usual = name is not None and _is_usual(name)
    if not len(kinds):
        return usual
    if np.isin(kinds, (Kind.EMAIL, Kind.DIGEST)).mean() >= 0.5:
        return True
    if usual:
        return bool((kinds != Kind.NOBODY).any())
    if name is not None and _is_about(name):
        return False
    if name is not None and _folded(name) in _ANY_NAMES:
        return bool(np.isin(kinds, (Kind.EMAIL, Kind.PHONE, Kind.DIGEST)).mean() >= 0.5)
    odd = np.isin(kinds, (Kind.HALF_ADDRESS, Kind.MD5, Kind.SHA1, Kind.SHA512, Kind.DAMAGED))
    if name is None and odd.mean() >= 0.5:
        return True
    return _are_phones(cells, read, len(kinds))


def _are_phones(cells: pl.Series, read: Found, filled: int) -> bool:
    """Whether numbers are phones: written as phones are, or bare digits that are nearly all valid numbers."""
    valid = np.unique(read.phones.rows[are_valid(read.phones.numbers)])
    written = cells.gather(valid).str.contains(r"^\W*(?:\+|0)|\d[ ()/.-]+\d").sum()
    return bool(written * 2 >= filled or len(valid) >= 0.9 * filled)
