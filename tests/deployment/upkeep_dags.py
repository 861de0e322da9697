"""What the example DAG of the upkeep does for each advertiser, for two of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_tiktok_offline.operators.maintenance import DoctorOperator, LedgerMaintenanceOperator

CONFIG = str(Path(__file__).parent / "advertisers.yaml")

with DAG("upkeep", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
    DoctorOperator(task_id="doctor", config=CONFIG, advertiser="corner_shop")
    DoctorOperator(task_id="doctor_of_revoked", config=CONFIG, advertiser="revoked_shop")
    LedgerMaintenanceOperator(task_id="maintenance", config=CONFIG, advertiser="corner_shop")
