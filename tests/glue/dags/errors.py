"""A file that is validated with retries left: how the task ends goes by the type of the error."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_tiktok_offline.operators.conversions import ValidateConversionFileOperator

with DAG("errors", schedule=None, start_date=datetime(2026, 11, 1, tzinfo=UTC)):
    ValidateConversionFileOperator(
        task_id="validate",
        settings=json.loads(os.environ["ADVERTISER"]),
        files={
            "uri": "{{ dag_run.conf['uri'] }}",
            "size": "{{ dag_run.conf['size'] | int }}",
            "mtime": "{{ dag_run.conf['mtime'] }}",
        },
        retries=2,
        # Longer than any test runs: only a policy that knows better comes back in time.
        retry_delay=timedelta(hours=1),
    )
