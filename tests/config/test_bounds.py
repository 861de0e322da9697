"""Every number of the configuration has a lower and an upper bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.config.schema import json_schema
from airflow_provider_tiktok_offline.config.sections import LedgerConfig, UploadConfig

_LOWER, _UPPER = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}


def _numbers(node: object, path: str) -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(node, dict):
        if node.get("type") in ("integer", "number"):
            yield path, node
        for key, value in node.items():
            yield from _numbers(value, f"{path}/{key}")
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from _numbers(value, f"{path}/{place}")


def test_every_number_is_bounded() -> None:
    """A number of another size is a message of `config check`, not a crash at night."""
    numbers = dict(_numbers(json_schema(), ""))
    assert len(numbers) > 30
    assert [
        path
        for path, node in numbers.items()
        if "enum" not in node and "const" not in node and not (_LOWER & node.keys() and _UPPER & node.keys())
    ] == []


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, -1.0])
def test_what_is_no_number_of_seconds_is_refused(value: float) -> None:
    """Infinity and NaN too."""
    with pytest.raises(ValidationError):
        UploadConfig(timeout_seconds=value)
    with pytest.raises(ValidationError):
        LedgerConfig.model_validate({"lease_seconds": value})


_SCHEMA = json_schema()


def _keys(node: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each number of an entry: where it stands, and its schema."""
    if "$ref" in node:
        yield from _keys(_SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], path)
        return
    if node.get("type") in ("integer", "number"):
        yield path, node
    for kind in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _keys(kind, path)
    for key, value in node.get("properties", {}).items():
        yield from _keys(value, (*path, key))
    if isinstance(node.get("items"), dict):
        yield from _keys(node["items"], (*path, 0))
    if isinstance(node.get("additionalProperties"), dict):
        allowed = node.get("propertyNames", {}).get("enum", ["usual"])
        yield from _keys(node["additionalProperties"], (*path, allowed[0]))


def _entry_keys() -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    advertisers = _SCHEMA["properties"]["advertisers"]
    return [(path[1:], node) for path, node in _keys(advertisers) if "enum" not in node and "const" not in node]


_NUMBERS = _entry_keys()


def _beyond(node: Mapping[str, Any]) -> list[float]:
    """The numbers next to both bounds that are refused."""
    low = node["minimum"] - 1 if "minimum" in node else node["exclusiveMinimum"]
    high = node["maximum"] + 1 if "maximum" in node else node["exclusiveMaximum"]
    return [low, high, 10**30]


def _with(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """An entry that has this value at that place."""
    inner: Any = value
    for key in reversed(path):
        inner = [inner] if isinstance(key, int) else {key: inner}
    return {"name": "shop", **inner}


@pytest.mark.parametrize(("path", "node"), _NUMBERS, ids=[".".join(map(str, path)) for path, _ in _NUMBERS])
def test_a_number_beyond_its_bounds_is_named(path: tuple[str | int, ...], node: dict[str, Any], tmp_path: Path) -> None:
    """With file, line, entry and key, whichever key it is."""
    file = tmp_path / "advertisers.yaml"
    for value in _beyond(node):
        text = yaml.safe_dump({"advertisers": [_with(path, value)]}, sort_keys=False)
        file.write_text(text)
        key = ".".join(map(str, path))
        found = [fault for fault in load_config(file).broken if fault.key == key]
        assert found, (key, value, [str(fault) for fault in load_config(file).broken])
        assert (found[0].file, found[0].entry) == (str(file), "shop")
        written = text.splitlines()[(found[0].line or 0) - 1].strip()
        assert written.startswith("- " if path[-1] == 0 else f"{path[-1]}:")


def test_every_number_of_an_entry_is_reached() -> None:
    """The walk goes into sections, lists and tables."""
    keys = {path[0] for path, _ in _NUMBERS}
    assert len(_NUMBERS) >= 40
    assert {"retries", "source", "guards", "upload", "ledger", "execution_timeout_hours", "format"} <= keys
