"""OAuth, advertisers and event sets."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from airflow_provider_tiktok_offline.simulator.defaults import (
    ACCESS_TOKEN,
    ADVERTISER_ID,
    ADVERTISER_NAME,
    ANALYST_TOKEN,
    APP_ID,
    APP_SECRET,
    EVENT_SET_ID,
    EVENTS_TOKEN,
    SCOPES,
    SECOND_ADVERTISER_ID,
)
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api, make_event

CALLBACK = "http://127.0.0.1:9/callback?from=portal"
APP = {"app_id": APP_ID, "secret": APP_SECRET}


class _Form(HTMLParser):
    """The form of a page, as a browser would submit it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = given["action"]
        if tag == "input":
            self.fields[given["name"]] = given["value"]


def _auth_code(api: Api, **query: str | list[str]) -> str:
    asked: dict[str, str | list[str]] = {"app_id": APP_ID, "redirect_uri": CALLBACK, "auto_confirm": "1"}
    answer = api.http.get("/portal/auth", params=asked | query)
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["Location"]).query)["auth_code"][0]


def test_the_consent_page_leads_back_with_code_and_state(api: Api) -> None:
    """Its form, submitted, goes to the redirect address, with the state untouched."""
    state = 'a"<b>&c'
    page = api.http.get("/portal/auth", params={"app_id": APP_ID, "redirect_uri": CALLBACK, "state": state})
    assert ADVERTISER_NAME in page.text
    assert "<b>" not in page.text
    form = _Form(page.text)
    answer = api.http.get(form.action, params=form.fields)
    target = urlsplit(answer.headers["Location"])
    query = dict(parse_qsl(target.query))
    assert (target.netloc, target.path) == ("127.0.0.1:9", "/callback")
    assert (query["from"], query["state"]) == ("portal", state)
    assert api.post("/oauth2/access_token/", **APP, auth_code=query["auth_code"])["code"] == 0


@pytest.mark.parametrize(
    "query", [{"app_id": "1"}, {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": ""}, {"redirect_uri": "/here"}]
)
def test_the_consent_page_refuses_a_wrong_request(api: Api, query: dict[str, str]) -> None:
    """An unknown app or an address that is none gets no code."""
    asked = {"app_id": APP_ID, "redirect_uri": CALLBACK, "auto_confirm": "1"} | query
    assert api.http.get("/portal/auth", params=asked).status_code == 400


def test_an_auth_code_becomes_a_token_that_works(api: Api) -> None:
    """The token reaches the advertisers that the answer lists, and may send."""
    answer = api.post("/oauth2/access_token/", **APP, auth_code=_auth_code(api))
    assert answer["data"]["advertiser_ids"] == [ADVERTISER_ID, SECOND_ADVERTISER_ID]
    assert answer["data"]["scope"] == [7224195155857866754, 7050363942434095105, 7224195155857833986, 44]
    assert api.send([make_event()], token=answer["data"]["access_token"])["code"] == 0


@pytest.mark.parametrize(
    ("missing", "path", "query"),
    [
        (7050363942434095105, "/offline/create/", {"name": "Tills", "description": "x"}),
        (7050363942434095105, "/offline/update/", {"event_set_id": EVENT_SET_ID, "name": "Tills"}),
        (7050363942434095105, "/offline/delete/", {"event_set_id": EVENT_SET_ID}),
        (7224195155857833986, "/offline/get/", None),
        (44, "/report/integrated/get/", None),
    ],
)
def test_a_grant_may_be_narrower_than_asked(api: Api, missing: int, path: str, query: dict[str, Any] | None) -> None:
    """What was not granted on the consent page is refused, and the answer lists what was."""
    granted = [scope for scope in SCOPES if scope != missing]
    code = _auth_code(api, scope=[str(scope) for scope in granted])
    grant = api.post("/oauth2/access_token/", **APP, auth_code=code)["data"]
    assert grant["scope"] == granted
    call = api.get if query is None else api.post
    refused = call(path, token=grant["access_token"], advertiser_id=ADVERTISER_ID, **query or {})
    assert (refused["code"], str(missing) in refused["message"]) == (40130, True)


def test_a_grant_without_sending_sends_nothing(api: Api) -> None:
    """Sending is a permission like the others."""
    grant = api.post("/oauth2/access_token/", **APP, auth_code=_auth_code(api, scope=["44"]))["data"]
    assert api.send([make_event()], token=grant["access_token"])["code"] == 40130


def test_advertiser_ids_can_be_left_out(api: Api) -> None:
    """``return_advertiser_ids: false`` is advised for thousands of accounts."""
    answer = api.post("/oauth2/access_token/", **APP, auth_code=_auth_code(api), return_advertiser_ids=False)
    assert "advertiser_ids" not in answer["data"]


def test_an_auth_code_works_once(api: Api) -> None:
    """The second exchange is refused."""
    code = _auth_code(api)
    answers = [api.post("/oauth2/access_token/", **APP, auth_code=code)["code"] for _ in range(2)]
    assert answers == [0, 40110]


def test_an_auth_code_dies_after_an_hour(api: Api, simulator: Simulator) -> None:
    """By the simulator's clock."""
    code = _auth_code(api)
    simulator.control.advance_clock(3601)
    assert api.post("/oauth2/access_token/", **APP, auth_code=code)["code"] == 40110


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "wrong"}, 40101),
        ({"app_id": "1"}, 40101),
        ({"auth_code": "wrong"}, 40110),
        ({"auth_code": None}, 40002),
        ({"app_id": 7}, 40002),
    ],
)
def test_a_wrong_exchange_is_refused(api: Api, changes: dict[str, Any], code: int) -> None:
    """App, secret and code each have a return code of their own."""
    assert api.post("/oauth2/access_token/", **{**APP, "auth_code": "x"} | changes)["code"] == code


