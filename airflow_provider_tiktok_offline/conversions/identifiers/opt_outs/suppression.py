"""Who is on a list, and which rows of a conversion file are of these people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs import prefixes
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.cells import Found
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import Entries, ListFacts
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.number_sets import Numbers, NumberSet, spread
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import (
    READINGS,
    TAIL,
    RowIdentifiers,
    text_hashes,
)

Flags = NDArray[np.bool_]
_Number = TypeVar("_Number", np.uint64, np.int64)


@dataclass(frozen=True, slots=True)
class Hits:
    """Which rows are of people on the list.

    Attributes:
        rows: all of them.
        wider: those found only by another reading of an identifier than the one that would be sent.
    """

    rows: Flags
    wider: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedIdentifiers:
    """What is kept of the different entries of a list.

    Attributes:
        email_hashes, email_prefixes: hashes of the e-mails, and the first eight bytes of their SHA-256.
        phones: numbers as they would be sent.
        other_phones: numbers that the phones may mean as well.
        digests: the first eight bytes of the digests.
        customers: column -> hashes of the customer numbers, and the first eight bytes of their SHA-256.
    """

    email_hashes: Numbers
    email_prefixes: Numbers
    phones: NDArray[np.int64]
    other_phones: NDArray[np.int64]
    digests: Numbers
    customers: Mapping[str, tuple[Numbers, Numbers]]


class Suppression:
    """The people on a list.

    Nothing of an e-mail is kept but a hash and the first eight bytes of its SHA-256; of a digest these bytes; of a
    phone the numbers that it may mean.

    :param facts: what may be said of the list.
    """

    def __init__(self, facts: ListFacts, listed: ListedIdentifiers) -> None:
        self.facts = facts
        self._emails = NumberSet(listed.email_hashes)
        self._phone_numbers = (listed.phones, listed.other_phones)
        self._phones, self._other_phones = (NumberSet(spread(numbers)) for numbers in self._phone_numbers)
        self._email_prefixes = listed.email_prefixes
        self._digests = listed.digests
        self._customers = {name: NumberSet(hashes) for name, (hashes, _) in listed.customers.items()}
        self._customer_prefixes = [of_digests for _, of_digests in listed.customers.values()]

    def written_at(self, written: datetime) -> Suppression:
        """The same people, of a list that was written at another time."""
        other = copy(self)
        other.facts = replace(self.facts, written=written)
        return other

    @cached_property
    def _prefixes(self) -> tuple[NumberSet, NumberSet]:
        """Digest prefixes of what the list says, and of other readings of its phones."""
        phones, other_phones = (
            np.concatenate([prefixes.of_numbers(numbers), prefixes.of_digits(numbers)])
            for numbers in self._phone_numbers
        )
        said = np.concatenate([self._email_prefixes, self._digests, phones, *self._customer_prefixes])
        return NumberSet(said), NumberSet(other_phones)

    @cached_property
    def _tails(self) -> Flags:
        """Whether some number on the list ends with these seven digits: what every reading of a cell shares."""
        tails = np.zeros(TAIL, dtype=np.bool_)
        for numbers in self._phone_numbers:
            tails[numbers % TAIL] = True
        return tails

    def find(self, identifiers: RowIdentifiers) -> Hits:
        """Which rows are of people on the list."""
        certain = np.zeros(identifiers.height, dtype=np.bool_)
        wider = np.zeros(identifiers.height, dtype=np.bool_)
        if len(self._digests) or identifiers.has_digests:
            self._find_by_digest(identifiers, certain, wider)
        else:
            self._find_as_written(identifiers, certain, wider)
        for name, (rows, numbers) in identifiers.customers.items():
            if name in self._customers:
                certain[rows[self._customers[name].covers(text_hashes(numbers))]] = True
        return Hits(certain | wider, wider & ~certain)

    def _find_by_digest(self, identifiers: RowIdentifiers, certain: Flags, wider: Flags) -> None:
        said, other = self._prefixes
        for found in (identifiers.sent_prefixes, identifiers.other_prefixes):
            listed = said.covers(found.numbers)
            certain[found.rows[listed & found.sent]] = True
            wider[found.rows[listed | other.covers(found.numbers)]] = True

    def _find_as_written(self, identifiers: RowIdentifiers, certain: Flags, wider: Flags) -> None:
        """Compare e-mails and numbers as they are, without hashing the file's."""
        for rows, texts, sent in identifiers.emails():
            (certain if sent else wider)[rows[self._emails.covers(text_hashes(texts))]] = True
        if not len(self._phones) and not len(self._other_phones):
            return
        phones = identifiers.phones(self._tails)
        numbers = spread(phones.numbers)
        listed = self._phones.covers(numbers)
        certain[phones.rows[listed & phones.sent]] = True
        wider[phones.rows[listed | self._other_phones.covers(numbers)]] = True

    def find_events(self, events: pl.DataFrame) -> Flags:
        """Which prepared events are of people on the list.

        :param events: with their digests, ``email_n`` and ``phone_n``, and ``readings`` where these were staged.
        """
        found = np.zeros(events.height, dtype=np.bool_)
        for name in events.columns:
            if name.startswith(("email_", "phone_")):
                there = events[name].is_not_null().to_numpy()
                found[there] |= self._covers(prefixes.of_digests(events[name].drop_nulls()))
        if READINGS in events.columns:
            filled = events.select(READINGS).with_row_index("row").explode(READINGS).drop_nulls()
            found[filled["row"].to_numpy()[self._covers(filled[READINGS].to_numpy())]] = True
        return found

    def _covers(self, numbers: Numbers) -> Flags:
        said, other = self._prefixes
        return said.covers(numbers) | other.covers(numbers)


