"""The identifiers of a block of rows, in every reading, as numbers that can be looked up in a list.

What costs time is made when it is asked for: readings of phones beside the one that is sent, and digests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.normalized import sent_digests
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs import prefixes
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.cells import Found, read_cells
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.customer_numbers import read_customer_numbers
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.number_sets import Numbers
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.phone_readings import (
    PhoneReadings,
    join_readings,
    read_phones_of,
)
from airflow_provider_tiktok_offline.conversions.text.buffers import series

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The column of staged events that holds the digest prefixes of every reading of their identifiers.
READINGS = "readings"
_SEED = 0x0F7_0075
#: The digits at a number's end that all readings of a cell share.
TAIL = 10**7
_LEAST_IN_TAIL = TAIL // 10
#: In Argentina a mobile's 15 stands within the number, and its readings share six digits only.
_TORN = frozenset({"AR"})


@dataclass(frozen=True, slots=True)
class IdentifierColumn:
    """One identifier column of the conversion file.

    Attributes:
        cells: as the file has them.
        reading: what is sent of them: ``normal`` and ``digest``, null where there is none, and ``fault``.
    """

    cells: pl.Series
    reading: pl.DataFrame

    def unusable(self) -> Rows:
        """Rows of which nothing can be sent though something stands there."""
        nothing = self.reading["normal"].is_null() & self.reading["digest"].is_null()
        if not nothing.any():
            return np.zeros(0, dtype=np.int64)
        fault = self.reading["fault"]
        return (nothing & fault.is_not_null() & (fault != "placeholder")).arg_true().to_numpy().astype(np.int64)


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Digest prefixes of rows, several a row.

    Attributes:
        rows: the row of each.
        numbers: the prefixes.
        sent: whether it is of what would be sent.
    """

    rows: Rows
    numbers: Numbers
    sent: Flags


