"""``tasks:`` of an entry: where its tasks run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.task_placement import TaskConfig
from airflow_provider_tiktok_offline.dag_factory import build_dag, build_dags
from airflow_provider_tiktok_offline.errors import ConfigError
from tests.servers.airflow_versions import DagSerialization

ENTRY = {
    "name": "shop",
    "advertiser_id": "7000000000000000101",
    "event_set_id": "7000000000000000201",
    "source": {"path": "/in/shop_{{ ds_nodash }}.csv"},
    "state_uri": "/var/lib/tiktok-offline",
}


def dag_of(tasks: dict[str, Any]) -> Any:
    """The DAG of an advertiser whose tasks are placed so."""
    return build_dag(AdvertiserConfig.model_validate({**ENTRY, "tasks": tasks}))


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


def test_resources_become_a_pod() -> None:
    """A pod override of the container `base`, on every task."""
    tasks = {"all": {"resources": {"cpu": "500m", "memory": "1Gi", "memory_limit": "2Gi"}}}
    for task in dag_of(tasks).tasks:
        arguments = task.partial_kwargs if task.is_mapped else vars(task)
        [container] = arguments["executor_config"]["pod_override"].spec.containers
        assert container.name == "base"
        assert container.resources.requests == {"cpu": "500m", "memory": "1Gi"}
        assert container.resources.limits == {"memory": "2Gi"}


def test_the_scheduler_reads_the_pod_that_the_entry_names(tmp_path: Path) -> None:
    """Built from the file and stored by Airflow, a mapped task has its own pod, and the others have that of all."""
    tasks = {
        "all": {"resources": {"memory": "512Mi"}},
        "upload": {
            "resources": {"cpu": "2", "memory": "4Gi", "cpu_limit": "3", "ephemeral_storage": "10Gi"},
            "executor_config": {"pod_template_file": "/pods/large.yaml"},
        },
    }
    (tmp_path / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [{**ENTRY, "tasks": tasks}]}))
    [built] = build_dags({"__file__": str(tmp_path / "shops.py")}, "advertisers.yaml").values()
    stored = json.dumps(DagSerialization.to_dict(built))
    dag = DagSerialization.from_dict(json.loads(stored))
    for task in dag.tasks:
        pod = task.executor_config["pod_override"]
        [container] = pod.spec.containers
        assert container.name == "base"
        if task.task_id == "upload":
            assert container.resources.requests == {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "10Gi"}
            assert container.resources.limits == {"cpu": "3"}
            assert task.executor_config["pod_template_file"] == "/pods/large.yaml"
        else:
            assert container.resources.requests == {"memory": "512Mi"}, task.task_id
            assert container.resources.limits is None
            assert task.executor_config.keys() == {"pod_override"}


def test_resources_without_the_kubernetes_client_are_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the package to install, and the advertiser without resources keeps its DAG."""
    for module in ("kubernetes", "kubernetes.client"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"Kubernetes client.*apache-airflow-providers-cncf-kubernetes"):
        dag_of({"upload": {"resources": {"cpu": "1"}}})
    assert len(dag_of({"upload": {"queue": "heavy"}}).tasks) == 4


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
