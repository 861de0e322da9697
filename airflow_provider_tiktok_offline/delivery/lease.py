"""Keeping a delivery while a long step works on it."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, StorageUnavailableError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


class Lease:
    """A heartbeat in the background, for the time of a ``with`` block.

    A step that was paused for longer than the lease may have lost the delivery to another run: the next
    :meth:`check` then raises, before anything more is sent.
    """

    def __init__(self, ctx: DeliveryContext, state: DeliveryState) -> None:
        self._ctx = ctx
        self._state = state
        self._stop = threading.Event()
        self._lost: DeliveryHeldError | None = None
        self._renewed = 0.0
        self._thread = threading.Thread(target=self._beat, name="delivery-heartbeat", daemon=True)

    def __enter__(self) -> Lease:
        self._renew()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Make sure that the delivery is still this run's; renews the lease if the last heartbeat is old.

        :raises DeliveryHeldError: if another run has taken it over.
        """
        if self._lost is not None:
            raise self._lost
        if self._ctx.clock.monotonic() - self._renewed > self._ctx.config.ledger.lease_seconds / 2:
            self._renew()

    def _renew(self) -> None:
        self._ctx.deliveries.heartbeat(self._state)
        self._renewed = self._ctx.clock.monotonic()

    def _beat(self) -> None:
        while not self._stop.wait(self._ctx.config.ledger.heartbeat_seconds):
            try:
                self._renew()
            except DeliveryHeldError as error:
                self._lost = error
                return
            except StorageUnavailableError:
                # The next beat may get through; the lease outlives several missed ones.
                continue
