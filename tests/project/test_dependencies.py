"""Declared dependencies and imports are the same list."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGE = "airflow_provider_tiktok_offline"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Declared and not imported, with the reason.
NOT_IMPORTED = {
    "apache-airflow-providers-amazon": "gives Airflow the form of aws connections, and its deployments have it",
    "apache-airflow-providers-google": "gives Airflow the form of google_cloud_platform connections",
    "apache-airflow-providers-sftp": "gives Airflow the type and the form of sftp connections",
}
#: Imported and not declared: an own distribution of what is declared, which pins it.
BROUGHT_BY = {
    "asgiref": "apache-airflow",
    "croniter": "apache-airflow",
    "fastapi": "apache-airflow",
    "httpcore": "httpx",
    "jinja2": "apache-airflow",
    "sqlalchemy": "apache-airflow",
    "apache-airflow-task-sdk": "apache-airflow",
    "apache-airflow-core": "apache-airflow",
    "pydantic-core": "pydantic",
}
#: Of a deployment that uses them: a notifier, a lineage extractor or a pod's description is imported only there.
OF_THE_DEPLOYMENT = {
    "apache-airflow-providers-http",
    "apache-airflow-providers-openlineage",
    "apache-airflow-providers-slack",
    "apache-airflow-providers-smtp",
    "kubernetes",  # comes with the cncf.kubernetes provider
    "openlineage-python",  # comes with the openlineage provider; the type checker alone imports it
}


def _name(distribution_name: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution_name).lower()


def _declared() -> set[str]:
    extras = (line for lines in PROJECT["optional-dependencies"].values() for line in lines)
    return {_name(Requirement(line).name) for line in (*PROJECT["dependencies"], *extras)}


def _imported() -> set[str]:
    """The distributions that the package imports, at the top of a module or inside a function."""
    modules: set[str] = set()
    for file in (ROOT / PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
                modules.add(node.module)
    owners = packages_distributions()
    found = set()
    for module in modules:
        top, *rest = module.split(".")
        if top in sys.stdlib_module_names or top in (PACKAGE, "_typeshed"):  # the type checker's own
            continue
        if module.startswith("airflow.providers."):
            found.add(_provider(rest[1:]))
        elif top == "airflow":
            found.add("apache-airflow")
        else:
            found.add(_name(owners.get(top, [top])[0]))
    return found


def _provider(path: list[str]) -> str:
    """The distribution of ``airflow.providers.<path>``: its longest name that is installed."""
    for length in (2, 1):
        name = "apache-airflow-providers-" + "-".join(path[:length])
        if _installed(name):
            return name
    raise AssertionError(f"no provider is installed for {path}")


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def test_everything_imported_is_declared() -> None:
    """Or comes with a declared distribution that pins it, or belongs to a deployment that uses it."""
    assert _imported() - _declared() - BROUGHT_BY.keys() - OF_THE_DEPLOYMENT == set()


def test_everything_declared_is_imported() -> None:
    """Or there is a reason to install it."""
    assert _declared() - _imported() - NOT_IMPORTED.keys() == set()


@pytest.mark.parametrize(("brought", "by"), BROUGHT_BY.items())
def test_what_is_not_declared_is_brought(brought: str, by: str) -> None:
    """By a distribution that is declared, itself or by one that it is split into."""
    assert by in _declared()
    owners, seen = {by}, set[str]()
    while owners - seen:
        owner = (owners - seen).pop()
        seen.add(owner)
        needs = {_name(Requirement(line).name) for line in distribution(owner).requires or () if "extra ==" not in line}
        if brought in needs:
            return
        owners |= {need for need in needs if need.startswith(("apache-airflow-core", "apache-airflow-task-sdk"))}
    raise AssertionError(f"{by} does not require {brought}")


def test_every_dependency_has_a_reason() -> None:
    """docs/decisions.md lists each with its reason, and no other."""
    page = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    section = page.partition("Dependencies, one reason each")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)`", section, re.MULTILINE)) == _declared()
