"""Reports: what was attributed adds up to what was taken."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.defaults import ADVERTISER_ID, EVENT_SET_ID, EVENTS_TOKEN
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api, make_event

NOON = 1_700_049_600  # 2023-11-15 12:00 UTC
QUERY = {
    "advertiser_id": ADVERTISER_ID,
    "report_type": "BASIC",
    "data_level": "AUCTION_AD",
    "dimensions": json.dumps(["ad_id", "stat_time_day"]),
    "metrics": json.dumps(["spend", "clicks", "offline_shopping_events", "offline_shopping_events_value"]),
    "start_date": "2023-11-14",
    "end_date": "2023-11-16",
}


def _report(api: Api, **changes: Any) -> dict[str, Any]:
    return api.get("/report/integrated/get/", **QUERY | changes)


def test_events_are_reported_on_their_day_and_once(api: Api) -> None:
    """Sums over the ads are the events and values held; every value is a string."""
    events = [make_event(n, event_time=NOON + n) for n in range(30)]
    api.send(events)
    api.send(events)
    lines = _report(api)["data"]["list"]
    assert all(isinstance(value, str) for line in lines for value in line["metrics"].values())
    day = [line for line in lines if line["dimensions"]["stat_time_day"] == "2023-11-15 00:00:00"]
    assert sum(int(line["metrics"]["offline_shopping_events"]) for line in day) == 30
    assert sum(float(line["metrics"]["offline_shopping_events_value"]) for line in day) == 30 * 25
    others = [line for line in lines if line not in day]
    assert {line["metrics"]["offline_shopping_events"] for line in others} == {"0"}


def test_all_five_forms_of_a_metric_are_there(api: Api) -> None:
    """Count, cost, rate, value each and value in all, for events beside purchases, too."""
    api.send([make_event(n, event="Lead", event_time=NOON) for n in range(10)])
    names = [
        "offline_form_events",
        "cost_per_offline_form_event",
        "offline_form_event_rate",
        "value_per_offline_form_event",
        "offline_form_events_value",
        "offline_shopping_events_roas",
        "spend",
        "clicks",
    ]
    (line,) = _report(
        api,
        data_level="AUCTION_CAMPAIGN",
        dimensions='["campaign_id"]',
        metrics=json.dumps(names),
        start_date="2023-11-15",
        end_date="2023-11-15",
    )["data"]["list"]
    assert list(line["metrics"].values()) == ["10", "5.00", "4.17", "25.00", "250.00", "0.00", "50.00", "240"]


def _campaign(api: Api, **changes: Any) -> dict[str, Any]:
    return _report(api, **{"data_level": "AUCTION_CAMPAIGN", "dimensions": '["campaign_id"]'} | changes)


def test_a_report_without_metrics_has_spend_and_impressions(api: Api) -> None:
    """TikTok's default."""
    query = {name: value for name, value in QUERY.items() if name != "metrics"}
    answer = api.get("/report/integrated/get/", **query)
    assert {tuple(line["metrics"]) for line in answer["data"]["list"]} == {("spend", "impressions")}


@pytest.mark.parametrize(
    ("dimensions", "days", "code"),
    [
        ('["campaign_id", "stat_time_day"]', 30, 0),
        ('["campaign_id", "stat_time_day"]', 31, 40002),
        ('["campaign_id"]', 365, 0),
        ('["campaign_id"]', 366, 40002),
    ],
)
def test_a_query_by_day_covers_30_days_at_most(api: Api, dimensions: str, days: int, code: int) -> None:
    """365 without days; both ends count."""
    start = date(2025, 1, 1)
    end = start + timedelta(days=days - 1)
    answer = _campaign(api, dimensions=dimensions, start_date=start.isoformat(), end_date=end.isoformat())
    assert answer["code"] == code


def test_lines_can_be_ordered_and_totalled(api: Api) -> None:
    """By any metric, falling unless said otherwise; the total is that of all pages."""
    api.send([make_event(n, event_time=NOON + n) for n in range(9)])
    query = {"order_field": "offline_shopping_events", "page_size": 3, "enable_total_metrics": True}
    data = _report(api, **query)["data"]
    counts = [int(line["metrics"]["offline_shopping_events"]) for line in data["list"]]
    assert counts == sorted(counts, reverse=True)
    assert data["total_metrics"]["offline_shopping_events"] == "9"
    assert data["total_metrics"]["spend"] == "150.00"
    rising = _report(api, **query, order_type="ASC")["data"]["list"]
    assert [line["metrics"]["offline_shopping_events"] for line in rising] == ["0", "0", "0"]


def test_deleted_objects_are_left_out_unless_asked_for(api: Api, simulator: Simulator) -> None:
    """The advertiser's line has them always; every other level by the filter STATUS_ALL."""
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, number=2, status="DELETE"))
    everything = json.dumps(
        [{"field_name": "ad_status", "filter_type": "IN", "filter_value": json.dumps(["STATUS_ALL"])}]
    )
    query = {"dimensions": '["ad_id"]', "metrics": '["spend"]', "start_date": "2023-11-15", "end_date": "2023-11-15"}
    assert len(_report(api, **query)["data"]["list"]) == 2
    assert len(_report(api, **query, filtering=everything)["data"]["list"]) == 4
    advertiser = {**query, "data_level": "AUCTION_ADVERTISER", "dimensions": '["advertiser_id"]'}
    (line,) = _report(api, **advertiser)["data"]["list"]
    assert line["metrics"]["spend"] == "100.00"


