"""Events without an answer whose time to be sent again is running out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state
from airflow_provider_tiktok_offline.delivery.operations.status import refresh

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import DeliveryStatus
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

#: A day before the end: whoever looks once a day looks in time.
NEAR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A delivery with unconfirmed events.

    Attributes:
        delivery: as it stands.
        until: when its oldest unconfirmed event is sent again for the last time, UTC.
        over: whether that moment has passed.
    """

    delivery: DeliveryStatus
    until: datetime
    over: bool


def new_doubts(ctx: DeliveryContext) -> list[Doubt]:
    """The doubts whose time ends within :data:`NEAR`, and those whose time is over: each of the two is news once."""
    found = list(_doubts(ctx))
    return [
        one
        for one in found
        if claim_state(ctx, "unconfirmed", "over" if one.over else "near", delivery_ids=[one.delivery.delivery_id])
    ]


def _doubts(ctx: DeliveryContext) -> Iterator[Doubt]:
    if not ctx.live or ctx.config.route != "tiktok":
        return
    now = ctx.clock.now()
    for delivery in refresh(ctx).deliveries:
        if delivery.state == "closed" or not delivery.events.get("unconfirmed") or delivery.resend_until is None:
            continue
        until = datetime.fromisoformat(delivery.resend_until)
        if until - now <= NEAR:
            yield Doubt(delivery, until, until <= now)
