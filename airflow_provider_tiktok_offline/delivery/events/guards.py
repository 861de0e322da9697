"""Guards: limits that are checked before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.coverage import coverage_breach
from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events, open_events
from airflow_provider_tiktok_offline.delivery.events.file_drift import drift_breaches
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.outcome_counts import with_amounts
from airflow_provider_tiktok_offline.delivery.state.runs import note_step, resume
from airflow_provider_tiktok_offline.delivery.state.step_results import Approval, DedupeResult
from airflow_provider_tiktok_offline.errors import GuardError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def check_guards(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> None:
    """Check a delivery against the advertiser's guards; what a person has approved passes.

    :raises GuardError: naming every guard that is breached; nothing was sent.
    """
    breached = (*_breaches(ctx, state, prepared), *drift_breaches(ctx, state.id))
    approval = Approval.of(state)
    if breached and (approval is None or approval.breaches != breached):
        raise GuardError(
            f"nothing was sent: {'; '.join(breached)}.",
            where=state.uri,
            todo="If that is right, raise the guard, or set drift: warn, in advertisers.yaml and clear dedupe.",
        )


def breaches(ctx: DeliveryContext, delivery_id: str) -> tuple[str, ...]:
    """Which guards a prepared delivery breaches, in words without a customer's data; none for a closed one.

    :raises GuardError: if one is breached that a person may not approve.
    """
    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return ()
    found = _breaches(ctx, state, open_events(ctx, delivery_id))
    drifted = drift_breaches(ctx, delivery_id)
    guards, drift = ctx.config.guards.on_breach, ctx.config.drift
    final = (*(found if guards == "stop" else ()), *(drifted if drift == "stop" else ()))
    if final:
        raise GuardError(
            f"nothing was sent: {'; '.join(final)}.",
            where=state.uri,
            todo="If that is right, raise the guard, or set drift: warn, in advertisers.yaml and clear this task.",
        )
    return (*found, *drifted)


def approve(ctx: DeliveryContext, delivery_id: str, breached: Sequence[str]) -> None:
    """Keep with the delivery that a person has approved exactly these breaches."""
    note_step(ctx, resume(ctx, delivery_id), Approval(breaches=tuple(breached)))


def _breaches(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> tuple[str, ...]:
    guards = ctx.config.guards
    breached: list[str] = []
    events = sum(part.events for part in prepared.parts)
    if guards.max_events is not None and events > guards.max_events:
        breached.append(f"{events} events, more than max_events {guards.max_events}")
    if guards.max_value is not None or guards.max_amount is not None or guards.stores is not None:
        total, largest, stores = _figures(prepared)
        if guards.max_value is not None and total > Decimal(str(guards.max_value)):
            breached.append(f"a value of {total:f} in all, more than max_value {guards.max_value:g}")
        if guards.max_amount is not None and largest > Decimal(str(guards.max_amount)):
            breached.append(f"a single amount of {largest:f}, more than max_amount {guards.max_amount:g}")
        strangers = stores - set(guards.stores) if guards.stores is not None else set()
        if strangers:
            breached.append(f"{len(strangers)} store codes that guards.stores does not list")
    if guards.size_factor is not None:
        breached += _size(ctx, state, guards.size_factor)
    anonymous = coverage_breach(ctx, state.id)
    if anonymous is not None:
        breached.append(anonymous)
    others = _handled_for(ctx, state)
    if others:
        breached.append(
            f"the same file was already handled for {', '.join(others)}, and neither entry says with `where:` which"
            " rows are its own"
        )
    return tuple(breached)


def _handled_for(ctx: DeliveryContext, state: DeliveryState) -> list[str]:
    """The advertisers that the same file was sent for, or is about to be, with every row of it.

    Of two deliveries that nobody has planned yet, the one that was opened first goes on.
    """
    if state.shared:
        return []
    handled = []
    for name in ctx.deliveries.advertisers_of(state.digest):
        other = None if name == ctx.config.name else ctx.deliveries.by_digest(name, state.digest)
        if other is None or other.shared:
            continue
        first = other.status == "open" and (other.opened_at, other.id) < (state.opened_at, state.id)
        if other.status == "closed" or DedupeResult.of(other) is not None or first:
            handled.append(name)
    return handled


def _figures(prepared: Events) -> tuple[Decimal, Decimal, set[str]]:
    import polars as pl

    amount = pl.col("value").cast(pl.Decimal(38, 4))
    total, largest, stores = Decimal(0), Decimal(0), set[str]()
    for index in range(len(prepared.parts)):
        frame = prepared.read(index)
        part_total, part_largest = (
            with_amounts(frame).select(amount.sum().alias("total"), amount.max().alias("max")).row(0)
        )
        total += part_total or Decimal(0)
        largest = max(largest, part_largest or Decimal(0))
        if "shop_id" in frame.columns:
            stores |= set(frame["shop_id"].drop_nulls().unique())
    return total, largest, stores


def _size(ctx: DeliveryContext, state: DeliveryState, factor: float) -> list[str]:
    """Compare the file's size with the median of the advertiser's last 28 days."""
    since = ctx.clock.now() - timedelta(days=28)
    sizes = [
        other.size
        for other in ctx.deliveries.list(ctx.config.name)
        if other.counts and other.id != state.id and other.status == "closed" and other.as_of >= since
    ]
    if len(sizes) < 3:
        return []
    usual = median(sizes)
    if usual / factor <= state.size <= usual * factor:
        return []
    return [f"{state.size} bytes, where the last 28 days had {usual:.0f} in the middle (size_factor {factor:g})"]
