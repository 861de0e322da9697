"""A clock that is wrong: nothing is removed that is still needed, on each kind of state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep_staging
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.storage.lease_clock import store_time
from tests.delivery.world import NOW, FixedConnections, World, rows
from tests.servers.s3 import s3_server


def test_maintenance_removes_nothing_while_the_clock_is_in_doubt(world: World) -> None:
    """Neither keys nor notes, readings and staged parts: a jump of 800 days makes everything old."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 5)))
    read_attribution(world.context(reports={}))
    left = world.context("daily/run-2")
    normalize_hash(left, validate(left, world.drop(rows(10, 5), name="second.csv")).delivery_id)
    assert maintain(world.context()).clock_doubt == 0
    before = sorted(world.context().objects.list(""))
    staged = sorted(world.context().staging.list(""))
    world.clock.advance(timedelta(days=800))
    result = maintain(world.context())
    assert result.clock_doubt == 1
    assert (result.keys, result.notes, result.readings, result.staged) == (0, 0, 0, 0)
    assert set(before) <= set(world.context().objects.list(""))
    assert sorted(world.context().staging.list("")) == staged


@pytest.mark.parametrize(("off", "swept"), [(timedelta(days=10), 0), (timedelta(hours=73), 1)], ids=["wrong", "right"])
def test_abandoned_parts_in_a_bucket_go_by_its_clock(world: World, off: timedelta, swept: int) -> None:
    """Those of a run that is at work now are no older because this worker's clock is days ahead."""
    with s3_server() as server:
        server.make_bucket("state")
        config = AdvertiserConfig.model_validate(
            world.config().model_dump(exclude_unset=True) | {"state_uri": "s3://store@state/tiktok"}
        )
        clock = ManualClock(NOW)
        connections = FixedConnections(server.connection("store"))
        ctx = DeliveryContext(config=config, connections=connections, holder="daily/run-1", clock=clock)
        now = store_time(ctx.objects)
        assert now is not None
        # "Right": the parts are as old as they seem. "Wrong": they were made a moment ago.
        clock.advance(now - NOW - (off if swept else timedelta(0)))
        at = f"{clock.now() - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ-0000}"
        normalize_hash(ctx, validate(ctx, world.drop(rows(1, 5, at=at))).delivery_id)
        clock.advance(off)
        assert sweep_staging(ctx) == swept
        assert bool(ctx.staging.list("")) is not bool(swept)
