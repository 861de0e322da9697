"""Guards: limits that are checked before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.coverage import coverage_breach
from airflow_provider_tiktok_offline.delivery.events.delivery_events import Events, open_events
from airflow_provider_tiktok_offline.delivery.events.file_drift import drift_breaches
from airflow_provider_tiktok_offline.delivery.events.guard_limits import (
    SIZE_DAYS,
    breached_limits,
    breached_size,
    read_figures,
)
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import (
    deliveries_of_run,
    deliveries_set_aside,
    note_step,
    resume,
    set_aside,
    take_back,
)
from airflow_provider_tiktok_offline.delivery.state.step_results import (
    Approval,
    Asked,
    Breached,
    ClosedBy,
    DedupeResult,
)
from airflow_provider_tiktok_offline.errors import GuardError, UnsettledError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def check_guards(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> None:
    """Check a delivery against the advertiser's guards; what a person has approved passes.

    :raises GuardError: naming every guard that is breached; nothing was sent.
    """
    breached = (*_breaches(ctx, state, prepared), *drift_breaches(ctx, state.id))
    approval = Approval.of(state)
    stopped = () if approval is not None and approval.breaches == breached else breached
    _keep(ctx, state, stopped)
    if stopped:
        raise GuardError(
            f"nothing was sent: {'; '.join(breached)}.",
            where=state.uri,
            todo="If that is right, raise the guard, or set drift: warn, in advertisers.yaml and clear this task.",
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
    _keep(ctx, state, final)
    if final:
        raise GuardError(
            f"nothing was sent: {'; '.join(final)}.",
            where=state.uri,
            todo="If that is right, raise the guard, or set drift: warn, in advertisers.yaml and clear this task.",
        )
    return (*found, *drifted)


def breaches_to_ask(ctx: DeliveryContext, delivery_id: str) -> tuple[str, ...]:
    """As :func:`breaches`; that a person is asked about them is kept with the delivery.

    :raises GuardError: if one is breached that a person may not approve.
    """
    found = breaches(ctx, delivery_id)
    state = ctx.deliveries.get(delivery_id)
    asked = Asked(breaches=found)
    if state.status != "closed" and asked != (Asked.of(state) or Asked(breaches=())):
        note_step(ctx, state, asked)
    return found


def leave_to_a_person(ctx: DeliveryContext, delivery_id: str) -> bool:
    """Set a delivery aside if a person has to be asked about it; else count it among those that go on.

    What a person has approved already goes on, too. A delivery that is behind ``approve`` stays there.

    :returns: whether it is set aside.
    :raises GuardError: if a guard is breached that a person may not approve.
    """
    found = breaches(ctx, delivery_id)
    state = ctx.deliveries.get(delivery_id)
    approval = Approval.of(state)
    aside = delivery_id in deliveries_set_aside(ctx)
    decided = state.status == "closed" or (approval is not None and approval.breaches == found)
    leave = aside if decided else bool(found)
    if leave:
        set_aside(ctx, delivery_id)
    elif aside:
        take_back(ctx, delivery_id)
    return leave


def was_asked(ctx: DeliveryContext, delivery_id: str) -> bool:
    """Whether a person is asked about a delivery, even if it breaches no guard by now."""
    asked = Asked.of(ctx.deliveries.get(delivery_id))
    return asked is not None and bool(asked.breaches)


def reject(ctx: DeliveryContext, delivery_id: str, breached: Sequence[str], *, why: str) -> None:
    """Keep with the delivery that it is not to be sent, for the summary.

    :param breached: the breaches, as they are now.
    :param why: in words.
    """
    state = resume(ctx, delivery_id)
    asked = Asked.of(state)
    note_step(ctx, state, Asked(breaches=tuple(breached) or (asked.breaches if asked else ()), rejected=why))
    if Approval.of(state) is not None:
        note_step(ctx, state, Approval(breaches=()))


def approve(ctx: DeliveryContext, delivery_id: str, breached: Sequence[str]) -> None:
    """Keep with the delivery that a person has approved exactly these breaches.

    :raises UnsettledError: if the person was asked about another file, or about other breaches of it.
    """
    state = resume(ctx, delivery_id)
    asked = Asked.of(state)
    if not set(breached) <= set(() if asked is None else asked.breaches):
        raise UnsettledError(
            f"nothing was sent: the file, or what it breaches, has changed since somebody was asked:"
            f" {'; '.join(breached)}.",
            where=state.uri,
            todo="Clear approve to be asked about it as it is now.",
        )
    note_step(ctx, state, Approval(breaches=tuple(breached)))


def _keep(ctx: DeliveryContext, state: DeliveryState, stopped: tuple[str, ...]) -> None:
    """Keep with the delivery what stops it, for the summary and for who is notified; or that nothing does any more."""
    before = Breached.of(state)
    if stopped != (() if before is None else before.breaches):
        note_step(ctx, state, Breached(breaches=stopped))


def _breaches(ctx: DeliveryContext, state: DeliveryState, prepared: Events) -> tuple[str, ...]:
    guards = ctx.config.guards
    breached = list(breached_limits(guards, read_figures(prepared, guards)))
    if guards.size_factor is not None:
        breached += breached_size(state.size, _sizes(ctx, state), guards.size_factor)
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

    If neither of two deliveries is planned yet, the one that was opened first goes on; else the planned one does.
    """
    if state.shared:
        return []
    handled = []
    is_planned = DedupeResult.of(state) is not None
    for name in ctx.deliveries.advertisers_of(state.digest):
        other = None if name == ctx.config.name else ctx.deliveries.by_digest(name, state.digest)
        if other is None or other.shared:
            continue
        first = not is_planned and other.status == "open" and (other.opened_at, other.id) < (state.opened_at, state.id)
        if other.handled or DedupeResult.of(other) is not None or first:
            handled.append(name)
    return handled


def _sizes(ctx: DeliveryContext, state: DeliveryState) -> list[int]:
    """The sizes of the advertiser's files of the days before this one.

    They stay the same while a person is asked: no file counts that the same run delivers meanwhile.
    """
    since = state.as_of - timedelta(days=SIZE_DAYS)
    handled = [
        other
        for other in ctx.deliveries.list(ctx.config.name)
        if other.counts and other.id != state.id and since <= other.as_of <= state.as_of and other.handled
    ]
    waiting = deliveries_of_run(ctx) if any(other.waits for other in handled) else ()
    return [
        other.size
        for other in handled
        if other.id not in waiting and ((by := ClosedBy.of(other)) is None or by.run != ctx.holder)
    ]
