"""Reports: what was attributed adds up to what was taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_tiktok_offline.simulator.defaults import ADVERTISER_ID, EVENTS_TOKEN
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
