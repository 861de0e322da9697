"""``tasks:`` of an entry: where its tasks run."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.task_placement import TaskConfig
from airflow_provider_tiktok_offline.dag_factory import build_dag
from airflow_provider_tiktok_offline.errors import ConfigError


def dag_of(tasks: dict[str, Any]) -> Any:
    """The DAG of an advertiser whose tasks are placed so."""
    entry = {
        "name": "shop",
        "advertiser_id": "7000000000000000101",
        "event_set_id": "7000000000000000201",
        "source": {"path": "/in/shop_{{ ds_nodash }}.csv"},
        "state_uri": "/var/lib/tiktok-offline",
        "tasks": tasks,
    }
    return build_dag(AdvertiserConfig.model_validate(entry))


def test_a_task_runs_where_its_entry_says() -> None:
    """A task's own setting comes before that of all tasks; a mapped task has it too."""
    template = {"pod_template_file": "/pods/large.yaml"}
    tasks = {"all": {"executor": "celery", "queue": "light"}, "upload": {"queue": "heavy", "executor_config": template}}
    dag = dag_of(tasks)
    for task in dag.tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        assert arguments["executor"] == "celery", task.task_id
        assert arguments["queue"] == ("heavy" if task.task_id == "upload" else "light")
        assert (arguments.get("executor_config") or {}) == (template if task.task_id == "upload" else {})


def test_resources_become_a_pod_or_say_what_is_missing() -> None:
    """With the Kubernetes client a pod override of the container `base`; without it one clear error."""
    tasks = {"all": {"resources": {"cpu": "500m", "memory": "1Gi", "memory_limit": "2Gi"}}}
    if find_spec("kubernetes") is None:
        with pytest.raises(ConfigError, match=r"Kubernetes client.*apache-airflow-providers-cncf-kubernetes"):
            dag_of(tasks)
        return
    for task in dag_of(tasks).tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        [container] = arguments["executor_config"]["pod_override"].spec.containers
        assert container.name == "base"
        assert container.resources.requests == {"cpu": "500m", "memory": "1Gi"}
        assert container.resources.limits == {"memory": "2Gi"}


@pytest.mark.parametrize(
    "given",
    [
        {"resources": {"memory": "1 GB"}},
        {"resources": {"cpu": "-1"}},
        {"resources": {"gpu": "1"}},
        {"executor": "rm -rf /"},
        {"executor_config": {"pod_override": {}}},
        {"executor_config": {"a": "x" * 10_001}},
    ],
)
def test_what_no_executor_takes_is_refused(given: dict[str, Any]) -> None:
    """Before any DAG is parsed."""
    with pytest.raises(ValidationError):
        TaskConfig.model_validate(given)
