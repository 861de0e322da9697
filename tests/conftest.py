"""An Airflow home for the whole session, the marker ``root``, and the option ``--forbid-skips``.

Airflow reads its environment when it is first imported, so its home is made while pytest collects.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.airflow import airflow_environment

_HOME = Path(tempfile.mkdtemp(prefix="tiktok-offline-airflow-"))
#: Bytes of a parameter that are shown as they are.
_LONGEST_NAME = 40
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
airflow_environment(_HOME).apply()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--forbid-skips``: continuous integration has everything that a test needs."""
    parser.addoption("--forbid-skips", action="store_true", help="a test that is skipped fails")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Show no long bytes: a compressed file holds its time, and each worker must collect the same names."""
    return "bytes" if isinstance(val, bytes) and len(val) > _LONGEST_NAME else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs root where the user is another."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root: run it as root, as continuous integration does")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a skipped test."""
    report = yield
    return _forbidden(report, item.config) if report.skipped else report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a failure of a skipped module."""
    report = yield
    return _forbidden(report, collector.config) if report.skipped else report


def _forbidden(report: Any, config: pytest.Config) -> Any:
    if config.getoption("--forbid-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"--forbid-skips: {report.longrepr}"
    return report
