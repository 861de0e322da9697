"""A plugin of pytest for ``scripts/mutation.py``: write how long each test took, set-up included."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path

import pytest

_SECONDS: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a phase of a test."""
    if report.when != "teardown":
        _SECONDS[report.nodeid] += report.duration


def pytest_sessionfinish() -> None:
    """Write the file that ``MUTATION_TIMES`` names."""
    Path(os.environ["MUTATION_TIMES"]).write_text(json.dumps(_SECONDS), encoding="utf-8")
