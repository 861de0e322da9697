"""One simulator and one OpenSSH server for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.simulator import RunningSimulator, simulator
from tests.servers.sshd import Sshd, sshd


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running
