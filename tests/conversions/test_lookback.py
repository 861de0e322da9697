"""The lookback window's edge is the start of a UTC day, whatever zone the moment is given in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_tiktok_offline.conversions.contract.lookback import oldest_event_time

_EDGE = int(datetime(2026, 2, 2, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 3, 2, 0, 0, 0, tzinfo=UTC),
        datetime(2026, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 3, 0, 59, 59, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 3, 1, 19, 0, 0, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_the_edge_is_the_start_of_the_utc_day(now: datetime) -> None:
    """It stays from the first to the last second of the day."""
    assert oldest_event_time(now, timedelta(days=28)) == _EDGE


def test_the_edge_moves_at_midnight() -> None:
    """By a whole day."""
    assert oldest_event_time(datetime(2026, 3, 3, tzinfo=UTC), timedelta(days=28)) == _EDGE + 86_400


def test_without_a_lookback_every_age_may_be_sent() -> None:
    """Also a transaction of 1900; the edge is compared with columns of 64 bits."""
    edge = oldest_event_time(datetime(2026, 3, 3, tzinfo=UTC), None)
    assert -(2**63) <= edge < datetime(1900, 1, 1, tzinfo=UTC).timestamp()
