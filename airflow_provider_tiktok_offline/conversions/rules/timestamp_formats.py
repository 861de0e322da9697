"""Timestamps in an export's own notation, as ``dd.MM.yyyy HH:mm``: a configured list, tried in order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.rules.timestamp_notation import TimestampFormat

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Two-digit years are those of this century: no transaction of the last century is sent.
_CENTURY = 2000

_MONTH_WORDS = (
    "january jan januar jänner janvier janv enero ene gennaio gen janeiro januari styczeń stycznia sty tammikuu",
    "february feb februar feber février févr fév febrero febbraio fevereiro fev februari luty lutego lut",
    "march mar märz mär mrz mars marzo março maart mrt marzec marca",
    "april apr avril avr abril abr aprile kwiecień kwietnia kwi",
    "may mai mayo maggio mag maio mei maj maja",
    "june jun juni juin junio giugno giu junho czerwiec czerwca cze",
    "july jul juli juillet juil julio luglio lug julho lipiec lipca lip",
    "august aug août aoû agosto ago augustus augusti sierpień sierpnia sie",
    "september sep sept septembre septiembre settembre set setembro wrzesień września wrz",
    "october oct oktober okt octobre octubre ottobre ott outubro out październik października paź",
    "november nov novembre noviembre novembro listopad listopada lis",
    "december dec dezember dez décembre déc diciembre dic dicembre dezembro grudzień grudnia gru",
)
#: Month names and their short forms in the languages of the usual exports, in lower case -> 1 to 12.
MONTHS: dict[str, int] = {word: number for number, words in enumerate(_MONTH_WORDS, 1) for word in words.split()}


class ClockFields:
    """Year to second of every row, and how it was written.

    ``read`` marks rows that one of the formats fits, ``local`` those without an offset, ``near`` those that are close
    to a known format, ``wrong`` those whose numbers can't be a date and a time.
    """

    def __init__(self, rows: int) -> None:
        self.year, self.month, self.day, self.hour, self.minute, self.second = np.zeros((6, rows), dtype=np.int64)
        self.shift = np.zeros(rows, dtype=np.int64)
        self.read, self.local, self.date_only, self.iso, self.near, self.hour12, self.digits, self.wrong = np.zeros(
            (8, rows), dtype=bool
        )


def read_formats(cells: pl.Series, formats: Sequence[TimestampFormat], fields: ClockFields) -> None:
    """Read the rows that one of the formats fits; the first that fits decides.

    :param cells: trimmed text.
    :param formats: in their order.
    :param fields: filled for those rows.
    """
    for one in formats:
        rows = np.flatnonzero(~fields.read)
        if not len(rows):
            return
        rest = cells if len(rows) == len(cells) else cells.gather(rows)
        groups = rest.str.extract_groups(one.pattern).struct.unnest().with_columns(row=pl.Series(rows))
        groups = groups.filter(pl.col(_NEEDED_GROUP.get(one.notation, "day")).is_not_null())
        if groups.height:
            _fill(groups, one, fields)


#: The group that a cell which fits has, for notations without a day.
_NEEDED_GROUP = {"epoch": "epoch", "epoch_ms": "epoch_ms"}


def _fill_epoch(groups: pl.DataFrame, notation: str, fields: ClockFields) -> None:
    seconds = groups[notation].cast(pl.Int64) // (1000 if notation == "epoch_ms" else 1)
    moments = (seconds * 1_000_000).cast(pl.Datetime("us")).dt
    rows = groups["row"].to_numpy()
    for name in ("year", "month", "day", "hour", "minute", "second"):
        getattr(fields, name)[rows] = getattr(moments, name)().cast(pl.Int64).to_numpy()
    fields.read[rows] = True


def _fill(groups: pl.DataFrame, one: TimestampFormat, fields: ClockFields) -> None:
    if one.notation in _NEEDED_GROUP:
        _fill_epoch(groups, one.notation, fields)
        return
    rows = groups["row"].to_numpy()

    def number(name: str) -> Ints:
        if name not in one.fields:
            return np.zeros(len(rows), dtype=np.int64)
        return groups[name].cast(pl.Int64).to_numpy()

    fields.year[rows] = number("short_year") + _CENTURY if "short_year" in one.fields else number("year")
    if "month_name" in one.fields:
        names = groups["month_name"].str.to_lowercase().str.strip_suffix(".")
        fields.month[rows] = names.replace_strict(MONTHS, default=0, return_dtype=pl.Int64).to_numpy()
    else:
        fields.month[rows] = number("month")
    fields.day[rows] = number("day")
    hours = number("hour")
    if "half" in one.fields:
        fields.wrong[rows] |= (hours < 1) | (hours > 12)
        afternoon = groups["half"].str.slice(0, 1).str.to_lowercase() == "p"
        hours = hours % 12 + 12 * afternoon.to_numpy()
    fields.hour[rows], fields.minute[rows], fields.second[rows] = hours, number("minute"), number("second")
    fields.date_only[rows] = "hour" not in one.fields
    if "offset" in one.fields:
        shift, wrong = read_offsets(groups["offset"])
        fields.shift[rows] = shift
        fields.wrong[rows] |= wrong
    else:
        fields.local[rows] = True
    fields.read[rows] = True


def read_offsets(offsets: pl.Series) -> tuple[Ints, Flags]:
    """Seconds to add for UTC, and where the offset can't be one.

    :param offsets: ``Z``, ``UTC``, ``+hh``, ``+hhmm`` or ``+hh:mm``.
    """
    digits = offsets.str.replace_all("[^0-9]", "").str.pad_end(4, "0").cast(pl.Int64, strict=False).fill_null(0)
    hours, minutes = np.divmod(digits.to_numpy(), 100)
    ahead = offsets.str.starts_with("+").to_numpy()
    seconds = hours * 3600 + minutes * 60
    return np.where(ahead, -seconds, seconds), (hours > 18) | (minutes > 59)
