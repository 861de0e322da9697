"""Every key of an entry, as the schema of the typed model has them, and values that no key may be broken by."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_tiktok_offline.config.schema import json_schema

Path = tuple[str | int, ...]

#: Of the wrong type, the wrong size, or with an effect of their own on whatever reads them.
VALUES: tuple[Any, ...] = (
    None, True, [], {}, "", -1, 1e300, float("inf"), float("nan"), 10**30, "x" * 101, "x" * 5_000, [[[]]], [None], [""],
    ["x" * 101], {"a": {"b": 1}}, "\x1b[2K\u202e", "../../etc/passwd", "2026-99-99", "61 6 * * *", "sftp://u:p@h/x",
    "{{ today }}", "{{", "{{ 1 // 0 }}", "{{ 9 ** 9 ** 9 }}", "{{ 'x' * 10 ** 10 }}", "{{ ds.center(10 ** 10) }}",
    "{{ day.strftime('%1000000000d') }}",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
)  # fmt: skip

_SCHEMA = json_schema()


def _walk(node: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    if "$ref" in node:
        yield from _walk(_SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], path)
        return
    if path:
        yield path
    for kind in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _walk(kind, path)
    for key, value in node.get("properties", {}).items():
        yield from _walk(value, (*path, key))
    if isinstance(node.get("items"), dict):
        yield from _walk(node["items"], (*path, 0))
    if isinstance(node.get("additionalProperties"), dict):
        allowed = node.get("propertyNames", {}).get("enum", ["usual"])
        yield from _walk(node["additionalProperties"], (*path, allowed[0]))


def every_key() -> list[Path]:
    """Each section, list, table and value of an entry but its name, which says whose faults are whose."""
    paths = {path[1:]: None for path in _walk(_SCHEMA["properties"]["advertisers"]) if len(path) > 1}
    return [path for path in paths if path != ("name",)]


def entry(name: str, path: Path = (), value: object = None) -> dict[str, Any]:
    """An entry without a fault but for this value at that place."""
    made: dict[str, Any] = {
        "name": name,
        "advertiser_id": "7000000000000000101",
        "event_set_id": "7000000000000000201",
        "state_uri": "/var/lib/tiktok-offline",
        "source": {"path": f"/in/{name}_{{{{ ds_nodash }}}}.csv"},
    }
    if path[:1] == ("liveramp",):
        made |= {"route": "liveramp", "liveramp": {"destination": "/out"}}
    if not path:
        return made
    inner = copy.deepcopy(value)
    for key in reversed(path[1:]):
        inner = [inner] if isinstance(key, int) else {key: inner}
    top = str(path[0])
    if len(path) > 1 and isinstance(inner, dict) and isinstance(made.get(top), dict):
        inner = {**made[top], **inner}
    return {**made, top: inner}
