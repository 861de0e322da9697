from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.world import NOW, World
from tests.servers.simulator import RunningSimulator, simulator


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path, running_simulator: RunningSimulator) -> World:
    """A fresh folder and an emptied simulator whose clock agrees with the tests'."""
    running_simulator.control.reset()
    world = World(tmp_path, running_simulator)
    running_simulator.control.set_clock(NOW.timestamp() - running_simulator.control.summary().now)
    return world
