"""The status feed."""

from __future__ import annotations

from xml.etree import ElementTree

from airflow_provider_tiktok_offline.simulator.incidents import PATH, Incident
from airflow_provider_tiktok_offline.simulator.server import Simulator
from tests.simulator.conftest import Api


def _items(api: Api) -> list[tuple[str | None, str | None]]:
    answer = api.http.get(PATH)
    assert answer.headers["Content-Type"].startswith("application/rss+xml")
    channel = ElementTree.fromstring(answer.text)  # noqa: S314 - the simulator's own
    return [(item.findtext("title"), item.findtext("description")) for item in channel.iter("item")]


def test_without_an_incident_the_feed_is_empty(api: Api) -> None:
    """It is a feed all the same."""
    assert _items(api) == []


def test_an_incident_opens_changes_and_closes(api: Api, simulator: Simulator) -> None:
    """Newest first; text with signs of XML is text."""
    simulator.control.report_incident(Incident(title="Events API <slow>", text="Since 9 & later"))
    simulator.control.advance_clock(60)
    simulator.control.report_incident(Incident(title="Reports late", status="Monitoring"))
    assert _items(api) == [
        ("Reports late", "Monitoring - "),
        ("Events API <slow>", "Investigating - Since 9 & later"),
    ]
    simulator.control.advance_clock(60)
    simulator.control.report_incident(Incident(title="Events API <slow>", status="Resolved", text="Over"))
    assert _items(api)[0] == ("Events API <slow>", "Resolved - Over")


def test_every_look_is_in_the_log(api: Api, simulator: Simulator) -> None:
    """So that a test sees how often the feed was read."""
    _items(api)
    assert [request.path for request in simulator.control.requests()] == [PATH]
