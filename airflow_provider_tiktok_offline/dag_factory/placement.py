"""The arguments that say where a task runs: ``tasks:`` of an entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
    from airflow_provider_tiktok_offline.config.task_placement import PlacedTask, ResourcesConfig

#: Arguments by name, as an operator or a DAG takes them.
Arguments = dict[str, Any]


def placement(config: AdvertiserConfig, task: str) -> Arguments:
    """Executor, queue and executor configuration of a task: its own, else those of ``all``.

    :raises ConfigError: if resources are asked for, and the Kubernetes client is not installed.
    """
    if not config.tasks:
        return {}
    given = [one for one in (config.tasks.get(cast("PlacedTask", task)), config.tasks.get("all")) if one is not None]
    arguments: Arguments = {}
    for name in ("executor", "queue"):
        values = [value for one in given if (value := getattr(one, name)) is not None]
        arguments |= {name: values[0]} if values else {}
    plain = next((one.executor_config for one in given if one.executor_config), {})
    resources = next((one.resources for one in given if one.resources is not None), None)
    executor_config = {**plain, **({} if resources is None else {"pod_override": _pod(resources)})}
    return {**arguments, **({"executor_config": executor_config} if executor_config else {})}


def _pod(resources: ResourcesConfig) -> object:
    """What KubernetesExecutor lays over its pod template."""
    try:
        from kubernetes.client import models as k8s
    except ImportError:
        raise ConfigError(
            "resources need the Kubernetes client, which is not installed.",
            where="key tasks",
            todo="Install apache-airflow-providers-cncf-kubernetes where DAGs are parsed, or remove resources.",
        ) from None
    requests = {
        "cpu": resources.cpu, "memory": resources.memory, "ephemeral-storage": resources.ephemeral_storage,
    }  # fmt: skip
    limits = {"cpu": resources.cpu_limit, "memory": resources.memory_limit}
    wanted = k8s.V1ResourceRequirements(
        requests={name: value for name, value in requests.items() if value is not None} or None,
        limits={name: value for name, value in limits.items() if value is not None} or None,
    )
    return k8s.V1Pod(spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=wanted)]))
