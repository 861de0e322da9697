"""Conventions that every operator and sensor of the package keeps."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_tiktok_offline.get_provider_info import get_provider_info
from airflow_provider_tiktok_offline.notifications import delivery, liveramp

#: Parameters that name a place, a thing or a connection.
_PLACES = re.compile(r"(^|_)(conn_id|uri|path|config|advertiser|id|files?|to|day|name|part|deliveries)$")
_NOT_NAMES = {"task_id", "dag_id"}


def _tasks() -> list[type[BaseOperator]]:
    info = get_provider_info()
    modules = [name for kind in ("operators", "sensors") for entry in info[kind] for name in entry["python-modules"]]
    found = [
        one
        for name in modules
        for one in vars(importlib.import_module(name)).values()
        if isinstance(one, type) and issubclass(one, BaseOperator) and one.__module__ == name
    ]
    assert len(found) >= 10
    return found


TASKS = pytest.mark.parametrize("task", _tasks(), ids=lambda task: task.__name__)


def _parameters(task: type[Any]) -> set[str]:
    """What the class and the package's bases of it take."""
    own = [one for one in task.__mro__ if one.__module__.startswith("airflow_provider_tiktok_offline")]
    return {
        name
        for one in own
        if "__init__" in vars(one)
        for name, parameter in inspect.signature(vars(one)["__init__"]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@TASKS
def test_places_ids_and_connections_are_templated(task: type[BaseOperator]) -> None:
    """Whatever names a path, an id or a connection may be a template."""
    named = {name for name in _parameters(task) if _PLACES.search(name)} - _NOT_NAMES
    assert named
    assert named <= set(task.template_fields)


@TASKS
def test_template_fields_are_parameters_and_documented(task: type[BaseOperator]) -> None:
    """Each is documented as templated, in the class that takes it."""
    documented = "\n".join(one.__doc__ or "" for one in task.__mro__)
    for field in set(task.template_fields) & _parameters(task):
        assert re.search(rf":param {field}:(?:(?!:param).)*\(templated\)", documented, re.DOTALL), field


@TASKS
def test_no_logic_on_values_that_are_rendered_later(task: type[BaseOperator]) -> None:
    """``__init__`` keeps templated values as they are given."""
    mark = "{{ var.value.get('x') }}"
    required: dict[str, Any] = {
        name: mark
        for name, parameter in inspect.signature(task.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.default is inspect.Parameter.empty
    }
    given = {**required, **dict.fromkeys(set(task.template_fields) & _parameters(task), mark)}
    made = task(task_id="one", **given)
    assert all(getattr(made, name) == mark for name in given)


def test_the_connection_id_of_a_notifier_is_templated() -> None:
    """Notifiers name their advertiser by template too."""
    for notifier in (delivery.DeliveryNotifier, liveramp.LiveRampConfirmationNotifier):
        assert {"config", "advertiser"} <= set(notifier.template_fields)
    assert "smtp_conn_id" in liveramp.LiveRampConfirmationNotifier.template_fields


def test_mapped_tasks_have_names() -> None:
    """Whoever looks at a mapped task sees what each instance is about."""
    named = {task.__name__ for task in _tasks() if "map_index_template" in _parameters(task)}
    assert named == {
        "TikTokUploadOperator",
        "PrepareShardOperator",
        "LedgerInitOperator",
        "LedgerMaintenanceOperator",
        "DoctorOperator",
        "TikTokOfflineReportOperator",
    }


def test_rendered_values_hold_no_customers_data() -> None:
    """What a task is given are places, ids and counts: no template field is named after content."""
    fields = {field for task in _tasks() for field in task.template_fields}
    assert not re.search(r"email|phone|row|value|token|password|secret", json.dumps(sorted(fields)))
