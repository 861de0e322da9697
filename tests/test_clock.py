"""The package's clock is the machine's, and nothing in the environment moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock, system_clock


@pytest.mark.parametrize("name", ["TIKTOK_OFFLINE_CLOCK_OFFSET", "TESTS_CLOCK_AHEAD"])
def test_no_variable_moves_the_clock_of_production(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that was left behind would let events pass that are too old, or lose those that are not."""
    monkeypatch.setenv(name, "86400")
    before = datetime.now(UTC)
    assert before <= system_clock().now() <= datetime.now(UTC) + timedelta(seconds=1)


def test_sleeping_moves_a_manual_clock() -> None:
    """Wall clock and stop watch, at once."""
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    clock.sleep(90)
    assert clock.now() == datetime(2026, 3, 2, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90
