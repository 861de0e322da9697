"""Several runs at once on one event set, as real processes, on a directory and on S3."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.ledger import Ledger
from tests.ledger.workers import deliver, store
from tests.ledger.world import EVENT_SET, IDENTITY
from tests.servers.s3 import S3Server

_SPAWN = multiprocessing.get_context("spawn")
Start = Callable[..., BaseProcess]


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Connection | None]:
    """URI and connection of a store with an empty ledger."""
    if request.param == "local":
        uri, connection = str(tmp_path / "state"), None
    else:
        server: S3Server = request.getfixturevalue("server")
        uri, connection = f"s3://s3_state@state/{tmp_path.name}", server.connection()
    Ledger.init(store(uri, connection), EVENT_SET, identity=IDENTITY, clock=SystemClock())
    return uri, connection


def _start(place: tuple[str, Connection | None], name: str, numbers: range, log: Path, **options: Any) -> BaseProcess:
    process = _SPAWN.Process(target=deliver, args=(*place, name, list(numbers), str(log)), kwargs=options)
    process.start()
    return process


def _sent(*logs: Path) -> Counter[int]:
    return Counter(int(line) for log in logs if log.exists() for line in log.read_text().split())


def test_overlapping_files_at_once_send_each_event_once(place: tuple[str, Connection | None], tmp_path: Path) -> None:
    """Four runs that share most of their events send each one exactly once, and leave none out."""
    logs = [tmp_path / f"log-{n}" for n in range(4)]
    workers = [_start(place, f"file{n}", range(n * 100, n * 100 + 700), log) for n, log in enumerate(logs)]
    for worker in workers:
        worker.join(150)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert _sent(*logs) == Counter(range(1000))


@pytest.mark.parametrize("place", ["local", pytest.param("s3", marks=pytest.mark.campaign)], indirect=True)
def test_killed_in_the_middle_is_taken_over(place: tuple[str, Connection | None], tmp_path: Path) -> None:
    """After SIGKILL the other run sends the rest; only the window that was under way goes out again."""
    dead_log, log = tmp_path / "dead", tmp_path / "alive"
    dead = _start(place, "dead", range(1000), dead_log, die_after=3)
    dead.join(60)
    assert dead.exitcode == -signal.SIGKILL
    before = _sent(dead_log)
    alive = _start(place, "alive", range(1200), log)
    alive.join(150)
    assert alive.exitcode == 0
    total = before + _sent(log)
    assert set(total) == set(range(1200))
    again = {number for number, count in total.items() if count > 1}
    assert max(total.values()) <= 2
    assert len(again) <= 400
    _start(place, "dead", range(1000), dead_log).join(150)
    assert _sent(dead_log) == before


@pytest.mark.parametrize("place", ["local", pytest.param("s3", marks=pytest.mark.campaign)], indirect=True)
def test_paused_in_the_middle_sends_nothing_after_the_take_over(
    place: tuple[str, Connection | None], tmp_path: Path
) -> None:
    """A run stopped for longer than its lease wakes up, is told, and what it had not sent was sent by the other."""
    paused_log, log = tmp_path / "paused", tmp_path / "alive"
    paused = _start(place, "paused", range(1000), paused_log, pause_after=2)
    _until_stopped(paused)
    alive = _start(place, "alive", range(1000), log)
    alive.join(150)
    assert alive.exitcode == 0
    assert paused.pid is not None
    os.kill(paused.pid, signal.SIGCONT)
    paused.join(150)
    assert paused.exitcode == 0
    assert len(_sent(paused_log)) == 300
    total = _sent(paused_log, log)
    assert set(total) == set(range(1000))
    assert sum(total.values()) <= 1300


def _until_stopped(process: BaseProcess) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]
        if state == "T":
            return
        time.sleep(0.02)
    raise TimeoutError("the process did not stop")
