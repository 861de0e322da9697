"""Answers of TikTok and its status feed: any body is read, or ends in an error of the package."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from itertools import islice

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.tiktok import oauth
from airflow_provider_tiktok_offline.tiktok.ads import event_set_use
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.event_sets import create_event_set, list_event_sets
from airflow_provider_tiktok_offline.tiktok.incidents import read_incidents
from airflow_provider_tiktok_offline.tiktok.reports import Account, OfflineReport, ReportQuery, offline_report
from tests.delivery.world import NOW
from tests.fuzz.damage import EXAMPLES, NAME, damaged, damaged_json, fuzz, held
from tests.tiktok.scripted import Reply, ScriptedServer, in_turn, scripted

_FEED = f"""<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>Status</title>
<item><title>Delays &amp; more</title><description>&lt;b&gt;Investigating&lt;/b&gt; {NAME}</description>
<pubDate>{NOW:%a, %d %b %Y %H:%M:%S} +0000</pubDate></item>
<item><title>Old</title><status>Resolved</status><pubDate>Mon, 09 Nov 2026 09:00:00 GMT</pubDate></item>
</channel></rss>""".encode()
_PAGE = {"page_info": {"total_page": 2, "page": 1}}
_EVENT_SETS = {"event_set_list": [{"event_set_id": "7000000000000000201", "name": "Tills", "auto_tracking": True}]}
_ADS = {"list": [{"ad_id": "1", "tracking_offline_event_set_ids": ["7000000000000000201"]}], **_PAGE}
_ACCOUNTS = {"list": [{"advertiser_id": "7000000000000000101", "advertiser_name": "Corner shop"}]}
_GRANT = {"access_token": "t" * 40, "advertiser_ids": ["7000000000000000101"], "scope": [44], "expires_in": 86400}
Call = Callable[[TikTokClient], object]
_APP = oauth.App("1", "secret")
_CALLS: dict[str, tuple[object, Call]] = {
    "track": ({}, lambda client: client.track(b"{}")),
    "event sets": (_EVENT_SETS, lambda client: list_event_sets(client, "7000000000000000101")),
    "a new event set": ({"event_set_id": "1"}, lambda client: create_event_set(client, "7000000000000000101", "Tills")),
    "ads": (_ADS, lambda client: event_set_use(client, "7000000000000000101", "7000000000000000201")),
    "accounts": (_ACCOUNTS, lambda client: oauth.list_advertisers(client, _APP)),
    "grant": (_GRANT, lambda client: oauth.exchange(client, _APP, "code")),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(in_turn(Reply())) as running:
        yield running


class _NoPace:
    """No call waits for its turn: what is tried are answers, thousands of them."""

    def wait_for_turn(self) -> None:
        """Return at once."""

    def close(self, seconds: float) -> None:
        """Go on all the same."""


def _client(server: ScriptedServer) -> TikTokClient:
    return TikTokClient("token", base_url=server.url, clock=ManualClock(NOW), pace=_NoPace())


@pytest.mark.parametrize("examples", EXAMPLES)
@pytest.mark.parametrize("call", _CALLS)
def test_answers_of_tiktok(call: str, examples: int, server: ScriptedServer) -> None:
    """A list of the wrong type, a number beyond range, another shape; no call goes on for ever."""
    data, ask = _CALLS[call]
    answer = {"code": 0, "message": f"OK {NAME}", "request_id": "r1", "data": data}

    def read(body: bytes) -> None:
        server.answer = in_turn(Reply(body))
        server.requests.clear()
        with _client(server) as client:
            try:
                ask(client)
            finally:
                assert len(server.requests) < 50

    fuzz(damaged_json(json.dumps(answer).encode()), read, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_reports(examples: int, server: ScriptedServer) -> None:
    """Rows and metrics of any kind."""
    row = {
        "dimensions": {"campaign_id": "1", "stat_time_day": "2026-11-20 00:00:00"},
        "metrics": {"offline_shopping_events": "3", "spend": "1.5"},
    }
    answer = {"code": 0, "message": "OK", "request_id": "r1", "data": {"list": [row], **_PAGE}}
    query = ReportQuery(start=date(2026, 11, 1), end=date(2026, 11, 21), by_day=True)

    def read(body: bytes) -> None:
        server.answer = in_turn(Reply(body))
        server.requests.clear()
        with _client(server) as client:
            rows = tuple(islice(offline_report(client, "7000000000000000101", query), 50))
        OfflineReport(Account("7000000000000000101", "", "USD", "UTC"), rows).to_arrow()

    fuzz(damaged_json(json.dumps(answer).encode()), read, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_the_status_feed(examples: int, server: ScriptedServer) -> None:
    """Any XML and any bytes; a title is one short line."""

    def read(body: bytes) -> None:
        server.answer = in_turn(Reply(body))
        with _client(server) as client:
            for incident in read_incidents(f"{server.url}/feed", client):
                assert len(incident.title) <= 160
                assert "\n" not in str(incident)

    fuzz(damaged(_FEED), read, examples)


@pytest.mark.parametrize(
    "feed",
    [
        b'<?xml version="1.0" encoding="made-up"?><rss/>',
        b'<?xml version="1.0" encoding="shift_jis"?><rss/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE r [<!ENTITY a "aaa">]><rss>&a;</rss>'.encode("utf-16"),
        b"<rss>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</rss>",
        b"<rss><item><title>" + b"&lt;" * 100_000 + b"</title></item></rss>",
        b"<rss><item><title>a</title><pubDate>Mon, 01 Jan 0001 00:00:00 +1400</pubDate></item></rss>",
        b"<rss><item><title>a</title><pubDate>Mon, 01 Jan 99999 00:00:00 +9999</pubDate></item></rss>",
    ],
    ids=["encoding", "multi-byte", "entity in UTF-16", "deep", "half tags", "year 1", "year 99999"],
)
def test_a_feed_that_is_made_to_break_readers(feed: bytes, server: ScriptedServer) -> None:
    """An error of the package or no incident, at once."""
    server.answer = in_turn(Reply(feed))
    with _client(server) as client:
        held(lambda: read_incidents(f"{server.url}/feed", client))


@pytest.mark.parametrize("pages", ["x", None, 2**70, -1, 1.5, float("inf"), [], True])
def test_a_number_of_pages_of_another_kind_ends_the_listing(pages: object, server: ScriptedServer) -> None:
    """Nobody asks for ever."""
    answer = {"code": 0, "message": "OK", "data": {"list": [], "page_info": {"total_page": pages}}}
    server.answer = in_turn(Reply(json.dumps(answer).encode()))
    server.requests.clear()
    with _client(server) as client:
        held(lambda: event_set_use(client, "7000000000000000101", "7000000000000000201"))
    assert len(server.requests) < 10
