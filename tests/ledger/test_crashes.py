"""A delivery that dies at any point is finished by the next try: nothing lost, nothing twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.ledger.world import World
from tests.servers.dying import DiedError, DyingStore, Life, mortal_table

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


def test_receipts_that_come_after_a_settlement_died_get_one_row_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had written down what it folds; what came since is the next one's, and nothing is folded by both."""
    delivery = world.enter("monday")
    world.plan(delivery, range(10))
    world.send(delivery, range(5))
    with monkeypatch.context() as patch:
        mortal_table(Life(1), patch)
        with pytest.raises(DiedError):
            world.ledger().settle(delivery)
    world.send(delivery, range(5, 10))
    for _ in range(2):
        assert world.ledger().settle(delivery).accepted == 10
    assert world.ledger().table.snapshot().rows == 10


def test_a_witness_that_was_left_behind_is_advanced_by_the_next_settlement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows were committed, and nothing is left to fold: else a table that falls back goes unnoticed."""
    delivery = world.enter("monday")
    world.plan(delivery, range(10))
    world.send(delivery, range(10))
    with monkeypatch.context() as patch:
        mortal_table(Life(2), patch)
        with pytest.raises(DiedError):
            world.ledger().settle(delivery)
    table = world.ledger().table
    behind = documents.read(world.objects, f"{table.path}.witness.json")
    assert world.ledger().settle(delivery).accepted == 10
    advanced = documents.read(world.objects, f"{table.path}.witness.json")
    assert behind is not None
    assert advanced is not None
    assert (behind[0]["version"], advanced[0]["version"]) == (0, table.snapshot().version)
    assert advanced[0]["rows"] == 10


def test_receipts_that_come_while_a_settlement_commits_are_folded_by_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another task of the delivery has sent meanwhile: what is counted is what is there at the end."""
    delivery = world.enter("monday")
    world.plan(delivery, range(10))
    world.send(delivery, range(5))
    append = WitnessedTable.append
    late = [range(5, 10)]

    def append_and_send(table: WitnessedTable, *given: Any, **options: Any) -> Snapshot:
        newest = append(table, *given, **options)
        if late:
            world.send(delivery, late.pop())
        return newest

    monkeypatch.setattr(WitnessedTable, "append", append_and_send)
    assert world.ledger().settle(delivery).accepted == 10
    assert world.ledger().table.snapshot().rows == 10
