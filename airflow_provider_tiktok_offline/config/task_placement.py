"""Where the tasks of an advertiser run, and with how much."""

from __future__ import annotations

import json
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from airflow_provider_tiktok_offline.config.fields import Strict, misfit

#: A task of the factory's DAGs, or ``all`` of them.
PlacedTask: TypeAlias = Literal[
    "all",
    "wait_for_file",
    "cut_file",
    "prepare_shard",
    "prepare",
    "approve",
    "dedupe",
    "upload",
    "deliver",
    "summary",
    "report",
]
#: As Kubernetes writes it: ``500m``, ``2``, ``1.5Gi``.
Quantity = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
#: What a key of an executor's configuration may hold.
Setting: TypeAlias = str | bool | list[str] | dict[str, str]
_LARGEST_CONFIG = 10_000


class ResourcesConfig(Strict):
    """What the pod of a task asks for, and what it may use at most (KubernetesExecutor).

    Attributes:
        cpu: processors that are kept for it, as ``"2"`` or ``500m``.
        memory: memory that is kept for it, as ``1Gi``.
        cpu_limit: processors that it may use at most.
        memory_limit: memory that it may use at most; a task that needs more is killed and tried again.
        ephemeral_storage: disk that is kept for it.
    """

    cpu: Quantity | None = None
    memory: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_limit: Quantity | None = None
    ephemeral_storage: Quantity | None = None


class TaskConfig(Strict):
    """Where a task runs.

    Attributes:
        executor: one of the deployment's executors (``[core] executor``), by its alias or class.
        queue: the queue of Celery workers.
        resources: what its pod asks for; needs apache-airflow-providers-cncf-kubernetes where DAGs are parsed.
        executor_config: what the executor takes besides, as ``{pod_template_file: /opt/pods/large.yaml}``; of at most
            10,000 characters.
    """

    executor: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:]*$", max_length=250)] | None = None
    queue: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    resources: ResourcesConfig | None = None
    executor_config: dict[str, Setting] = Field(default_factory=dict)

    @field_validator("executor_config")
    @classmethod
    def _is_small_and_plain(cls, value: dict[str, Setting]) -> dict[str, Setting]:
        if "pod_override" in value:
            raise misfit("executor_config", "can't hold a pod_override: give resources, or a pod_template_file")
        if len(json.dumps(value)) > _LARGEST_CONFIG:
            raise misfit("executor_config", f"is longer than {_LARGEST_CONFIG} characters")
        return value
