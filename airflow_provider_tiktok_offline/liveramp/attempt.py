"""One attempt at the day's feed file: it renews the lease, and ends once a later try writes the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.liveramp.feed_state import FRESH_SECONDS, FeedState
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile

#: Seconds between two renewals of the lease while a file is written.
_RENEWAL_SECONDS = 30.0


class Attempt:
    """One attempt at the day's file: renews the lease, and records the file's digest as soon as it is known.

    It ends once a later try writes the file.

    Attributes:
        record: as last stored.
    """

    def __init__(self, file: FeedFile, record: DayRecord, feed_state: FeedState, clock: Clock) -> None:
        self.file = file
        self.record = record
        self._feed_state = feed_state
        self._clock = clock
        self._last = clock.monotonic()
        self._seen = clock.monotonic(), clock.now()
        # Encryption reads the chunks in a thread of its own.
        self._lock = threading.Lock()

    def chunks(self) -> Iterator[bytes]:
        """The plaintext; before its last bytes the record holds its digest."""
        for chunk in self.file.chunks():
            self.alive()
            if self.file.sha256 and self.record.sha256 is None:
                with self._lock:
                    self.record = self._feed_state.seal(
                        self.record,
                        rows=self.file.rows,
                        sha256=self.file.sha256,
                        plain_bytes=self.file.bytes,
                        left_out=left_out(self.file, self.record.deliveries),
                    )
            yield chunk
        if (self.file.sha256, self.file.bytes) != (self.record.sha256, self.record.plain_bytes):
            raise RuntimeError("the feed file changed between two runs through it")

    def alive(self) -> None:
        """Called often; renews the lease now and then.

        :raises DeliveryHeldError: if a later try writes the file.
        """
        with self._lock:
            now = self._clock.monotonic()
            if now - self._last >= _RENEWAL_SECONDS:
                self._last = now
                self._feed_state.keep(self.record)
                self._seen = now, self._clock.now()
            elif self._is_stale():
                self._ask()

    def fence(self) -> None:
        """As :meth:`alive`, and the store is asked in any case."""
        with self._lock:
            self._ask()

    def _ask(self) -> None:
        asked_at = self._clock.monotonic(), self._clock.now()
        self._feed_state.check(self.record)
        self._seen = asked_at

    def _is_stale(self) -> bool:
        """Whether it was too long ago that the store was asked; also if the process was stopped in between."""
        monotonic, now = self._seen
        # The stop watch stands still while a machine sleeps; the wall clock may be set back.
        return (
            self._clock.monotonic() - monotonic > FRESH_SECONDS
            or abs(self._clock.now() - now) > timedelta(seconds=FRESH_SECONDS)
        )  # fmt: skip


def left_out(file: FeedFile, deliveries: tuple[str, ...]) -> dict[str, list[int]]:
    """Delivery id -> lines that could not be written, of a file that was run through."""
    pairs = zip(deliveries, file.unwritable, strict=True)
    return {delivery: faults.lines.tolist() for delivery, faults in pairs if len(faults.lines)}
