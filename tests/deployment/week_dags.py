"""The DAGs folder's one file: the factory's DAGs, as many seconds on as ``ahead`` beside this file says.

What a reading of this file built is noted down in ``built`` in the machine's home: for which DAG, and how many DAGs.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import get_parsing_context

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.dag_factory import build_dags

_AHEAD = timedelta(seconds=float(Path(__file__).with_name("ahead").read_text()))


def _now(_: SystemClock) -> datetime:
    return datetime.now(UTC) + _AHEAD


setattr(SystemClock, "now", _now)  # noqa: B010 - an assignment would be one to a method

_built = build_dags(globals(), "advertisers.yaml")
with (Path(os.environ["HOME"]) / "built").open("a") as notes:
    notes.write(f"{get_parsing_context().dag_id} {len(_built)}\n")
