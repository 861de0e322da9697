"""Each call's answer has one schema: what does not fit it is one typed error, whatever else it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import ApiError, CallerError, UnexpectedAnswerError
from airflow_provider_tiktok_offline.tiktok.ads import event_set_use
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import create_event_set, list_event_sets, update_event_set
from airflow_provider_tiktok_offline.tiktok.oauth import App, Grant, exchange, list_advertisers, refresh
from airflow_provider_tiktok_offline.tiktok.reports import ReportQuery, account, number, offline_report
from tests.tiktok.scripted import Reply, code, scripted

_APP = App("7", "secret")
_ACCOUNT = "7000000000000000001"
_GRANT: dict[str, object] = {
    "access_token": "t", "refresh_token": "r", "advertiser_ids": ["7"], "scope": [4], "expires_in": 60
}  # fmt: skip
_EVENT_SET: dict[str, object] = {
    "event_set_id": "71", "advertiser_id": "7", "name": "n", "description": "d", "auto_tracking": True,
    "create_time": "2026-11-01 00:00:00", "update_time": "2026-11-01 00:00:00",
}  # fmt: skip
_QUERY = ReportQuery(start=date(2026, 11, 1), end=date(2026, 11, 2), metrics=("spend",))
_PAGES = {"total_page": 1}


class _NoPace:
    """Nothing waits: the server is one's own."""

    def wait_for_turn(self) -> None:
        """Now."""

    def close(self, seconds: float) -> None:
        """Not even then."""


@dataclass(frozen=True)
class Case:
    """A call, an answer that fits, and the paths without which it does not."""

    call: Callable[[TikTokClient], object]
    data: dict[str, object]
    needed: tuple[str, ...]


CASES = {
    "offline/get": Case(
        lambda client: list_event_sets(client, _ACCOUNT),
        {"event_set_list": [_EVENT_SET]},
        ("event_set_list", "event_set_list/0/event_set_id"),
    ),
    "offline/create": Case(
        lambda client: create_event_set(client, _ACCOUNT, "n"), {"event_set_id": "71"}, ("event_set_id",)
    ),
    "offline/update": Case(lambda client: update_event_set(client, _ACCOUNT, "71", name="n"), _EVENT_SET, ()),
    "access_token": Case(lambda client: exchange(client, _APP, "code"), _GRANT, ("access_token",)),
    "refresh_token": Case(
        lambda client: refresh(client, _APP, Grant(access_token="o", refresh_token="r")), _GRANT, ("access_token",)
    ),
    "oauth2/advertiser/get": Case(
        lambda client: list_advertisers(client, _APP),
        {"list": [{"advertiser_id": "7", "advertiser_name": "n"}]},
        ("list", "list/0/advertiser_id"),
    ),
    "advertiser/info": Case(
        lambda client: account(client, _ACCOUNT),
        {"list": [{"name": "n", "currency": "EUR", "timezone": "UTC"}]},
        ("list",),
    ),
    "report": Case(
        lambda client: list(offline_report(client, _ACCOUNT, _QUERY)),
        {"list": [{"dimensions": {"campaign_id": "1"}, "metrics": {"spend": "1.5"}}], "page_info": _PAGES},
        ("list", "list/0/dimensions", "list/0/metrics"),
    ),
    "ads": Case(
        lambda client: event_set_use(client, _ACCOUNT, "71"),
        {
            "list": [
                {"tracking_offline_event_set_ids": ["71"]},
                {"ad_configuration": {"tracking_info": {"tracking_offline_event_set_ids": ["71"]}}},
            ],
            "page_info": _PAGES,
        },
        ("list",),
    ),
}

#: No field takes all of these; a field that takes one of them makes a result of it.
WRONG: tuple[object, ...] = (
    [], {}, "", "x" * 20_000, 1.5, -1, 10**18, 10**30, 1e300, True, None, [[]], [None], ["x"], [{"a": {}}], {"list": 1}
)  # fmt: skip


@pytest.fixture
def client() -> Iterator[tuple[TikTokClient, list[Reply]]]:
    """A client of a server that answers with the newest reply of the list."""
    replies: list[Reply] = [code(0)]
    clock = ManualClock(datetime(2026, 11, 20, tzinfo=UTC))
    with (
        scripted(lambda _: replies[-1]) as server,
        TikTokClient("t", base_url=server.url, clock=clock, pace=_NoPace()) as made,
    ):
        yield made, replies