def test_a_revoked_token_is_dead(api: Api) -> None:
    """Sending with it is refused as with an unknown one."""
    assert api.post("/oauth2/revoke_token/", **APP, access_token=ACCESS_TOKEN)["code"] == 0
    assert api.send([make_event()])["code"] == 40105


def test_advertisers_need_the_app_and_a_token(api: Api) -> None:
    """Both the secret in the query and the header are looked at."""
    assert api.get("/oauth2/advertiser/get/", app_id=APP_ID, secret="no")["code"] == 40101
    assert api.get("/oauth2/advertiser/get/", token="no", **APP)["code"] == 40105
    listed = api.get("/oauth2/advertiser/get/", **APP)["data"]["list"]
    assert listed[0] == {"advertiser_id": ADVERTISER_ID, "advertiser_name": ADVERTISER_NAME}


def test_a_token_for_events_may_call_nothing_else(api: Api) -> None:
    """Such a token is good, though it can't list advertisers or event sets."""
    assert api.get("/oauth2/advertiser/get/", token=EVENTS_TOKEN, **APP)["code"] == 40001
    assert api.get("/offline/get/", token=EVENTS_TOKEN, advertiser_id=ADVERTISER_ID)["code"] == 40001


def test_advertiser_info_takes_ids_as_json(api: Api) -> None:
    """A list in one query parameter; anything else is refused."""
    answer = api.get("/advertiser/info/", advertiser_ids=f'["{ADVERTISER_ID}"]')
    assert [each["name"] for each in answer["data"]["list"]] == [ADVERTISER_NAME]
    assert api.get("/advertiser/info/", advertiser_ids=ADVERTISER_ID)["code"] == 40002
    assert api.get("/advertiser/info/", advertiser_ids='["1"]')["code"] == 40001


def test_advertiser_info_gives_the_fields_that_are_asked_for(api: Api) -> None:
    """All of them if none is named; no unknown one, and no empty list of advertisers."""
    ids = f'["{ADVERTISER_ID}"]'
    (everything,) = api.get("/advertiser/info/", advertiser_ids=ids)["data"]["list"]
    assert everything.keys() == {"advertiser_id", "name", "currency", "timezone", "status", "role"}
    asked = api.get("/advertiser/info/", advertiser_ids=ids, fields='["currency", "timezone"]')
    assert asked["data"]["list"] == [{"currency": "USD", "timezone": "UTC"}]
    assert api.get("/advertiser/info/", advertiser_ids=ids, fields='["balanse"]')["code"] == 40002
    assert api.get("/advertiser/info/", advertiser_ids="[]")["code"] == 40002


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/advertiser/info/", {"advertiser_ids": '["corner-shop"]'}),
        ("/offline/get/", {"advertiser_id": "corner-shop"}),
        ("/offline/get/", {"advertiser_id": ADVERTISER_ID, "event_set_ids": '["tills"]'}),
        ("/ad/get/", {"advertiser_id": "corner-shop"}),
        ("/smart_plus/ad/get/", {"advertiser_id": ADVERTISER_ID + "0"}),
        ("/report/integrated/get/", {"advertiser_id": "corner-shop"}),
    ],
)
def test_an_id_is_a_number(api: Api, path: str, query: dict[str, str]) -> None:
    """Ids are int64 inside: anything else is an error of the parameter, not of the permission."""
    answer = api.get(path, **query)
    assert (answer["code"], "id" in answer["message"]) == (40002, True)


