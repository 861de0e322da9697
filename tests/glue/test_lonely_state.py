"""A ledger on one machine's disk under an executor that runs tasks on many."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.delivery_task import refuse_lonely_state


def _config(**changes: Any) -> AdvertiserConfig:
    settings: dict[str, Any] = {
        "name": "corner_shop",
        "advertiser_id": "7000000000000000101",
        "event_set_id": "7000000000000000201",
        "source": {"path": "/in/day.csv"},
        "state_uri": "/var/lib/tiktok-offline",
    }
    return AdvertiserConfig.model_validate(settings | changes)


def test_local_state_under_celery_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next task may run on another machine and find an empty ledger."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(ConfigError, match="state_uri and staging_uri is a directory of one machine"):
        refuse_lonely_state(_config())


@pytest.mark.parametrize("executor", ["LocalExecutor", "team_a:LocalExecutor", "airflow.executors.LocalExecutor"])
def test_local_state_under_the_local_executor_is_fine(monkeypatch: pytest.MonkeyPatch, executor: str) -> None:
    """Where every task runs on one machine its disk will do."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    refuse_lonely_state(_config())


@pytest.mark.parametrize("changes", [{"state_shared": True}, {"state_uri": "s3://aws_default@bucket/tiktok"}])
def test_shared_state_is_fine_anywhere(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    """A shared directory, declared as such, or an object store serves all workers."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor,KubernetesExecutor")
    refuse_lonely_state(_config(**changes))
