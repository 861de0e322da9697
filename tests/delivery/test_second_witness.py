"""A state that was put back from a backup is noticed by the second witness."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.operations.doctor import doctor
from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from tests.delivery.world import World, rows


def _ledger_findings(world: World, **changes: Any) -> Iterator[tuple[str, str]]:
    for finding in doctor(world.context("doctor", **changes)):
        if finding.subject == "ledger":
            yield finding.status, finding.text


@pytest.mark.parametrize("watched", [True, False])
def test_a_restored_state_stops_the_run(world: World, watched: bool) -> None:
    """Its own witness is as old as it is. The one on other storage knows better, and nothing is sent twice."""
    state, backup = world.folder / "state", world.folder / "backup"
    ledger: dict[str, Any] = {"witness_uri": str(world.folder / "elsewhere")} if watched else {}
    world.init_ledger()
    world.deliver(world.drop(rows(1, 5), name="a.csv"), world.context("daily/1", ledger=ledger))
    shutil.copytree(state, backup)
    tuesday = world.drop(rows(10, 5), name="b.csv")
    world.deliver(tuesday, world.context("daily/2", ledger=ledger))
    [(status, text)] = _ledger_findings(world, ledger=ledger)
    assert status == "ok"
    assert ("not behind the second witness" in text) is watched
    assert "newest rows are of 2026-11-2" in text
    shutil.rmtree(state)
    backup.rename(state)
    sent = sum(world.simulator.times_received().values())
    again = world.context("daily/3", ledger=ledger)
    if not watched:
        world.deliver(tuesday, again)
        assert sum(world.simulator.times_received().values()) == sent + 5
        return
    with pytest.raises(LedgerDamagedError, match="put back to an earlier moment"):
        world.deliver(tuesday, again)
    assert sum(world.simulator.times_received().values()) == sent
    assert [status for status, _ in _ledger_findings(world, ledger=ledger)] == ["failed"]
