"""Servers of the storage tests: one OpenSSH server for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.sshd import Sshd, sshd


@pytest.fixture(scope="session")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture
def folder(server: Sshd, tmp_path: Path) -> Path:
    """An empty folder that the server can reach under the same path."""
    return tmp_path
