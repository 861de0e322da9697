"""Secrets that a task fetches are hidden in its log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk._shared.secrets_masker import redact

from airflow_provider_tiktok_offline.delivery.steps.upload import open_client
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.tiktok.oauth import Grant
from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore


def test_a_token_from_a_token_store_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow masks a connection's password by itself, but not what the connection leads to."""
    token = "5tored-t0ken-of-the-grant"
    grant = Grant(access_token=token, refresh_token="r1", expires_at=datetime.now(UTC) + timedelta(days=1))
    ObjectTokenStore(open_objects(str(tmp_path)), "grant").save(grant, None)
    extra = {"token_store": f"{tmp_path}/grant", "app_id": "1", "app_secret": "s3cret-of-the-app"}
    monkeypatch.setenv("AIRFLOW_CONN_TIKTOK_EXPIRING", json.dumps({"conn_type": "tiktok", "extra": extra}))
    operator = TikTokUploadOperator(
        task_id="upload",
        part={"delivery_id": "d1", "part": 0},
        settings={
            "name": "corner_shop",
            "advertiser_id": "7000000000000000101",
            "event_set_id": "7000000000000000201",
            "tiktok_conn_id": "tiktok_expiring",
            "currency": "USD",
            "state_uri": str(tmp_path / "state"),
            "source": {"path": str(tmp_path / "conversions.csv")},
        },
    )
    run = SimpleNamespace(dag_id="offline", run_id="run-1")
    assert token in str(redact(f"Access-Token: {token}"))
    with open_client(operator.delivery_context({"dag_run": run})):
        pass
    assert token not in str(redact(f"Access-Token: {token}"))