def test_lines_can_be_filtered_by_id(api: Api) -> None:
    """A JSON list in the filter's value."""
    ids = {line["dimensions"]["ad_id"] for line in _report(api)["data"]["list"]}
    wanted = min(ids)
    chosen = [{"field_name": "ad_ids", "filter_type": "IN", "filter_value": json.dumps([wanted])}]
    lines = _report(api, filtering=json.dumps(chosen))["data"]["list"]
    assert {line["dimensions"]["ad_id"] for line in lines} == {wanted}


def test_an_event_set_that_no_ad_tracks_is_not_attributed(api: Api) -> None:
    """Its events are taken, and no report ever shows them."""
    made = api.post("/offline/create/", advertiser_id=ADVERTISER_ID, name="Tills", description="All shops")
    api.send([make_event(event_time=NOON)], event_source_id=made["data"]["event_set_id"])
    lines = _report(api)["data"]["list"]
    assert {line["metrics"]["offline_shopping_events"] for line in lines} == {"0"}


def test_days_are_those_of_the_ad_account(api: Api, simulator: Simulator) -> None:
    """23:30 UTC is the next day in Berlin."""
    simulator.control.add_advertiser(
        NewAdvertiser(
            advertiser_id=ADVERTISER_ID, event_set_id=EVENT_SET_ID, name="Corner Shop", timezone="Europe/Berlin"
        )
    )
    api.send([make_event(event_time=NOON + 11 * 3600 + 1800)])
    lines = [line for line in _report(api)["data"]["list"] if line["metrics"]["offline_shopping_events"] == "1"]
    assert [line["dimensions"]["stat_time_day"] for line in lines] == ["2023-11-16 00:00:00"]


@pytest.mark.parametrize("event", ["Schedule", "FindLocation", "CustomizeProduct"])
def test_three_events_have_a_total_only(api: Api, event: str) -> None:
    """Under names of their own."""
    api.send([make_event(event=event, event_time=NOON)])
    name = {"Schedule": "schedule", "FindLocation": "find_location", "CustomizeProduct": "customize_product"}[event]
    (line,) = _campaign(api, metrics=json.dumps([f"offline_total_{name}"]))["data"]["list"]
    assert list(line["metrics"].values()) == ["1"]


def test_pages_cover_the_whole_report(api: Api) -> None:
    """Each line is on one page."""
    pages = [_report(api, page=page, page_size=4)["data"] for page in (1, 2, 3)]
    assert [len(page["list"]) for page in pages] == [4, 2, 0]
    assert pages[0]["page_info"] == {"page": 1, "page_size": 4, "total_number": 6, "total_page": 2}
    lines = [json.dumps(line) for page in pages for line in page["list"]]
    assert len(set(lines)) == 6


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"report_type": "AUDIENCE"}, 40002),
        ({"report_type": "DAILY"}, 40002),
        ({"service_type": "AUKTION"}, 40002),
        ({"query_mode": "FAST"}, 40002),
        ({"order_type": "UP"}, 40002),
        ({"order_field": "age"}, 40002),
        ({"enable_total_metrics": "perhaps"}, 40002),
        ({"dimensions": '["campaign_id", "stat_time_day"]'}, 40002),
        ({"data_level": "AUCTION_CAMPAIGN", "dimensions": '["campaign_id"]', "metrics": '["adgroup_name"]'}, 40002),
        ({"data_level": "AUCTION_CAMPAIGN"}, 40002),
        ({"filtering": "{}"}, 40002),
        ({"filtering": '[{"field_name": "age", "filter_type": "IN", "filter_value": "[]"}]'}, 40002),
        ({"filtering": '[{"field_name": "ad_status", "filter_type": "IN", "filter_value": "STATUS_ALL"}]'}, 40002),
        ({"filtering": '[{"field_name": "campaign_status", "filter_type": "IN", "filter_value": "[]"}]'}, 40002),
        ({"data_level": "AD"}, 40002),
        ({"dimensions": "ad_id"}, 40002),
        ({"dimensions": '["age"]'}, 40002),
        ({"metrics": '["offline_shoping_events"]'}, 40002),
        ({"start_date": "15.11.2023"}, 40002),
        ({"end_date": "2023-11-01"}, 40002),
        ({"page_size": "1001"}, 40002),
        ({"page": "0"}, 40002),
        ({"advertiser_id": "1"}, 40001),
        ({"token": EVENTS_TOKEN}, 40001),
    ],
)
def test_a_wrong_query_is_refused(api: Api, changes: dict[str, Any], code: int) -> None:
    """Unknown names, dates and pages; other people's advertisers."""
    assert _report(api, **changes)["code"] == code
