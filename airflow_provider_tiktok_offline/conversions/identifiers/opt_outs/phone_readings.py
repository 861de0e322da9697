"""Every number that a phone cell may mean: opt-outs reach further than sending, which takes one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PhoneReadings:
    """The numbers that cells may mean, several a cell, ordered by cell.

    Attributes:
        rows: the cell of each reading.
        numbers: country code and national number as one whole number.
        sent: whether it is the reading that would be sent.
    """

    rows: Rows
    numbers: Rows
    sent: NDArray[np.bool_]

    def at(self, rows: Rows) -> PhoneReadings:
        """The same readings for cells that are some of a larger column: ``rows`` says which."""
        return PhoneReadings(rows[self.rows], self.numbers, self.sent)

    def filter(self, chosen: NDArray[np.bool_]) -> PhoneReadings:
        """Some of the readings."""
        return PhoneReadings(self.rows[chosen], self.numbers[chosen], self.sent[chosen])

    def leading(self) -> NDArray[np.bool_]:
        """The first reading of each cell: the one that would be sent, if any."""
        first = np.ones(len(self.rows), dtype=np.bool_)
        first[1:] = self.rows[1:] != self.rows[:-1]
        return first


def join_readings(parts: Sequence[PhoneReadings]) -> PhoneReadings:
    """The readings of several columns of the same rows; no longer ordered by row."""
    return PhoneReadings(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.sent for part in parts]),
    )


def read_phones(cells: pl.Series, regions: tuple[str | None, ...]) -> PhoneReadings:
    """Every reading of every cell, dialled from any of several regions; the first region's is the one to send.

    :param cells: texts, none null; blank ones have no reading.
    """
    every = [read_phones_of(cells, region) for region in regions]
    rows = np.concatenate([one.rows for one in every])
    numbers = np.concatenate([one.numbers for one in every])
    sent = np.concatenate([one.sent if place == 0 else np.zeros_like(one.sent) for place, one in enumerate(every)])
    return _ordered(rows, numbers, sent)


def read_phones_of(cells: pl.Series, region: pl.Series | str | None) -> PhoneReadings:
    """Every reading of every cell, dialled from its row's region; however the row is sent, all readings count."""
    found = phone_column.candidates(cells, region)
    return PhoneReadings(found["row"].to_numpy(), found["number"].to_numpy(), found["sent"].to_numpy())


def _ordered(rows: Rows, numbers: Rows, sent: NDArray[np.bool_]) -> PhoneReadings:
    """By cell, the one to send first, each number once."""
    order = np.lexsort((~sent, numbers, rows))
    rows, numbers, sent = rows[order], numbers[order], sent[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows[1:] != rows[:-1]) | (numbers[1:] != numbers[:-1])
    rows, numbers, sent = rows[new], numbers[new], sent[new]
    order = np.lexsort((~sent, rows))
    return PhoneReadings(rows[order], numbers[order], sent[order])
