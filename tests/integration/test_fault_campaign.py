"""Whatever fails, in whatever order: each valid transaction is counted once, and the summary says the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.campaign import Campaign
from tests.integration.shop import Shop
from tests.servers.simulator import RunningSimulator
from tests.servers.simulator import simulator as start_simulator

#: Seeds of the normal run: 12 refuses events, kills and has system errors; 20 loses answers, throttles, revokes and
#: kills; 37 throttles, has gateway pages, revokes and fills the disk; 38 takes batches in part and moves the clock.
HANDFUL = (12, 20, 37, 38)
CAMPAIGN = range(100, 300)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


@pytest.fixture(scope="module")
def empty_state(simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state in which ``ledger init`` was run and nothing else."""
    shop = Shop(tmp_path_factory.mktemp("shop"), simulator.url)
    shop.init_ledger()
    return shop.state


@pytest.mark.parametrize("seed", HANDFUL)
def test_every_transaction_arrives_once(
    seed: int, simulator: RunningSimulator, empty_state: Path, tmp_path: Path
) -> None:
    """Through kills, lost answers, throttling, 5xx, a revoked token, a full disk and a moved clock."""
    campaign = Campaign(seed, simulator, tmp_path, empty_state)
    campaign.check(campaign.run())
    campaign.check_again_sends_nothing()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", CAMPAIGN)
def test_every_transaction_arrives_once_in_many_runs(
    seed: int, simulator: RunningSimulator, empty_state: Path, tmp_path: Path
) -> None:
    """The same, two hundred times."""
    campaign = Campaign(seed, simulator, tmp_path, empty_state)
    campaign.check(campaign.run())
