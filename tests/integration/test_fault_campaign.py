"""Whatever fails, in whatever order: each valid transaction is counted once, and the summary says the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.campaign import Campaign
from tests.servers.simulator import RunningSimulator
from tests.servers.simulator import simulator as start_simulator

#: Seeds of the normal run, chosen so that each kind of disturbance is in one of them.
HANDFUL = range(5)
CAMPAIGN = range(100, 300)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


def _run(seed: int, simulator: RunningSimulator, folder: Path) -> None:
    campaign = Campaign(seed, simulator, folder)
    ended = campaign.run()
    campaign.check(ended)
    campaign.check_again_sends_nothing()


@pytest.mark.parametrize("seed", HANDFUL)
def test_every_transaction_arrives_once(seed: int, simulator: RunningSimulator, tmp_path: Path) -> None:
    """Through kills, lost answers, throttling, 5xx, a revoked token, a full disk and a moved clock."""
    _run(seed, simulator, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", CAMPAIGN)
def test_every_transaction_arrives_once_in_many_runs(seed: int, simulator: RunningSimulator, tmp_path: Path) -> None:
    """The same, two hundred times."""
    _run(seed, simulator, tmp_path)
