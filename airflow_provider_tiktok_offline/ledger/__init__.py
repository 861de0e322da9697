"""What was sent, which file stands where: tables and objects under one ``state_uri``, no server needed.

A delivery uses it in this order::

    deliveries = Deliveries(objects, clock, lease_seconds)
    state = deliveries.enter(delivery_id(advertiser, digest), holder, ...)
    ledger = Ledger.open(objects, event_set_id, identity=..., clock=clock)
    ledger.use_route(route)
    plan = ledger.dedupe(state.id, ((i, frame_i) for each prepared part), route=..., now=..., lookback=...)
    for i in plan.parts:
        with ledger.receipts(state.id, i, holder) as receipts:
            ...  # plan.part(i) without what receipts.settled() knows; in doubt only within ledger.retry_window
    settlement = ledger.settle(state.id)
    deliveries.save(state, status="closed" or "failed", steps=...)

``frame`` has ``event_key`` (``ledger.keys(event_ids)``), ``content`` and ``event_time``. The modules:
:mod:`~.ledger` (dedupe, plan, settle), :mod:`~.deliveries`, :mod:`~.receipts`, :mod:`~.records`,
:mod:`~.corrections` (adopt, reopen, resolve, mark erroneous, switch route, acknowledge an identity),
:mod:`~.rebuilding`, :mod:`~.maintenance`, :mod:`~.inspection`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.ledger.deliveries import Deliveries, DeliveryState, delivery_id

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger

__all__ = ["Deliveries", "DeliveryState", "Ledger", "delivery_id"]


def __getattr__(name: str) -> Any:
    # A sensor asks for deliveries only: it need not load Polars.
    if name == "Ledger":
        from airflow_provider_tiktok_offline.ledger.ledger import Ledger

        return Ledger
    raise AttributeError(name)
