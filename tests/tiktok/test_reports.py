"""Reports against the simulator, which computes them from what it holds."""

from __future__ import annotations

from datetime import date

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.contract.columns import STANDARD_EVENTS
from airflow_provider_tiktok_offline.errors import CallerError
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.reports import (
    OFFLINE_METRIC_NAMES,
    offline_metrics,
    offline_report,
)
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.upload import SendOptions, send
from tests.servers.simulator import ADVERTISER_ID, RunningSimulator
from tests.tiktok.scripted import Reply, Request, code, scripted
from tests.tiktok.sending import EVENT_SET_ID, FAST, Receipts, in_one, items

START, END = date(2026, 11, 20), date(2026, 11, 24)


def test_a_report_shows_what_was_attributed(tiktok: RunningSimulator, client: TikTokClient, clock: ManualClock) -> None:
    """Events sent are counted and their value added up, in the advertiser's total."""
    send(in_one(items(40)), 40, client, Receipts(), SendOptions(Envelope(EVENT_SET_ID), FAST))
    (row,) = offline_report(client, ADVERTISER_ID, START, END, level="advertiser")
    assert row.dimensions == {"advertiser_id": ADVERTISER_ID}
    assert row.metrics["offline_shopping_events"] == "40"
    assert row.metrics["offline_shopping_events_value"] == "500.00"


@pytest.mark.parametrize(("level", "rows"), [("advertiser", 1), ("campaign", 1), ("adgroup", 1), ("ad", 2)])
def test_a_report_goes_down_to_the_ad(level: str, rows: int, client: TikTokClient) -> None:
    """Each level of the reference."""
    found = list(offline_report(client, ADVERTISER_ID, START, END, level=level))  # type: ignore[arg-type]
    assert len(found) == rows


def test_a_report_by_day_has_a_line_a_day(client: TikTokClient) -> None:
    """The day stands among the dimensions."""
    found = list(offline_report(client, ADVERTISER_ID, START, END, by_day=True, metrics=["spend"]))
    assert [row.dimensions["stat_time_day"][:10] for row in found] == [f"2026-11-{day}" for day in range(20, 25)]


def test_all_pages_are_read(clock: ManualClock) -> None:
    """A thousand lines a page, until the last."""

    def answer(request: Request) -> Reply:
        page = int(request.path.partition("&page=")[2])
        rows = [{"dimensions": {"campaign_id": f"{page}-{row}"}, "metrics": {"spend": "1"}} for row in range(2)]
        return code(0, data={"list": rows, "page_info": {"page": page, "page_size": 1000, "total_page": 3}})

    with scripted(answer) as server, TikTokClient("t", base_url=server.url, clock=clock) as client:
        found = [row.dimensions["campaign_id"] for row in offline_report(client, "7", START, END)]
    assert found == ["1-0", "1-1", "2-0", "2-1", "3-0", "3-1"]
    assert "page_size=1000" in server.requests[0].path


def test_an_empty_report_is_empty(clock: ManualClock) -> None:
    """An account without campaigns."""
    with (
        scripted(lambda _: code(0, data={"list": [], "page_info": {"total_page": 0}})) as server,
        TikTokClient("t", base_url=server.url, clock=clock) as client,
    ):
        assert list(offline_report(client, "7", START, END)) == []


def test_an_account_that_is_not_reached_is_told(client: TikTokClient) -> None:
    """As any other refusal."""
    with pytest.raises(CallerError) as caught:
        list(offline_report(client, "7999", START, END))
    assert caught.value.code == 40001


def test_every_metric_of_an_event_is_one_that_the_report_has(client: TikTokClient) -> None:
    """The names are not only made up of the right parts."""
    for event in sorted(OFFLINE_METRIC_NAMES):
        assert event in STANDARD_EVENTS
        list(offline_report(client, ADVERTISER_ID, START, START, metrics=offline_metrics(event)))
