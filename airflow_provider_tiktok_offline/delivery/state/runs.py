"""What a run keeps between its tasks: the deliveries it has opened, and the files its last poll found incomplete.

Its last step finds the deliveries whatever happened before it; waiting may be spread over several processes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext, share_key
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult, StepResult
from airflow_provider_tiktok_offline.storage import documents

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState


def _prefix(ctx: DeliveryContext, *, set_aside: bool | None = None) -> str:
    aside = ctx.set_aside if set_aside is None else set_aside
    return f"advertisers/{ctx.config.name}/runs/{share_key(ctx, set_aside=aside)}/"


def note_delivery(ctx: DeliveryContext, delivery_id: str) -> None:
    """Record that this run works on that delivery."""
    ctx.objects.create(f"{_prefix(ctx)}{delivery_id}", b"")


def deliveries_of_run(ctx: DeliveryContext) -> list[str]:
    """The ids of the deliveries this run has worked on, sorted; of a context that is about them, those set aside."""
    return _ids(ctx, _prefix(ctx))


def deliveries_set_aside(ctx: DeliveryContext) -> list[str]:
    """The ids of the run's deliveries that wait for a person, or did, while the others go on; sorted."""
    return _ids(ctx, _prefix(ctx, set_aside=True))


def set_aside(ctx: DeliveryContext, delivery_id: str) -> None:
    """Leave a delivery of this run to the tasks behind ``approve``: the others are settled without it."""
    _move(ctx, delivery_id, aside=True)


def take_back(ctx: DeliveryContext, delivery_id: str) -> None:
    """Count a delivery that was set aside among the others again."""
    _move(ctx, delivery_id, aside=False)


def _move(ctx: DeliveryContext, delivery_id: str, *, aside: bool) -> None:
    # Noted first: whenever this ends, the delivery is settled by somebody.
    ctx.objects.create(f"{_prefix(ctx, set_aside=aside)}{delivery_id}", b"")
    ctx.objects.delete(f"{_prefix(ctx, set_aside=not aside)}{delivery_id}")


def _ids(ctx: DeliveryContext, prefix: str) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in ctx.objects.list(prefix))


def is_planned(ctx: DeliveryContext, state: DeliveryState) -> bool:
    """Whether the delivery has a plan, or waits for one: it is then finished from the parts that it was planned on."""
    return ctx.live and (DedupeResult.of(state) is not None or state.waits)


def delivery_of_same_file(ctx: DeliveryContext, delivery_id: str) -> str:
    """The delivery that this run has of the file that ``delivery_id`` was of: another one if the file was replaced."""
    mine = deliveries_of_run(ctx)
    if delivery_id in mine:
        return delivery_id
    given = ctx.deliveries.find(delivery_id)
    states = [state for state in map(ctx.deliveries.find, mine) if state is not None]
    of_file = [state.id for state in states if given is not None and state.uri == given.uri]
    return of_file[-1] if of_file else delivery_id


def closed_deliveries_of_run(ctx: DeliveryContext) -> list[DeliveryState]:
    """The deliveries this run has worked on that are closed, those set aside among them; live ones first."""
    ids = {*deliveries_of_run(ctx), *deliveries_set_aside(ctx)}
    states = [ctx.deliveries.find(delivery_id) for delivery_id in ids]
    closed = [state for state in states if state is not None and state.status == "closed"]
    return sorted(closed, key=lambda state: (not state.counts, state.id))


def leave_replaced(ctx: DeliveryContext, delivery_id: str | None, uri: str) -> None:
    """Take the deliveries of what a file held before out of this run, where nothing of them was planned.

    Else a run whose file was corrected would stay unsettled over the file that it can't have any more.

    :param delivery_id: the delivery of what the file holds now; None if it holds nothing to deliver.
    """
    for other in deliveries_of_run(ctx):
        state = None if other == delivery_id else ctx.deliveries.find(other)
        if state is not None and state.uri == uri and state.status != "closed" and not is_planned(ctx, state):
            ctx.objects.delete(f"{_prefix(ctx)}{other}")


def resume(ctx: DeliveryContext, delivery_id: str) -> DeliveryState:
    """Come back to a delivery that ``validate`` has opened; a closed one is returned as it is.

    :raises LedgerMissingError: if there is no such delivery.
    :raises DeliveryHeldError: while another run works on it.
    """
    return ctx.deliveries.resume(delivery_id, ctx.holder)


def note_step(ctx: DeliveryContext, state: DeliveryState, result: StepResult) -> None:
    """Keep a step's result with the delivery, where its retry and the steps after it find it.

    :raises DeliveryHeldError: if another run has taken the delivery over.
    """
    ctx.deliveries.save(state, steps={result.STEP: result.to_document()})


def read_poll_state(ctx: DeliveryContext) -> list[Mapping[str, object]]:
    """The stamps of the files that this run's last poll found incomplete; none at the first."""
    stored = ctx.objects.get(_poll_path(ctx))
    if stored is None:
        return []
    return list(documents.decode_typed(stored[0], list[dict[str, object]], ctx.uri(_poll_path(ctx))))


def write_poll_state(ctx: DeliveryContext, pending: Sequence[Mapping[str, object]]) -> None:
    """Keep the stamps of the files that this poll found incomplete; nothing is kept of an empty list."""
    if pending:
        ctx.objects.put(_poll_path(ctx), json.dumps(list(pending)).encode())
    else:
        ctx.objects.delete(_poll_path(ctx))


def _poll_path(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/pending/{ctx.run_key}.json"
