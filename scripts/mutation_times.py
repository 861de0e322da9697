"""A plugin of pytest for ``scripts/mutation.py``: write how much processor time each test took, set-up included."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

_SECONDS: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure a test; processes that it has ended count. By the clock, a busy machine would make tests look slow."""
    before = sum(os.times()[:4])
    try:
        return (yield)
    finally:
        _SECONDS[item.nodeid] = sum(os.times()[:4]) - before


def pytest_sessionfinish() -> None:
    """Write the file that ``MUTATION_TIMES`` names."""
    Path(os.environ["MUTATION_TIMES"]).write_text(json.dumps(_SECONDS), encoding="utf-8")
