"""One list of people who opted out, from its bytes to what rows are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.cells import UNREADABLE, Found, Kind, read_cells
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.customer_numbers import read_customer_numbers
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import Lines, ListFacts
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import (
    Layout,
    ListSettings,
    recognise,
)
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_records import Batch, batches
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_text import ListText
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression, SuppressionBuilder
from airflow_provider_tiktok_offline.errors import OptOutListError

_LOOKED_AT = 1_000


def read_list(stream: BinaryIO, settings: ListSettings, *, written: datetime | None = None) -> Suppression:
    """Read a list of people who opted out.

    :param written: when it was written, for the messages about it.
    :raises OptOutListError: it is no text, holds text that could identify a person and is not understood, has no
        entry, or lacks a column that the settings name. The message names counts and line numbers, never values.
    """
    text = ListText(stream)
    lines = iter(text)
    head = list(itertools.islice(lines, _LOOKED_AT))
    layout = recognise(head, settings)
    reading = _Reading(layout, settings)
    for batch in batches(itertools.chain(head, lines), layout):
        reading.add(batch)
    return reading.result(text.sha256, written)


class _Reading:
    """A list on its way through the cells."""

    def __init__(self, layout: Layout, settings: ListSettings) -> None:
        self._layout = layout
        self._settings = settings
        self._header = layout.header
        self._builder = SuppressionBuilder()
        self._by_kind: dict[int, Lines] = {}
        self._unreadable = Lines()
        self._nameless = Lines()

    def add(self, batch: Batch) -> None:
        """Take the next records."""
        if self._header is not None:
            # It stands among the first lines.
            batch, self._header = batch.without(self._header), None
        worst = np.zeros(len(batch), dtype=np.uint8)
        named = np.zeros(len(batch), dtype=np.bool_)
        for found, rows in self._columns(batch):
            self._builder.add(found)
            worst[rows] = np.maximum(worst[rows], found.kinds)
            named[rows] |= found.kinds > Kind.NOBODY
        for name, place in self._layout.matched.items():
            customers = read_customer_numbers(batch.column(place))
            self._builder.add_customers(name, customers.numbers.drop_nulls())
            worst[customers.damaged] = Kind.DAMAGED
            named |= customers.numbers.is_not_null().to_numpy()
        if self._layout.width:
            worst[batch.wider_than(self._layout.width)] = Kind.TOO_WIDE
        self._count(batch, worst, named)

    def _columns(self, batch: Batch) -> Iterator[tuple[Found, NDArray[np.int64]]]:
        """What each column of identifiers holds; and of the others what can't be anything else."""
        layout, regions = self._layout, self._settings.regions
        everything = np.arange(len(batch), dtype=np.int64)
        for place in layout.identifiers:
            yield read_cells(batch.column(place), regions), everything
        if layout.named or layout.delimiter is None:
            return
        for place in sorted(set(range(batch.width)) - {*layout.identifiers, *layout.matched.values()}):
            cells = batch.column(place)
            rows = cells.str.contains(r"(?i)\S@\S|^\W*(?:0x)?[0-9a-f]{64}\W*$").arg_true().to_numpy().astype(np.int64)
            if len(rows):
                yield _only_certain(read_cells(cells.gather(rows), regions)), rows

    def _count(self, batch: Batch, worst: NDArray[np.uint8], named: NDArray[np.bool_]) -> None:
        wrong = worst >= Kind.HALF_ADDRESS
        if wrong.any():
            for kind in np.unique(worst[wrong]).tolist():
                self._by_kind.setdefault(kind, Lines()).add(batch.numbers[worst == kind])
            self._unreadable.add(batch.numbers[wrong])
        quiet = ~named & ~wrong
        if quiet.any():
            self._nameless.add(batch.numbers[quiet & batch.filled()])

    def result(self, sha256: str, written: datetime | None) -> Suppression:
        """The people on the list, once all its records were added.

        :raises OptOutListError: it can't be used.
        """
        if self._unreadable.count > self._settings.max_unreadable:
            raise self._not_understood()
        entries = self._builder.entries()
        if not entries.total and not self._settings.allow_empty:
            raise self._empty()
        return self._builder.build(
            ListFacts(
                entries=entries, written=written, sha256=sha256, unreadable=self._unreadable, nameless=self._nameless
            )
        )

    def _not_understood(self) -> OptOutListError:
        said = "; ".join(f"{UNREADABLE[Kind(kind)]}: {lines}" for kind, lines in sorted(self._by_kind.items()))
        allowed = self._settings.max_unreadable
        lines = "1 line" if self._unreadable.count == 1 else f"{self._unreadable.count:,} lines"
        limit = f" (suppression.max_unreadable is {allowed:,})" if allowed else ""
        todo = ["Export e-mails, phones with country code, or SHA-256 digests of them."]
        if Kind.NO_PHONE in self._by_kind and self._settings.regions == (None,):
            todo = ["Set phone_region, so that numbers without a country code are understood."]
        if self._layout.delimiter is not None and not self._layout.named:
            todo.append("If another column is meant, name the right ones in suppression.columns.")
        return OptOutListError(
            f"{lines} of the suppression list can't be understood{limit}: {said}.",
            todo=f"{' '.join(todo)} Nothing was sent.",
        )

    def _empty(self) -> OptOutListError:
        beside = f" beside {self._nameless} of other text" if self._nameless.count else ""
        todo = "Look at how it is exported; a list that may be empty needs suppression.allow_empty."
        if self._nameless.count and self._layout.delimiter is not None and not self._layout.named:
            todo = "Name the columns that hold identifiers in suppression.columns."
        return OptOutListError(f"the suppression list has no entry{beside}.", todo=f"{todo} Nothing was sent.")


def _only_certain(found: Found) -> Found:
    """Of a column that is none of identifiers: whole addresses and digests; half an address is still unreadable."""
    kept = np.isin(found.kinds, (Kind.EMAIL, Kind.DIGEST, Kind.HALF_ADDRESS))
    kinds = np.where(kept, found.kinds, Kind.NOBODY).astype(np.uint8)
    no_phones = np.zeros(len(found.phones.rows), dtype=np.bool_)
    return Found(
        kinds,
        found.emails,
        found.email_rows,
        found.phones.filter(no_phones),
        found.digests,
        found.digest_rows,
    )
