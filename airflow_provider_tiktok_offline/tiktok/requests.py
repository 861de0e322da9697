"""Builds request bodies from columns: batches within both limits, and the JSON around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of a request beside its events.

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


_TAIL = b"]}"


class Bodies:
    """The bodies of requests for ranges of a series of JSON items.

    The items are in one buffer, one after the other, each after a comma. A body is a slice of the buffer.

    :param items: one ``data[]`` item of the API an event, a comma before it.
    :raises ValueError: if an item has no comma before it.
    """

    def __init__(self, items: pl.Series, envelope: Envelope) -> None:
        count, _, self._bounds, values = buffers(items)
        if not (values[self._bounds[:count]] == ord(",")).all():
            raise ValueError("a comma stands before each item")
        self._values = values.data
        self._head = envelope.head()

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def build(self, first: int, count: int) -> bytes:
        """The body of one request."""
        start, end = self._bounds[first], self._bounds[first + count]
        return b"".join((self._head, self._values[start + 1 : end], _TAIL))

    def cut(self, first: int, *, events: int, size: int) -> Iterator[tuple[int, int]]:
        """Ranges ``(first, count)`` from an event on, as long as the limits allow.

        :param events: events a request, at most.
        :param size: bytes a request, at most; a larger event is sent alone.
        """
        total = len(self)
        space = size - len(self._head) - len(_TAIL) + 1
        while first < total:
            fitting = int(np.searchsorted(self._bounds, self._bounds[first] + space, side="right")) - 1
            end = min(total, first + events, max(fitting, first + 1))
            yield first, end - first
            first = end
