"""One conforming plaintext file a day to LiveRamp, which hashes and sends: copy it and change the capitals below.

The feed's contract has to be made first, from the sample file that set the feed up: `tiktok-offline liveramp accept`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_provider_tiktok_offline.operators.conversions import DedupeOperator, ValidateConversionFileOperator
from airflow_provider_tiktok_offline.operators.liveramp import LiveRampDeliveryOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.timetables import data_intervals

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
ADVERTISER = "market_hall"
EVERY_MORNING = data_intervals("0 7 * * *", "America/New_York")

with DAG(
    "liveramp_daily",
    doc_md="""
### Offline conversions to TikTok by way of LiveRamp, daily

Waits for the day's file, validates it to LiveRamp's rules, leaves out what was delivered before, and streams the rest
to LiveRamp's server under a name that is used once. One file a UTC day: a second one waits for the next day.
""",
    schedule=EVERY_MORNING,
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 3, "retry_delay": timedelta(minutes=2)},
    params={"file_day": Param(None, type=["null", "string"], format="date", description="Take this day's file.")},
    tags=["tiktok", "offline-conversions", "liveramp"],
) as dag:
    wait_for_file = ConversionFileSensor(task_id="wait_for_file", config=CONFIG, advertiser=ADVERTISER, deferrable=True)
    validate = ValidateConversionFileOperator(
        task_id="validate", config=CONFIG, advertiser=ADVERTISER, files=wait_for_file.output
    )
    dedupe = DedupeOperator(task_id="dedupe", config=CONFIG, advertiser=ADVERTISER, deliveries=validate.output)
    # [START howto_liveramp_delivery]
    deliver = LiveRampDeliveryOperator(
        task_id="deliver", config=CONFIG, advertiser=ADVERTISER, deliveries=validate.output
    )
    # [END howto_liveramp_delivery]
    summary = DeliverySummaryOperator(task_id="summary", config=CONFIG, advertiser=ADVERTISER)
    dedupe >> deliver >> summary
