"""Limits that are looked at before anything is sent (semantics, "Guards before anything is sent")."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events, open_events
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import amounts
from airflow_provider_tiktok_offline.delivery.state.runs import note_step, resume
from airflow_provider_tiktok_offline.errors import GuardError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def check_guards(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> None:
    """Hold a delivery against the advertiser's guards; what a person has approved passes.

    :raises GuardError: naming every guard that is breached; nothing was sent.
    """
    found = _breaches(ctx, state, prepared)
    if found and state.steps.get("approval", {}).get("breaches") != found:
        raise GuardError(
            f"nothing was sent: {'; '.join(found)}.",
            where=state.uri,
            todo="If that is right, raise the guard in advertisers.yaml and clear the dedupe task.",
        )


def breaches(ctx: DeliveryContext, delivery_id: str) -> list[str]:
    """Which guards a prepared delivery breaches, in words without a customer's data; none for a closed one."""
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return []
    return _breaches(ctx, state, open_events(ctx, delivery_id))


def approve(ctx: DeliveryContext, delivery_id: str, found: list[str]) -> None:
    """Keep with the delivery that a person has approved exactly these breaches."""
    note_step(ctx, resume(ctx, delivery_id), "approval", {"breaches": found})


def _breaches(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> list[str]:
    guards = ctx.config.guards
    found: list[str] = []
    events = sum(part.events for part in prepared.parts)
    if guards.max_events is not None and events > guards.max_events:
        found.append(f"{events} events, more than max_events {guards.max_events}")
    if guards.max_value is not None or guards.max_amount is not None or guards.stores is not None:
        total, largest, stores = _figures(prepared)
        if guards.max_value is not None and total > Decimal(str(guards.max_value)):
            found.append(f"a value of {total:f} in all, more than max_value {guards.max_value:g}")
        if guards.max_amount is not None and largest > Decimal(str(guards.max_amount)):
            found.append(f"a single amount of {largest:f}, more than max_amount {guards.max_amount:g}")
        strangers = stores - set(guards.stores) if guards.stores is not None else set()
        if strangers:
            found.append(f"{len(strangers)} store codes that guards.stores does not list")
    if guards.size_factor is not None:
        found += _size(ctx, state, guards.size_factor)
    others = [name for name in ctx.deliveries.advertisers_of(state.digest) if name != ctx.config.name]
    if others:
        found.append(f"the same file was already handled for {', '.join(others)}")
    return found


def _figures(prepared: Events) -> tuple[Decimal, Decimal, set[str]]:
    import polars as pl

    amount = pl.col("value").cast(pl.Decimal(38, 4))
    total, largest, stores = Decimal(0), Decimal(0), set[str]()
    for index in range(len(prepared.parts)):
        frame = prepared.read(index)
        part_total, part_largest = amounts(frame).select(amount.sum().alias("total"), amount.max().alias("max")).row(0)
        total += part_total or Decimal(0)
        largest = max(largest, part_largest or Decimal(0))
        if "shop_id" in frame.columns:
            stores |= set(frame["shop_id"].drop_nulls().unique())
    return total, largest, stores


def _size(ctx: DeliveryContext, state: DeliveryState, factor: float) -> list[str]:
    """Hold the file's size against the median of the advertiser's last 28 days."""
    since = ctx.clock.now() - timedelta(days=28)
    sizes = [
        other.size
        for other in ctx.deliveries.list(ctx.config.name)
        if other.id != state.id and other.status == "closed" and other.as_of >= since
    ]
    if len(sizes) < 3:
        return []
    usual = median(sizes)
    if usual / factor <= state.size <= usual * factor:
        return []
    return [f"{state.size} bytes, where the last 28 days had {usual:.0f} in the middle (size_factor {factor:g})"]
