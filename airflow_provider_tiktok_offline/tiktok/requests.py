"""Request bodies, built from columns: batches that keep both limits, and the JSON around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa


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


_TAIL = b"]}"


class Bodies:
    """The bodies of requests for ranges of a series of JSON items.

    The items lie one behind the other in one buffer, a comma after each: a body is a slice of it.

    :param items: one ``data[]`` item of the API an event.
    """

    def __init__(self, items: pl.Series, envelope: Envelope) -> None:
        listed = items.alias("item").to_frame().select(pl.col("item") + pl.lit(",")).to_series()
        texts = listed.rechunk().to_arrow().cast(pa.large_string())
        _, offsets, values = texts.buffers()
        bounds = np.frombuffer(offsets, dtype=np.int64) if len(items) else np.zeros(1, dtype=np.int64)
        self._bounds = bounds[texts.offset : texts.offset + len(items) + 1]
        self._values = memoryview(values) if values is not None else memoryview(b"")
        self._head = envelope.head()

    def build(self, first: int, count: int) -> bytes:
        """The body of one request."""
        start, end = self._bounds[first], self._bounds[first + count]
        return b"".join((self._head, self._values[start : end - 1], _TAIL))

    def cut(self, first: int, *, events: int, size: int) -> Iterator[tuple[int, int]]:
        """Ranges ``(first, count)`` from an event on, as long as both limits allow.

        :param events: events a request, at most.
        :param size: bytes a request, at most; an event that is larger goes alone.
        """
        total = len(self._bounds) - 1
        room = size - len(self._head) - len(_TAIL) + 1
        while first < total:
            fitting = int(np.searchsorted(self._bounds, self._bounds[first] + room, side="right")) - 1
            end = min(total, first + events, max(fitting, first + 1))
            yield first, end - first
            first = end
