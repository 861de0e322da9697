"""Every number of the configuration has a lower and an upper bound."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

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
