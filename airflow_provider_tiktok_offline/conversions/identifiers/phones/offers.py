"""What readings of a column are offered, and who takes the best one of each row, or all of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.phones.number_kinds import Kinds, Whole
from airflow_provider_tiktok_offline.conversions.identifiers.phones.numbering_plans import Flags, Rows
from airflow_provider_tiktok_offline.conversions.identifiers.phones.one_cell import DOUBT_OF_READING, Kind

Ranks = NDArray[np.int32]

#: Ranks below ``VALID`` are those of valid numbers, below ``SENDABLE`` of numbers that are sent if none is valid, below
#: ``POSSIBLE`` of others that are never sent.
VALID, SENDABLE, POSSIBLE, NONE = 100_000, 200_000, 300_000, 400_000


class Offer(NamedTuple):
    """Numbers that some rows may stand for.

    Attributes:
        rows: which rows; None for all.
        numbers: country code and national number in one whole number.
        kinds: values of :class:`.Kind`.
        ranks: the lowest of a row is sent; ``NONE`` where the number is impossible.
        readings: which reading it is, of all or row by row.
    """

    rows: Rows | None
    numbers: Whole
    kinds: Kinds
    ranks: Ranks
    readings: int | NDArray[np.uint8]


class Taker(Protocol):
    """What takes the offers for a column.

    Attributes:
        least: the least kind for which numbers that are never sent are offered.
    """

    least: Kind

    def take(self, offer: Offer) -> None:
        """Take one offer."""

    def without_valid(self) -> Flags:
        """Which rows were offered no valid number that is sent."""


class Best:
    """Keeps the number that is sent, and whether there was another valid one.

    :param rows: how many rows there are.

    Attributes:
        ranks: of the numbers kept.
        numbers: country code and national number in one whole number.
        readings: which reading the number is.
        several: whether there was another valid number.
    """

    least = Kind.SERVICE

    def __init__(self, rows: int) -> None:
        self.ranks: Ranks = np.full(rows, NONE, dtype=np.int32)
        self.numbers: Whole = np.zeros(rows, dtype=np.int64)
        self.readings = np.zeros(rows, dtype=np.uint8)
        self.several = np.zeros(rows, dtype=np.bool_)
        self._untouched = True
        self._never_sent: list[Offer] = []

    def take(self, offer: Offer) -> None:
        """Keep what is better than what was offered before."""
        if self._untouched and offer.rows is None:
            self.ranks, self.numbers = offer.ranks, offer.numbers.copy()
            self.readings[:] = offer.readings
            self._untouched = False
            return
        self._untouched = False
        chosen = np.flatnonzero(offer.ranks < NONE)
        if len(chosen) == 0:
            return
        rows = chosen if offer.rows is None else offer.rows[chosen]
        numbers, ranks = offer.numbers[chosen], offer.ranks[chosen]
        current = self.ranks[rows]
        valid = ranks < VALID
        self.several[rows] |= valid & (current < VALID) & (self.numbers[rows] != numbers)
        better = np.flatnonzero(ranks < current)
        at = rows[better]
        self.ranks[at], self.numbers[at] = ranks[better], numbers[better]
        self.readings[at] = offer.readings if isinstance(offer.readings, int) else offer.readings[chosen][better]
        doubtful = np.flatnonzero((ranks >= SENDABLE) & (offer.kinds[chosen] >= Kind.SERVICE))
        if len(doubtful):
            self._never_sent.append(offer._replace(rows=rows[doubtful], numbers=numbers[doubtful]))

    def without_valid(self) -> Flags:
        """Which rows were offered no valid number that is sent."""
        return self.ranks >= VALID

    def doubts(self) -> dict[str, Rows]:
        """Rule -> rows whose number may be another one."""
        for offer in self._never_sent:
            self.several[offer.rows] |= (self.ranks[offer.rows] < VALID) & (self.numbers[offer.rows] != offer.numbers)

        valid, sent = self.ranks < VALID, self.ranks < SENDABLE
        sure = valid & ~self.several
        found = {
            "phone_not_valid": sent & ~valid,
            "phone_two_readings": valid & self.several,
        }
        for reading, rule in DOUBT_OF_READING.items():
            found[rule] = sure & (self.readings == reading)
        return {rule: np.flatnonzero(flags) for rule, flags in found.items()}


class Every:
    """Keeps every number that is possible.

    :param rows: how many rows there are.
    """

    least = Kind.POSSIBLE

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._offers: list[pl.DataFrame] = []
        self._valid = np.zeros(rows, dtype=np.bool_)

    def take(self, offer: Offer) -> None:
        """Keep whatever is possible."""
        chosen = np.flatnonzero(offer.ranks < NONE)
        rows = chosen if offer.rows is None else offer.rows[chosen]
        ranks = offer.ranks[chosen]
        self._valid[rows[ranks < VALID]] = True
        self._offers.append(pl.DataFrame({"row": rows, "number": offer.numbers[chosen], "rank": ranks}))

    def without_valid(self) -> Flags:
        """Which rows were offered no valid number that is sent."""
        return ~self._valid

    def best_first(self) -> pl.DataFrame:
        """Rows and their distinct numbers, ordered by row, and whether it is the one that is sent."""
        nothing = pl.DataFrame(schema={"row": pl.Int64, "number": pl.Int64, "rank": pl.Int32})
        offers = pl.concat([nothing, *self._offers])
        best = offers.group_by("row", "number").agg(pl.col("rank").min()).sort("row", "rank", "number")
        first = (pl.col("row") != pl.col("row").shift()).fill_null(True)
        return best.select("row", "number", sent=first & (pl.col("rank") < SENDABLE))
