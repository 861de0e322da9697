"""The compose files as data: their services, with the variables of a ``.env`` filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yaml"
#: The same for one machine, without Celery.
LOCAL_FILE = ROOT / "docker-compose.local.yaml"
#: What ``${...}`` may look like in the file, and ``$$`` for a dollar.
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Z_]+)(?::(?P<sign>[?-])(?P<word>[^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Service:
    """What the file says of one service.

    Attributes:
        command: as given.
        environment: variable -> value.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


def read_services(values: Mapping[str, str], file: Path = COMPOSE_FILE) -> dict[str, Service]:
    """Every service by name, with ``values`` in the place of variables.

    :param file: the compose file.
    :raises KeyError: for a variable without a value.
    """
    document = _filled(yaml.safe_load(file.read_text()), values)
    return {
        name: Service(name, tuple(entry.get("command") or ()), dict(entry.get("environment") or {}))
        for name, entry in document["services"].items()
    }


def variables(file: Path) -> set[str]:
    """The variables that a compose file reads."""
    return {found["name"] for found in _VARIABLE.finditer(file.read_text()) if found["name"]}


def _filled(node: Any, values: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _filled(value, values) for key, value in node.items()}
        case list():
            return [_filled(value, values) for value in node]
        case str():
            return _VARIABLE.sub(lambda found: "$" if found["dollar"] else values[found["name"]], node)
    return node
