"""What was sent, which file stands where: tables and objects under one ``state_uri``, no server needed.

A delivery uses it in this order::

    deliveries = Deliveries(objects, clock, lease_seconds)
    state = deliveries.enter(delivery_id(advertiser, digest), holder, DeliveredFile(...), as_of=...)
    ledger = Ledger.open(objects, event_set_id, identity=..., clock=clock)
    ledger.use_route(route)
    plan = ledger.dedupe(state.id, ((i, frame_i) for each prepared part), route=..., now=..., lookback=...)
    for i in plan.parts:
        with ledger.receipts(state.id, i, holder) as receipts:
            ...  # plan.part(i) without what receipts.settled() knows; doubts only while they may be retried
    settlement = ledger.settle(state.id)
    deliveries.save(state, status="closed" or "failed", steps=...)

``frame`` has ``event_key`` (``ledger.keys(event_ids)``), ``content`` and ``event_time``. :mod:`~.ledger` is where to
begin; people's changes are in :mod:`~.corrections` and :mod:`~.rebuilding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile, Deliveries, DeliveryState, delivery_id

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger

__all__ = ["DeliveredFile", "Deliveries", "DeliveryState", "Ledger", "delivery_id"]


def __getattr__(name: str) -> object:
    # A sensor asks for deliveries only: it need not load Polars.
    if name == "Ledger":
        from airflow_provider_tiktok_offline.ledger.ledger import Ledger

        return Ledger
    raise AttributeError(name)
