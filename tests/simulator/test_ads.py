"""Ads, and the event sets that they track."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_tiktok_offline.simulator.ads import NewAds
from airflow_provider_tiktok_offline.simulator.defaults import (
    ADVERTISER_ID,
    EVENT_SET_ID,
    EVENTS_TOKEN,
    SECOND_ADVERTISER_ID,
)
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api


def _tracked(api: Api, path: str = "/ad/get/", **query: Any) -> list[list[str]]:
    asked: dict[str, Any] = {"advertiser_id": ADVERTISER_ID, "page_size": 100}
    answer = api.get(path, **asked | query)
    ads = answer["data"]["list"]
    if path == "/smart_plus/ad/get/":
        ads = [ad["ad_configuration"]["tracking_info"] for ad in ads]
    return [ad["tracking_offline_event_set_ids"] for ad in ads]


def test_two_ads_track_the_event_set_at_first(api: Api) -> None:
    """A fresh simulator is set up as it should be."""
    assert _tracked(api) == [[EVENT_SET_ID], [EVENT_SET_ID]]
    assert _tracked(api, "/smart_plus/ad/get/") == []


@pytest.mark.parametrize("path", ["/ad/get/", "/smart_plus/ad/get/"])
def test_auto_tracking_reaches_only_ads_that_are_made_later(api: Api, simulator: Simulator, path: str) -> None:
    """An ad keeps what it tracked when it was made."""
    smart_plus = path != "/ad/get/"
    made = api.post("/offline/create/", advertiser_id=ADVERTISER_ID, name="Tills", description="All shops")
    event_set_id = made["data"]["event_set_id"]
    before = _tracked(api, path)
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, smart_plus=smart_plus))
    query = {"advertiser_id": ADVERTISER_ID, "event_set_id": event_set_id, "auto_tracking": True}
    assert api.post("/offline/update/", **query)["code"] == 0
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, smart_plus=smart_plus))
    assert _tracked(api, path) == [*before, [], [event_set_id]]


def test_deleted_ads_are_left_out_unless_asked_for(api: Api, simulator: Simulator) -> None:
    """By the status of the filter."""
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, status="DELETE"))
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, number=2, status="DISABLE"))
    counts = {
        status: len(_tracked(api, filtering=json.dumps({"primary_status": status})))
        for status in ("STATUS_ALL", "STATUS_NOT_DELETE", "STATUS_DELIVERY_OK", "STATUS_DISABLE", "STATUS_DELETE")
    }
    assert list(counts.values()) == [5, 4, 2, 2, 1]
    assert len(_tracked(api)) == 4


def test_ads_come_in_pages(api: Api, simulator: Simulator) -> None:
    """Each ad is on one page."""
    simulator.control.add_ads(NewAds(advertiser_id=ADVERTISER_ID, number=5))
    pages = [api.get("/ad/get/", advertiser_id=ADVERTISER_ID, page=page, page_size=4)["data"] for page in (1, 2)]
    assert pages[1]["page_info"] == {"page": 2, "page_size": 4, "total_number": 7, "total_page": 2}
    assert len({ad["ad_id"] for page in pages for ad in page["list"]}) == 7


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"filtering": '{"primary_status": "RUNNING"}'}, 40002),
        ({"filtering": "STATUS_ALL"}, 40002),
        ({"fields": "ad_id"}, 40002),
        ({"page_size": "1001"}, 40002),
        ({"advertiser_id": "7000000000000000999"}, 40001),
        ({"token": EVENTS_TOKEN}, 40001),
    ],
)
def test_a_wrong_query_is_refused(api: Api, changes: dict[str, Any], code: int) -> None:
    """Unknown statuses, fields that are no list, other people's advertisers."""
    assert api.get("/ad/get/", **{"advertiser_id": ADVERTISER_ID} | changes)["code"] == code


def test_each_advertiser_has_ads_of_its_own(api: Api) -> None:
    """The other advertiser's ads track the other event set."""
    (tracked, _) = _tracked(api, advertiser_id=SECOND_ADVERTISER_ID)
    assert tracked != [EVENT_SET_ID]
