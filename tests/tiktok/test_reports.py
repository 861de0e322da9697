"""Reports against the simulator, which computes them from what it holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.contract.columns import STANDARD_EVENTS
from airflow_provider_tiktok_offline.errors import CallerError, RejectedRowsError
from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.reports import (
    OFFLINE_METRIC_NAMES,
    Account,
    ReportQuery,
    account,
    offline_metrics,
    offline_report,
    to_arrow,
)
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, send
from tests.servers.simulator import ADVERTISER_ID, RunningSimulator
from tests.tiktok.scripted import Reply, Request, code, scripted
from tests.tiktok.sending import EVENT_SET_ID, FAST, Receipts, in_one, items

START, END = date(2026, 11, 20), date(2026, 11, 24)


def test_a_report_shows_what_was_attributed(tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock) -> None:
    """Events sent are counted and their value added up, in the advertiser's total."""
    send(in_one(items(40)), 40, client, Receipts(), SendOptions(Envelope(EVENT_SET_ID), FAST))
    (row,) = offline_report(client, ADVERTISER_ID, ReportQuery(start=START, end=END, level="advertiser"))
    assert row.dimensions == {"advertiser_id": ADVERTISER_ID}
    assert row.metrics["offline_shopping_events"] == "40"
    assert row.metrics["offline_shopping_events_value"] == "500.00"


@pytest.mark.parametrize(("level", "rows"), [("advertiser", 1), ("campaign", 1), ("adgroup", 1), ("ad", 2)])
def test_a_report_goes_down_to_the_ad(level: str, rows: int, client: TikTokClient) -> None:
    """Each level of the reference."""
    found = list(offline_report(client, ADVERTISER_ID, ReportQuery(start=START, end=END, level=level)))  # type: ignore[arg-type]
    assert len(found) == rows


def test_a_report_by_day_has_a_line_a_day(client: TikTokClient) -> None:
    """The day stands among the dimensions."""
    query = ReportQuery(start=START, end=END, by_day=True, metrics=["spend"])
    found = list(offline_report(client, ADVERTISER_ID, query))
    assert [row.dimensions["stat_time_day"][:10] for row in found] == [f"2026-11-{day}" for day in range(20, 25)]


def test_all_pages_are_read(clock: ManualClock) -> None:
    """A thousand lines a page, until the last."""

    def answer(request: Request) -> Reply:
        page = int(request.path.partition("&page=")[2])
        rows = [{"dimensions": {"campaign_id": f"{page}-{row}"}, "metrics": {"spend": "1"}} for row in range(2)]
        return code(0, data={"list": rows, "page_info": {"page": page, "page_size": 1000, "total_page": 3}})

    with scripted(answer) as server, TikTokClient("t", base_url=server.url, clock=clock) as client:
        report = offline_report(client, "7", ReportQuery(start=START, end=END))
        found = [row.dimensions["campaign_id"] for row in report]
    assert found == ["1-0", "1-1", "2-0", "2-1", "3-0", "3-1"]
    assert "page_size=1000" in server.requests[0].path


def test_an_empty_report_is_empty(clock: ManualClock) -> None:
    """An account without campaigns."""
    with (
        scripted(lambda _: code(0, data={"list": [], "page_info": {"total_page": 0}})) as server,
        TikTokClient("t", base_url=server.url, clock=clock) as client,
    ):
        assert list(offline_report(client, "7", ReportQuery(start=START, end=END))) == []


def test_an_account_that_is_not_reached_is_told(client: TikTokClient) -> None:
    """As any other refusal."""
    with pytest.raises(CallerError) as caught:
        list(offline_report(client, "7999", ReportQuery(start=START, end=END)))
    assert caught.value.code == 40001


def test_every_metric_of_an_event_is_one_that_the_report_has(client: TikTokClient) -> None:
    """The names are not only made up of the right parts."""
    for event in sorted(OFFLINE_METRIC_NAMES):
        assert event in STANDARD_EVENTS
        list(offline_report(client, ADVERTISER_ID, ReportQuery(start=START, end=START, metrics=offline_metrics(event))))


