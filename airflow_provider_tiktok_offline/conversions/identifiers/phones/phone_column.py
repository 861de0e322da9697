"""A column of phone numbers to E.164 with ``+``.

Cells that are digits, with or without ``+``, are read as whole numbers by table. Others are tidied up by a few patterns
first. Only where the metadata of a region can't be made into tables are its cells read one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.contract.settings import PhoneDigits
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import NormalizedCells, put_special
from airflow_provider_tiktok_offline.conversions.identifiers.phones import column_text, one_cell
from airflow_provider_tiktok_offline.conversions.identifiers.phones.cell_text import Written
from airflow_provider_tiktok_offline.conversions.identifiers.phones.column_text import WrittenColumn
from airflow_provider_tiktok_offline.conversions.identifiers.phones.digit_patterns import UnknownSyntaxError
from airflow_provider_tiktok_offline.conversions.identifiers.phones.number_kinds import POWERS, Whole
from airflow_provider_tiktok_offline.conversions.identifiers.phones.offers import SENDABLE, VALID, Best, Every
from airflow_provider_tiktok_offline.conversions.identifiers.phones.readings import Digits, offer_readings
from airflow_provider_tiktok_offline.conversions.text.digit_texts import behind_plus

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Doubt -> the reading that raises it.
_READING_OF = {rule: reading for reading, rule in one_cell.DOUBT_OF_READING.items()}
#: More than the digits of any number, so that digits, plus and region of a cell are one whole number.
_LENGTHS = 32


def read(cells: pl.Series, region: pl.Series | str | None, phone_digits: PhoneDigits = "auto") -> pl.Series:
    """Read every cell; see :mod:`.normal_forms` for the struct.

    :param cells: phone cells as text; null and blank where there is none.
    :param region: ISO 3166 alpha-2 code for all cells, a column of them, or None where none is known.
    :param phone_digits: how digits without ``+`` are meant.
    """
    normalized = NormalizedCells(len(cells))
    regions = _Regions.of(region)
    for rows, written, texts in _readable(cells, normalized):
        _put(normalized, rows, written, texts, regions.at(rows), phone_digits)
    return normalized.to_struct(cells.name)


def candidates(cells: pl.Series, region: pl.Series | str | None, phone_digits: PhoneDigits = "auto") -> pl.DataFrame:
    """Every number that each cell may stand for, valid or merely possible.

    Parameters are those of :func:`read`.

    :return: ``row``, ``number`` (country code and national number as one whole number; E.164 with ``+`` in front) and
        ``sent`` (whether it is the number that :func:`read` gives), ordered by row. Blank cells, and those that are no
        phone number, have none.
    """
    regions = _Regions.of(region)
    found = [pl.DataFrame(schema={"row": pl.Int64, "number": pl.Int64, "sent": pl.Boolean})]
    for rows, written, _ in _readable(cells, NormalizedCells(len(cells))):
        for group in _groups(written, regions.at(rows)):
            taker = Every(len(group.at))
            by_table = _offer(group, phone_digits, taker)
            of_group = taker.best_first() if by_table else _every_one_by_one(group, phone_digits)
            at = rows[group.at[of_group["row"].to_numpy()]]
            found.append(of_group.with_columns(row=pl.Series(at, dtype=pl.Int64)))
    return pl.concat(found).sort("row", maintain_order=True)


class _Regions(NamedTuple):
    """Whose lists rows stand in: one region for all, or one a row."""

    names: list[str | None]
    number_of: Rows | None

    @classmethod
    def of(cls, region: pl.Series | str | None) -> _Regions:
        if not isinstance(region, pl.Series):
            return cls([one_cell.supported(region)], None)
        given = region.unique(maintain_order=True)
        names = [one_cell.supported(name) for name in given.to_list()]
        if len(region) == 1 or len(names) == 1:
            return cls(names, None)
        numbers = pl.DataFrame({"given": given}).with_row_index("number")
        joined = region.to_frame("given").join(numbers, on="given", how="left", nulls_equal=True, maintain_order="left")
        return cls(names, joined["number"].to_numpy().astype(np.int64))

    def at(self, rows: Rows) -> _Regions:
        return self if self.number_of is None else _Regions(self.names, self.number_of[rows])


def _readable(cells: pl.Series, normalized: NormalizedCells) -> Iterator[tuple[Rows, WrittenColumn, pl.Series | None]]:
    """Rows with digits, what is written there, and the texts where they are nothing but digits.

    What is said of other rows is filled in.
    """
    is_plain, written = column_text.plain_digits(cells)
    rows = np.flatnonzero(is_plain)
    if len(rows):
        yield rows, written, cells if len(rows) == len(cells) else None
    if len(rows) == len(cells):
        return
    rows = np.flatnonzero(~is_plain)
    texts = cells.gather(rows).str.strip_chars()
    filled = (texts != "").fill_null(False).arg_true().to_numpy()
    rows, texts = rows[filled], texts.gather(filled)
    is_tidy, written = column_text.tidy(texts)
    if is_tidy.any():
        yield rows[is_tidy], written, None
    rows, texts = rows[~is_tidy], texts.filter(pl.Series(~is_tidy)).str.to_lowercase()
    if not len(rows):
        return
    left = put_special(normalized, rows, texts)
    rows, odd = rows[left], column_text.odd(texts.filter(pl.Series(left)))
    for rule, places in odd.faults.items():
        normalized.put("fault", rows[places], rule)
    if len(odd.readable):
        yield rows[odd.readable], odd.written, None


@dataclass(frozen=True)
class _Group:
    """Cells of one region and length."""

    at: Rows
    cells: Digits
    plus: bool
    region: str | None

    def texts(self) -> Iterator[Written]:
        """What is written in each of them, for the slow path."""
        zero = self.cells.zero
        for place, number in enumerate(self.cells.numbers.tolist()):
            digits = f"{number:0{self.cells.digits}}"
            yield Written(digits, self.plus, zero is not None and bool(zero[place]), shortened=False)


def _groups(written: WrittenColumn, regions: _Regions) -> Iterator[_Group]:
    key = written.digits * 2 + written.plus
    if regions.number_of is not None:
        key = key + regions.number_of * (2 * _LENGTHS)
    alike = bool((key == key[0]).all())
    for one in key[:1].tolist() if alike else np.unique(key).tolist():
        at = np.arange(len(key)) if alike else np.flatnonzero(key == one)
        number, length = divmod(one, 2 * _LENGTHS)
        zero = written.zero if alike else written.zero[at]
        numbers = written.numbers if alike else written.numbers[at]
        cells = Digits(numbers, length // 2, zero if zero.any() else None)
        yield _Group(at, cells, bool(length % 2), regions.names[number])


def _offer(group: _Group, phone_digits: PhoneDigits, taker: Best | Every) -> bool:
    """Offer all readings of a group; gives back whether that can be done by table."""
    try:
        offer_readings(group.cells, group.region, phone_digits, taker, plus=group.plus)
    except UnknownSyntaxError:
        return False
    return True


def _put(
    normalized: NormalizedCells,
    rows: Rows,
    written: WrittenColumn,
    texts: pl.Series | None,
    regions: _Regions,
    phone_digits: PhoneDigits,
) -> None:
    """Fill in what is read in some rows.

    :param texts: the cells, where they are all rows and nothing but digits.
    """
    numbers = np.zeros(len(rows), dtype=np.int64)
    for group in _groups(written, regions):
        of_rows = rows if len(group.at) == len(rows) else rows[group.at]
        taker = Best(len(group.at))
        if not _offer(group, phone_digits, taker):
            taker = _one_by_one(group, phone_digits)
        doubts = taker.doubts()
        sent = np.where(taker.ranks < SENDABLE, taker.numbers, 0)
        if len(group.at) == len(rows):
            numbers = sent
        else:
            numbers[group.at] = sent
        for rule, doubtful in doubts.items():
            normalized.put("doubt", of_rows[doubtful], rule)
        if group.region is None and not group.plus:
            double_zero = group.cells.numbers < POWERS[group.cells.digits - 2]
            normalized.put("fault", of_rows[(sent == 0) & ~double_zero], "phone_region")
            normalized.put("fault", of_rows[(sent == 0) & double_zero], "phone_impossible")
        else:
            normalized.put("fault", of_rows[sent == 0], "phone_impossible")
    found = numbers > 0
    normalized.put("normal", rows[found], _as_text(numbers if found.all() else numbers[found], written, texts))
    normalized.put("warning", rows[written.shortened & found], "phone_extension")


def _as_text(numbers: Whole, written: WrittenColumn, texts: pl.Series | None) -> pl.Series:
    """Numbers in E.164 form; the cells are used again where they are that already."""
    if texts is None or len(numbers) != len(texts) or not written.plus.all():
        return behind_plus(numbers)
    as_written = (numbers == written.numbers).all() and (numbers >= POWERS[written.digits - 1]).all()
    return texts if as_written else behind_plus(numbers)


def _one_by_one(group: _Group, phone_digits: PhoneDigits) -> Best:
    """The slow path: what one cell at a time is read as."""
    best = Best(len(group.at))
    for place, text in enumerate(group.texts()):
        reading = one_cell.read_written(text, group.region, phone_digits)
        if reading.normal is not None:
            best.numbers[place] = int(reading.normal[1:])
            best.ranks[place] = VALID if reading.doubt == "phone_not_valid" else 0
            best.readings[place] = _READING_OF.get(reading.doubt or "", 0)
            best.several[place] = reading.doubt == "phone_two_readings"
    return best


def _every_one_by_one(group: _Group, phone_digits: PhoneDigits) -> pl.DataFrame:
    found = [
        (row, int(number[1:]), number == one_cell.read_written(text, group.region, phone_digits).normal)
        for row, text in enumerate(group.texts())
        for number in one_cell.candidates_of(text, group.region, phone_digits)
    ]
    return pl.DataFrame(found, schema={"row": pl.Int64, "number": pl.Int64, "sent": pl.Boolean}, orient="row")
