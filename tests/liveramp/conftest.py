"""A feed, its state, and an OpenSSH server to deliver to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.servers.sshd import Sshd, sshd

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def feed_state(tmp_path: Path, clock: ManualClock) -> FeedState:
    return FeedState(open_objects(str(tmp_path / "state")), "shop", clock)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """The folder at the far side."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder
