"""Alerts: one for each change of state, without amounts, and with what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from airflow_provider_tiktok_offline.delivery.operations.alerts import attribution_fallen, note_alerts, take_unnotified
from airflow_provider_tiktok_offline.delivery.operations.attribution import read_attribution
from airflow_provider_tiktok_offline.delivery.operations.doubts import new_doubts
from airflow_provider_tiktok_offline.delivery.operations.notices import notice, unconfirmed_facts
from airflow_provider_tiktok_offline.delivery.operations.notified import claim_state
from airflow_provider_tiktok_offline.delivery.operations.status import note_run
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    AdvertiserStatus,
    AttributionDay,
    DeliveryStatus,
)
from airflow_provider_tiktok_offline.delivery.state.cleanup import sweep
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.errors import OutcomeUnknownError, UnsettledError
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.world import World, rows
from tests.servers.old_objects import age_objects

TODAY = date(2026, 11, 22)
NOTIFIED = {"email": ["ana@shop.example"]}


def test_what_lasts_is_told_once_and_what_comes_back_again(world: World) -> None:
    """Retries and days in between tell nothing; another fault beside it is told by itself."""
    ctx = world.context()
    told = []
    for ads in ("", "no ad", "no ad", "", "no ad"):
        note_alerts(ctx, {"ads": ads})
        told.append(take_unnotified(ctx))
    assert told == [[], ["no ad"], [], [], ["no ad"]]
    note_alerts(ctx, {"incident": "slow"})
    assert take_unnotified(ctx) == ["slow"]
    assert take_unnotified(ctx) == []


def test_the_report_notes_that_no_ad_tracks_the_set(world: World) -> None:
    """With what to do; once it is mended, nothing is left to tell."""
    account, event_set = "7000000000000006001", "7000000000000006002"
    control = world.simulator.control
    control.add_advertiser(NewAdvertiser(advertiser_id=account, event_set_id=event_set, name="Unused"))
    control.add_ads(NewAds(advertiser_id=account, number=3, event_set_ids=[]))
    ctx = world.context(advertiser_id=account, event_set_id=event_set, reports={"days": 1})
    read_attribution(ctx)
    [text] = take_unnotified(ctx)
    assert text.startswith(f"0 of 3 active ads track event set {event_set}")
    assert "Ads Manager" in text
    control.add_ads(NewAds(advertiser_id=account, event_set_ids=[event_set]))
    read_attribution(ctx)
    assert take_unnotified(ctx) == []


def status(attributed: tuple[int, int], accepted: tuple[int, int]) -> AdvertiserStatus:
    """Figures a day: before, and in the last settled week."""
    days = [TODAY - timedelta(days=ago) for ago in range(1, 30)]
    recent = TODAY - timedelta(days=11)
    return AdvertiserStatus(
        advertiser="shop",
        attribution=tuple(AttributionDay(day=day.isoformat(), events=attributed[day > recent]) for day in days),
        deliveries=tuple(
            DeliveryStatus(delivery_id=str(day), day=day.isoformat(), events={"accepted": accepted[day > recent]})
            for day in days
        ),
    )


@pytest.mark.parametrize(
    ("attributed", "accepted", "fallen"),
    [
        ((50, 5), (100, 100), True),
        ((50, 5), (100, 30), False),
        ((50, 40), (100, 100), False),
        ((1, 0), (100, 100), False),
    ],
)
def test_attribution_that_fell_away_while_as_much_is_accepted(
    attributed: tuple[int, int], accepted: tuple[int, int], fallen: bool
) -> None:
    """Not where fewer events were sent, and not where there was little before; growing days do not count."""
    found = attribution_fallen(status(attributed, accepted), TODAY)
    assert found.startswith("TikTok attributes 90 % less than before") is fallen
    growing = status((50, 50), (100, 100))
    growing = replace(growing, attribution=tuple(replace(one, events=0) if one.day > "2026-11-18" else one
                                                 for one in growing.attribution))  # fmt: skip
    assert attribution_fallen(growing, TODAY) == ""


def test_a_message_holds_shares_instead_of_turnover(world: World) -> None:
    """Small counts are not told, amounts only where the configuration asks for them; what to do next is said."""
    world.init_ledger()
    ctx = world.context("daily/1", notifications=NOTIFIED)
    world.deliver(world.drop(rows(1, 4)), ctx)
    facts = dict(notice(ctx, "failure", day=date(2026, 11, 21)).facts)
    assert facts["Values"] == "100 % of USD accepted"
    assert facts["Events"] == "fewer than 10 accepted"
    assert facts["Rows"].startswith("fewer than 10 total, fewer than 10 valid, 0 rejected")
    assert facts["Day"] == "2026-11-21"
    assert "Nothing is sent twice" in facts["Next"]
    open_book = world.context("daily/1", notifications={**NOTIFIED, "values": True})
    assert dict(notice(open_book, "failure").facts)["Values"] == "40.00 USD accepted"
    late = dict(notice(world.context("daily/2", notifications=NOTIFIED), "stale", day=date(2026, 11, 21)).facts)
    assert late["Expected"].endswith("/drop/conversions_20261121.csv")


def test_a_state_is_news_once_whatever_its_numbers_are(world: World) -> None:
    """The same words about the same file are no news, another day or in another run; other words are."""
    one, other = world.context("daily/1"), world.context("daily/2")
    assert claim_state(one, "failure", "140 events unconfirmed", delivery_ids=["d-1"])
    world.clock.advance(timedelta(days=1))
    assert not claim_state(other, "failure", "1,200 events unconfirmed", delivery_ids=["d-1"])
    assert claim_state(one, "failure", "upload failed", delivery_ids=["d-1"])
    assert claim_state(one, "failure", "140 events unconfirmed", delivery_ids=["d-2"])
    assert claim_state(one, "failure", "no file")
    assert claim_state(other, "failure", "no file")
    kept = set(one.objects.list("advertisers/corner_shop/notified"))
    assert len(kept) == 5
    age_objects(one.objects)
    world.clock.advance(timedelta(days=one.config.ledger.retention_days))
    sweep(one)
    assert len(one.objects.list("advertisers/corner_shop/notified")) == 4
    world.clock.advance(timedelta(days=2))
    sweep(one)
    assert not one.objects.list("advertisers/corner_shop/notified")


def test_unconfirmed_events_are_told_before_their_time_is_over_and_after_it(world: World) -> None:
    """A day before, once; when it is over, once; with file, day, count, time and what to do."""
    world.init_ledger()
    ctx, berlin = world.context(), world.config(time_zone="Europe/Berlin")
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    with pytest.raises(OutcomeUnknownError):
        world.deliver(world.drop(rows(1, 12)), ctx)
    with pytest.raises(UnsettledError):
        summarize_all(ctx)
    note_run(ctx, date(2026, 11, 21))
    assert new_doubts(ctx) == []
    world.clock.advance(timedelta(hours=21))
    [near] = new_doubts(world.context("maintenance/1"))
    assert new_doubts(ctx) == []
    facts = dict(unconfirmed_facts(near, berlin))
    assert facts["Day"] == "2026-11-21"
    assert facts["Unconfirmed"].startswith("12 events")
    assert facts["Sent again until"] == "2026-11-24 06:00 Europe/Berlin (2026-11-24 05:00 UTC)"
    assert facts["File"].endswith("/drop/conversions_20261121.csv")
    assert "Clear upload and what follows in daily/run-1" in facts["Next"]
    world.clock.advance(timedelta(hours=24))
    [over] = new_doubts(ctx)
    assert new_doubts(ctx) == []
    facts = dict(unconfirmed_facts(over, berlin))
    assert facts["Sent again until"].endswith("which is over")
    assert "ledger resolve --advertiser corner_shop --assume-sent` or `--resend`" in facts["Next"]


def test_small_counts_are_hidden_in_sentences_too(world: World) -> None:
    """Why, what is open and what is breached name counts of rows and events; other numbers stay."""
    world.init_ledger()
    ctx = world.context(notifications=NOTIFIED)
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    with pytest.raises(OutcomeUnknownError):
        world.deliver(world.drop(rows(1, 3)), ctx)
    with pytest.raises(UnsettledError) as raised:
        summarize_all(ctx)
    assert "3 events unconfirmed" in str(raised.value)
    facts = dict(notice(ctx, "failure", reason=f"{raised.value} 4 of 90 rows, 1 row, 12 events, 44 hours.").facts)
    assert facts["Open"] == "fewer than 10 events unconfirmed"
    assert "3 events" not in facts["Why"]
    assert facts["Why"].endswith("fewer than 10 of 90 rows, fewer than 10 rows, 12 events, 44 hours.")


def test_answered_events_are_no_doubt(world: World) -> None:
    """The upload was cleared in time: nobody is told."""
    world.init_ledger()
    ctx = world.context()
    world.simulator.control.add(Fault(kind="drop", taken=True, count=3))
    stamp = world.drop(rows(1, 12))
    with pytest.raises(OutcomeUnknownError):
        world.deliver(stamp, ctx)
    world.deliver(stamp, ctx)
    world.clock.advance(timedelta(hours=21))
    assert new_doubts(ctx) == []
