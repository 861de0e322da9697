"""Keeping a delivery while a long step works on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import LedgerError, StorageUnavailableError
from airflow_provider_tiktok_offline.ledger.deliveries import Beat

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

#: A heartbeat is not repeated for so many seconds.
_JUST_NOW_SECONDS = 5.0


class Lease:
    """A heartbeat in the background, for the time of a ``with`` block.

    A step that was paused for longer than the lease may have lost the delivery, or what it had claimed, to another
    run: the next :meth:`check` then raises, before anything more is sent.

    :param fence: raises if another delivery has taken over what this one had claimed; asked after a pause.
    """

    def __init__(self, ctx: DeliveryContext, state: DeliveryState, *, fence: Callable[[], None] | None = None) -> None:
        self._ctx = ctx
        self._state = state
        self._fence = fence
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._lost: LedgerError | None = None
        self._renewed: Beat | None = None
        self._thread = threading.Thread(target=self._beat, name="delivery-heartbeat", daemon=True)

    def __enter__(self) -> Lease:
        beat = self._ctx.deliveries.last_beat(self._state)
        if beat is None or self._passed(beat, _JUST_NOW_SECONDS):
            self._renew()
        else:
            # The step has just entered the delivery: that was a heartbeat.
            self._renewed = beat
            if self._fence is not None:
                self._fence()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Make sure that the delivery is still this run's. Cheap, and safe to call from several threads.

        :raises DeliveryHeldError: if another run has taken it over.
        :raises LedgerBusyError: if another delivery has taken over what it had claimed.
        """
        if self._lost is not None:
            raise self._lost
        if self._late():
            with self._lock:
                if self._late():
                    self._renew()

    def _late(self) -> bool:
        """Whether the last heartbeat is so old that somebody may think this run is dead."""
        if self._renewed is None:
            return True
        return self._passed(self._renewed, self._ctx.config.ledger.lease_seconds / 2)

    def _passed(self, beat: Beat, seconds: float) -> bool:
        """Whether a heartbeat was so long ago."""
        # The stop watch stands still while a machine sleeps; the wall clock may be set back.
        return self._ctx.clock.monotonic() - beat.monotonic > seconds or self._ctx.clock.now() - beat.at > timedelta(
            seconds=seconds
        )

    def _renew(self) -> None:
        late = self._late()
        self._ctx.deliveries.heartbeat(self._state)
        if late and self._fence is not None:
            self._fence()
        self._renewed = Beat(self._state.holder, self._ctx.clock.monotonic(), self._ctx.clock.now())

    def _beat(self) -> None:
        while not self._stop.wait(self._ctx.config.ledger.heartbeat_seconds):
            try:
                with self._lock:
                    self._renew()
            except StorageUnavailableError:
                # The next beat may get through; the lease outlives several missed ones.
                continue
            except LedgerError as error:
                self._lost = error
                return
