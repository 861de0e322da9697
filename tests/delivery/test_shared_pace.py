"""Thirty advertisers behind one developer app, each with tasks of its own: none exceeds the app's limits."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution
from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor
from airflow_provider_tiktok_offline.delivery.steps.upload import open_client
from airflow_provider_tiktok_offline.errors import StorageUnavailableError
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.tiktok.ads import event_set_use
from airflow_provider_tiktok_offline.tiktok.pacing import ManagementPace
from airflow_provider_tiktok_offline.tiktok.reports import ReportQuery, read_report
from airflow_provider_tiktok_offline.tiktok.shared_pace import SharedPace
from tests.delivery.world import NOW, FixedConnections, World

DAY = date(2026, 11, 21)


class SharedClock(ManualClock):
    """A clock that waits by moving the simulator's on with it."""

    def __init__(self, control: Control) -> None:
        super().__init__(NOW)
        self._control = control

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._control.advance_clock(float(seconds))
            super().sleep(seconds)


@pytest.fixture(name="many")
def _many(world: World) -> World:
    world.clock = SharedClock(world.simulator.control)
    for number in range(30):
        world.simulator.control.add_advertiser(
            NewAdvertiser(
                advertiser_id=str(7_000_000_000_000_004_000 + number),
                event_set_id=str(7_000_000_000_000_005_000 + number),
                name=f"Shop {number}",
            )
        )
        world.simulator.control.add_ads(
            NewAds(
                advertiser_id=str(7_000_000_000_000_004_000 + number),
                event_set_ids=[str(7_000_000_000_000_005_000 + number)],
            )
        )
    return world


def test_thirty_advertisers_behind_one_app_are_looked_at_and_reported(many: World) -> None:
    """Doctor and report of each are tasks of their own, which share nothing but the state; none is throttled."""
    drop = many.folder / "drop"
    drop.mkdir()
    for number in range(30):
        ctx = many.context(
            f"daily/{number}",
            name=f"shop_{number}",
            advertiser_id=str(7_000_000_000_000_004_000 + number),
            event_set_id=str(7_000_000_000_000_005_000 + number),
            mode="dry_run",
        )
        # The clock of this test is not that of the disk.
        assert {one.subject for one in doctor(ctx) if one.status == "failed"} == {"clock"}
        with open_client(ctx) as client:
            assert read_report(client, ctx.config.advertiser_id, ReportQuery(start=DAY, end=DAY)).rows
            event_set_use(client, ctx.config.advertiser_id, ctx.config.event_set_id)
    requests = list(many.simulator.control.requests())
    assert len(requests) == 210
    assert {request.code for request in requests} == {0}
    # At 9 a second; 60 of the turns, reserved three at once, were not needed.
    assert (many.clock.now() - NOW).total_seconds() == pytest.approx(30, abs=1)


def test_tasks_at_once_share_the_turns(tmp_path: Path) -> None:
    """Six tasks reserve turns at the same time: all turns are apart."""
    clock = ManualClock(NOW)
    paces = [SharedPace(lambda: open_objects(str(tmp_path)), "app", clock, ManagementPace(clock)) for _ in range(6)]

    def turns(pace: SharedPace) -> None:
        for _ in range(20):
            pace.wait_for_turn()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(turns, paces))
    assert clock.monotonic() >= (120 - 3) / 9
    fresh = SharedPace(lambda: open_objects(str(tmp_path)), "app", ManualClock(NOW), ManagementPace(clock))
    another = SharedPace(lambda: open_objects(str(tmp_path)), "other app", ManualClock(NOW), ManagementPace(clock))
    assert waited(fresh) >= 120 / 9 - 0.01
    assert waited(another) == 0


def waited(pace: SharedPace) -> float:
    """The seconds until a pace lets the next call leave."""
    clock = pace._clock
    before = clock.monotonic()
    pace.wait_for_turn()
    return clock.monotonic() - before


def test_a_suspended_app_is_left_alone_by_every_task(many: World) -> None:
    """One task has met the suspension; the next one's first call waits until it is over, and is answered."""
    many.simulator.control.add(Fault(kind="limit", path="/open_api/v1.3/advertiser/info/", per_second=0, count=3))
    first, second = (many.context(f"daily/{number}", mode="dry_run", reports={"days": 1}) for number in range(2))
    before = many.clock.now()
    assert read_attribution(first).numbers > 0
    assert many.clock.now() - before >= timedelta(seconds=300)
    codes = [request.code for request in many.simulator.control.requests()]
    assert codes[:4] == [40100, 40100, 40100, 0]
    many.simulator.control.add(Fault(kind="limit", path="*", per_second=0, count=3))
    pace = SharedPace(lambda: second.objects, many.simulator.url, many.clock, ManagementPace(many.clock))
    pace.close(300)
    many.simulator.control.clear_faults()
    before = many.clock.now()
    read_attribution(second)
    assert many.clock.now() - before >= timedelta(seconds=299)
    assert [request.code for request in many.simulator.control.requests()].count(40100) == 3


def test_a_state_that_cannot_be_reached_costs_no_call(many: World) -> None:
    """The process's own pace holds then."""

    def broken() -> ObjectStore:
        raise StorageUnavailableError("the store does not answer.")

    clock = ManualClock(NOW)
    pace = SharedPace(broken, "app", clock, ManagementPace(clock))
    for _ in range(10):
        pace.wait_for_turn()
    assert clock.monotonic() == pytest.approx(1.0)


def test_calls_are_paced_by_the_app_where_the_connection_names_it(world: World) -> None:
    """Two apps at one address have a limit each; without a name the address counts."""
    for app in ("7123", "7456", None):
        ctx = world.context(f"daily/{app}")
        grant = ctx.connections.get("tiktok_default")
        ctx.connections = FixedConnections(replace(grant, extra={} if app is None else {"app_id": app}))
        with open_client(ctx) as client:
            client.get("/advertiser/info/", {"advertiser_ids": f'["{ctx.config.advertiser_id}"]'})
    kept = {path.removeprefix("pace/").removesuffix(".json") for path in ctx.objects.list("pace")}
    assert kept == {hashlib.sha256(app.encode()).hexdigest()[:16] for app in ("7123", "7456", world.simulator.url)}
