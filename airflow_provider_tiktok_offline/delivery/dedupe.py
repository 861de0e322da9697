"""Step 3: hold the prepared events against the ledger and write the plan: what is to be sent, once and for all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.guards import check_guards
from airflow_provider_tiktok_offline.delivery.lease import Lease
from airflow_provider_tiktok_offline.delivery.runs import note_step, resume
from airflow_provider_tiktok_offline.delivery.staging import StagedParts

if TYPE_CHECKING:
    import polars as pl

#: Events whose keys are held against the ledger in one pass over it (some 60 bytes each).
CLAIM_EVENTS = 2_000_000


def dedupe(ctx: DeliveryContext, delivery_id: str) -> dict[str, Any]:
    """Claim the events nobody has sent yet and fix them in the delivery's plan.

    A plan that exists is returned as it is, so that this step can run again at any time. Dry runs and test runs look at
    the ledger where there is one, and write nothing to it.

    :returns: ``delivery_id``, ``closed``, ``events`` and their ``values`` by verdict, and ``parts``: the numbers of the
        parts that have something to send.
    :raises GuardError: if a limit set before sending is breached.
    :raises LedgerMissingError: in live mode, if the event set's ledger was never made.
    """
    from airflow_provider_tiktok_offline.conversions.prepared import PreparedEvents

    state = resume(ctx, delivery_id)
    if state.status == "closed":
        return {"delivery_id": delivery_id, "closed": True, "events": {}, "values": {}, "parts": []}
    done = state.steps.get("dedupe")
    if done is not None:
        return dict(done)
    prepared = PreparedEvents.open(StagedParts(ctx.staging, delivery_id))
    with Lease(ctx, state):
        check_guards(ctx, state, prepared)
        result = _claim(ctx, delivery_id, prepared) if ctx.live else _look(ctx, prepared)
    result = {"delivery_id": delivery_id, "closed": False, **result}
    note_step(ctx, state, "dedupe", result)
    return result


def _claim(ctx: DeliveryContext, delivery_id: str, prepared: Any) -> dict[str, Any]:
    import polars as pl

    ledger = ctx.ledger
    plan = ledger.plan(delivery_id)
    tally = Tally()
    written: dict[int, int] = {}
    for group in _groups(prepared):
        frames = [prepared.read(index).select("event_id", "event_time", "content", "value") for index in group]
        keyed = pl.concat(
            [
                frame.select(
                    pl.lit(index, pl.UInt32).alias("part"),
                    pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
                    ledger.keys(frame["event_id"]).alias("event_key"),
                    "content",
                    "event_time",
                    "value",
                )
                for index, frame in zip(group, frames, strict=True)
            ]
        )
        verdict = ledger.claim(
            delivery_id,
            keyed.select("event_key", "content", "event_time"),
            now=ctx.clock.now(),
            lookback=None if ctx.config.lookback_days is None else timedelta(days=ctx.config.lookback_days),
        )
        keyed = keyed.with_columns(verdict.replace({"own": "new"}).alias("verdict"))
        tally.add(keyed)
        if plan is None:
            # Held events are in the plan too: the upload claims them again, once the other delivery has let go.
            planned = keyed.filter(pl.col("verdict").is_in(["new", "held"])).select(
                "part", "row", "event_key", (pl.col("verdict") == "held").alias("held")
            )
            for index in group:
                chosen = planned.filter(pl.col("part") == index).drop("part")
                ledger.write_plan_part(delivery_id, index, chosen)
                written[index] = chosen.height
    if plan is None:
        plan = ledger.write_plan(delivery_id, written)
    return {**tally.result(), "parts": [index for index, events in sorted(plan.events.items()) if events]}


def _look(ctx: DeliveryContext, prepared: Any) -> dict[str, Any]:
    """What would be claimed; nothing is written."""
    from airflow_provider_tiktok_offline.errors import LedgerMissingError

    tally = Tally()
    try:
        ledger = ctx.ledger
    except LedgerMissingError:
        ledger = None
    for index in range(len(prepared.parts)):
        frame = prepared.read(index).select("event_id", "event_time", "content", "value")
        if ledger is None:
            import polars as pl

            tally.add(frame.with_columns(pl.lit("new").alias("verdict")))
            continue
        verdict = ledger.look(
            frame.select(ledger.keys(frame["event_id"]).alias("event_key"), "content", "event_time"),
            now=ctx.clock.now(),
            lookback=None if ctx.config.lookback_days is None else timedelta(days=ctx.config.lookback_days),
        )
        tally.add(frame.with_columns(verdict.alias("verdict")))
    return {
        **tally.result(rename={"new": "would_send"}),
        # A test run sends a few events of the first part; a dry run none.
        "parts": [0] if ctx.config.mode == "test" and prepared.manifest.events else [],
    }


def _groups(prepared: Any) -> list[list[int]]:
    """Neighbouring parts, together at most :data:`CLAIM_EVENTS` events: one pass over the ledger each."""
    groups: list[list[int]] = []
    room = 0
    for index, part in enumerate(prepared.parts):
        if not groups or part.events > room:
            groups.append([])
            room = CLAIM_EVENTS
        groups[-1].append(index)
        room -= part.events
    return groups


class Tally:
    """Events and their value, counted by verdict."""

    def __init__(self) -> None:
        self._events: Counter[str] = Counter()
        self._values: dict[str, Decimal] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Count a frame with the columns ``verdict`` and ``value``."""
        import polars as pl

        amounts = pl.col("value").cast(pl.Decimal(38, 4))
        for verdict, events, value in frame.group_by("verdict").agg(pl.len(), amounts.sum()).iter_rows():
            self._events[verdict] += events
            self._values[verdict] = self._values.get(verdict, Decimal(0)) + (value or Decimal(0))

    def result(self, rename: dict[str, str] | None = None) -> dict[str, Any]:
        """``events`` and ``values`` as JSON carries them; values as decimal text."""
        names = rename or {}
        return {
            "events": {names.get(verdict, verdict): count for verdict, count in sorted(self._events.items())},
            "values": {names.get(verdict, verdict): f"{value:f}" for verdict, value in sorted(self._values.items())},
        }
