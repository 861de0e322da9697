"""The send buffer: the events of an upload whose request bodies are in memory, cut into batches of one request each."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from airflow_provider_tiktok_offline.tiktok.prefetch import prefetched
from airflow_provider_tiktok_offline.tiktok.requests import Bodies, Envelope


class Items(NamedTuple):
    """A group of an upload's events that is in memory as JSON at once.

    Attributes:
        json: one ``data[]`` item of the API an event, as JSON text with a comma before it.
        keys: the event key of each, 16 bytes.
    """

    json: pl.Series
    keys: pl.Series


@dataclass(slots=True)
class SendBuffer:
    """Events whose request bodies are in memory.

    Attributes:
        bodies: the requests' bodies.
        keys: the event key of each event, 16 bytes.
        start: the number of the upload's events before it.
        opened: the number of its events that are in batches already.
    """

    bodies: Bodies
    keys: pl.Series
    start: int = 0
    opened: int = 0


@dataclass(slots=True)
class Batch:
    """Consecutive events that are sent in one request.

    Attributes:
        buffer: the send buffer that holds them.
        first, count: which of the buffer's events.
        in_doubt: whether some request with these events may have been accepted.
    """

    buffer: SendBuffer
    first: int
    count: int
    in_doubt: bool = False

    def halves(self) -> list[Batch]:
        """The same events in two batches."""
        left = self.count // 2
        return [
            Batch(self.buffer, self.first, left, self.in_doubt),
            Batch(self.buffer, self.first + left, self.count - left, self.in_doubt),
        ]

    @property
    def keys(self) -> pl.Series:
        """The event keys of its events."""
        return self.buffer.keys.slice(self.first, self.count)

    @property
    def place(self) -> tuple[int, int]:
        """The position of its first event in the whole upload, and the number of its events."""
        return self.buffer.start + self.first, self.count


def send_buffers(items: Iterable[Items], envelope: Envelope) -> Generator[SendBuffer, None, None]:
    """A send buffer for each group of items, made while the one before is being sent.

    :raises ValueError: an item without its key, or a key without its item.
    """
    return prefetched(_with_bodies(items, envelope))


def _with_bodies(items: Iterable[Items], envelope: Envelope) -> Iterator[SendBuffer]:
    for json, keys in items:
        if len(json) != len(keys):
            raise ValueError(f"{len(json)} items but {len(keys)} keys")
        yield SendBuffer(Bodies(json, envelope), keys)
