"""Deliveries that wait for returns (``send_after_days``): which ones, until when, and what is kept of them meanwhile.

A delivery that waits has a folder of its own, so that a run finds those that are due by one listing. It goes when the
delivery is closed and no older one still waits, which may need its returns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import WaitResult
from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

_MARKER = "waits"
#: For so long after it was due, the runs to come go on with a delivery whose sending broke off.
_TRIED_AGAIN = timedelta(days=3)
#: Until this time (UTC) of its day, a delivery that is due waits for the returns of a late file.
_LATEST = time(22, tzinfo=UTC)
#: Or for so long after its last day of waiting was over, where files come late in the day.
_LONGER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Met:
    """The lines of a file whose returns were taken off a sale of another delivery, or of its own."""

    lines: tuple[int, ...] = ()


def due_day(ctx: DeliveryContext, state: DeliveryState) -> date:
    """The UTC day from which on the delivery's events are sent."""
    return state.as_of.astimezone(UTC).date() + timedelta(days=ctx.config.send_after_days)


def waits_until(ctx: DeliveryContext, state: DeliveryState) -> date | None:
    """The day until which a delivery waits; None if its events may be sent. Only what is sent live waits."""
    if not ctx.live or ctx.config.route != "tiktok":
        return None
    day = due_day(ctx, state)
    return day if ctx.clock.now().astimezone(UTC).date() < day else None


def begin_waiting(ctx: DeliveryContext, delivery_id: str) -> None:
    """Let the runs to come find a delivery. Idempotent."""
    ctx.objects.create(f"{_folder(ctx, delivery_id)}/{_MARKER}", b"")


def stop_waiting(ctx: DeliveryContext, delivery_id: str) -> None:
    """Let no run take up a delivery any more, as when its events can't be made again."""
    ctx.objects.delete_all(_folder(ctx, delivery_id))


def kept_deliveries(ctx: DeliveryContext) -> list[str]:
    """The deliveries that wait or have waited, and whose returns are kept."""
    prefix = _prefix(ctx)
    paths = ctx.objects.list(prefix)
    return sorted({path.removeprefix(f"{prefix}/").partition("/")[0] for path in paths if path.endswith(_MARKER)})


def due_deliveries(ctx: DeliveryContext, besides: Sequence[str] = ()) -> list[str]:
    """The advertiser's deliveries that have waited and are due, oldest first; none that another run is at work on.

    One whose sending broke off is among them for some days; what has no answer by then is for a person to look at.

    :param besides: deliveries that the run has anyway.
    """
    if not ctx.live or ctx.config.route != "tiktok":
        return []
    states = [ctx.deliveries.find(one) for one in kept_deliveries(ctx) if one not in besides]
    due = [state for state in states if state is not None and _is_due(ctx, state)]
    return [state.id for state in sorted(due, key=lambda state: (state.as_of, state.opened_at, state.id))]


def _is_due(ctx: DeliveryContext, state: DeliveryState) -> bool:
    if state.status == "closed" or WaitResult.of(state) is None or waits_until(ctx, state) is not None:
        return False
    if state.holder != ctx.holder and ctx.deliveries.alive(state):
        return False
    return state.waits or ctx.clock.now().astimezone(UTC).date() <= due_day(ctx, state) + _TRIED_AGAIN


def last_moments(ctx: DeliveryContext) -> list[datetime]:
    """For each of the advertiser's deliveries that wait, until when it may wait for a file that is late."""
    if not ctx.live or ctx.config.route != "tiktok":
        return []
    states = [ctx.deliveries.find(one) for one in kept_deliveries(ctx)]
    waited = timedelta(days=ctx.config.send_after_days)
    return [
        max(datetime.combine(due_day(ctx, state), _LATEST), state.as_of + waited + _LONGER)
        for state in states
        if state is not None and state.waits
    ]


def note_met(ctx: DeliveryContext, delivery_id: str, by: str, lines: Sequence[int]) -> None:
    """Keep which lines of a delivery's file were taken off the sales of another, or of its own.

    :param by: the delivery of the sales.
    """
    ctx.objects.put(f"{_folder(ctx, delivery_id)}/met/{by}.json", json.dumps({"lines": list(lines)}).encode())


def met_lines(ctx: DeliveryContext, delivery_id: str) -> set[int]:
    """The lines of a delivery's file that were taken off sales so far."""
    found: set[int] = set()
    for path in ctx.objects.list(f"{_folder(ctx, delivery_id)}/met"):
        met = documents.read_typed(ctx.objects, path, _Met)
        found.update(() if met is None else met.lines)
    return found


def forget_closed(ctx: DeliveryContext) -> None:
    """Remove what is kept of closed deliveries, but for returns that an older delivery still waits for."""
    states = {one: ctx.deliveries.find(one) for one in kept_deliveries(ctx)}
    oldest = min((state.as_of for state in states.values() if state is not None and state.waits), default=None)
    for delivery_id, state in states.items():
        if state is None or (state.status == "closed" and (oldest is None or state.as_of < oldest)):
            StagedParts(ctx.staging, delivery_id).clear()
            stop_waiting(ctx, delivery_id)


def kept_until(ctx: DeliveryContext, state: DeliveryState) -> datetime:
    """From when on staged parts of a delivery that nobody has touched since count as abandoned."""
    untouched = state.updated_at
    if state.waits:
        untouched = max(untouched, datetime.combine(due_day(ctx, state), time(), UTC))
    return untouched + timedelta(hours=ctx.config.ledger.staging_hours)


def _prefix(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/waiting"


def _folder(ctx: DeliveryContext, delivery_id: str) -> str:
    return f"{_prefix(ctx)}/{delivery_id}"
