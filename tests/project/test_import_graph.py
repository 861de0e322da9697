"""scripts/import_graph.py: it finds circles and modules without a layer, and the package has none."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import pytest

from scripts.import_graph import ROOT, ImportGraph, layers


@pytest.fixture(scope="module", name="package")
def _package() -> ImportGraph:
    return ImportGraph.read()


def _graph(**imports: Iterable[str]) -> ImportGraph:
    """A graph of modules; ``a__b`` is the module ``a.b``."""
    named = {name.replace("__", "."): frozenset(imported) for name, imported in imports.items()}
    packages = {name.rpartition(".")[0] for name in named} | {""}
    whole = named | {package: frozenset() for package in packages if package not in named}
    return ImportGraph(whole, dict.fromkeys(whole, 1), frozenset(packages))


def test_the_package_has_no_circle(package: ImportGraph) -> None:
    """Neither between modules nor between what one package holds."""
    assert package.circles() == []


def test_every_module_is_in_a_layer(package: ImportGraph) -> None:
    """Also the modules beside the packages."""
    assert len(package.imports) > 200
    assert package.without_layer(layers()) == []


def test_a_circle_of_modules_is_found() -> None:
    """Whatever its length."""
    assert _graph(a__x=["a.y"], a__y=["a.z"], a__z=["a.x"], a__w=["a.x"]).circles() == [["a.x", "a.y", "a.z"]]


def test_a_circle_of_packages_is_found() -> None:
    """Although no module of theirs is in one."""
    assert _graph(a__x=["b.y"], a__z=[], b__y=[], b__w=["a.z"]).circles() == [["a", "b"]]


def test_imports_without_a_circle_are_none() -> None:
    """A package that imports what lies below it."""
    assert _graph(a__x=["b.y"], b__y=["c"], c=[]).circles() == []


def test_a_module_without_a_layer_is_found() -> None:
    """A layer contains what lies in it, and nothing whose name only begins alike."""
    graph = _graph(a__x=[], ab=[], b=[])
    assert graph.without_layer(["a", "b"]) == ["ab"]


def test_any_is_rare() -> None:
    """At most 60 annotations in the whole package say `Any`: where Airflow or a library gives no type."""
    package = ROOT / "airflow_provider_tiktok_offline"
    annotations = [
        f"{file.relative_to(package)}:{node.lineno}"
        for file in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    assert len(annotations) <= 60, annotations
