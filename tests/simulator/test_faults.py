"""Scripted faults: they strike the requests they are meant for, and do what they say."""

from __future__ import annotations

import time

import httpx
import pytest

from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.simulator.defaults import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID
from airflow_provider_tiktok_offline.simulator.faults import TRACK, Fault
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api, make_event


def _post(api: Api, number: int = 1) -> httpx.Response:
    body = {"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": [make_event(number)]}
    return api.http.post(TRACK, json=body, headers={"Access-Token": ACCESS_TOKEN})


def test_a_return_code_comes_once_and_nothing_is_taken(api: Api, simulator: Simulator) -> None:
    """By default a fault strikes the next request to event/track, and it alone."""
    simulator.control.add(Fault(kind="answer", code=50000, message="System error"))
    assert [api.send([make_event(n)])["code"] for n in range(2)] == [50000, 0]
    assert simulator.control.summary().events_held == 1


def test_throttling_can_name_the_seconds_to_wait(api: Api, simulator: Simulator) -> None:
    """As an HTTP status or as a return code, with Retry-After."""
    simulator.control.add(
        Fault(kind="answer", status=429, retry_after="7"), Fault(kind="answer", code=40100, retry_after="2")
    )
    first, second = _post(api), _post(api)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert (second.status_code, second.json()["code"], second.headers["Retry-After"]) == (200, 40100, "2")


def test_a_gateway_answers_in_html(api: Api, simulator: Simulator) -> None:
    """A 502 with nginx's page instead of JSON."""
    simulator.control.add(Fault(kind="answer", status=502))
    answer = _post(api)
    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "502 Bad Gateway" in answer.text


def test_an_answer_can_be_garbled(api: Api, simulator: Simulator) -> None:
    """A body to the letter, with HTTP 200."""
    simulator.control.add(Fault(kind="answer", body='{"code": 0, "mess', taken=True))
    assert _post(api).text == '{"code": 0, "mess'
    assert simulator.control.summary().events_held == 1


@pytest.mark.parametrize("taken", [False, True])
def test_a_connection_drops_before_or_after_the_events_are_taken(api: Api, simulator: Simulator, taken: bool) -> None:
    """The client sees the same in both cases; the events are held in one of them."""
    simulator.control.add(Fault(kind="drop", taken=taken))
    with pytest.raises(httpx.TransportError):
        _post(api)
    assert simulator.control.summary().events_held == int(taken)


def test_an_error_can_hide_that_the_events_were_taken(api: Api, simulator: Simulator) -> None:
    """A time-out code after the work was done."""
    simulator.control.add(Fault(kind="answer", code=50002, taken=True))
    assert api.send([make_event()])["code"] == 50002
    assert simulator.control.summary().events_held == 1


def test_a_delay_is_waited_and_then_all_is_well(api: Api, simulator: Simulator) -> None:
    """Real time passes before the request is looked at."""
    simulator.control.add(Fault(kind="delay", delay_seconds=0.2))
    start = time.monotonic()
    assert api.send([make_event()])["code"] == 0
    assert time.monotonic() - start >= 0.2


def test_a_partial_answer_loses_some_events_silently(api: Api, simulator: Simulator) -> None:
    """20001 does not say which; the same seed loses the same ones, and sending again brings the rest."""
    simulator.control.add(Fault(kind="partial", share=0.5, seed=3))
    events = [make_event(n) for n in range(100)]
    assert api.send(events)["code"] == 20001
    assert 20 < simulator.control.summary().events_held < 80
    assert api.send(events)["code"] == 0
    assert simulator.control.summary().events_held == 100


def test_a_token_is_revoked_in_the_middle_and_restored(api: Api, simulator: Simulator) -> None:
    """After so many events every request is refused until the token is restored."""
    simulator.control.add(Fault(kind="revoke", after_events=2))
    assert [api.send([make_event(n)])["code"] for n in range(4)] == [0, 0, 40105, 40105]
    simulator.control.restore(ACCESS_TOKEN)
    assert api.send([make_event(2)])["code"] == 0


