"""Receipts become rows of the table, each once, whatever happens between the two."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage import documents
from tests.ledger.world import World
from tests.servers.dying import DiedError, Life, mortal_table


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
