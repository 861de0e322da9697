"""The real console script, and a simulator for it to talk to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.sales import entry, rows
from tests.servers.simulator import ACCESS_TOKEN, APP_SECRET, EVENT_SET_ID, RunningSimulator, simulator

SCRIPT = Path(sys.executable).with_name("tiktok-offline")


class Cli:
    """Runs ``tiktok-offline`` in a directory of its own.

    :param home: the working directory; nothing else of the environment but PATH is handed on.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "COLUMNS": "200",
            "NO_PROXY": "127.0.0.1",
        }

    def __call__(self, *args: str | Path, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [str(SCRIPT), *map(str, args)],
            cwd=self.home,
            env={**self.environ, **environ},
            input=typed,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def start(self, *args: str | Path, **environ: str) -> subprocess.Popen[str]:
        """Start it and let it run."""
        return subprocess.Popen(
            [str(SCRIPT), *map(str, args)],
            cwd=self.home,
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self, *args: str | Path, typed: str = "", **environ: str) -> str:
        """Run it, expect success, and return what it printed."""
        result = self(*args, typed=typed, **environ)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def error(self, *args: str | Path, code: int = 2, typed: str = "", **environ: str) -> str:
        """Run it, expect one clear error and no traceback, and return its line."""
        result = self(*args, typed=typed, **environ)
        assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        # A prompt without an echoed newline may stand before it.
        _, mark, line = result.stderr.rstrip("\n").partition("error: ")
        assert mark, result.stderr
        assert "\n" not in line, result.stderr
        return line


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The console script in a directory of its own."""
    return Cli(tmp_path)


@pytest.fixture(scope="session")
def _tiktok() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def tiktok(_tiktok: RunningSimulator, cli: Cli) -> RunningSimulator:
    """A fresh simulator; its token and app secret are in the script's environment."""
    _tiktok.control.reset()
    cli.environ |= {"TIKTOK_ACCESS_TOKEN": ACCESS_TOKEN, "TIKTOK_APP_SECRET": APP_SECRET}
    return _tiktok


@pytest.fixture(scope="session")
def fresh_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a ledger that nothing was sent by yet, to be copied."""
    cli = Cli(tmp_path_factory.mktemp("ledger"))
    (cli.home / "advertisers.yaml").write_text(json.dumps({"advertisers": [entry(cli.home)]}))
    assert EVENT_SET_ID in cli.done("ledger", "init", "--config", "advertisers.yaml")
    return cli.home / "state"


@pytest.fixture
def shop(cli: Cli, tiktok: RunningSimulator, fresh_ledger: Path) -> tuple[str, ...]:
    """A live advertiser with a ledger and a file of 30 rows; ``upload`` arguments that reach the simulator."""
    (cli.home / "advertisers.yaml").write_text(json.dumps({"advertisers": [entry(cli.home)]}))
    (cli.home / "sales.csv").write_text(rows(30))
    shutil.copytree(fresh_ledger, cli.home / "state")
    return ("--config", "advertisers.yaml", "--advertiser", "shop", "--api-url", tiktok.url)
