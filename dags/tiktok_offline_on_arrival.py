"""No schedule: a file's arrival starts the DAG. Several files a day are several runs, one after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Asset, AssetWatcher

from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.operators.prepare import TikTokOfflinePrepareOperator
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger

SETTINGS = load_config(Path(__file__).parent / "advertisers.yaml").advertiser("night_kiosk")

# [START howto_asset_watcher]
arrivals = Asset(
    name="night_kiosk_files",
    watchers=[
        AssetWatcher(
            name="night_kiosk_inbox",
            trigger=ConversionFileTrigger(
                settings=SETTINGS.model_dump(mode="json"), poke_interval=SETTINGS.source.poke_seconds
            ),
        )
    ],
)
# [END howto_asset_watcher]

with DAG(
    "tiktok_offline_on_arrival",
    doc_md="Starts when a complete file appears in the inbox; the same file does not start it again.",
    schedule=[arrivals],
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 3, "retry_delay": timedelta(minutes=2)},
    tags=["tiktok", "offline-conversions"],
) as dag:
    # Takes over what the watcher has found; a run started by hand looks for itself.
    found = ConversionFileSensor(task_id="wait_for_file", settings=SETTINGS)
    # [START howto_prepare]
    prepare = TikTokOfflinePrepareOperator(task_id="prepare", settings=SETTINGS, files=found.output)
    upload = TikTokUploadOperator.partial(task_id="upload", settings=SETTINGS).expand(part=prepare.output)
    # [END howto_prepare]
    upload >> DeliverySummaryOperator(task_id="summary", settings=SETTINGS)
