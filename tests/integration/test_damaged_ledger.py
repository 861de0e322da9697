"""A ledger damaged by hand: a clear error, and nothing is sent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.shop import Shop, write_file
from tests.servers.simulator import EVENT_SET_ID, RunningSimulator
from tests.servers.simulator import simulator as start_simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


@pytest.fixture(scope="module")
def delivered(simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that has delivered two files and has a third to deliver."""
    shop = Shop(tmp_path_factory.mktemp("shop"), simulator.url)
    shop.init_ledger()
    newest = shop.now()
    for number in range(3):
        write_file(shop.folder / f"{number}.csv", range(100 * number, 100 * number + 150), newest)
    for number in range(2):
        assert shop.upload(shop.folder / f"{number}.csv").code == 0
    shutil.copytree(shop.state, shop.folder / "whole")
    return shop


def _ledger(shop: Shop) -> Path:
    return shop.state / "event_sets" / EVENT_SET_ID


def _log(shop: Shop) -> list[Path]:
    return sorted(_ledger(shop).glob("*/keys/_delta_log/*.json"))


def _data(shop: Shop) -> list[Path]:
    return sorted(_ledger(shop).glob("*/keys/day=*/*.parquet"))


def _first(shop: Shop, pattern: str) -> Path:
    return next(_ledger(shop).glob(pattern))


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Shop], object]] = {
    "the last log entry is missing": lambda shop: _log(shop)[-1].unlink(),
    "a data file is cut off": lambda shop: _cut(_data(shop)[-1]),
    "the secret is gone": lambda shop: _first(shop, "secret").unlink(),
}
MORE_DAMAGES: dict[str, Callable[[Shop], object]] = {
    "the first log entry is missing": lambda shop: _log(shop)[0].unlink(),
    "a log entry in the middle is missing": lambda shop: _log(shop)[1].unlink(),
    "a log entry is cut off": lambda shop: _cut(_log(shop)[1]),
    "the last log entry is cut off": lambda shop: _cut(_log(shop)[-1]),
    "the log is gone": lambda shop: shutil.rmtree(_log(shop)[0].parent),
    "a data file is missing": lambda shop: _data(shop)[0].unlink(),
    "a data file is empty": lambda shop: _data(shop)[0].write_bytes(b""),
    "the secret is another": lambda shop: _change(_first(shop, "secret")),
    "the secret is cut off": lambda shop: _cut(_first(shop, "secret")),
    "the witness is gone": lambda shop: _first(shop, "*/keys.witness.json").unlink(),
    "the witness is cut off": lambda shop: _cut(_first(shop, "*/keys.witness.json")),
    "the claims are cut off": lambda shop: _cut(_first(shop, "*/claims.json")),
    "the claims are gone": lambda shop: _first(shop, "*/claims.json").unlink(),
    "the description is gone": lambda shop: _first(shop, "meta.json").unlink(),
    "the description is cut off": lambda shop: _cut(_first(shop, "meta.json")),
    "the ledger is gone": lambda shop: shutil.rmtree(_ledger(shop)),
}


def _damage_and_deliver(damage: Callable[[Shop], object], shop: Shop, simulator: RunningSimulator) -> None:
    shutil.rmtree(shop.state)
    shutil.copytree(shop.folder / "whole", shop.state)
    damage(shop)
    before = simulator.control.summary().requests
    ended = shop.upload(shop.folder / "2.csv")
    assert simulator.control.summary().requests == before, ended
    assert ended.code == 2, ended
    assert ended.errors.startswith("error: "), ended.errors
    assert EVENT_SET_ID in ended.errors, ended.errors


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_ledger_stops_the_delivery(
    damage: Callable[[Shop], object], delivered: Shop, simulator: RunningSimulator
) -> None:
    """Before a request leaves, with an error that names the ledger."""
    _damage_and_deliver(damage, delivered, simulator)


@pytest.mark.campaign
@pytest.mark.parametrize("damage", MORE_DAMAGES.values(), ids=MORE_DAMAGES.keys())
def test_any_damage_to_the_ledger_stops_the_delivery(
    damage: Callable[[Shop], object], delivered: Shop, simulator: RunningSimulator
) -> None:
    """Whatever of it is missing, cut off or another's."""
    _damage_and_deliver(damage, delivered, simulator)


def test_the_ledger_that_was_put_back_goes_on(delivered: Shop, simulator: RunningSimulator) -> None:
    """Nothing was lost or sent twice by the refusals: the third file brings what is new in it."""
    shutil.rmtree(delivered.state)
    shutil.copytree(delivered.folder / "whole", delivered.state)
    ended = delivered.upload(delivered.folder / "2.csv")
    assert ended.code == 0, ended
    assert set(simulator.event_ids().values()) == {1}
    assert len(simulator.event_ids()) == 350
