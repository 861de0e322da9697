"""What is sent of a part is what its plan names, whatever became of the part in between."""

from __future__ import annotations

import json

import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import LedgerDamagedError, LedgerVersionError
from tests.delivery.world import World, rows


def planned(world: World, ctx: DeliveryContext) -> str:
    """A delivery of ten events, of which three were sent before, up to its plan."""
    world.init_ledger()
    world.deliver(world.drop(rows(4, 3), name="conversions_20261120.csv"))
    delivery_id = validate(ctx, world.drop(rows(0, 10))).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    return delivery_id


def rewrite(ctx: DeliveryContext, delivery_id: str, frame: pl.DataFrame) -> None:
    with StagedParts(ctx.staging, delivery_id).open_write("part-00000.parquet") as stream:
        frame.write_parquet(stream)


def staged(ctx: DeliveryContext, delivery_id: str) -> pl.DataFrame:
    with StagedParts(ctx.staging, delivery_id).open_read("part-00000.parquet") as stream:
        return pl.read_parquet(stream)


def finish(world: World, ctx: DeliveryContext, delivery_id: str) -> dict[str, int]:
    upload(ctx, delivery_id, 0)
    found = dict(summarize(ctx, delivery_id).events)
    assert set(world.simulator.times_received().values()) == {1}
    assert len(world.simulator.event_ids()) == 10
    return found


def test_an_export_that_loses_a_column_of_its_ids_sends_nothing(world: World) -> None:
    """Yesterday's sales would be sent again under other ids; a column that enters no id may come and go."""
    world.init_ledger()
    sale = "ann@example.com,Purchase,2026-11-20T12:00:00Z-0000,10.00"
    header = "email_1,transaction_category,transaction_timestamp,transaction_amount"
    world.deliver(world.drop([f"{sale},order-1"], header=f"{header},order_id", name="a.csv"))
    more = world.drop([f"{sale},order-2,New York"], header=f"{header},order_id,city", name="b.csv")
    assert world.deliver(more).events == {"accepted": 1}
    with pytest.raises(LedgerVersionError, match="other columns"):
        world.deliver(world.drop([sale], header=header, name="c.csv"))
    assert len(world.simulator.event_ids()) == 2


def test_only_planned_events_are_sent(world: World) -> None:
    """The part as it was: what another file delivered is left out of it."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    plan = ctx.ledger.plan(delivery_id)
    events = PreparedEvents.open(StagedParts(ctx.staging, delivery_id)).read(0)
    assert plan.fingerprints[0] == ctx.ledger.fingerprint(events["event_id"])
    assert finish(world, ctx, delivery_id)["accepted"] == 7


def test_a_part_in_another_order_is_sent_by_its_event_ids(world: World) -> None:
    """Rows of the plan are not taken for rows of another part."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    rewrite(ctx, delivery_id, staged(ctx, delivery_id).reverse())
    assert finish(world, ctx, delivery_id)["accepted"] == 7


def test_a_plan_without_fingerprints_is_sent(world: World) -> None:
    """As version 0.1 made them."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    (path,) = (path for path in ctx.objects.list("") if "/plans/" in path and f"/{delivery_id}/0000/manifest" in path)
    found = ctx.objects.get(path)
    assert found is not None
    manifest = json.loads(found[0])
    del manifest["fingerprints"]
    ctx.objects.put(path, json.dumps(manifest).encode())
    assert finish(world, ctx, delivery_id)["accepted"] == 7


def test_a_part_that_lost_planned_events_is_not_sent(world: World) -> None:
    """It says so, and what to do."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    rewrite(ctx, delivery_id, staged(ctx, delivery_id).head(9))
    with pytest.raises(LedgerDamagedError, match="names 7 events of part 0, and 6 of them are staged"):
        upload(ctx, delivery_id, 0)
    assert len(world.simulator.event_ids()) == 3


def test_a_part_that_was_answered_is_sent_nothing_more_and_says_how_much_was(world: World) -> None:
    """What the task's log says of a part that is cleared before the run's end."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    first, again = (upload(ctx, delivery_id, 0) for _ in range(2))
    assert (first.accepted, first.settled) == (7, 0)
    assert (again.accepted, again.settled) == (0, 7)


def test_a_test_run_sends_of_the_first_part(world: World) -> None:
    """A few events under the test code, whatever the ledger holds."""
    ctx = world.context(mode="test", test_event_code="TEST1", test_events=5)
    delivery_id = validate(ctx, world.drop(rows(0, 10))).delivery_id
    normalize_hash(ctx, delivery_id)
    assert dedupe(ctx, delivery_id).parts == (0,)


def test_a_delivery_that_is_planned_again_says_what_it_said(world: World) -> None:
    """A try that finds the plan of another one counts its events by that plan."""
    ctx = world.context()
    delivery_id = planned(world, ctx)
    (again, fresh) = (dedupe(one, delivery_id) for one in (ctx, world.context()))
    assert again.events == fresh.events == {"new": 7, "already_sent": 3}
    assert again.values == fresh.values
    assert again.parts == (0,)
