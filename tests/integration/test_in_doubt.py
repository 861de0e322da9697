"""Events whose answer was lost: sent again within the window, never after it, until a person decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.integration.shop import ConversionFile, Shop, write_file
from tests.servers.simulator import RunningSimulator
from tests.servers.simulator import simulator as start_simulator

HOUR = 3600
PURCHASES, BATCH, LOST = 300, 50, 2


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


def _lose_answers(simulator: RunningSimulator, folder: Path, *, taken: bool) -> tuple[Shop, ConversionFile]:
    """Deliver a file while the answers to some batches are lost, whether or not their events were taken."""
    simulator.control.reset()
    shop = Shop(folder, simulator.url)
    shop.configure(upload={"batch_events": BATCH, "in_flight": 4, "max_attempts": 1, "requests_per_second": 200})
    shop.init_ledger()
    file = write_file(folder / "sales.csv", range(PURCHASES), shop.now())
    simulator.control.add(Fault(kind="drop", taken=taken, skip=2, count=LOST))
    ended = shop.upload(file.path)
    assert ended.code == 1, ended
    assert f"{LOST * BATCH} events unconfirmed" in ended.errors, ended
    return shop, file


def _advance(shop: Shop, simulator: RunningSimulator, hours: float) -> None:
    shop.offset += hours * HOUR
    simulator.control.set_clock(shop.offset)


def test_within_the_window_doubt_ends_by_sending_again(simulator: RunningSimulator, tmp_path: Path) -> None:
    """Under the same ids, which TikTok takes once."""
    shop, file = _lose_answers(simulator, tmp_path, taken=True)
    _advance(shop, simulator, 43)
    ended = shop.upload(file.path)
    assert ended.code == 0, ended
    assert ended.result["events"] == {"accepted": PURCHASES}
    assert simulator.event_ids() == dict.fromkeys(file.event_ids, 1)


@pytest.mark.parametrize(("taken", "decision"), [(True, "--assume-sent"), (False, "--resend")])
def test_after_the_window_a_person_decides(
    taken: bool, decision: str, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """Till then nothing is sent and the delivery stays open; then each transaction is there once."""
    shop, file = _lose_answers(simulator, tmp_path, taken=taken)
    _advance(shop, simulator, 49)
    before = simulator.control.summary().events_received
    ended = shop.upload(file.path)
    assert ended.code == 1, ended
    assert "unconfirmed" in ended.errors
    assert "ledger resolve" in ended.errors
    assert simulator.control.summary().events_received == before
    resolved = shop.run("ledger", "resolve", decision, "--reason", "looked at Events Manager")
    assert resolved.code == 0, resolved
    ended = shop.upload(file.path)
    assert ended.code == 0, ended
    assert sum(ended.result["events"].values()) == PURCHASES
    assert simulator.event_ids() == dict.fromkeys(file.event_ids, 1)
