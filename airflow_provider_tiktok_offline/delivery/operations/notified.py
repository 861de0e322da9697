"""Whether somebody was notified already: one notification for each change of state, not one for each try of a task."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.held_back import HeldBack, held_back
from airflow_provider_tiktok_offline.delivery.state.runs import deliveries_of_run
from airflow_provider_tiktok_offline.delivery.state.step_results import Breached, ValidateResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


def claim_state(ctx: DeliveryContext, event: str, state: str = "", *, delivery_ids: Sequence[str] = ()) -> bool:
    """Whether this is news; the caller then notifies, and later callers do not.

    Known is what was claimed for the same files, by whichever run; where there is no file, for the same run.

    :param state: in words; numbers in it do not tell two states apart, since they change with every try.
    :param delivery_ids: the files; those of the run if none is named.
    """
    files = delivery_ids or deliveries_of_run(ctx)
    what = _key("\n".join(files) if files else ctx.share_key)
    words = _key(re.sub(r"\d+(?:[.,]\d+)*", "#", state)) if state else "once"
    day = ctx.clock.now().date().isoformat()
    return ctx.objects.create(f"{_home(ctx)}/{what}/{event}-{words}", day.encode())


def claim_day(ctx: DeliveryContext, event: str, day: date) -> bool:
    """Whether nobody was notified of this for that day yet; the caller then notifies, and later callers do not."""
    return ctx.objects.create(f"{_home(ctx)}/{event}-{day.isoformat()}", b"")


def claim_held_back(ctx: DeliveryContext) -> list[HeldBack]:
    """The files of the run that a gate or a guard holds back, and of which nobody was notified yet."""
    found = [one for one in held_back(ctx) if one.by_breach]
    states = [ctx.deliveries.find(one) for one in deliveries_of_run(ctx)] if found else []
    ids = {one.uri: [state.id for state in states if state is not None and state.uri == one.uri] for one in found}
    return [
        one
        for one in found
        if claim_state(ctx, "gate", one.message, delivery_ids=ids[one.uri] or [ctx.run_key, one.uri])
    ]


def stopped_by_breach(ctx: DeliveryContext) -> bool:
    """Whether nothing but a gate or a guard keeps the run's files from being delivered."""
    if not all(one.by_breach for one in held_back(ctx)):
        return False
    states = [ctx.deliveries.find(one) for one in deliveries_of_run(ctx)]
    unfinished = [one for one in states if one is not None and not one.handled]
    return bool(unfinished) and all(_stopped(ValidateResult.of(one), Breached.of(one)) for one in unfinished)


def _stopped(validated: ValidateResult | None, breached: Breached | None) -> bool:
    return (validated is not None and validated.gate_exceeded) or (breached is not None and bool(breached.breaches))


def _home(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/notified"


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
