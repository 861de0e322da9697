"""``event/track``: what is taken, what is refused and with which code, and what counts once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_tiktok_offline.simulator.defaults import (
    ACCESS_TOKEN,
    ANALYST_TOKEN,
    EVENT_SET_ID,
    EVENTS_TOKEN,
    SECOND_EVENT_SET_ID,
)
from airflow_provider_tiktok_offline.simulator.faults import TRACK
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api, digest, make_event

HOUR = 3600


def test_good_events_are_held_as_sent(api: Api, simulator: Simulator) -> None:
    """What was posted is what can be read back, item by item and in order."""
    sent = [make_event(n) for n in range(1000)]
    answer = api.send(sent)
    assert (answer["code"], answer["message"], answer["data"]) == (0, "OK", {})
    assert [held.item for held in simulator.control.events()] == sent


def test_every_answer_has_its_own_request_id(api: Api) -> None:
    """Successes and failures alike carry an id, never the same one."""
    answers = [api.send([make_event()]), api.send([make_event()]), api.send([make_event()], token="")]
    assert len({answer["request_id"] for answer in answers}) == 3


def test_a_bare_identifier_may_be_a_string(api: Api) -> None:
    """``email`` and ``phone`` are a digest or a list of them."""
    assert api.send([make_event(user={"email": digest("a@b.example")})])["code"] == 0


def test_an_event_needs_no_id_and_no_properties(api: Api, simulator: Simulator) -> None:
    """Without an event_id nothing is deduplicated."""
    event = {"event": "Contact", "event_time": 1_700_000_000, "user": {"phone": [digest("+12133734253")]}}
    assert api.send([event, event])["code"] == 0
    assert simulator.control.summary().events_held == 2


WRONG: list[tuple[str, dict[str, Any], int, str]] = [
    ("event missing", {"event": None}, 40002, "event"),
    ("custom event", {"event": "BoughtAShoe"}, 40002, "event"),
    ("event in other case", {"event": "purchase"}, 40002, "event"),
    ("id a number", {"event_id": 7}, 40002, "Invalid value for event_id: not a valid string."),
    ("id empty", {"event_id": ""}, 40002, "event_id"),
    ("time a string", {"event_time": "1700000000"}, 40002, "event_time"),
    ("time a fraction", {"event_time": 1700000000.5}, 40002, "event_time"),
    ("time a whole float", {"event_time": 1700000000.0}, 40002, "event_time"),
    ("time a truth", {"event_time": True}, 40002, "event_time"),
    ("time in milliseconds", {"event_time": 1_700_000_000_000}, 40002, "event_time"),
    ("time before 1970", {"event_time": -1}, 40002, "event_time"),
    ("no identifier", {"user": {}}, 40002, "user"),
    ("no user", {"user": None}, 40002, "user"),
    ("identifier null", {"user": {"email": None}}, 40002, "email"),
    ("no digest in the list", {"user": {"email": []}}, 40002, "email"),
    ("plain e-mail", {"user": {"email": ["jo@shop.example"]}}, 40062, "email"),
    ("plain phone", {"user": {"phone": "+12133734253"}}, 40062, "phone"),
    ("upper-case digest", {"user": {"email": [digest("x").upper()]}}, 40062, "email"),
    ("MD5", {"user": {"email": [digest("x")[:32]]}}, 40062, "email"),
    ("digest and line end", {"user": {"email": [digest("x") + "\n"]}}, 40062, "email"),
    ("digest of nothing", {"user": {"email": [digest("")]}}, 40002, "email"),
    ("digest of a plus", {"user": {"phone": [digest("+")]}}, 40002, "phone"),
    ("one bad of two", {"user": {"email": [digest("x"), ""]}}, 40062, "email"),
    ("value a string", {"properties": {"value": "25.00"}}, 40002, "value"),
    ("value null", {"properties": {"value": None}}, 40002, "value"),
    ("value negative", {"properties": {"value": -1}}, 40002, "value"),
    ("currency in small letters", {"properties": {"currency": "usd"}}, 40002, "currency"),
    ("currency not supported", {"properties": {"currency": "XTS"}}, 40002, "currency"),
    ("order id a number", {"properties": {"order_id": 12}}, 40002, "order_id"),
    ("content type", {"properties": {"content_type": "shoe"}}, 40002, "content_type"),
    ("content id a number", {"properties": {"contents": [{"content_id": 5}]}}, 40002, "content_id: not a valid string"),
    ("price a string", {"properties": {"contents": [{"price": "5"}]}}, 40002, "price"),
    ("quantity a fraction", {"properties": {"contents": [{"quantity": 1.5}]}}, 40002, "quantity"),
    ("contents an object", {"properties": {"contents": {"content_id": "5"}}}, 40002, "contents"),
    ("properties a list", {"properties": []}, 40002, "properties"),
]


@pytest.mark.parametrize(("changes", "code", "text"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_one_wrong_event_refuses_the_whole_batch(
    api: Api, simulator: Simulator, changes: dict[str, Any], code: int, text: str
) -> None:
    """The code names the kind of fault, the message the field, and nothing of the batch is held."""
    wrong = {key: value for key, value in (make_event(2) | changes).items() if value is not None}
    answer = api.send([make_event(1), wrong, make_event(3)])
    assert answer["code"] == code
    assert text in answer["message"]
    assert simulator.control.summary().events_received == 0


def test_an_item_that_is_no_object_is_refused(api: Api) -> None:
    """``data`` holds objects."""
    assert api.send([make_event(), "Purchase"])["code"] == 40002


@pytest.mark.parametrize(
    ("top", "code"),
    [
        ({"event_source": "web"}, 40002),
        ({"event_source_id": 7_000_000_000_000_000_201}, 40002),
        ({"event_source_id": "C4LAMBDA0PIXEL00CODE"}, 40002),
        ({"event_source_id": "7999999999999999999"}, 40002),
        ({"data": []}, 40002),
        ({"data": {}}, 40002),
        ({"data": [make_event(n) for n in range(1001)]}, 40002),
        ({"test_event_code": ""}, 40002),
        ({"test_event_code": 5}, 40002),
    ],
    ids=["web", "id a number", "pixel code", "unknown set", "empty", "object", "1001", "code ''", "code 5"],
)
def test_a_wrong_envelope_refuses_everything(api: Api, simulator: Simulator, top: dict[str, Any], code: int) -> None:
    """Source, id, size and codes of the request as a whole."""
    assert api.send([make_event()], **top)["code"] == code
    assert simulator.control.summary().events_received == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", 40000), (b"{", 40000), (b"[]", 40000), (b"{}", 40002), (b'{"event_source": }', 40000), (b"\xff\xfe", 40000)],
)
def test_a_body_that_is_no_request_is_refused(api: Api, body: bytes, code: int) -> None:
    """Bad JSON is an invalid request, a missing field a wrong parameter."""
    headers = {"Access-Token": ACCESS_TOKEN, "Content-Type": "application/json"}
    assert api.http.post(TRACK, content=body, headers=headers).json()["code"] == code


def test_bad_json_inside_an_event_is_refused(api: Api, simulator: Simulator) -> None:
    """Also where only the item is broken."""
    body = b'{"event_source":"offline","event_source_id":"%s","data":[{"event":"Purchase",}]}' % EVENT_SET_ID.encode()
    headers = {"Access-Token": ACCESS_TOKEN, "Content-Type": "application/json"}
    assert api.http.post(TRACK, content=body, headers=headers).json()["code"] == 40000


def test_the_body_must_be_declared_as_json(api: Api) -> None:
    """Without its Content-Type a body is refused."""
    body = json.dumps({"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": [make_event()]})
    answer = api.http.post(TRACK, content=body, headers={"Access-Token": ACCESS_TOKEN, "Content-Type": "text/plain"})
    assert answer.json()["code"] == 40002


@pytest.mark.parametrize(
    ("token", "code"),
    [(None, 40104), ("", 40104), ("no-such-token", 40105), (ANALYST_TOKEN, 40001), (EVENTS_TOKEN, 0)],
    ids=["none", "empty", "unknown", "analyst", "events only"],
)
def test_the_token_decides_who_may_send(api: Api, token: str | None, code: int) -> None:
    """A missing and a wrong token have codes of their own; a role that may not send is a permission error."""
    assert api.send([make_event()], token=token)["code"] == code


def test_a_token_reaches_its_own_advertisers_only(api: Api) -> None:
    """Another advertiser's event set is a permission error that names the roles."""
    answer = api.send([make_event()], token=EVENTS_TOKEN, event_source_id=SECOND_EVENT_SET_ID)
    assert answer["code"] == 40001
    assert "admin or operator" in answer["message"]


