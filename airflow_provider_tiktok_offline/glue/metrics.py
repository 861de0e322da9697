"""What a delivery reports to Airflow's metrics (StatsD or OpenTelemetry); the names are listed in docs/airflow.md."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import Stats

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import TikTokOfflineError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary

_PREFIX = "tiktok_offline"
_CLASSES = ("total", "valid", "rejected", "duplicate", "excluded")


def _tags(config: AdvertiserConfig) -> dict[str, str]:
    return {"advertiser": config.name, "route": config.route, "mode": config.mode}


@contextmanager
def measured(step: str, config: AdvertiserConfig) -> Iterator[None]:
    """Report how long a step took, and which error ended it."""
    started = time.monotonic()
    try:
        yield
    except TikTokOfflineError as error:
        Stats.incr(f"{_PREFIX}.errors.{type(error).__name__}", tags={**_tags(config), "step": step})
        raise
    finally:
        took = timedelta(seconds=time.monotonic() - started)
        Stats.timing(f"{_PREFIX}.{step}.duration", took, tags=_tags(config))


def count_delivery(config: AdvertiserConfig, summary: DeliverySummary) -> None:
    """Count the rows and events of a delivery that was closed just now; one that was closed before counts no more.

    :param summary: what became of it.
    """
    if summary.already_closed or summary.waiting:
        return
    tags = _tags(config)
    Stats.incr(f"{_PREFIX}.deliveries", tags=tags)
    for name in _CLASSES:
        _count(f"rows.{name}", getattr(summary.rows, f"rows_{name}"), tags)
    for outcome, count in summary.events.items():
        _count(f"events.{outcome}", count, tags)


def _count(name: str, count: int, tags: dict[str, str]) -> None:
    if count:
        Stats.incr(f"{_PREFIX}.{name}", count=count, tags=tags)