class SuppressionBuilder:
    """Collects what the cells of a list hold."""

    def __init__(self) -> None:
        self._email_hashes = [np.zeros(0, dtype=np.uint64)]
        self._email_prefixes = [np.zeros(0, dtype=np.uint64)]
        self._phones = [np.zeros(0, dtype=np.int64)]
        self._other_phones = [np.zeros(0, dtype=np.int64)]
        self._digests = [np.zeros(0, dtype=np.uint64)]
        self._customers: dict[str, tuple[list[Numbers], list[Numbers]]] = {}

    def add(self, found: Found) -> None:
        """Take the entries of a column."""
        self._email_hashes.append(text_hashes(found.emails))
        self._email_prefixes.append(prefixes.of_texts(found.emails))
        self._phones.append(found.phones.numbers[found.phones.sent])
        self._other_phones.append(found.phones.numbers[~found.phones.sent])
        self._digests.append(prefixes.of_hex(found.digests))

    def add_customers(self, column: str, numbers: pl.Series) -> None:
        """Take customer numbers, to be looked for in a column of the conversion file."""
        hashes, of_digests = self._customers.setdefault(column, ([], []))
        hashes.append(text_hashes(numbers))
        of_digests.append(prefixes.of_customers(numbers))

    def entries(self) -> Entries:
        """How many different entries there are."""
        return Entries(
            emails=len(_different(self._email_hashes)),
            phones=len(_different(self._phones)),
            digests=len(_different(self._digests)),
            customers=sum(len(_different(hashes)) for hashes, _ in self._customers.values()),
        )

    def build(self, facts: ListFacts) -> Suppression:
        """The people on the list."""
        listed = ListedIdentifiers(
            email_hashes=_different(self._email_hashes),
            email_prefixes=_different(self._email_prefixes),
            phones=_different(self._phones),
            other_phones=_different(self._other_phones),
            digests=_different(self._digests),
            customers={
                name: (_different(hashes), _different(of_digests))
                for name, (hashes, of_digests) in self._customers.items()
            },
        )
        return Suppression(facts, listed)


def _different(parts: Sequence[NDArray[_Number]]) -> NDArray[_Number]:
    """The different numbers, in order."""
    ordered = np.sort(np.concatenate(parts))
    new = np.ones(len(ordered), dtype=np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]