def test_given_events_are_refused_with_their_whole_batch(api: Api, simulator: Simulator) -> None:
    """As often as asked, with a text of one's own that may name the position."""
    fault = Fault(kind="refuse", event_ids=["v1-3"], count=None, message="data.{index}.properties.value: Not valid.")
    simulator.control.add(fault)
    answer = api.send([make_event(n) for n in range(5)])
    assert (answer["code"], answer["message"]) == (40002, "data.3.properties.value: Not valid.")
    assert api.send([make_event(3)])["code"] == 40002
    assert api.send([make_event(2)])["code"] == 0


def test_a_limit_throttles_what_goes_beyond(api: Api, simulator: Simulator) -> None:
    """So many requests a second pass, the others get 40100; a second later there is room again."""
    simulator.control.add(Fault(kind="limit", per_second=3, count=None))
    codes = [api.send([make_event(n)])["code"] for n in range(5)]
    assert codes == [0, 0, 0, 40100, 40100]
    deadline = time.monotonic() + 5
    while api.send([make_event()])["code"] != 0:
        assert time.monotonic() < deadline


def test_faults_wait_their_turn(api: Api, simulator: Simulator) -> None:
    """``skip`` lets requests pass, ``count`` repeats, and the next fault follows."""
    simulator.control.add(
        Fault(kind="answer", code=51010, skip=1, count=2),
        Fault(kind="answer", code=40016),
    )
    assert [api.send([make_event(n)])["code"] for n in range(5)] == [40016, 51010, 51010, 0, 0]
    assert simulator.control.faults() == []


def test_chance_is_repeatable(api: Api, simulator: Simulator) -> None:
    """The same seed strikes the same requests."""

    def run() -> list[int]:
        simulator.control.clear_faults()
        simulator.control.add(Fault(kind="answer", code=50000, probability=0.5, seed=11, count=None))
        return [api.send([make_event(n)])["code"] for n in range(20)]

    first = run()
    assert first == run()
    assert set(first) == {0, 50000}


def test_other_paths_are_left_alone_unless_meant(api: Api, simulator: Simulator) -> None:
    """A fault hits ``event/track`` unless it names another path."""
    simulator.control.add(
        Fault(kind="answer", code=50000), Fault(kind="answer", code=60001, path="/open_api/v1.3/offline/get/")
    )
    assert api.get("/offline/get/", advertiser_id=ADVERTISER_ID)["code"] == 60001
    assert api.get("/offline/get/", advertiser_id=ADVERTISER_ID)["code"] == 0
    assert api.send([make_event()])["code"] == 50000


def test_what_happened_can_be_read_back(api: Api, simulator: Simulator) -> None:
    """Every request with its code, its number of events and the fault that struck; never a token."""
    simulator.control.add(Fault(kind="answer", code=50000))
    api.send([make_event(), make_event(2)])
    api.send([make_event(), make_event(2)])
    first, second = simulator.control.requests()
    assert (first.code, first.events, first.fault) == (50000, 0, "answer")
    assert (second.code, second.events, second.fault) == (0, 2, None)
    summary = simulator.control.summary()
    assert (summary.codes, summary.faults_happened) == ({"0": 1, "50000": 1}, 1)


@pytest.mark.parametrize(
    "body",
    [b'[{"kind": "flood"}]', b'[{"kind": "drop", "times": 2}]', b'[{"kind": "drop", "count": 0}]', b"{}"],
)
def test_a_fault_that_makes_no_sense_is_an_error(simulator: Simulator, body: bytes) -> None:
    """The control API says so at once."""
    answer = httpx.post(f"{simulator.url}/_simulator/faults/add", content=body, trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_unknown_token_cannot_be_restored(simulator: Simulator) -> None:
    """A slip in a test shows."""
    with pytest.raises(TikTokOfflineError, match="no such token"):
        simulator.control.restore("no-such-token")
