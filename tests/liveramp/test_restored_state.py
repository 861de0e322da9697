"""A state that was put back from a backup, on the liveramp route."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.errors import LedgerDamagedError, NameTakenError
from tests.liveramp.office import Office
from tests.liveramp.rows import row
from tests.servers.sshd import Sshd


@pytest.fixture
def office(server: Sshd, tmp_path: Path) -> Office:
    office = Office(tmp_path, server)
    office.open()
    return office


def test_a_restored_state_stops_the_run_by_its_second_witness(office: Office, tmp_path: Path) -> None:
    """Put back to before the last file, it knows nothing of that one; its rows are not delivered again."""
    ledger = {"witness_uri": str(tmp_path / "elsewhere")}
    office.run("daily/1", [office.drop("a.psv", [row(number) for number in range(30)])], ledger=ledger)
    shutil.copytree(office.folder / "state", tmp_path / "backup")
    office.clock.advance(timedelta(days=1))
    later = office.drop("b.psv", [row(number) for number in range(30, 60)])
    office.run("daily/2", [later], ledger=ledger)
    delivered = office.delivered()
    shutil.rmtree(office.folder / "state")
    (tmp_path / "backup").rename(office.folder / "state")
    office.clock.advance(timedelta(days=1))
    with pytest.raises(LedgerDamagedError, match="put back to an earlier moment"):
        office.run("daily/3", [later], ledger=ledger)
    assert office.delivered() == delivered


def test_a_state_restored_on_the_same_day_meets_its_file(office: Office, tmp_path: Path) -> None:
    """Without a second witness the day's file itself stops the run, and stays as it is."""
    shutil.copytree(office.folder / "state", tmp_path / "backup")
    stamp = office.drop("a.psv", [row(number) for number in range(30)])
    office.run("daily/1", [stamp])
    delivered = office.delivered()
    shutil.rmtree(office.folder / "state")
    (tmp_path / "backup").rename(office.folder / "state")
    with pytest.raises(NameTakenError):
        office.run("daily/2", [stamp])
    assert office.delivered() == delivered
