"""transaction_timestamp to seconds since 1970: the programme's eight formats, its example with an offset, and ISO 8601.

Cells of fixed width are read straight from their bytes; only what is written with one-digit months, am or pm, month
names or fractions goes through a pattern. Source: the programme's page, "transaction_timestamp".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.timestamp_formats import (
    ClockFields,
    read_formats,
    read_offsets,
)
from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import parse_format
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes
from airflow_provider_tiktok_offline.conversions.text.words import (
    WORD,
    Words,
    WordShape,
    pair_at,
    pairs,
    words_in,
)

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_DAY = 86_400
_FIRST, _LAST = -62_135_596_800 + 2 * _DAY, 253_402_300_799 - 2 * _DAY
#: d a digit, s a sign; all else as it stands.
_SHAPES = (
    "dddd-dd-ddTdd:dd:ddZ-dddd",
    "dddd-dd-dd dd:dd:dd",
    "dddd-dd-dd",
    "dddd-dd-ddTdd:dd:dd",
    "dddd-dd-ddTdd:dd:ddZ",
    "dddd-dd-dd dd:dd:ddZ",
    "dddd-dd-dd dd:dd:ddsdddd",
    "dddd-dd-ddTdd:dd:ddsdd:dd",
    "dd/dd/dddd dd:dd:dd",
)
_ISO = (
    r"^(?<y>[0-9]{4})-(?<mo>[0-9]{1,2})-(?<d>[0-9]{1,2})"
    r"(?:(?<t>[Tt ])(?<h>[0-9]{1,2}):(?<mi>[0-9]{2})(?::(?<s>[0-9]{2})(?<f>[.,][0-9]{1,9})?)?"
    r"(?<b>[ \x{a0}\x{202f}])?(?<z>[Zz]-[0-9]{4}|[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_AMERICAN = (
    r"^(?<mo>[0-9]{1,2})/(?<d>[0-9]{1,2})/(?<y>[0-9]{4})(?<c>,)?(?<b>[ \x{a0}\x{202f}])(?<h>[0-9]{1,2}):(?<mi>[0-9]{2})"
    r"(?::(?<s>[0-9]{2}))?(?:(?<ab>[ \x{a0}\x{202f}])?(?<ap>[AaPp])\.?[Mm]\.?)?$"
)
_NAMED = r"^(?<name>[A-Za-z]{3,9}) (?<d>[0-9]{1,2}), (?<y>[0-9]{4}) (?<h>[0-9]{1,2}):(?<mi>[0-9]{2}):(?<s>[0-9]{2})$"
_MONTHS = {
    spelling: number
    for number, name in enumerate(
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
         "december"], 1
    )
    for spelling in ({name, name[:3]} | ({"sept"} if number == 9 else set()))
}  # fmt: skip
#: Months of a year in a table: 0 and 13 stand for what is none.
_MONTHS_A_YEAR = 14
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0], dtype=np.int64)
_YEARS = 10_000


@dataclass(slots=True)
class Times:
    """What the cells of a block say.

    Attributes:
        epoch: seconds since 1970 in UTC; 0 where it is not known.
        known: where it can.
        date_only: where no time of day is written.
        findings: rule -> rows.
    """

    epoch: Numbers
    known: Flags
    date_only: Flags
    findings: dict[str, Flags] = field(default_factory=dict)


def read_timestamps(
    cells: pl.Series,
    zones: pl.Series | str,
    *,
    offset: Literal["ignore", "apply"],
    date_only_time: time,
    formats: Sequence[str] = (),
) -> Times:
    """Read a column.

    :param cells: trimmed text; blank cells are not understood.
    :param zones: the time zone of local times: one for all, or by row.
    :param offset: whether digits other than 0000 behind ``Z-`` are applied.
    :param date_only_time: the clock part of a date without one.
    :param formats: notations of the file's own, tried in order before the programme's forms.
    """
    fields = ClockFields(len(cells))
    if formats:
        read_formats(cells, [parse_format(notation) for notation in formats], fields)
    if not fields.read.all():
        _read_fixed(cells, fields, offset)
    if not fields.read.all():
        _read_patterns(cells, fields, offset)
    calendar = _calendar()
    months = fields.year * _MONTHS_A_YEAR + np.clip(fields.month, 0, _MONTHS_A_YEAR - 1)
    exists = (
        (fields.day >= 1) & (fields.day <= calendar.longest[months])
        & (fields.hour <= 23) & (fields.minute <= 59) & (fields.second <= 59) & ~fields.wrong
    )  # fmt: skip
    known = fields.read & exists
    clock = fields.hour * 3600 + fields.minute * 60 + fields.second
    if fields.date_only.any():
        at = date_only_time.hour * 3600 + date_only_time.minute * 60 + date_only_time.second
        clock = np.where(fields.date_only, at, clock)
    epoch = (calendar.before[months] + fields.day) * _DAY + clock + fields.shift
    # Two days less than what a datetime holds: an offset or a time zone may lead out of it.
    known &= (epoch >= _FIRST) & (epoch <= _LAST)
    if not known.all():
        epoch[~known] = 0
    times = Times(epoch, known, fields.date_only & known)
    _find(times, fields)
    _localise(times, fields.local & known, zones)
    return times


def _find(times: Times, fields: ClockFields) -> None:
    found = {
        "timestamp_format": ~fields.read,
        "timestamp_impossible": fields.read & ~times.known,
        "timestamp_offset": fields.digits & times.known,
        "timestamp_hour12": fields.hour12 & times.known,
        "timestamp_iso": fields.iso & times.known,
        "timestamp_near": fields.near & times.known,
        "timestamp_date_only": times.date_only,
    }
    times.findings = {rule: rows for rule, rows in found.items() if rows.any()}


class _Calendar(NamedTuple):
    """By year and month, 14 a year: how many days the month has, and how many lie from 1970-01-01 to its first."""

    longest: Numbers
    before: Numbers


@cache
def _calendar() -> _Calendar:
    """The Gregorian calendar of the years 0 to 9999."""
    year, month = np.divmod(np.arange(_YEARS * _MONTHS_A_YEAR, dtype=np.int64), _MONTHS_A_YEAR)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = _MONTH_DAYS[month] + (leap & (month == 2))
    firsts = np.cumsum(longest) - longest
    return _Calendar(longest, firsts - firsts[1970 * _MONTHS_A_YEAR] - 1)


def _read_fixed(cells: pl.Series, fields: ClockFields, offset: str) -> None:
    column = column_bytes(cells)
    starts, characters, lengths = column.ends, column.characters, column.lengths
    if not len(lengths):
        return
    shortest, longest = int(lengths.min()), int(lengths.max())
    for shape in _SHAPES:
        width = len(shape)
        if not shortest <= width <= longest:
            continue
        if shortest == longest:
            rows: slice | Numbers = slice(None)
            block = characters.reshape(-1, width)
        else:
            rows = np.flatnonzero((lengths == width) & ~fields.read)
            if not len(rows):
                continue
            block = characters[starts[:-1][rows][:, None] + np.arange(width)]
        _read_shape(_Texts(block, shape), rows, fields, offset)
        if fields.read.all():
            return


class _Texts:
    """Texts of one width, eight bytes at a time.

    :param block: one text a row.
    :param shape: how they must be written.
    """

    def __init__(self, block: npt.NDArray[np.uint8], shape: str) -> None:
        self.shape = shape
        self.fits = np.ones(len(block), dtype=bool)
        self.signs = block[:, shape.index("s")] if "s" in shape else None
        if self.signs is not None:
            self.fits &= (self.signs == ord("+")) | (self.signs == ord("-"))
        self._pairs: dict[int, Words] = {}
        width = len(shape)
        for place in sorted({*range(0, width - WORD + 1, WORD - 1), width - WORD}):
            word = WordShape(shape[place : place + WORD].replace("s", " "))
            digits = word.digits(words_in(block, place))
            self.fits &= word.fits(digits)
            self._pairs[place] = pairs(digits)

    def pair(self, place: int) -> Numbers:
        """The number of two digits that begins at a place."""
        word = next(first for first in self._pairs if first <= place <= first + WORD - 2)
        return pair_at(self._pairs[word], place - word)


def _read_shape(texts: _Texts, rows: slice | Numbers, fields: ClockFields, offset: str) -> None:
    shape, fits = texts.shape, texts.fits
    fits &= ~fields.read[rows]
    if not fits.any():
        return
    everything = isinstance(rows, slice) and bool(fits.all())
    places = np.flatnonzero(fits) if isinstance(rows, slice) else rows[fits]

    def fill(target: npt.NDArray[np.generic], value: npt.NDArray[np.generic] | bool) -> None:
        if everything:
            target[:] = value
        else:
            target[places] = value if isinstance(value, bool) else value[fits]

    american = shape[2] == "/"
    year, month, day = (6, 0, 3) if american else (0, 5, 8)
    fill(fields.year, texts.pair(year) * 100 + texts.pair(year + 2))
    fill(fields.month, texts.pair(month))
    fill(fields.day, texts.pair(day))
    if len(shape) == 10:
        fill(fields.date_only, True)
    else:
        fill(fields.hour, texts.pair(11))
        fill(fields.minute, texts.pair(14))
        fill(fields.second, texts.pair(17))
    tail = shape[19:]
    if not tail:
        fill(fields.local, True)
    elif tail == "Z-dddd":
        hours, minutes = texts.pair(21), texts.pair(23)
        shift = hours * 3600 + minutes * 60
        fill(fields.digits, shift != 0)
        fill(fields.wrong, (hours > 18) | (minutes > 59))
        if offset == "apply":
            fill(fields.shift, shift)
    elif texts.signs is not None:
        hours, minutes = texts.pair(20), texts.pair(len(shape) - 2)
        sign = np.where(texts.signs == ord("-"), 1, -1)
        fill(fields.wrong, (hours > 18) | (minutes > 59))
        fill(fields.shift, sign * (hours * 3600 + minutes * 60))
    if shape in ("dddd-dd-ddTdd:dd:ddZ", "dddd-dd-ddTdd:dd:ddsdd:dd"):
        fill(fields.iso, True)
    fill(fields.read, True)


def _read_patterns(cells: pl.Series, fields: ClockFields, offset: str) -> None:
    for pattern, kind in ((_ISO, "iso"), (_AMERICAN, "american"), (_NAMED, "named")):
        rows = np.flatnonzero(~fields.read)
        if not len(rows):
            return
        rest = cells.gather(rows)
        groups = rest.str.extract_groups(pattern).struct.unnest().with_columns(row=pl.Series(rows))
        groups = groups.filter(pl.col("y").is_not_null())
        if groups.height:
            _fill_from_groups(groups, kind, fields, offset)


def _fill_from_groups(groups: pl.DataFrame, kind: str, fields: ClockFields, offset: str) -> None:
    rows = groups["row"].to_numpy()

    def numbers(name: str) -> Numbers:
        return groups[name].cast(pl.Int64).fill_null(0).to_numpy()

    if kind == "named":
        months = groups["name"].str.to_lowercase().replace_strict(_MONTHS, default=0, return_dtype=pl.Int64).to_numpy()
        fields.month[rows] = months
        hours = numbers("h")
        fields.hour12[rows] = True
        fields.wrong[rows] = (hours < 1) | (hours > 12)
    else:
        fields.month[rows] = numbers("mo")
        hours = numbers("h")
    if kind == "american":
        half = groups["ap"].str.to_lowercase()
        twelve = half.is_not_null().to_numpy()
        fields.wrong[rows] |= twelve & ((hours < 1) | (hours > 12))
        afternoon = (half == "p").fill_null(False).to_numpy()
        hours = np.where(twelve, hours % 12 + 12 * afternoon, hours)
        blanks = (groups["b"] != " ") | (groups["ab"].fill_null(" ") != " ") | groups["c"].is_not_null()
        fields.near[rows] = (blanks | groups["s"].is_null()).to_numpy()
    fields.year[rows], fields.day[rows], fields.hour[rows] = numbers("y"), numbers("d"), hours
    fields.minute[rows], fields.second[rows] = numbers("mi"), numbers("s")
    fields.read[rows] = True
    if kind != "iso":
        fields.local[rows] = True
        return
    no_clock = groups["t"].is_null().to_numpy()
    tail = groups["z"].fill_null("")
    zulu_digits = tail.str.contains("^[Zz]-").to_numpy()
    signed = tail.str.contains("^[+-]").to_numpy()
    shift, wrong = read_offsets(tail)
    fields.date_only[rows] = no_clock
    fields.local[rows] = (tail == "").to_numpy()
    fields.digits[rows] = zulu_digits & (shift != 0)
    fields.wrong[rows] |= wrong
    applied = signed | (zulu_digits & (offset == "apply"))
    fields.shift[rows] = np.where(applied, shift, 0)
    with_space = (groups["t"] == " ").fill_null(False).to_numpy()
    colon = tail.str.contains(":", literal=True).to_numpy()
    no_seconds = groups["s"].is_null().to_numpy() & ~no_clock
    short = tail.str.contains("^(?:UTC|GMT|[+-][0-9]{2})$").to_numpy()
    near = no_seconds | short | groups["b"].is_not_null().to_numpy() | groups["f"].is_not_null().to_numpy()
    odd = np.where(with_space, zulu_digits | colon, (tail != "").to_numpy() & ~zulu_digits)
    fields.iso[rows] = odd & ~near
    fields.near[rows] = near


def _localise(times: Times, local: Flags, zones: pl.Series | str) -> None:
    """Local times to UTC; in a gap an hour later, of two the earlier."""
    if isinstance(zones, str):
        if zones != "UTC":
            _localise_rows(times, np.flatnonzero(local), zones)
        return
    rows = np.flatnonzero(local)
    of_rows = zones.gather(rows)
    for zone in of_rows.unique().drop_nulls().to_list():
        if zone != "UTC":
            _localise_rows(times, rows[(of_rows == zone).fill_null(False).to_numpy()], zone)


def _localise_rows(times: Times, rows: Numbers, zone: str) -> None:
    if not len(rows):
        return
    naive = pl.Series(times.epoch[rows] * 1_000_000).cast(pl.Datetime("us"))
    hours = pl.duration(hours=3)

    def moments(cell: pl.Expr, ambiguous: Literal["earliest", "latest"]) -> pl.Expr:
        zoned = cell.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
        return zoned.dt.timestamp("us") // 1_000_000

    read = naive.to_frame("naive").select(
        earliest=moments(pl.col("naive"), "earliest"),
        latest=moments(pl.col("naive"), "latest"),
        before=moments(pl.col("naive") - hours, "earliest") + 3 * 3600,
    )
    gap = read["earliest"].is_null().to_numpy()
    overlap = (read["earliest"] != read["latest"]).fill_null(False).to_numpy()
    times.epoch[rows] = read.select(pl.coalesce("earliest", "before")).to_series().fill_null(0).to_numpy()
    for rule, found in (("timestamp_gap", gap), ("timestamp_overlap", overlap)):
        if found.any():
            times.findings.setdefault(rule, np.zeros(len(times.epoch), dtype=bool))[rows[found]] = True