def test_bearer_authorization_is_no_token(api: Api) -> None:
    """The header is Access-Token."""
    body = {"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": [make_event()]}
    answer = api.http.post(TRACK, json=body, headers={"Authorization": f"Bearer {ACCESS_TOKEN}"})
    assert answer.json()["code"] == 40104


def test_undocumented_fields_are_taken_and_noticed(api: Api, simulator: Simulator) -> None:
    """They do no harm, as seen in the wild, but a test can see that they were sent."""
    event = make_event(test_event_code="T1")
    event["user"]["external_id"] = digest("7")
    event["properties"]["query"] = "shoe"
    assert api.send([event], partner_name="Us")["code"] == 0
    seen = simulator.control.summary().undocumented
    assert seen == {"partner_name": 1, "test_event_code": 1, "user.external_id": 1, "properties.query": 1}


class TestTestEvents:
    """``test_event_code`` at top level."""

    def test_test_events_count_nowhere(self, api: Api, simulator: Simulator) -> None:
        """They are shown in the tab and held nowhere."""
        assert api.send([make_event()], test_event_code="TEST123")["code"] == 0
        assert simulator.control.summary().events_held == 0
        (shown,) = simulator.control.tested()
        assert (shown.code, shown.item) == ("TEST123", make_event())

    def test_a_test_event_does_not_hide_the_real_one(self, api: Api, simulator: Simulator) -> None:
        """The same event sent for real afterwards counts."""
        api.send([make_event()], test_event_code="TEST123")
        api.send([make_event()])
        assert simulator.control.summary().events_held == 1


