"""Whether the holder of a lease is alive, by the store's own time where it has one.

Workers have clocks of their own. One that is an hour ahead would take over from everybody who works, one that is behind
would wait for the dead. A bucket dates each object by one clock: how long ago a heartbeat was written, and what time it
is now, are asked of it alone. A disk's dates come from a machine's clock, so there the lease's own times count.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from airflow_provider_tiktok_offline.clock import Clock, lease_runs
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: The store is asked again after so many seconds.
_MEASURED_FOR_SECONDS = 60.0


class LeaseClock:
    """Judges leases that are kept in documents of one store.

    :param clock: this machine's.
    """

    def __init__(self, objects: ObjectStore, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock
        self._measured: tuple[float, datetime] | None = None

    def runs(self, path: str, until: datetime, lease: timedelta) -> bool:
        """Whether the lease in a document has still to run: at most its own length since the document was written.

        :param path: the document; its holder writes it with every heartbeat.
        :param until: the end of the lease, as its holder's clock has it.
        :param lease: its length.
        """
        now = self._store_now()
        written = None if now is None else self._objects.written_at(path)
        if now is None or written is None:
            return lease_runs(until, self._clock.now(), lease)
        return now - written < lease

    def _store_now(self) -> datetime | None:
        """The store's time; None for a store without a clock of its own."""
        if not self._objects.has_own_clock:
            return None
        if self._measured is None or self._clock.monotonic() - self._measured[0] > _MEASURED_FOR_SECONDS:
            written = store_time(self._objects)
            if written is None:
                return None
            self._measured = self._clock.monotonic(), written
        # The stop watch, since the wall clock may be set in between.
        return self._measured[1] + timedelta(seconds=self._clock.monotonic() - self._measured[0])


def store_time(objects: ObjectStore) -> datetime | None:
    """The store's own time; None for a disk, whose dates come from a machine's clock."""
    if not objects.has_own_clock:
        return None
    probe = f"clock/{secrets.token_hex(8)}"
    objects.put(probe, b"")
    try:
        return objects.written_at(probe)
    finally:
        objects.delete(probe)
