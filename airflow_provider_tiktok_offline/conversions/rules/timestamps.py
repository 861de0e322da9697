"""transaction_timestamp to seconds since 1970: the programme's eight formats, its example with an offset, and ISO 8601.

Cells of fixed width are read straight from their bytes; only what is written with one-digit months, am or pm, month
names or fractions goes through a pattern. Source: the programme's page, "transaction_timestamp".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.timestamp_formats import (
    ClockFields,
    read_formats,
    read_offsets,
)
from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import parse_format
from airflow_provider_tiktok_offline.conversions.text.buffers import buffers

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
_MONTH_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


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
    leap = (fields.year % 4 == 0) & ((fields.year % 100 != 0) | (fields.year % 400 == 0))
    month = np.clip(fields.month, 0, 12)
    longest = _MONTH_DAYS[month] + (leap & (month == 2))
    exists = (
        (fields.month >= 1) & (fields.month <= 12) & (fields.day >= 1) & (fields.day <= longest)
        & (fields.hour <= 23) & (fields.minute <= 59) & (fields.second <= 59) & ~fields.wrong
    )  # fmt: skip
    known = fields.read & exists
    clock = fields.hour * 3600 + fields.minute * 60 + fields.second
    if fields.date_only.any():
        at = date_only_time.hour * 3600 + date_only_time.minute * 60 + date_only_time.second
        clock = np.where(fields.date_only, at, clock)
    epoch = _days(fields.year, month, fields.day) * _DAY + clock + fields.shift
    # Two days less than what a datetime holds: an offset or a time zone may lead out of it.
    known &= (epoch >= _FIRST) & (epoch <= _LAST)
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


def _days(year: Numbers, month: Numbers, day: Numbers) -> Numbers:
    """Days since 1970-01-01 in the Gregorian calendar."""
    early = month <= 2
    year = year - early
    century = year // 400
    of_century = year - century * 400
    of_year = (153 * np.where(early, month + 9, month - 3) + 2) // 5 + day - 1
    days: Numbers = century * 146_097 + of_century * 365 + of_century // 4 - of_century // 100 + of_year - 719_468
    return days


def _read_fixed(cells: pl.Series, fields: ClockFields, offset: str) -> None:
    _, _, starts, characters = buffers(cells)
    lengths = np.diff(starts)
    if not len(lengths):
        return
    shortest, longest = int(lengths.min()), int(lengths.max())
    for shape in _SHAPES:
        width = len(shape)
        if not shortest <= width <= longest:
            continue
        if shortest == longest:
            rows: slice | Numbers = slice(None)
            block = characters[starts[0] : starts[-1]].reshape(-1, width).T
        else:
            rows = np.flatnonzero((lengths == width) & ~fields.read)
            if not len(rows):
                continue
            block = characters[starts[:-1][rows][:, None] + np.arange(width)].T
        _read_shape(np.ascontiguousarray(block), shape, rows, fields, offset)
        if fields.read.all():
            return


def _read_shape(
    block: npt.NDArray[np.uint8], shape: str, rows: slice | Numbers, fields: ClockFields, offset: str
) -> None:
    digits = block - 48
    fits = np.ones(block.shape[1], dtype=bool)
    for place, kind in enumerate(shape):
        if kind == "d":
            fits &= digits[place] <= 9
        elif kind == "s":
            fits &= (block[place] == ord("+")) | (block[place] == ord("-"))
        else:
            fits &= block[place] == ord(kind)
    fits &= ~fields.read[rows]
    if not fits.any():
        return

    def number(first: int, last: int) -> Numbers:
        value: Numbers = digits[first].astype(np.int64)
        for place in range(first + 1, last):
            value = value * 10 + digits[place]
        return value

    def fill(target: npt.NDArray[np.generic], value: npt.NDArray[np.generic] | bool) -> None:
        if isinstance(rows, slice) and fits.all():
            target[:] = value
        else:
            places = np.flatnonzero(fits) if isinstance(rows, slice) else rows[fits]
            target[places] = value if isinstance(value, bool) else value[fits]

    american = shape[2] == "/"
    year, month, day = ((6, 10), (0, 2), (3, 5)) if american else ((0, 4), (5, 7), (8, 10))
    fill(fields.year, number(*year))
    fill(fields.month, number(*month))
    fill(fields.day, number(*day))
    if len(shape) == 10:
        fill(fields.date_only, True)
    else:
        fill(fields.hour, number(11, 13))
        fill(fields.minute, number(14, 16))
        fill(fields.second, number(17, 19))
    tail = shape[19:]
    if not tail:
        fill(fields.local, True)
    elif tail == "Z-dddd":
        hours, minutes = number(21, 23), number(23, 25)
        shift = hours * 3600 + minutes * 60
        fill(fields.digits, shift != 0)
        fill(fields.wrong, (hours > 18) | (minutes > 59))
        if offset == "apply":
            fill(fields.shift, shift)
    elif tail.startswith("s"):
        hours, minutes = number(20, 22), number(len(shape) - 2, len(shape))
        sign = np.where(block[19] == ord("-"), 1, -1)
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
