"""Every night, for each advertiser in `advertisers.yaml`: a look at what its delivery needs, and maintenance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.notifications.delivery import UnconfirmedNotifier
from airflow_provider_tiktok_offline.operators.maintenance import DoctorOperator, LedgerMaintenanceOperator

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
LOADED = load_config(CONFIG)
ADVERTISERS = sorted(LOADED.advertisers)
BROKEN = sorted({fault.entry for fault in LOADED.broken})

with DAG(
    "tiktok_offline_maintenance",
    doc_md="""
### Upkeep

- **doctor** looks at token, role, event set, source, host key, stores, ledger and clock of each advertiser, and fails
  with what to do before the morning's delivery would. For an entry that is broken it fails with the fault.
- **maintenance** forgets what is older than `ledger.retention_days` and `ledger.record_months`, merges the ledger's
  small files, and removes staged parts that a run abandoned.

Both are safe beside a delivery and send nothing.
""",
    schedule="30 2 * * *",
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 3, "retry_delay": timedelta(minutes=2)},
    tags=["tiktok", "offline-conversions"],
) as dag:
    # [START howto_doctor]
    doctor = DoctorOperator.partial(task_id="doctor", config=CONFIG).expand(advertiser=ADVERTISERS + BROKEN)
    # [END howto_doctor]

    # [START howto_ledger_maintenance]
    # One task for 25 advertisers: starting a task takes longer than an advertiser's maintenance.
    maintenance = LedgerMaintenanceOperator.partial(
        task_id="maintenance",
        config=CONFIG,
        max_active_tis_per_dagrun=4,
        on_execute_callback=[UnconfirmedNotifier()],
    ).expand(advertisers=LOADED.groups(25))
    # [END howto_ledger_maintenance]
