"""What TikTok attributed, from a file that is delivered to the figures that grow: each reading is kept."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from airflow_provider_tiktok_offline.delivery.operations.alerts import take_unnotified
from airflow_provider_tiktok_offline.delivery.operations.attribution import metrics_of, read_attribution
from airflow_provider_tiktok_offline.delivery.operations.maintenance import maintain
from airflow_provider_tiktok_offline.delivery.operations.status import note_run
from airflow_provider_tiktok_offline.delivery.operations.status_documents import history_document
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import read_status
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.attribution import Attribution
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.lateness import Lateness
from tests.delivery.world import World, rows
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID

YESTERDAY = date(2026, 11, 21)


def table(world: World) -> Attribution:
    ctx = world.context()
    return Attribution(ctx.objects, ctx.config.name, ctx.clock)


def later(world: World, **step: int) -> None:
    world.clock.advance(timedelta(**step))
    world.simulator.control.advance_clock(timedelta(**step).total_seconds())


def attributed(frame: pl.DataFrame, day: date = YESTERDAY, level: str = "advertiser") -> list[float]:
    wanted = frame.filter(stat_day=day, level=level, metric="offline_shopping_events")
    return wanted.sort("read_at")["value"].to_list()


def test_the_figures_of_a_day_grow_until_three_days_later(world: World) -> None:
    """Delivered, read each day: every reading is kept with its time, and the newest one counts."""
    world.simulator.control.set_lateness(Lateness(percent=40, seed=3))
    world.init_ledger()
    world.deliver(world.drop(rows(1, 100, at="2026-11-21T12:00:00Z-0000")))
    counts = []
    for _ in range(5):
        reading = read_attribution(world.context(reports={}))
        counts.append(reading.attributed["Purchase"])
        later(world, days=1)
    assert counts[0] < counts[1] < counts[2] == counts[3] == counts[4] == 100
    kept = attributed(table(world).readings())
    assert kept == counts
    assert attributed(table(world).latest()) == [100]
    assert table(world).readings()["read_at"].n_unique() == 5
    noted = {one.day: one for one in read_status(world.context()).attribution}
    assert (noted["2026-11-21"].events, noted["2026-11-21"].value, noted["2026-11-21"].spend) == (
        100,
        "1000.00",
        "50.00",
    )


def test_days_are_the_accounts_and_money_is_in_its_currency(world: World) -> None:
    """Both stand beside each number, and a sale at night belongs to the account's day."""
    world.simulator.control.add_advertiser(
        NewAdvertiser(
            advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, name="Tokyo", currency="JPY", timezone="Asia/Tokyo"
        )
    )
    world.simulator.control.set_lateness(Lateness(percent=0))
    world.init_ledger()
    world.deliver(world.drop(rows(1, 3, at="2026-11-20T20:00:00Z-0000")))
    reading = read_attribution(world.context(reports={}))
    assert (reading.currency, reading.timezone, reading.end) == ("JPY", "Asia/Tokyo", "2026-11-22")
    latest = table(world).latest()
    assert set(latest["currency"]) == {"JPY"}
    assert set(latest["timezone"]) == {"Asia/Tokyo"}
    assert attributed(latest) == [3]


def test_the_last_thirty_days_are_read_and_the_levels_add_up(world: World) -> None:
    """Totals and campaigns, a line a day; no amount of money is in what the task returns."""
    reading = read_attribution(world.context(reports={"events": ["Purchase", "Schedule"]}))
    assert (reading.start, reading.end) == ("2026-10-24", "2026-11-22")
    latest = table(world).latest()
    assert latest["stat_day"].n_unique() == 30
    assert set(latest["level"]) == {"advertiser", "campaign"}
    assert "offline_total_schedule" in set(latest["metric"])
    assert reading.unreconciled == ()
    assert reading.attributed == {"Purchase": 0, "Schedule": 0}
    assert (reading.active_ads, reading.tracking_ads) == (2, 2)
    assert not {"spend", "value"} & reading.to_dict().keys()


def test_an_event_without_a_metric_is_named(world: World) -> None:
    """Before TikTok is asked."""
    with pytest.raises(ConfigError, match="no offline metric of StartTrial"):
        metrics_of(("Purchase", "StartTrial"))


def test_old_readings_are_forgotten_with_the_records(world: World) -> None:
    """``ledger.record_months`` holds for them too, without a ledger in a dry run."""
    read_attribution(world.context(reports={}))
    later(world, days=100)
    read_attribution(world.context(reports={}))
    before = table(world).readings().height
    kept = maintain(world.context(mode="dry_run", ledger={"record_months": 2}))
    assert kept.readings > 0
    assert table(world).readings().height == before - kept.readings
    assert attributed(table(world).latest(), date(2027, 3, 1)) == [0]


def delivered(world: World, ctx: DeliveryContext, first: int, count: int) -> None:
    """Yesterday's file, as a run delivers and notes it."""
    day = world.clock.now().date() - timedelta(days=1)
    summary = world.deliver(world.drop(rows(first, count, at=f"{day}T12:00:00Z-0000"), name=f"{day}.csv"), ctx)
    assert summary.events == {"accepted": count}
    note_run(ctx, day)


def test_attribution_that_falls_away_is_told_from_real_reports(world: World) -> None:
    """The files go to a new event set that no ad tracks: as much is accepted, TikTok attributes nothing of it.

    The columns that the page shows are those of ledger, simulator and report.
    """
    world.simulator.control.set_lateness(Lateness(percent=0))
    world.init_ledger()
    delivered(world, world.context("daily/1", reports={}), 1, 30)
    later(world, days=5)
    delivered(world, world.context("daily/2", reports={}), 101, 30)
    later(world, days=5)
    read_attribution(world.context(reports={}))
    assert take_unnotified(world.context()) == []
    unused = "7000000000000000299"
    world.simulator.control.add_advertiser(
        NewAdvertiser(advertiser_id=ADVERTISER_ID, event_set_id=unused, name="New tills")
    )
    moved = world.context("daily/3", reports={}, event_set_id=unused)
    Ledger.init(moved.objects, unused, identity=moved.config.identity_settings(), clock=world.clock)
    delivered(world, moved, 201, 40)
    later(world, days=6)
    reading = read_attribution(moved)
    ads, fallen = sorted(take_unnotified(moved))
    assert ads.startswith("0 of 2 active ads track")
    assert fallen.startswith("TikTok attributes 100 % less than before, while as many events are accepted")
    read_attribution(moved)
    assert take_unnotified(moved) == []
    shown = history_document(read_status(moved), world.clock.now().date())
    events, first = shown["events"], date.fromisoformat(str(shown["first_day"]))
    assert isinstance(events, dict)
    assert sum(events["accepted"]) == len(world.simulator.event_ids()) == 100
    columns = {name: shown[name] for name in ("attributed", "attributed_value", "spend")}
    by_day = {
        first + timedelta(days=n): tuple(one) for n, one in enumerate(zip(*columns.values(), strict=True)) if one[0]
    }
    assert by_day == {
        date(2026, 11, 21): (30, "300.00", "50.00"),
        date(2026, 11, 26): (30, "300.00", "50.00"),
    }
    assert sum(reading.attributed.values()) == 60
