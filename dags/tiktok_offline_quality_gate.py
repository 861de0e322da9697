"""A quality gate in a DAG of your own: whoever writes the file learns that it is bad before anybody waits for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from airflow_provider_tiktok_offline.operators.conversions import ValidateConversionFileOperator
from airflow_provider_tiktok_offline.taskflow import delivery_step

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
ADVERTISER = "corner_shop"

with DAG(
    "tiktok_offline_quality_gate",
    doc_md="""
### A conversion file's quality, without sending anything

`gate` fails if more rows are rejected than `max_rejected_ratio` allows; its report names rule, column and lines. Use an
entry with `mode: dry_run` for it, so that it never stands in the way of the delivery itself.
""",
    schedule=None,
    start_date=datetime(2026, 11, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "marketing", "retries": 2, "retry_delay": timedelta(minutes=2)},
    params={"file": Param("/outgoing/sales.csv", type="string", description="Path or URI of the file.")},
    tags=["tiktok", "offline-conversions"],
) as dag:
    # [START howto_quality_gate]
    gate = ValidateConversionFileOperator(
        task_id="gate",
        config=CONFIG,
        advertiser=ADVERTISER,
        files="{{ params.file }}",
    )
    # [END howto_quality_gate]

    # [START howto_taskflow]
    @task
    def count(uri: str) -> dict[str, int]:
        """The same step as a function, for whoever wants its numbers."""
        from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
        from airflow_provider_tiktok_offline.delivery.steps.validate import validate

        with delivery_step("validate", config=CONFIG, advertiser=ADVERTISER) as ctx:
            result = validate(ctx, stamp_of(ctx, uri))
        return {"total": result.rows_total, "valid": result.rows_valid, "rejected": result.rows_rejected}

    # [END howto_taskflow]

    gate >> count("{{ params.file }}")