def _paths(node: object, path: str = "") -> Iterator[str]:
    """Every path in an answer, but its root."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield f"{path}{key}"
        yield from _paths(value, f"{path}{key}/")


def _at(data: object, path: str) -> tuple[object, str | int]:
    """The holder of a path and the key in it."""
    *above, last = path.split("/")
    for key in above:
        data = data[int(key)] if isinstance(data, list) else data[key]  # type: ignore[index]
    return data, int(last) if isinstance(data, list) else last


def _refusal(case: Case, sender: TikTokClient) -> str:
    """The text of the one error that may come; empty for a result."""
    try:
        case.call(sender)
    except (UnexpectedAnswerError, CallerError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", CASES)
def test_an_answer_as_documented_is_read(name: str, client: tuple[TikTokClient, list[Reply]]) -> None:
    """Else every other test of this file could pass by refusing everything."""
    sender, replies = client
    replies.append(code(0, data=CASES[name].data))
    assert CASES[name].call(sender) is not None


@pytest.mark.parametrize("name", CASES)
def test_a_missing_field_is_an_error(name: str, client: tuple[TikTokClient, list[Reply]]) -> None:
    """A listing without its list is not an empty one, a row without its id is none; the message names the field."""
    sender, replies = client
    for path in CASES[name].needed:
        data = copy.deepcopy(CASES[name].data)
        holder, key = _at(data, path)
        del holder[key]  # type: ignore[attr-defined]
        replies.append(code(0, data=data))
        with pytest.raises(UnexpectedAnswerError, match=path.rpartition("/")[2]):
            CASES[name].call(sender)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_value_anywhere_is_a_result_or_that_error(name: str, client: tuple[TikTokClient, list[Reply]]) -> None:
    """Lists of the wrong type, numbers beyond range, text of 20 KB, in the place of every field."""
    sender, replies = client
    refused = 0
    for path in _paths(CASES[name].data):
        for wrong in WRONG:
            data = copy.deepcopy(CASES[name].data)
            holder, key = _at(data, path)
            holder[key] = wrong  # type: ignore[index]
            replies.append(code(0, data=data))
            text = _refusal(CASES[name], sender)
            refused += "another shape" in text
            assert "xxx" not in text
    # A list in the place of text, and text in the place of a list, never pass.
    assert refused >= 8 * len(list(_paths(CASES[name].data)))


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000])
@pytest.mark.parametrize("name", CASES)
def test_a_number_beyond_any_range_is_no_answer(
    name: str, text: bytes, client: tuple[TikTokClient, list[Reply]]
) -> None:
    """JSON has no such numbers, and Python's reader takes them."""
    sender, replies = client
    body = json.dumps({"code": 0, "message": "OK", "data": {**CASES[name].data, "more": "?"}}).encode()
    replies.append(Reply(body.replace(b'"?"', text)))
    with pytest.raises(ApiError, match="without an answer"):
        CASES[name].call(sender)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["list", "event_set_list", "event_set_id", "access_token", "metrics", "dimensions", "page_info",
                 "total_page", "ad_configuration", "tracking_info", "tracking_offline_event_set_ids", "expires_in"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_any_json_is_a_result_or_a_typed_error(name: str) -> None:
    """Invented answers of the right names and of any shape."""
    replies = [code(0)]
    clock = ManualClock(datetime(2026, 11, 20, tzinfo=UTC))

    @settings(max_examples=25, deadline=None, database=None)
    @given(data=st.dictionaries(st.sampled_from(["list", "event_set_list", "event_set_id"]), _JSON) | _JSON)
    def answers(data: object) -> None:
        replies[:] = [code(0, data=data)]
        _refusal(CASES[name], sender)

    with (
        scripted(lambda _: replies[-1]) as server,
        TikTokClient("t", base_url=server.url, clock=clock, pace=_NoPace()) as sender,
    ):
        answers()


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("-", None), ("inf", None), ("nan", None), ("1e999", None), (None, None)]
)
def test_a_metric_is_a_finite_number_or_none(text: str | None, value: float | None) -> None:
    """An infinite one would spoil each sum."""
    assert number(text) == value
