"""scripts/system-packages: what it finds missing, what it installs, what it says to others than root."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-packages"

Ended = subprocess.CompletedProcess[str]
Machine = Callable[..., Ended]


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    """A machine with these programs in PATH, beside what the script itself calls; ``apt`` is its ``apt-get``."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def write(name: str, script: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    def run(
        target: str, *installed: str, user: int = 1000, apt: str | None = "exit 1"
    ) -> subprocess.CompletedProcess[str]:
        (programs / "tr").symlink_to(shutil.which("tr") or "")
        (programs / "python3").symlink_to(sys.executable)
        write("id", f"echo {user}")
        for name in installed:
            write(name, "exit 0")
        if apt is not None:
            write("apt-get", apt)
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), target],
            env={"PATH": str(programs), "PROGRAMS": str(programs)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


FOR_TESTS = ("sshd", "ssh-keygen", "sftp", "openssl", "gpg", "mount", "unshare")


def test_nothing_is_missing(machine: Machine) -> None:
    """Where everything is there nothing is printed and nothing is installed."""
    ended = machine("test", *FOR_TESTS)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_user_is_given_the_line_to_run(machine: Machine) -> None:
    """Without root nothing is installed; the missing packages stand in one line that can be copied."""
    ended = machine("test", "sshd", "ssh-keygen", "openssl", "mount", "unshare")
    assert ended.returncode == 1
    assert "  sudo apt-get update && sudo apt-get install -y openssh-client gnupg \n" in ended.stderr


def test_root_installs_what_is_missing(machine: Machine) -> None:
    """And looks again."""
    apt = '[ "$1" != install ] || /bin/cp "$PROGRAMS/id" "$PROGRAMS/gpg"'
    ended = machine("test", *(name for name in FOR_TESTS if name != "gpg"), user=0, apt=apt)
    assert ended.returncode == 0, ended.stderr
    assert "gnupg" in ended.stdout


def test_what_stays_missing_is_an_error(machine: Machine) -> None:
    """An installation that brought nothing does not pass."""
    ended = machine("test", *(name for name in FOR_TESTS if name != "gpg"), user=0, apt="exit 0")
    assert ended.returncode == 1
    assert "still missing: gnupg" in ended.stderr


def test_another_distribution_is_told_what_is_missing(machine: Machine) -> None:
    """Without apt-get the names of Debian's packages say what to look for."""
    ended = machine("test", *(name for name in FOR_TESTS if name != "sftp"), apt=None)
    assert ended.returncode == 1
    assert "openssh-client" in ended.stderr


def test_each_target_needs_its_own(machine: Machine) -> None:
    """The demo needs no server of the system."""
    assert machine("demo").returncode == 0


def test_an_unknown_target_is_an_error(machine: Machine) -> None:
    """The script says which there are."""
    ended = machine("everything")
    assert ended.returncode == 2
    assert "usage" in ended.stderr
