"""Netting: the returns that came in while a delivery waited are taken off its events, once and for all.

What is taken off is written down before the delivery's plan is made, and never changes: a dedupe that was killed and
runs again makes the same plan.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import polars as pl

from airflow_provider_tiktok_offline.conversions.events.event_id import id_text
from airflow_provider_tiktok_offline.conversions.events.kept_returns import (
    KEPT,
    Netting,
    as_kept,
    each_once,
    returns_for,
    without,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_store import RETURNS
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.staged_faults import staged_faults
from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.runs import note_step
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import ReturnsResult
from airflow_provider_tiktok_offline.delivery.state.waiting import (
    kept_deliveries,
    met_lines,
    note_met,
)
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState

log = plain_logger(__name__)

#: What is written down of the returns that are taken off a delivery's events.
_TAKEN = pl.Schema({"event_key": pl.Binary(), "content": pl.UInt64(), "units": pl.Int64()})


def netting_of(ctx: DeliveryContext, state: DeliveryState) -> Netting | None:
    """What is taken off the events of a delivery that is planned; None if nothing is.

    :raises LedgerDamagedError: if it can't be read.
    """
    return None if ReturnsResult.of(state) is None else _netting(ctx, _taken(ctx, state.id))


def _netting(ctx: DeliveryContext, taken: pl.DataFrame) -> Netting | None:
    return None if taken.is_empty() else Netting(taken, ctx.ledger.keys)


def net_returns(ctx: DeliveryContext, state: DeliveryState) -> Netting | None:
    """Fix what is taken off the events of a delivery that is due, before its plan is made.

    Taken off are the returns of the same event ids that are kept of its own file, and of the advertiser's deliveries
    that were validated after it; not those that were taken off inside its own file, and not those that were taken off
    another sale inside theirs. The caller holds the delivery.

    :returns: what is taken off; None if nothing is.
    """
    events = PreparedEvents.open(StagedParts(ctx.staging, state.id))
    own = _keyed(ctx, events, events.returns.filter(~pl.col("netted")))
    others = {one: _keyed(ctx, events, _kept(ctx, one)) for one in _later(ctx, state)}
    if _read(ctx, state.id) is None:
        ctx.objects.create(_path(ctx, state.id), _packed(_to_take(events, own, list(others.values()))))
    taken = _taken(ctx, state.id)
    for delivery_id, returns in {state.id: own, **others}.items():
        met = returns.join(taken, on=["event_key", "content"], how="semi")["line"].unique().sort().to_list()
        if met:
            note_met(ctx, delivery_id, state.id, met)
    reduced, off = _reductions(ctx, events, taken)
    met_so_far = pl.Series(sorted(met_lines(ctx, state.id)), dtype=pl.Int64)
    unmet = own.unique("line").filter(~pl.col("line").is_in(met_so_far.implode()))
    result = ReturnsResult(
        delivery_id=state.id,
        reduced=reduced,
        taken_off=off,
        unmet=unmet.filter(pl.col("units") < 0).height,
        unmet_value=_sums(unmet, "units"),
    )
    note_step(ctx, state, result)
    return _netting(ctx, taken)


def _later(ctx: DeliveryContext, state: DeliveryState) -> list[str]:
    """The other deliveries whose returns are kept, and that were validated after one."""
    others = [ctx.deliveries.find(one) for one in kept_deliveries(ctx) if one != state.id]
    return [other.id for other in others if other is not None and other.as_of >= state.as_of]


def _to_take(events: PreparedEvents, own: pl.DataFrame, others: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The returns that are taken off a delivery's events.

    :param own: those of its file that were not taken off there.
    :param others: what is kept of the files after it.
    """
    digests = pl.concat([own, *others]).select("digest").unique()
    sales = [events.read_sales(index).join(digests, on="digest", how="semi") for index in range(len(events.parts))]
    found, elsewhere = [own], [events.returns.filter("netted").select(KEPT.names())]
    for kept in others if sales else ():
        of_sales, of_others = returns_for(kept, pl.concat(sales))
        found.append(of_sales)
        elsewhere.append(of_others.select(KEPT.names()))
    return _that_meet(without(each_once(found), each_once(elsewhere)), events)


def _that_meet(returns: pl.DataFrame, events: PreparedEvents) -> pl.DataFrame:
    """The returns that meet an event of the delivery, in its currency."""
    met = [
        returns.join(events.read_sales(index), on=["digest", "currency"], how="semi", nulls_equal=True)
        for index in range(len(events.parts) if returns.height else 0)
    ]
    return pl.concat([returns.clear(), *met]).select(_TAKEN.names())


def _keyed(ctx: DeliveryContext, events: PreparedEvents, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with a ``digest``, with their event keys."""
    ids = frame.select(id_text(pl.col("digest"), events.manifest["recipe"])).to_series()
    return frame.with_columns(event_key=ctx.ledger.keys(ids))


def _reductions(ctx: DeliveryContext, events: PreparedEvents, taken: pl.DataFrame) -> tuple[int, dict[str, str]]:
    """How many events are sent with less than their file says, and how much less by currency."""
    off = taken.group_by("event_key").agg(off=pl.col("units").sum())
    frames = [
        _keyed(ctx, events, events.read_sales(index)).join(off, on="event_key")
        for index in range(len(events.parts) if taken.height else 0)
    ]
    if not frames:
        return 0, {}
    reduced = pl.concat(frames).filter(pl.col("units") + pl.col("off") > 0)
    return reduced.height, _sums(reduced, "off")


def _sums(frame: pl.DataFrame, units: str) -> dict[str, str]:
    """The sum of returned millionths by currency, positive."""
    sums = frame.group_by("currency").agg(pl.col(units).cast(pl.Int128).sum()).sort("currency")
    return {name or NO_CURRENCY: decimal_text(-total) for name, total in sums.iter_rows() if total}


def _kept(ctx: DeliveryContext, delivery_id: str) -> pl.DataFrame:
    """The returns that are kept of another delivery; none if they are gone."""
    stored = StagedParts(ctx.staging, delivery_id).find(RETURNS)
    if stored is None:
        log.warning("The returns of delivery %s are gone: they are taken off nothing.", delivery_id)
        return KEPT.to_frame()
    with staged_faults(RETURNS):
        return as_kept(pl.read_parquet(io.BytesIO(stored)))


def _packed(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def _taken(ctx: DeliveryContext, delivery_id: str) -> pl.DataFrame:
    """The returns that are taken off a delivery's events: ``event_key``, ``content``, ``units``."""
    content = _read(ctx, delivery_id)
    if content is None:
        return _TAKEN.to_frame()
    try:
        return pl.read_parquet(io.BytesIO(content)).select(_TAKEN.names())
    except (pl.exceptions.PolarsError, OSError):
        raise LedgerDamagedError(
            "what is taken off the delivery's events can't be read.",
            where=ctx.uri(_path(ctx, delivery_id)),
            todo="Nothing was sent. Restore the object.",
        ) from None


def _read(ctx: DeliveryContext, delivery_id: str) -> bytes | None:
    stored = ctx.objects.get(_path(ctx, delivery_id))
    return None if stored is None else stored[0]


def _path(ctx: DeliveryContext, delivery_id: str) -> str:
    return f"{ctx.folder(delivery_id)}/netted.parquet"
