"""The rate of management calls: one for each developer app, without ``Retry-After``."""

from __future__ import annotations

import pytest

from airflow_provider_tiktok_offline.simulator.answers import Refusal
from airflow_provider_tiktok_offline.simulator.defaults import (
    ACCESS_TOKEN,
    ADVERTISER_ID,
    ANALYST_TOKEN,
    APP_ID,
    APP_SECRET,
)
from airflow_provider_tiktok_offline.simulator.faults import Fault
from airflow_provider_tiktok_offline.simulator.rates import ManagementRate, Rates
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api, make_event

#: A whole minute, seconds since 1970.
START = 1_700_000_040.0


def _codes(rate: ManagementRate, times: list[float], app_id: str = APP_ID) -> list[int]:
    codes = []
    for now in times:
        try:
            rate.must_pass(app_id, now)
        except Refusal as refusal:
            codes.append(refusal.code)
        else:
            codes.append(0)
    return codes


def test_ten_calls_pass_in_a_second() -> None:
    """The eleventh is refused, and the next second begins anew."""
    rate = ManagementRate()
    assert _codes(rate, [START + n / 100 for n in range(12)]) == [0] * 10 + [40100] * 2
    assert _codes(rate, [START + 1]) == [0]


def test_apps_do_not_share_their_rate() -> None:
    """What one app uses up is not missing for another."""
    rate = ManagementRate()
    _codes(rate, [START] * 10)
    assert _codes(rate, [START] * 2, app_id="7000000000000000009") == [0, 0]


def test_six_hundred_calls_pass_in_a_minute_and_then_none_for_five() -> None:
    """The suspension outlasts the minute, and ends to the second."""
    rate = ManagementRate()
    assert _codes(rate, [START + n // 10 for n in range(600)]).count(40100) == 0
    (refused,) = _codes(rate, [START + 59.5])
    assert refused == 40100
    assert _codes(rate, [START + 61, START + 359.4, START + 359.5]) == [40100, 40100, 0]


def test_the_calls_of_all_tokens_of_an_app_count_together(api: Api, simulator: Simulator) -> None:
    """The answer is a return code in HTTP 200, and names no seconds."""
    simulator.control.set_rates(Rates(per_second=None, per_minute=4))
    tokens = [ACCESS_TOKEN, ANALYST_TOKEN, ACCESS_TOKEN]
    codes = [api.get("/offline/get/", token=token, advertiser_id=ADVERTISER_ID)["code"] for token in tokens]
    listed = api.get("/oauth2/advertiser/get/", app_id=APP_ID, secret=APP_SECRET)["code"]
    refused = api.http.post(
        "/open_api/v1.3/oauth2/access_token/", json={"app_id": APP_ID, "secret": APP_SECRET, "auth_code": "x"}
    )
    assert (codes, listed) == ([0, 0, 0], 0)
    assert (refused.status_code, refused.json()["code"], "Retry-After" in refused.headers) == (200, 40100, False)
    simulator.control.advance_clock(301)
    assert api.get("/offline/get/", advertiser_id=ADVERTISER_ID)["code"] == 0


def test_events_have_a_rate_of_their_own(api: Api, simulator: Simulator) -> None:
    """``event/track`` is not counted."""
    simulator.control.set_rates(Rates(per_second=1, per_minute=1))
    assert {api.send([make_event(n)])["code"] for n in range(5)} == {0}


def test_an_advertiser_can_be_limited_for_itself(api: Api, simulator: Simulator) -> None:
    """40133 is the advertiser's limit, 40100 the app's; a write conflict is 40202."""
    path = "/open_api/v1.3/offline/get/"
    simulator.control.add(Fault(kind="limit", path=path, per_second=1, count=1, code=40133))
    simulator.control.add(Fault(kind="answer", path="/open_api/v1.3/offline/update/", code=40202))
    codes = [api.get("/offline/get/", advertiser_id=ADVERTISER_ID)["code"] for _ in range(2)]
    assert codes == [0, 40133]
    assert api.post("/offline/update/", advertiser_id=ADVERTISER_ID, event_set_id="1")["code"] == 40202


@pytest.mark.parametrize("body", [b'{"per_hour": 1}', b'{"per_second": "ten"}', b"[]"])
def test_limits_that_make_no_sense_are_an_error(api: Api, body: bytes) -> None:
    """The control API says so at once."""
    assert api.http.post("/_simulator/rates", content=body).status_code == 400
