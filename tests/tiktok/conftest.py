"""Fixtures of the tests of tiktok: a simulator, a clock that does not wait, and events to send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator, simulator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture(scope="module")
def _running() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def tiktok(_running: RunningSimulator) -> RunningSimulator:
    """A fresh simulator."""
    _running.control.reset()
    return _running


@pytest.fixture
def client(tiktok: RunningSimulator, clock: ManualClock) -> Iterator[TikTokClient]:
    with TikTokClient(ACCESS_TOKEN, base_url=tiktok.url, clock=clock) as client:
        yield client
