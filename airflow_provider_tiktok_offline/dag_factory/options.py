"""What the factory gives the tasks of an advertiser's DAG."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.notifications.delivery import (
    DeliveryFailedNotifier,
    DeliverySucceededNotifier,
    GateBreachedNotifier,
    StaleFeedNotifier,
)
from airflow_provider_tiktok_offline.notifications.liveramp import LiveRampConfirmationNotifier

#: Of the DAG's id and of its asset's name, before the advertiser's.
PREFIX = "tiktok_offline__"
#: Each wait twice the one before: a switch in Airflow 3.1, a factor since.
_DOUBLED: Any = True if airflow_version.startswith("3.1.") else 2.0
_LONGEST_RETRY_DELAY = timedelta(minutes=30)


def common_options(config: AdvertiserConfig) -> dict[str, Any]:
    """What each task is given."""
    return {
        "settings": config,
        "owner": config.owner,
        "retries": config.retries,
        # Doubled from try to try (60, 120, 240 seconds by default), so that the last one comes after the lease of a
        # run that has died (300 seconds): tried every minute, another run would give up before it may take over.
        "retry_delay": timedelta(seconds=config.retry_delay_seconds),
        "retry_exponential_backoff": _DOUBLED,
        "max_retry_delay": _LONGEST_RETRY_DELAY,
    }


def own_options(config: AdvertiserConfig) -> dict[str, dict[str, Any]]:
    """What single tasks are given of this advertiser."""
    told: tuple[str, ...] = () if config.notifications is None else config.notifications.events
    gate = [GateBreachedNotifier(settings=config)] if "gate" in told else []
    confirmed = (
        [LiveRampConfirmationNotifier(settings=config)] if config.liveramp and config.liveramp.confirm_to else []
    )
    return {
        "wait_for_file": {
            "poke_interval": float(config.source.poke_seconds),
            "timeout": float(config.source.timeout_seconds),
            "on_stale_callback": StaleFeedNotifier(settings=config) if "stale" in told else None,
        },
        "validate": {"on_failure_callback": gate},
        "dedupe": {"on_failure_callback": gate},
        "deliver": {"on_success_callback": confirmed},
        "summary": {
            # Without a URI of its own: looking one over makes Airflow load every provider, at each parse.
            "outlets": [Asset(PREFIX + config.name)],
            "on_success_callback": [DeliverySucceededNotifier(settings=config)] if "success" in told else [],
            "on_failure_callback": [DeliveryFailedNotifier(settings=config)] if "failure" in told else [],
        },
    }