class RowIdentifiers:
    """The identifiers of a block of rows.

    :param height: how many rows there are.
    :param emails: column -> what it holds; ``phones`` likewise.
    :param regions: the phone region of all rows, or of each.
    :param default_region: the region in which the list's numbers are read first: rows are read in it, too.
    :param customers: column of the file -> its cells.
    """

    def __init__(
        self,
        height: int,
        emails: Mapping[str, IdentifierColumn],
        phones: Mapping[str, IdentifierColumn],
        regions: pl.Series | str | None,
        default_region: str | None,
        customers: Mapping[str, pl.Series],
    ) -> None:
        self.height = height
        self._emails = list(emails.values())
        self._phones = list(phones.values())
        self._columns = {**emails, **phones}
        self._digests: dict[str, pl.Series] = {}
        self._regions = regions
        self._default_region = default_region
        self._customer_cells = customers

    @cached_property
    def customers(self) -> dict[str, tuple[Rows, pl.Series]]:
        """Column -> rows and their customer numbers."""
        numbers = {name: read_customer_numbers(cells).numbers for name, cells in self._customer_cells.items()}
        return {name: _filled(column) for name, column in numbers.items()}

    @cached_property
    def has_digests(self) -> bool:
        """Whether the file itself holds digests instead of identifiers."""
        return bool(len(self._unusable.digests)) or any(
            column.reading["digest"].null_count() < self.height for column in self._columns.values()
        )

    def emails(self) -> Iterator[tuple[Rows, pl.Series, bool]]:
        """Rows, the addresses in them, and whether these would be sent."""
        for column in self._emails:
            yield *_filled(column.reading["normal"]), True
        yield self._unusable.email_rows, self._unusable.emails, False

    @cached_property
    def _unusable(self) -> Found:
        """What cells hold of which nothing is sent, read as a list's cells are."""
        cells, rows = [], []
        for column in self._emails:
            rows.append(column.unusable())
            cells.append(column.cells.gather(rows[-1]))
        for column in self._phones:
            unusable = column.unusable()
            worded = column.cells.gather(unusable).str.contains(r"@|\p{L}").to_numpy()
            rows.append(unusable[worded])
            cells.append(column.cells.gather(rows[-1]))
        names = self._regions.unique().to_list() if isinstance(self._regions, pl.Series) else [self._regions]
        asked = pl.concat(cells) if cells else pl.Series([], dtype=pl.String)
        return read_cells(asked, tuple(names) or (None,)).at(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]))

    def phones(self, tails: Flags | None) -> PhoneReadings:
        """Every reading of the phones that may be of somebody on a list.

        :param tails: whether some listed number ends with these digits; None for all phones.
        """
        unusable = self._unusable.phones
        never_sent = PhoneReadings(unusable.rows, unusable.numbers, np.zeros_like(unusable.sent))
        return join_readings([*(self._read(column, tails) for column in self._phones), never_sent])

    def _read(self, column: IdentifierColumn, tails: Flags | None) -> PhoneReadings:
        sent = column.reading["normal"].str.slice(1).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
        asked = sent > 0
        if tails is not None:
            asked &= tails[sent % TAIL] | (sent < _LEAST_IN_TAIL) | self._torn
        asked[column.unusable()] = True
        rows = np.flatnonzero(asked)
        cells = column.cells.gather(rows)
        if isinstance(self._regions, pl.Series):
            found = read_phones_of(cells, self._regions.gather(rows))
            if self._default_region is not None:
                found = join_readings([found, read_phones_of(cells, self._default_region)])
        else:
            found = read_phones_of(cells, self._regions)
        # What is sent is what the row's own reading says, whatever `phone_digits` makes of it.
        sent = sent[rows]
        is_sent = found.numbers == sent[found.rows]
        missing = sent > 0
        missing[found.rows[is_sent]] = False
        more = np.flatnonzero(missing)
        own = PhoneReadings(more, sent[more], np.ones(len(more), dtype=np.bool_))
        return join_readings([PhoneReadings(found.rows, found.numbers, is_sent), own]).at(rows)

    @cached_property
    def _torn(self) -> Flags | bool:
        if isinstance(self._regions, pl.Series):
            return self._regions.is_in(list(_TORN)).fill_null(False).to_numpy()
        return self._regions in _TORN

    def digests(self, name: str) -> pl.Series:
        """The digests to send of a column, as bytes; null where there is none."""
        if name not in self._digests:
            reading = self._columns[name].reading
            self._digests[name] = series(name, sent_digests(reading["normal"], reading["digest"]))
        return self._digests[name]

    def known_digests(self, name: str) -> pl.Series | None:
        """What :meth:`digests` gives, if it was asked for before."""
        return self._digests.get(name)

    @cached_property
    def sent_prefixes(self) -> Prefixes:
        """The prefixes of the digests that are sent."""
        found = []
        for name in self._columns:
            rows, digests = _filled(self.digests(name))
            found.append(_prefixes(rows, prefixes.of_digests(digests), sent=True))
        return _joined(found)

    @cached_property
    def other_prefixes(self) -> Prefixes:
        """The prefixes of every other form and reading: phones without plus, other numbers, what is not sent at all."""
        phones = self.phones(None)
        others = ~phones.sent
        odd = self._unusable
        return _joined(
            [
                _prefixes(phones.rows, prefixes.of_digits(phones.numbers), sent=phones.sent),
                _prefixes(phones.rows[others], prefixes.of_numbers(phones.numbers[others]), sent=False),
                _prefixes(odd.email_rows, prefixes.of_texts(odd.emails), sent=False),
                _prefixes(odd.digest_rows, prefixes.of_hex(odd.digests), sent=False),
                *(
                    _prefixes(rows, prefixes.of_customers(numbers), sent=True)
                    for rows, numbers in self.customers.values()
                ),
            ]
        )

    def readings(self, rows: Rows | None, *, everything: bool) -> pl.Series:
        """The prefixes of some rows as lists, to be staged: who opts out later is recognised by them.

        :param rows: ascending; None for all.
        :param everything: also of the digests that are sent.
        """
        found = _joined([self.other_prefixes, *([self.sent_prefixes] if everything else [])])
        frame = pl.DataFrame({"row": found.rows, "reading": found.numbers}).group_by("row").agg("reading")
        wanted = pl.DataFrame({"row": np.arange(self.height, dtype=np.int64) if rows is None else rows})
        return wanted.join(frame, on="row", how="left", maintain_order="left")["reading"]


def _prefixes(rows: Rows, numbers: Numbers, *, sent: Flags | bool) -> Prefixes:
    return Prefixes(rows, numbers, np.broadcast_to(np.asarray(sent, dtype=np.bool_), len(rows)))


def _joined(parts: Sequence[Prefixes]) -> Prefixes:
    if not parts:
        return Prefixes(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.bool_))
    return Prefixes(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.numbers for part in parts]),
        np.concatenate([part.sent for part in parts]),
    )


def text_hashes(texts: pl.Series) -> Numbers:
    """A hash of each text, for this process alone."""
    return texts.hash(_SEED).to_numpy()


def _filled(texts: pl.Series) -> tuple[Rows, pl.Series]:
    if not texts.null_count():
        return np.arange(len(texts), dtype=np.int64), texts
    return texts.is_not_null().arg_true().to_numpy().astype(np.int64), texts.drop_nulls()
