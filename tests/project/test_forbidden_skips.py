"""``--forbid-skips`` and the marker ``root``: continuous integration runs every test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

@pytest.mark.skipif(True, reason="the server is missing")
def test_skipped():
    pass

def test_passed():
    pass

@pytest.mark.xfail(strict=True)
def test_expected_to_fail():
    raise RuntimeError
"""


def _pytest(folder: Path, *options: str) -> str:
    """What pytest says of tests in a folder, with the conftest of the package's tests."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  root: needs root\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", *options, folder]
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "counts"),
    [((), "1 passed, 1 skipped, 1 xfailed"), (("--forbid-skips",), "1 passed, 1 xfailed, 1 error")],
)
def test_a_skipped_test_fails(tmp_path: Path, options: tuple[str, ...], counts: str) -> None:
    """With the option; a failure that is expected stays one."""
    (tmp_path / "test_one.py").write_text(TESTS)
    assert _pytest(tmp_path, *options).startswith(counts)


def test_a_skipped_module_fails(tmp_path: Path) -> None:
    """A library that is missing is no reason to leave out a module."""
    (tmp_path / "test_one.py").write_text("import pytest\npytest.importorskip('no_such_library')\n")
    assert "1 error" in _pytest(tmp_path, "--forbid-skips")


def test_a_test_that_needs_root_is_skipped_for_others(tmp_path: Path) -> None:
    """Who is not root sees it as skipped, with the reason."""
    (tmp_path / "test_one.py").write_text("import pytest\n@pytest.mark.root\ndef test_mounting():\n    pass\n")
    (tmp_path / "user.py").write_text("import os\nos.geteuid = lambda: 1000\n")
    assert _pytest(tmp_path, "--override-ini", f"pythonpath={tmp_path}", "-p", "user").startswith("1 skipped")