class TestDedupe:
    """Event set + event + event_id, within 48 hours of the first."""

    def test_a_repeated_event_counts_once_and_the_first_stays(self, api: Api, simulator: Simulator) -> None:
        """Its repetitions are received and dropped."""
        api.send([make_event(), make_event()])
        api.send([make_event(event_time=1)])
        (held,) = simulator.control.events()
        assert held.item == make_event()
        (received,) = simulator.control.received()
        assert (received.times, received.held) == (3, 1)

    def test_the_window_ends_48_hours_after_the_first(self, api: Api, simulator: Simulator) -> None:
        """A repetition within the window does not prolong it."""
        api.send([make_event()])
        simulator.control.advance_clock(47 * HOUR)
        api.send([make_event()])
        assert simulator.control.summary().events_held == 1
        simulator.control.advance_clock(1 * HOUR)
        api.send([make_event()])
        assert simulator.control.summary().events_held == 2
        simulator.control.advance_clock(47 * HOUR)
        api.send([make_event()])
        assert simulator.control.summary().events_held == 2

    @pytest.mark.parametrize("changes", [{"event": "CompletePayment"}, {"event_id": "v1-other"}])
    def test_another_name_or_id_is_another_event(self, api: Api, simulator: Simulator, changes: dict[str, Any]) -> None:
        """Even a renamed event is one more."""
        api.send([make_event(), make_event(**changes)])
        assert simulator.control.summary().events_held == 2

    def test_event_sets_do_not_share_events(self, api: Api, simulator: Simulator) -> None:
        """The same event in two sets counts in both."""
        api.send([make_event()])
        api.send([make_event()], event_source_id=SECOND_EVENT_SET_ID)
        assert simulator.control.summary().events_held == 2
