"""Keeping a delivery while a long step works on it."""

from __future__ import annotations

import threading
from types import TracebackType

from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import DeliveryHeldError


class Lease:
    """A heartbeat in the background, for the time of a ``with`` block.

    A step that was paused for longer than the lease may have lost the delivery to another run: the next
    :meth:`check` then raises, before anything more is sent.
    """

    def __init__(self, ctx: DeliveryContext, delivery_id: str) -> None:
        self._ctx = ctx
        self._delivery_id = delivery_id
        self._stop = threading.Event()
        self._lost: BaseException | None = None
        self._thread = threading.Thread(target=self._beat, name="delivery-heartbeat", daemon=True)

    def __enter__(self) -> Lease:
        self._ctx.deliveries.heartbeat(self._delivery_id, self._ctx.holder)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if the delivery has been taken over by another run.

        :raises DeliveryHeldError: if so.
        """
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        while not self._stop.wait(self._ctx.config.ledger.heartbeat_seconds):
            try:
                self._ctx.deliveries.heartbeat(self._delivery_id, self._ctx.holder)
            except DeliveryHeldError as error:
                self._lost = error
                return
