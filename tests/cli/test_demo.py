"""The demo runs on the Airflow that is installed, and no error of its child processes is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.cli.demo.children import ChildProcess, DemoError, run_to_end
from tests.cli.conftest import Cli


@pytest.mark.demo
def test_the_demo_delivers_each_event_once(cli: Cli) -> None:
    """Three runs of the example DAG; what TikTok's side holds is counted again without this package's code."""
    shown = cli.done("demo", "--rows", "1000")
    assert "each once" in shown
    assert "run 3" in shown
    steps = [line.split("│")[1].strip() for line in shown.splitlines() if line.count("│") == 5]
    assert steps == [
        "wait_for_file", "validate", "normalize_hash", "dedupe", "upload", "summary", "events sent",
    ]  # fmt: skip


def test_a_child_that_ends_early_is_reported_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of its log stands in the message, and all of it is kept; also where Python buffers its output."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    log = tmp_path / "child.log"
    code = "print('a first line'); raise ModuleNotFoundError('there is no module of that name')"
    with ChildProcess("Airflow", [sys.executable, "-c", code], log, mark="@@") as child:
        with pytest.raises(DemoError, match="Airflow ended with exit code 1: ModuleNotFoundError: there is no module"):
            child.answer()
        with pytest.raises(DemoError, match="there is no module"):
            child.check()
    assert "a first line" in log.read_text()


def test_a_command_that_fails_is_reported_with_its_error(tmp_path: Path) -> None:
    """So is one that is run to its end."""
    with pytest.raises(DemoError, match="migrate ended with exit code 3: no such table"):
        run_to_end(
            "migrate",
            [sys.executable, "-c", "print('no such table'); raise SystemExit(3)"],
            tmp_path / "migrate.log",
            environment=os.environ,
        )