def test_a_long_time_by_day_is_split_into_calls_of_30_days(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Every day comes once, in order."""
    query = ReportQuery(start=date(2026, 1, 1), end=date(2026, 3, 31), level="advertiser", by_day=True)
    days = [row.dimensions["stat_time_day"][:10] for row in offline_report(client, ADVERTISER_ID, query)]
    assert days == [str(date(2026, 1, 1) + timedelta(days=number)) for number in range(90)]
    assert {request.code for request in tiktok.control.requests()} == {0}


@pytest.mark.parametrize(
    ("by_day", "days", "periods"),
    [(True, 30, [30]), (True, 31, [30, 1]), (False, 365, [365]), (False, 366, [365, 1]), (True, 1, [1])],
)
def test_periods_are_as_long_as_a_call_allows(by_day: bool, days: int, periods: list[int]) -> None:
    """30 days by day, 365 otherwise; both ends count, and no day is in two periods."""
    query = ReportQuery(start=START, end=START + timedelta(days=days - 1), by_day=by_day)
    assert [(end - start).days + 1 for start, end in query.periods()] == periods
    assert (query.periods()[0][0], query.periods()[-1][1]) == (query.start, query.end)


@pytest.mark.parametrize(("deleted", "rows"), [(True, 3), (False, 2)])
def test_deleted_objects_are_included_where_the_level_drops_them(
    tiktok: RunningSimulator, client: TikTokClient, deleted: bool, rows: int
) -> None:
    """So that the rows of the ads add up to the advertiser's total."""
    tiktok.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, status="DELETE"))
    query = ReportQuery(start=START, end=END, level="ad", metrics=["spend"], deleted=deleted)
    ads = list(offline_report(client, ADVERTISER_ID, query))
    (total,) = offline_report(client, ADVERTISER_ID, replace(query, level="advertiser"))
    spend = sum(float(row.metrics["spend"]) for row in ads)
    assert (len(ads), spend == float(total.metrics["spend"])) == (rows, deleted)


def test_the_registration_metric_is_found_under_either_spelling(clock: ManualClock) -> None:
    """TikTok refuses the one: the other is asked for, and the row has the name that was asked for first."""
    other = "offline_registration_events"

    def answer(request: Request) -> Reply:
        asked = json.loads(parse_qs(urlsplit(request.path).query)["metrics"][0])
        if other not in asked:
            return code(40002, "metrics: Not a valid choice.")
        row = {"dimensions": {"campaign_id": "1"}, "metrics": {other: "3", "spend": "1.00"}}
        return code(0, data={"list": [row], "page_info": {"total_page": 1}})

    query = ReportQuery(start=START, end=END, metrics=["offline_complete_registration_events", "spend"])
    with scripted(answer) as server, TikTokClient("t", base_url=server.url, clock=clock) as client:
        (row,) = offline_report(client, "7", query)
        with pytest.raises(RejectedRowsError):
            list(offline_report(client, "7", ReportQuery(start=START, end=END, metrics=["age"])))
    assert row.metrics == {"offline_complete_registration_events": "3", "spend": "1.00"}
    assert len(server.requests) == 3


def test_a_report_becomes_a_table_with_currency_and_time_zone(tiktok: RunningSimulator, client: TikTokClient) -> None:
    """Numbers as numbers, names as text, and beside them what the numbers are counted in."""
    tiktok.control.add_advertiser(
        NewAdvertiser(
            advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, name="Shop", currency="EUR", timezone="Europe/Paris"
        )
    )
    query = ReportQuery(start=START, end=END, by_day=True, metrics=["spend", "campaign_name"])
    table = to_arrow(offline_report(client, ADVERTISER_ID, query), account(client, ADVERTISER_ID))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame.select("spend", "campaign_name", "currency", "timezone").unique().rows() == [
        (50.0, f"Campaign of {ADVERTISER_ID}", "EUR", "Europe/Paris")
    ]
    assert (frame.height, frame["start"].unique().to_list()) == (5, [START])
    assert table.to_pandas()["spend"].sum() == 250.0


def test_an_empty_report_is_an_empty_table() -> None:
    """With the columns that are always there."""
    table = to_arrow([], Account("7", "Shop", "EUR", "UTC"))
    assert (table.num_rows, table.column_names) == (0, ["start", "end", "currency", "timezone"])