class TestEventSets:
    def test_a_set_lives_through_create_get_update_delete(self, api: Api) -> None:
        """And takes events while it does."""
        made = api.post("/offline/create/", advertiser_id=ADVERTISER_ID, name="Tills", description="All shops")
        event_set_id = made["data"]["event_set_id"]
        assert api.send([make_event()], event_source_id=event_set_id)["code"] == 0
        changed = api.post(
            "/offline/update/", advertiser_id=ADVERTISER_ID, event_set_id=event_set_id, name="Shops", auto_tracking=True
        )["data"]
        found = api.get("/offline/get/", advertiser_id=ADVERTISER_ID, event_set_ids=f'["{event_set_id}"]')["data"]
        assert found["event_set_list"] == [changed]
        assert (changed["name"], changed["description"], changed["auto_tracking"]) == ("Shops", "All shops", True)
        assert api.post("/offline/delete/", advertiser_id=ADVERTISER_ID, event_set_id=event_set_id)["code"] == 0
        assert api.send([make_event()], event_source_id=event_set_id)["code"] == 40002

    def test_sets_are_found_by_name(self, api: Api) -> None:
        """Exactly."""
        api.post("/offline/create/", advertiser_id=ADVERTISER_ID, name="Tills", description="All shops")
        listed = api.get("/offline/get/", advertiser_id=ADVERTISER_ID, name="Tills")["data"]["event_set_list"]
        assert len(listed) == 1
        everything = api.get("/offline/get/", advertiser_id=ADVERTISER_ID)["data"]["event_set_list"]
        assert everything[0]["event_set_id"] == EVENT_SET_ID

    @pytest.mark.parametrize(
        ("path", "values", "code"),
        [
            ("create", {"name": "Tills"}, 40002),
            ("create", {"name": 5, "description": "x"}, 40002),
            ("create", {"name": "Tills", "description": "x", "auto_tracking": "yes"}, 40002),
            ("create", {"name": "Tills", "description": "x", "advertiser_id": "1"}, 40001),
            ("update", {"name": "Tills"}, 40002),
            ("update", {"event_set_id": "1", "name": "Tills"}, 40007),
            ("delete", {"event_set_id": "1"}, 40007),
        ],
    )
    def test_a_wrong_call_is_refused(self, api: Api, path: str, values: dict[str, Any], code: int) -> None:
        """Missing and mistyped fields, other people's advertisers and sets that are not there."""
        assert api.post(f"/offline/{path}/", **{"advertiser_id": ADVERTISER_ID} | values)["code"] == code

    def test_an_analyst_reads_and_changes_nothing(self, api: Api) -> None:
        """Creating needs admin or operator."""
        assert api.get("/offline/get/", token=ANALYST_TOKEN, advertiser_id=ADVERTISER_ID)["code"] == 0
        values = {"advertiser_id": ADVERTISER_ID, "name": "Tills", "description": "x"}
        assert api.post("/offline/create/", token=ANALYST_TOKEN, **values)["code"] == 40001


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/open_api/v1.3/event/track/", 200, 40117),
        ("POST", "/open_api/v1.3/offline/get/", 200, 40117),
        ("POST", "/open_api/v2.0/event/track/", 200, 40051),
        ("POST", "/open_api/v1.3/event/track", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_paths_and_methods_are_taken_to_the_letter(
    api: Api, method: str, path: str, status: int, code: int | None
) -> None:
    """The version, the trailing slash and the method belong to the call."""
    answer = api.http.request(method, path, headers={"Access-Token": ACCESS_TOKEN})
    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
