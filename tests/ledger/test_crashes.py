"""A delivery that dies at any point is finished by the next try: nothing lost, nothing twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import World
from tests.servers.dying import DyingStore, Life, mortal_table

_SPAWN = multiprocessing.get_context("spawn")


def deliver_and_die(root: str, die_at: int) -> None:
    """Run in a process of its own: a whole delivery of ten events, killed at the point given."""
    life = Life(die_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.MonkeyPatch.context() as patch:
        mortal_table(life, patch)
        World(DyingStore(open_objects(root), life)).deliver("monday", range(10))


#: Five writes are the store's own test. Then: claim entered, plan fixed, answers flushed, rows committed, witness
#: advanced, claim removed. The rest: campaign.
_TELLING = (15, 17, 19, 21, 22, 23, 25)
_POINTS = [n if n in _TELLING else pytest.param(n, marks=pytest.mark.campaign) for n in range(1, 27)]


@pytest.mark.parametrize("die_at", _POINTS)
def test_killed_at_any_write_the_next_try_finishes(tmp_path: Path, die_at: int) -> None:
    """Killed before its n-th write, the same delivery run again ends with each event accepted once."""
    root = str(tmp_path / "state")
    process = _SPAWN.Process(target=deliver_and_die, args=(root, die_at))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    world = World(open_objects(root))
    closed = [state.id for state in world.deliveries.list("shop") if state.status == "closed"]
    if not closed:
        settlement = world.deliver("monday", range(10))
        assert settlement.accepted + settlement.verdicts["accepted"] == 10
    ledger = world.ledger()
    assert world.verdicts(range(10)) == {"already_sent": 10}
    assert ledger.table.snapshot().rows in (10, 20)
    assert ledger.claims.read().claims == {}


def test_the_points_cover_the_whole_delivery(tmp_path: Path) -> None:
    """A delivery has no more writes than the points above: none is left out at the end."""
    process = _SPAWN.Process(target=deliver_and_die, args=(str(tmp_path / "state"), 27))
    process.start()
    process.join(60)
    assert process.exitcode == 0
