"""Runs before a process of the tests: its package's clock is as many seconds ahead as the environment says.

The package itself knows no such variable; see :func:`tests.servers.moving.moved`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow_provider_tiktok_offline.clock import SystemClock

_AHEAD = timedelta(seconds=float(os.environ["TESTS_CLOCK_AHEAD"]))


def _now(_: SystemClock) -> datetime:
    return datetime.now(UTC) + _AHEAD


setattr(SystemClock, "now", _now)  # noqa: B010 - an assignment would be one to a method
