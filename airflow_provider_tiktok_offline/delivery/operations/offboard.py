"""Removing what is kept of one advertiser."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts, delete_folder
from airflow_provider_tiktok_offline.delivery.state.unbound_parts import passes
from airflow_provider_tiktok_offline.errors import DeliveryHeldError


@dataclass(frozen=True, slots=True, kw_only=True)
class OffboardResult:
    """What was removed of an advertiser.

    Attributes:
        deliveries: states of deliveries, with their staged parts.
        objects: reports, notes, and objects of the feed and the ledger.
        ledger: whether the event set's ledger was removed.
    """

    deliveries: int
    objects: int
    ledger: bool

    def to_dict(self) -> dict[str, int | bool]:
        """Plain values."""
        return asdict(self)


def offboard(ctx: DeliveryContext, *, with_ledger: bool, reason: str) -> OffboardResult:
    """Remove an advertiser's deliveries, reports, staged parts, feed and, unless others use it, the event set's ledger.

    The delivery records and the audit trail stay: they are the proof of what was delivered. Can be called again.

    :param with_ledger: whether the event set's ledger goes; no other advertiser may send to it any more.
    :param reason: why; kept in the audit trail.
    :returns: what was removed.
    :raises DeliveryHeldError: while a delivery is at work.
    """
    from airflow_provider_tiktok_offline.delivery.events.feed_setup import feed_name
    from airflow_provider_tiktok_offline.ledger import audit
    from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace

    name, event_set_id = ctx.config.name, ctx.config.event_set_id
    states = ctx.deliveries.list(name)
    for state in states:
        if ctx.deliveries.alive(state) and state.holder != ctx.holder:
            raise DeliveryHeldError(
                f"{state.holder} works on {state.file_name}.",
                where=f"{name}, delivery {state.id}",
                todo="Pause its DAG, let it end, and try again.",
            )
    place = LedgerPlace(ctx.objects, event_set_id, ctx.clock)
    audit.note(place, "offboard", reason=reason, actor=ctx.holder, details={"advertiser": name})
    objects = 0
    for state in states:
        StagedParts(ctx.staging, state.id).clear()
        ctx.deliveries.forget(state)
    for folder, _ in passes(ctx, {path.partition("/")[0] for path in ctx.staging.list("")}):
        delete_folder(ctx.staging, folder)
    objects += ctx.objects.delete_all(f"advertisers/{name}")
    if ctx.config.liveramp is not None:
        objects += ctx.objects.delete_all(f"liveramp/{feed_name(ctx)}")
    if with_ledger:
        # The ledger's own document goes first: without it nothing is sent, whatever else is left.
        ctx.objects.delete(place.meta_path)
        ctx.objects.delete(place.secret_path)
        for path in ctx.objects.list(place.root):
            if not _is_record(path.removeprefix(f"{place.root}/")):
                ctx.objects.delete(path)
                objects += 1
    return OffboardResult(deliveries=len(states), objects=objects, ledger=with_ledger)


def _is_record(path: str) -> bool:
    """Whether it is part of the audit trail, or of the table of delivery records in some generation of the ledger."""
    heads = path.split("/")[:2]
    return heads[0] == "audit" or any(head.partition(".")[0] == "records" for head in heads)
