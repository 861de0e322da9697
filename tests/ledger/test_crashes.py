"""A delivery that dies at any point is finished by the next try: nothing lost, nothing twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.storage.objects import ObjectStore, open_objects
from tests.ledger.world import World

_SPAWN = multiprocessing.get_context("spawn")


class DyingStore(ObjectStore):
    """A store whose process is killed before or after its n-th write; table commits count as writes too."""

    def __init__(self, inner: ObjectStore, die_at: int) -> None:
        self.inner = inner
        self.uri = inner.uri
        self.storage_options = inner.storage_options
        self._left = die_at

    def tick(self) -> None:
        """One more point at which the process may die."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def get(self, path: str) -> tuple[bytes, str] | None:
        return self.inner.get(path)

    def put(self, path: str, content: bytes) -> None:
        self.tick()
        self.inner.put(path, content)

    def create(self, path: str, content: bytes) -> bool:
        self.tick()
        return self.inner.create(path, content)

    def replace(self, path: str, content: bytes, version: str) -> bool:
        self.tick()
        return self.inner.replace(path, content, version)

    def delete(self, path: str) -> None:
        self.tick()
        self.inner.delete(path)

    def list(self, prefix: str) -> list[str]:
        return self.inner.list(prefix)

    def sizes(self, prefix: str) -> dict[str, int]:
        return self.inner.sizes(prefix)

    def open_read(self, path: str) -> BinaryIO:
        return self.inner.open_read(path)

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        @contextmanager
        def writing() -> Iterator[BinaryIO]:
            with self.inner.open_write(path) as stream:
                yield stream
                self.tick()

        return writing()

    def delta_uri(self, path: str) -> str:
        return self.inner.delta_uri(path)


def deliver_and_die(root: str, die_at: int) -> None:
    """Run in a process of its own: a whole delivery of ten events, killed at the point given."""
    dying = DyingStore(open_objects(root), die_at)
    append, advance = WitnessedTable.append, WitnessedTable.advance

    def append_or_die(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        dying.tick()
        append(self, *args, **kwargs)

    def advance_or_die(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        dying.tick()
        advance(self, *args, **kwargs)

    WitnessedTable.append, WitnessedTable.advance = append_or_die, advance_or_die  # type: ignore[method-assign]
    world = World(dying)
    world.deliver("monday", range(10))


#: Claim entered, plan fixed, answers flushed, rows committed, witness advanced, claim removed. The rest: campaign.
_TELLING = (10, 12, 14, 16, 17, 18, 20)
_POINTS = [n if n in _TELLING else pytest.param(n, marks=pytest.mark.campaign) for n in range(1, 22)]


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
    process = _SPAWN.Process(target=deliver_and_die, args=(str(tmp_path / "state"), 22))
    process.start()
    process.join(60)
    assert process.exitcode == 0
