"""One conversion file a day, from an SFTP server to TikTok: copy this file and change the three capitals below.

The settings (where the file lies, event set, currency, region) are in ``advertisers.yaml`` beside this file.
``dags/tiktok_offline_factory.py`` makes such a DAG for each advertiser of a configuration instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, Param

from airflow_provider_tiktok_offline.operators.conversions import (
    DedupeOperator,
    NormalizeHashOperator,
    ValidateConversionFileOperator,
)
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.timetables import data_intervals

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
ADVERTISER = "corner_shop"
EVERY_MORNING = data_intervals("0 6 * * *", "Europe/Berlin")

with DAG(
    "tiktok_offline_daily",
    doc_md="""
### Offline conversions to TikTok, daily

Waits for the day's conversion file, validates it, normalises and hashes what identifies a customer, drops what was
sent before, sends the rest to TikTok's Events API, and closes the delivery.

- **Which file**: the day before the run, by the name in `advertisers.yaml`. A run without a logical date takes the day
  from the parameter `file_day`.
- **Clearing a task, or running a day again** sends nothing twice and leaves nothing out: a ledger knows every event.
- **A red `summary`** means that something is not settled; its log says what. A red `validate` with *rows are rejected*
  means that the file is worse than `max_rejected_ratio` allows; the report linked from the task says why.
""",
    schedule=EVERY_MORNING,
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 3, "retry_delay": timedelta(minutes=2)},
    params={"file_day": Param(None, type=["null", "string"], format="date", description="Take this day's file.")},
    tags=["tiktok", "offline-conversions"],
) as dag:
    # [START howto_conversion_file_sensor]
    wait_for_file = ConversionFileSensor(task_id="wait_for_file", config=CONFIG, advertiser=ADVERTISER, deferrable=True)
    # [END howto_conversion_file_sensor]

    # [START howto_validate_conversion_file]
    validate = ValidateConversionFileOperator(
        task_id="validate", config=CONFIG, advertiser=ADVERTISER, files=wait_for_file.output
    )
    # [END howto_validate_conversion_file]

    normalize_hash = NormalizeHashOperator(
        task_id="normalize_hash", config=CONFIG, advertiser=ADVERTISER, deliveries=validate.output
    )
    dedupe = DedupeOperator(task_id="dedupe", config=CONFIG, advertiser=ADVERTISER, deliveries=normalize_hash.output)

    # [START howto_tiktok_upload]
    upload = TikTokUploadOperator.partial(task_id="upload", config=CONFIG, advertiser=ADVERTISER).expand(
        part=dedupe.output
    )
    # [END howto_tiktok_upload]

    # Runs whatever happened before it, also when there was nothing new to upload.
    # Other DAGs can be scheduled on the asset; its events carry the counts.
    summary = DeliverySummaryOperator(
        task_id="summary", config=CONFIG, advertiser=ADVERTISER, outlets=[Asset("corner_shop_conversions")]
    )
    upload >> summary
