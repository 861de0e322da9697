"""What was sent, which file stands where: tables and objects under one ``state_uri``, no server needed.

A delivery uses it in this order::

    deliveries = Deliveries(objects, clock, lease_seconds)
    state = deliveries.enter(delivery_id(advertiser, digest), holder, ...)
    ledger = Ledger.open(objects, event_set_id, identity=..., clock=clock)
    ledger.use_route(route)
    verdict = ledger.claim(state.id, frame, now=..., lookback=...)
    ledger.write_plan_part(state.id, index, what is new or held)
    plan = ledger.write_plan(state.id, {index: events})
    ...
    ledger.claim(state.id, what receipts.settled() leaves of plan.part(index))   # "own" and "new" may be sent
    with ledger.receipts(state.id, index, holder) as receipts:
        ...
    ledger.settle(state.id)
    deliveries.close(state.id, holder)

``frame`` has ``event_key`` (``ledger.keys(event_ids)``), ``content`` and ``event_time``. The modules:
:mod:`~.ledger` (claim, plan, settle), :mod:`~.deliveries`, :mod:`~.receipts`, :mod:`~.records`,
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
