"""Every morning, for each advertiser in `advertisers.yaml`: what TikTok attributed to its ads.

`dags/tiktok_offline_factory.py` makes such a DAG for each advertiser with `reports:` instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.operators.reports import TikTokOfflineReportOperator

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
ADVERTISERS = sorted(load_config(CONFIG).advertisers)

with DAG(
    "tiktok_offline_report",
    doc_md="""
### What TikTok attributed

Reads the offline metrics of the last 30 days again, since the figures of a day grow for some days, and keeps each
reading with its time in the table `attribution` under `state_uri`. An error in the log says that no active ad tracks
the event set: then nothing is attributed, whatever was accepted.
""",
    schedule="30 9 * * *",
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 3, "retry_delay": timedelta(minutes=5)},
    tags=["tiktok", "offline-conversions"],
) as dag:
    # [START howto_offline_report]
    report = TikTokOfflineReportOperator.partial(task_id="report", config=CONFIG).expand(advertiser=ADVERTISERS)
    # [END howto_offline_report]
