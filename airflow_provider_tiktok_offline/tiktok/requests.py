"""Request bodies, built from columns: batches that keep both limits, and the JSON around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says beside its events.

    Attributes:
        event_source_id: the offline event set, a string of digits.
        test_event_code: shows the events in Events Manager's Test Events instead of counting them.
    """

    event_source_id: str
    test_event_code: str | None = None

    def head(self) -> bytes:
        """The request up to its first event."""
        fields = {"event_source": "offline", "event_source_id": self.event_source_id}
        if self.test_event_code is not None:
            fields["test_event_code"] = self.test_event_code
        return json.dumps(fields)[:-1].encode() + b', "data": ['


TAIL = b"]}"


class Bodies:
    """The bodies of requests for ranges of a series of JSON items.

    :param items: one ``data[]`` item of the API an event.
    """

    def __init__(self, items: pl.Series, envelope: Envelope) -> None:
        self._items = items
        self._head = envelope.head()
        #: Bytes of all items up to and with each, a comma counted to each.
        self._ends = (items.str.len_bytes().cast(pl.Int64) + 1).cum_sum()

    def build(self, first: int, count: int) -> bytes:
        """The body of one request."""
        joined = self._items.slice(first, count).str.join(",").item()
        return b"".join((self._head, joined.encode(), TAIL))

    def cut(self, first: int, *, events: int, size: int) -> Iterator[tuple[int, int]]:
        """Ranges ``(first, count)`` from an event on, as long as both limits allow.

        :param events: events a request, at most.
        :param size: bytes a request, at most; an event that is larger goes alone.
        """
        total = len(self._items)
        room = size - len(self._head) - len(TAIL)
        while first < total:
            before = int(self._ends[first - 1]) if first else 0
            fitting = int(self._ends.search_sorted(before + room + 1, side="right"))
            end = min(total, first + events, max(fitting, first + 1))
            yield first, end - first
            first = end
