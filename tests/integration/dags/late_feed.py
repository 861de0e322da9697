"""A run whose file does not come: Airflow's deadline tells, while the sensor goes on waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_provider_tiktok_offline.notifications.delivery import StaleFeedNotifier
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor

if TYPE_CHECKING:  # The stubs of airflow.sdk lack these names.
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
else:
    try:
        from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
    except ImportError:  # Airflow 3.1
        from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

CONFIG = str(Path(__file__).with_name("advertisers.yaml"))

with DAG(
    "late_feed",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    params={"file_day": Param(None, type=["null", "string"], format="date")},
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=5),
        callback=AsyncCallback(StaleFeedNotifier, {"config": CONFIG, "advertiser": "late_shop"}),
    ),
) as dag:
    ConversionFileSensor(task_id="wait_for_file", deferrable=True, config=CONFIG, advertiser="late_shop")
