"""Processes that send at once keep to one rate: what the simulator received says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.shop import Shop, finish, write_file
from tests.servers.simulator import RunningSimulator
from tests.servers.simulator import simulator as start_simulator

#: Requests a second of the advertiser, and of TikTok's developer app.
RATE, APP_RATE = 40, 10


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


def most_within(moments: list[float], seconds: float) -> int:
    """The most of these moments that lie within so many seconds."""
    return max(sum(moment - begin < seconds for moment in moments[place:]) for place, begin in enumerate(moments))


def test_two_files_of_one_advertiser_share_its_rate(simulator: RunningSimulator, tmp_path: Path) -> None:
    """As a backfill beside the daily run, each of two parts, each by a worker of its own."""
    simulator.control.reset()
    upload = {"batch_events": 20, "in_flight": 8, "requests_per_second": RATE, "part_events": 1000}
    settings = {"upload": upload, "ledger": {"lease_seconds": 60}}
    shops = [Shop(tmp_path, simulator.url, settings=dict(settings), machine=machine) for machine in ("one", "two")]
    shops[0].init_ledger()
    now = shops[0].now()
    files = [write_file(tmp_path / f"{start}.csv", range(start, start + 1500), now).path for start in (0, 2000)]
    ended = [finish(one) for one in [shop.start_upload(file) for shop, file in zip(shops, files, strict=True)]]
    assert [one.code for one in ended] == [0, 0], ended
    sent = [one.at for one in simulator.control.requests() if one.events]
    assert len(sent) >= 150
    # A task takes a second's requests at a time, and may send them at once.
    for seconds in (1, 2, 3):
        assert most_within(sent, seconds) <= RATE * (seconds + 1)


def test_calls_of_two_advertisers_of_one_app_share_its_limit(simulator: RunningSimulator, tmp_path: Path) -> None:
    """TikTok would answer 40100, and suspend the app for five minutes; each process by itself would call 9 times."""
    simulator.control.reset()
    names = ("first", "second")
    shops = [Shop(tmp_path, simulator.url, name=name) for name in names]
    command = [sys.executable, "-m", "tests.integration.management_calls"]
    processes = [
        subprocess.Popen([*command, str(shop.config), shop.name, simulator.url, "30"], env=shop.environment())
        for shop in shops
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    calls = list(simulator.control.requests())
    assert [call.code for call in calls] == [0] * 60
    assert most_within([call.at for call in calls], 1.0) <= APP_RATE
    # Both were at it at once: one of them alone would have needed as long for its own.
    assert calls[-1].at - calls[0].at < 60 / 9 + 3
