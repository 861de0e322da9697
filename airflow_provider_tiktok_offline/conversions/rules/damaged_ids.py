"""Ids that a spreadsheet turned into numbers: what one cell shows, and what only the whole column does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

Lines = npt.NDArray[np.int64]

#: Columns whose values must stay what they were.
ID_COLUMNS = ("order_id", "product_id", "store_code")
#: ``2.02611E+14``: the digits behind the sixth are gone.
_EXPONENT = r"^[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}$"
_POINTED = r"^[0-9]+[.,]0{1,2}$"
#: A spreadsheet keeps fifteen digits of a number and fills up with zeros.
_KEPT_DIGITS = 15
_LONG = r"^[0-9]{16,}$"
_ROUNDED = r"^[0-9]{15}0+$"
#: So many zeros, over all ids, are no accident where no id has another digit there.
_LEAST_ZEROS = 3
#: Distinct rounded ids that are counted.
_MOST_COUNTED = 20
#: More lines than this are not kept while nothing speaks for damage: the column is written so.
_MOST_LINES = 1_000_000
_PLUS, _POINT, _COMMA = b"+.,"


def _nothing() -> Lines:
    return np.empty(0, dtype=np.int64)


@dataclass(slots=True)
class IdColumn:
    """What a column of ids shows, as far as it was read.

    Attributes:
        pointed: lines whose id ends in ``.0``.
        plain: whether another id does not.
        rounded: lines whose id has only zeros behind its fifteenth digit.
        exact: whether an id has another digit there.
        values: some of the rounded ids; they never leave this class.
    """

    pointed: Lines = field(default_factory=_nothing)
    plain: bool = False
    rounded: Lines = field(default_factory=_nothing)
    exact: bool = False
    values: frozenset[str] = frozenset()

    def merge(self, other: IdColumn) -> None:
        """Add what the next block shows."""
        self.plain |= other.plain
        self.exact |= other.exact
        self.pointed = np.concatenate([self.pointed, other.pointed])
        self.rounded = _nothing() if self.exact else np.concatenate([self.rounded, other.rounded])
        if not self.plain and len(self.pointed) > _MOST_LINES:
            self.pointed = self.pointed[:_MOST_LINES]
        self.values = frozenset(sorted(self.values | other.values)[:_MOST_COUNTED])

    def damaged(self) -> Lines:
        """The lines of ids that can't be what they were, now that the whole column was seen."""
        zeros = sum(len(value) - _KEPT_DIGITS for value in self.values)
        rounded = self.rounded if not self.exact and zeros >= _LEAST_ZEROS else _nothing()
        return np.unique(np.concatenate([self.pointed if self.plain else _nothing(), rounded]))


def with_exponent(cells: pl.Series) -> pl.Series | None:
    """Which ids are numbers with an exponent; None if none is."""
    column = column_bytes(cells)
    if column.are_words or not column.holds(_PLUS):
        return None
    found = cells.str.contains(_EXPONENT)
    return found if found.any() else None


def look_at(cells: pl.Series, lines: Lines) -> IdColumn:
    """What the ids of some rows show.

    :param cells: without null.
    :param lines: the rows' line numbers.
    """
    column = IdColumn()
    known = column_bytes(cells)
    if not known.are_words and (known.holds(_POINT) or known.holds(_COMMA)):
        pointed = cells.str.contains(_POINTED)
        column.pointed = lines[pointed.to_numpy()]
        column.plain = bool((~pointed & (cells != "")).any())
    else:
        column.plain = len(known.characters) > 0
    lengths = known.lengths
    if len(lengths) and int(lengths.max()) > _KEPT_DIGITS:
        rows = np.flatnonzero(lengths > _KEPT_DIGITS)
        long = cells.gather(rows)
        rounded = long.str.contains(_ROUNDED)
        column.exact = bool((long.str.contains(_LONG) & ~rounded).any())
        if not column.exact:
            column.rounded = lines[rows[rounded.to_numpy()]]
            distinct = long.filter(rounded).unique().sort().head(_MOST_COUNTED)
            column.values = frozenset(distinct.to_list())
    return column


def merge_columns(columns: dict[str, IdColumn], others: Mapping[str, IdColumn]) -> None:
    """Add what the next block shows, column by column."""
    for name, other in others.items():
        columns.setdefault(name, IdColumn()).merge(other)


def all_damaged(columns: Iterable[IdColumn]) -> Lines:
    """The lines of every damaged id."""
    return np.unique(np.concatenate([_nothing(), *(column.damaged() for column in columns)]))
