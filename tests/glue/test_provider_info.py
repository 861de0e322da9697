"""What Airflow is told about the package, held against Airflow's own schemas and against the package."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
import yaml
from airflow.providers_manager import ProvidersManager

from airflow_provider_tiktok_offline import __version__
from airflow_provider_tiktok_offline.get_provider_info import get_provider_info

_SCHEMAS = Path(airflow.__file__).parent


@pytest.fixture(name="info")
def _info() -> dict[str, Any]:
    return get_provider_info()


def test_fits_the_schema_that_airflow_reads_at_run_time(info: dict[str, Any]) -> None:
    """Provider info is valid against provider_info.schema.json."""
    jsonschema.validate(info, json.loads((_SCHEMAS / "provider_info.schema.json").read_text()))


def test_fits_the_stricter_schema_of_provider_files(info: dict[str, Any]) -> None:
    """Keys that the first schema lets pass and Airflow then ignores, such as snake_case ones, are caught here."""
    schema = json.loads((_SCHEMAS / "provider.yaml.schema.json").read_text())
    whole = {**info, "state": "ready", "source-date-epoch": 0, "versions": [__version__]}
    jsonschema.validate(whole, schema)


def test_names_only_modules_and_classes_that_exist(info: dict[str, Any]) -> None:
    """Every module and class named to Airflow can be imported."""
    for kind in ("operators", "sensors", "triggers", "hooks"):
        for entry in info[kind]:
            for module in entry["python-modules"]:
                importlib.import_module(module)
    named = [*info["extra-links"], *info.get("notifications", [])]
    for path in [*named, *(one["hook-class-name"] for one in info["connection-types"])]:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


def test_integrations_are_those_that_modules_name(info: dict[str, Any]) -> None:
    """Each module belongs to an integration that is described."""
    described = {one["integration-name"] for one in info["integrations"]}
    used = {entry["integration-name"] for kind in ("operators", "sensors", "triggers", "hooks") for entry in info[kind]}
    assert used == described


def test_airflow_finds_the_provider_and_its_connection_type() -> None:
    """The entry point is installed, and Airflow lists the hook of connection type tiktok with its form fields."""
    assert any(point.name == "provider_info" for point in entry_points(group="apache_airflow_provider"))
    manager = ProvidersManager()
    assert "airflow-provider-tiktok-offline" in manager.providers
    hook = manager.hooks["tiktok"]
    assert hook is not None
    assert hook.hook_class_name.endswith("TikTokHook")


def test_the_registry_lists_the_same_modules(info: dict[str, Any]) -> None:
    """`.airflow-registry.yaml` names what Airflow is told of, each with a description."""
    registry = yaml.safe_load((Path(__file__).parents[2] / ".airflow-registry.yaml").read_text())
    assert registry["package-name"] == info["package-name"]
    assert registry["display-name"] == info["name"]
    for kind in ("operators", "sensors", "hooks", "triggers"):
        listed = [entry["module"] for entry in registry[kind]]
        assert sorted(listed) == sorted(name for entry in info[kind] for name in entry["python-modules"])
        assert all(entry["description"].endswith(".") for entry in registry[kind])
