"""TikTok's official SDK, driven against the simulator: what TikTok's own client sends and reads, fits."""

from __future__ import annotations

import json
from typing import Any

import business_api_client as sdk
import httpx
import pytest
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from airflow_provider_tiktok_offline.simulator.defaults import (
    ACCESS_TOKEN,
    ADVERTISER_ID,
    ADVERTISER_NAME,
    APP_ID,
    APP_SECRET,
    EVENT_SET_ID,
)
from airflow_provider_tiktok_offline.simulator.faults import TRACK
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import make_event


@pytest.fixture
def client(simulator: Simulator) -> sdk.ApiClient:
    configuration = sdk.Configuration()
    configuration.host = simulator.url
    return sdk.ApiClient(configuration)


def _track(client: sdk.ApiClient, events: list[dict[str, Any]], token: str = ACCESS_TOKEN) -> dict[str, Any]:
    answer: dict[str, Any] = client.call_api(
        TRACK,
        "POST",
        header_params={"Access-Token": token, "Content-Type": "application/json"},
        body={"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": events},
        response_type="InlineResponse200",
        _return_http_data_only=True,
    )
    return answer


def test_the_sdk_exchanges_a_code_for_a_token(client: sdk.ApiClient, simulator: Simulator) -> None:
    """With the code that the consent page hands out."""
    query = {"app_id": APP_ID, "redirect_uri": "http://127.0.0.1:9/", "auto_confirm": "1"}
    page = httpx.get(f"{simulator.url}/portal/auth", params=query, trust_env=False)
    code = httpx.URL(page.headers["Location"]).params["auth_code"]
    body = sdk.Oauth2AccessTokenBody(app_id=APP_ID, secret=APP_SECRET, auth_code=code)
    answer = sdk.AuthenticationApi(client).oauth2_access_token(body=body)
    assert ADVERTISER_ID in answer["data"]["advertiser_ids"]
    with pytest.raises(TiktokSDKError, match="40110"):
        sdk.AuthenticationApi(client).oauth2_access_token(body=body)


def test_the_sdk_lists_the_advertisers(client: sdk.ApiClient) -> None:
    """With app, secret and token."""
    answer = sdk.AuthenticationApi(client).oauth2_advertiser_get(APP_ID, APP_SECRET, ACCESS_TOKEN)
    assert {"advertiser_id": ADVERTISER_ID, "advertiser_name": ADVERTISER_NAME} in answer["data"]["list"]


def test_the_sdk_reads_an_advertiser(client: sdk.ApiClient) -> None:
    """Ids go as JSON in the query."""
    answer = sdk.AccountManagementApi(client).advertiser_info([ADVERTISER_ID], ACCESS_TOKEN)
    assert answer["data"]["list"][0]["name"] == ADVERTISER_NAME


def test_the_sdk_asks_for_fields_of_an_advertiser(client: sdk.ApiClient) -> None:
    """And gets those only."""
    answer = sdk.AccountManagementApi(client).advertiser_info([ADVERTISER_ID], ACCESS_TOKEN, fields=["currency"])
    assert answer["data"]["list"] == [{"currency": "USD"}]


def test_the_sdk_lists_the_ads_and_the_event_sets_they_track(client: sdk.ApiClient) -> None:
    """With a filter and the wanted fields."""
    answer = sdk.AdApi(client).ad_get(
        ADVERTISER_ID,
        ACCESS_TOKEN,
        filtering=sdk.FilteringAdGet(primary_status="STATUS_DELIVERY_OK"),
        fields=["tracking_offline_event_set_ids"],
        page_size=100,
    )
    assert answer["data"]["list"] == [{"tracking_offline_event_set_ids": [EVENT_SET_ID]}] * 2


def test_the_sdk_manages_event_sets(client: sdk.ApiClient) -> None:
    """Create, get, update, delete, each through its own method."""
    api = sdk.MeasurementApi(client)
    body = sdk.OfflineCreateBody(advertiser_id=ADVERTISER_ID, name="Tills", description="All shops")
    event_set_id = api.offline_create(ACCESS_TOKEN, body=body)["data"]["event_set_id"]
    update = sdk.OfflineUpdateBody(
        advertiser_id=ADVERTISER_ID, event_set_id=event_set_id, name="Shops", auto_tracking=True
    )
    api.offline_update(ACCESS_TOKEN, body=update)
    found = api.offline_get(ACCESS_TOKEN, advertiser_id=ADVERTISER_ID, event_set_ids=[event_set_id])
    (event_set,) = found["data"]["event_set_list"]
    assert (event_set["name"], event_set["auto_tracking"]) == ("Shops", True)
    delete = sdk.OfflineDeleteBody(advertiser_id=ADVERTISER_ID, event_set_id=event_set_id)
    api.offline_delete(ACCESS_TOKEN, body=delete)
    gone = api.offline_get(ACCESS_TOKEN, advertiser_id=ADVERTISER_ID, event_set_ids=[event_set_id])
    assert gone["data"]["event_set_list"] == []


def test_the_sdk_sends_events_through_its_generic_call(client: sdk.ApiClient, simulator: Simulator) -> None:
    """The events are held as sent, and the answer has TikTok's shape."""
    events = [make_event(n) for n in range(10)]
    answer = _track(client, events)
    assert answer["request_id"]
    assert answer["data"] == {}
    assert [held.item for held in simulator.control.events()] == events


def test_the_sdk_sees_an_error_in_http_200(client: sdk.ApiClient) -> None:
    """A return code other than 0 is raised with its number and text."""
    with pytest.raises(TiktokSDKError, match=r"40002.*event_id"):
        _track(client, [make_event(event_id=5)])
    with pytest.raises(TiktokSDKError, match="40105"):
        _track(client, [make_event()], token="wrong")


def test_the_sdk_reads_a_report(client: sdk.ApiClient) -> None:
    """Dimensions and metrics go as JSON lists in the query."""
    _track(client, [make_event(event_time=1_700_049_600)])
    answer = sdk.ReportingApi(client).report_integrated_get(
        "BASIC",
        ACCESS_TOKEN,
        advertiser_id=ADVERTISER_ID,
        data_level="AUCTION_CAMPAIGN",
        dimensions=["campaign_id", "stat_time_day"],
        metrics=["offline_shopping_events"],
        start_date="2023-11-15",
        end_date="2023-11-15",
        page_size=10,
        query_mode="REGULAR",
        service_type="AUCTION",
        order_field="offline_shopping_events",
        order_type="DESC",
        enable_total_metrics=True,
        filtering=[{"field_name": "campaign_status", "filter_type": "IN", "filter_value": '["STATUS_ALL"]'}],
    )
    assert answer["data"]["total_metrics"] == {"offline_shopping_events": "1"}
    assert json.dumps(answer["data"]["list"][0]["metrics"]) == '{"offline_shopping_events": "1"}'
