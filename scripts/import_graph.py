"""Count the package's import graph: ``python scripts/import_graph.py``; ``make imports`` runs it.

It ends with 1 if modules or packages import each other in a circle, or if a module is in no layer of the import rules
in pyproject.toml.
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_provider_tiktok_offline"
#: Modules longer than this are to be split; tables of data may be longer.
LONGEST = 400
DATA = {"conversions.contract.catalogue"}
#: Modules shorter than this may belong to a neighbour.
SHORT = 40


@dataclass(frozen=True, slots=True)
class ImportGraph:
    """What the package's modules are and whom they import.

    Attributes:
        imports: module -> the modules of the package that it imports; names without the package's own.
        lines: module -> its lines.
        packages: the modules that hold others.
    """

    imports: Mapping[str, frozenset[str]]
    lines: Mapping[str, int]
    packages: frozenset[str]

    @classmethod
    def read(cls) -> ImportGraph:
        """Of the installed package."""
        graph = grimp.build_graph(PACKAGE, cache_dir=None)
        own = {module: module.removeprefix(PACKAGE).removeprefix(".") for module in graph.modules}
        imports = {
            name: frozenset(own[found] for found in graph.find_modules_directly_imported_by(module))
            for module, name in own.items()
        }
        return cls(imports, {name: _lines(name) for name in imports}, frozenset(map(_parent, imports)) & imports.keys())

    def circles(self) -> list[list[str]]:
        """Circles of modules, and of what one package holds: each as the names of its members."""
        found = [sorted(circle) for circle in _circles(self.imports)]
        for package in sorted(self.packages):
            between: dict[str, set[str]] = defaultdict(set)
            for module, imported in self.imports.items():
                start = _child(package, module)
                ends = {_child(package, one) for one in imported} - {None, start}
                if start is not None:
                    between[start] |= {end for end in ends if end is not None}
            found += [circle for one in _circles(between) if (circle := sorted(one)) not in found]
        return found

    def without_layer(self, layers: Iterable[str]) -> list[str]:
        """Modules that no layer of the import rules names or contains. The package itself is above all layers."""
        named = list(layers)
        return sorted(
            module
            for module in self.imports
            if module and not any(module == layer or module.startswith(f"{layer}.") for layer in named)
        )

    def too_long(self) -> list[str]:
        """Modules with more than ``LONGEST`` lines, but for tables of data."""
        return sorted(module for module, lines in self.lines.items() if lines > LONGEST and module not in DATA)


def layers() -> list[str]:
    """The modules that the layers in pyproject.toml name, without the package's own name."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    found = []
    for rule in rules:
        if rule["type"] == "layers":
            for container in rule.get("containers", [""]):
                names = [name.strip(" ()") for layer in rule["layers"] for name in layer.replace("|", ":").split(":")]
                found += [f"{container}.{name}" if container else name for name in names]
    return [name.removeprefix(f"{PACKAGE}.") for name in found]


def _lines(name: str) -> int:
    path = ROOT / PACKAGE / name.replace(".", "/")
    file = path / "__init__.py"
    file = file if file.is_file() else path.with_suffix(".py")
    return len(file.read_text(encoding="utf-8").splitlines())


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


def _child(package: str, module: str) -> str | None:
    """The member of ``package`` that ``module`` is, or lies in."""
    prefix = f"{package}." if package else ""
    if not module.startswith(prefix) or module == package:
        return None
    return prefix + module.removeprefix(prefix).partition(".")[0]


def _circles(imports: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """The sets of names that reach each other (Tarjan's strongly connected components of more than one)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in imports.get(name, ()):
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            at = stack.index(name)
            circle = set(stack[at:])
            del stack[at:]
            if len(circle) > 1:
                found.append(circle)

    for name in imports:
        if name not in order:
            visit(name)
    return found


def main() -> int:
    """Print the counts; 1 if a rule is broken."""
    graph = ImportGraph.read()
    circles, lost, long = graph.circles(), graph.without_layer(layers()), graph.too_long()
    largest = max(graph.lines, key=lambda module: graph.lines[module])
    short = sorted(name for name, lines in graph.lines.items() if lines < SHORT and name not in graph.packages)
    rows = {
        "modules": len(graph.imports) - len(graph.packages),
        "packages": len(graph.packages),
        "imports": sum(map(len, graph.imports.values())),
        "circles": len(circles),
        "modules in no layer": len(lost),
        "largest module": f"{graph.lines[largest]} lines ({largest})",
        f"modules above {LONGEST} lines": len(long),
        f"modules under {SHORT} lines": f"{len(short)} ({', '.join(short)})",
    }
    for name, value in rows.items():
        sys.stdout.write(f"{name:26} {value}\n")
    for circle in circles:
        sys.stdout.write(f"circle: {' <-> '.join(circle)}\n")
    for module in lost:
        sys.stdout.write(f"in no layer: {module}\n")
    for module in long:
        sys.stdout.write(f"too long: {module}, {graph.lines[module]} lines\n")
    return 1 if circles or lost else 0


if __name__ == "__main__":
    sys.exit(main())
