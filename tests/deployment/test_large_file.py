"""A large file by shards on two Celery workers, one of which dies over a shard: each row counts once."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.prepare import validate
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.deployment.compose import ROOT
from tests.deployment.disturbances import Disturber
from tests.deployment.native import Deployment, deployment, left_running
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID
from tests.servers.waiting import wait_until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.campaign,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(3600),
]

_NAME = "large_shop"
_DAG_ID = f"tiktok_offline__{_NAME}"
_STATE_BUCKET = "tiktok-offline-state"
#: Into so many, at most, since each ends at a row's end.
_SHARDS = 4


def test_a_large_file_is_delivered_although_a_worker_dies_over_a_shard(tmp_path: Path) -> None:
    """``LARGE_ROWS=300000`` makes it a smaller one than 20 million rows."""
    rows = int(os.environ.get("LARGE_ROWS", "20000000"))
    newest = datetime.now(UTC) - timedelta(hours=1)
    file = tmp_path / f"sales_{newest:%Y%m%d}.csv"
    write_sample(file, rows, as_of=newest, seed=7, bad_ratio=0.01, form=SampleForm(identifiers="both"))
    wanted = validate(LocalFile(file), ConversionSettings(phone_region="US", currency="USD"), as_of=newest)
    machines = tmp_path / "machines"
    machines.mkdir()
    with deployment(machines, sink=True) as running:
        _write_dag(running, tmp_path, file)
        running.start(tmp_path / "dags")
        wait_until(lambda: _knows_the_dag(running), "the DAG is known", seconds=120)
        running.airflow.unpause(_DAG_ID)
        run_id = running.airflow.trigger(_DAG_ID, file_day=newest.date())
        disturber = Disturber(running, random.Random(1), _start_no_other)
        disturber.kill_worker_during("prepare_shard")

        def ended() -> bool:
            disturber.start_what_ended()
            return running.airflow.run_state(_DAG_ID, run_id) in ("success", "failed")

        wait_until(ended, "the run ends", seconds=3000, every=2)
        tasks = running.airflow.tasks(_DAG_ID, run_id)
        assert running.airflow.run_state(_DAG_ID, run_id) == "success", (disturber.story, tasks)
        summary = _summary(running)
        received = running.api.control.summary().events_received
    assert left_running(machines) == {}
    tries = [task["try_number"] for task in tasks if task["task_id"] == "prepare_shard"]
    assert 1 < len(tries) <= _SHARDS
    assert max(tries) > 1
    assert disturber.retried_elsewhere
    counted = {name: summary["rows"][f"rows_{name}"] for name in ("total", "valid", "rejected", "duplicate")}
    assert counted == {
        "total": wanted.rows_total, "valid": wanted.rows_valid, "rejected": wanted.rows_rejected,
        "duplicate": wanted.rows_duplicate,
    }  # fmt: skip
    assert {name: count for name, count in summary["events"].items() if count} == {"accepted": wanted.rows_valid}
    assert received == wanted.rows_valid
    print(f"\n{rows:,} rows: {counted}, {received:,} events; {disturber.story}")  # noqa: T201 - what a campaign is for


def _write_dag(running: Deployment, folder: Path, file: Path) -> None:
    """One advertiser, whose file lies where both workers see it."""
    dags = folder / "dags"
    dags.mkdir()
    (dags / "factory.py").write_text((ROOT / "dags" / "tiktok_offline_factory.py").read_text())
    entry: dict[str, Any] = {
        "name": _NAME,
        "advertiser_id": ADVERTISER_ID,
        "event_set_id": EVENT_SET_ID,
        "mode": "live",
        "currency": "USD",
        "phone_region": "US",
        "max_rejected_ratio": 0.1,
        "state_uri": f"s3://object_store@{_STATE_BUCKET}/tiktok",
        "schedule": None,
        "retries": 8,
        "retry_delay_seconds": 2,
        "shards": {"megabytes": file.stat().st_size / _SHARDS / 1_000_000, "most": _SHARDS},
        "source": {"path": f"{folder}/sales_{{{{ ds_nodash }}}}.csv", "settle_seconds": 0, "poke_seconds": 2},
    }
    (dags / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [entry]}))


def _knows_the_dag(running: Deployment) -> bool:
    return _DAG_ID in {dag["dag_id"] for dag in running.airflow.get("/dags?limit=100")["dags"]}


def _start_no_other(task_id: str) -> None:
    """The file has shards enough."""


def _summary(running: Deployment) -> dict[str, Any]:
    [key] = [key for key in running.store.keys(_STATE_BUCKET) if key.endswith("/summary.json")]
    found: dict[str, Any] = json.loads(running.store.read(_STATE_BUCKET, key))
    return found
