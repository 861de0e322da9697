"""Two processes on one event set, as a backfill beside the daily run: nothing is sent by both, nothing left out."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.campaign import RECEIPT_SECONDS, SLACK_SECONDS
from tests.integration.shop import ConversionFile, Ended, Shop, finish, write_file
from tests.servers.simulator import RunningSimulator
from tests.servers.simulator import simulator as start_simulator

BATCH, IN_FLIGHT, LEASE_SECONDS = 50, 2, 2
#: One of the two is paused until the other has taken over.
HANDFUL = (0,)
CAMPAIGN = range(500, 540)
ROUNDS = 8


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with start_simulator() as running:
        yield running


class Pair:
    """Two entries that share an event set and its ledger, each with its file; part of it is the other's, too."""

    def __init__(self, seed: int, simulator: RunningSimulator, folder: Path) -> None:
        self.random = random.Random(seed)
        self.control = simulator.control
        self.simulator = simulator
        self.control.reset()
        self.shops = [self._shop(folder, name) for name in ("daily", "backfill")]
        self.shops[0].init_ledger()
        rows, shared = self.random.randint(1500, 3000), self.random.randint(500, 1400)
        newest = self.shops[0].now()
        self.files: list[ConversionFile] = [
            write_file(folder / "daily.csv", range(rows), newest),
            write_file(folder / "backfill.csv", range(rows - shared, 2 * rows - shared), newest),
        ]

    def _shop(self, folder: Path, name: str) -> Shop:
        upload = {"batch_events": BATCH, "in_flight": IN_FLIGHT, "requests_per_second": 30, "part_events": 1000}
        ledger = {"heartbeat_seconds": 1, "lease_seconds": LEASE_SECONDS}
        return Shop(folder, self.simulator.url, name=name, settings={"upload": upload, "ledger": ledger})

    @property
    def event_ids(self) -> set[str]:
        return self.files[0].event_ids | self.files[1].event_ids

    def start(self, which: int) -> subprocess.Popen[str]:
        return self.shops[which].start_upload(self.files[which].path)

    def finish_both(self) -> list[Ended]:
        """Run each again until both are done: what one holds the other takes up."""
        last: list[Ended] = []
        for _ in range(ROUNDS):
            last = [shop.upload(file.path) for shop, file in zip(self.shops, self.files, strict=True)]
            if all(ended.code == 0 for ended in last):
                return last
        raise AssertionError(f"not done after {ROUNDS} rounds: {last}")

    def wait_for_events(self, number: int, process: subprocess.Popen[str]) -> None:
        while process.poll() is None and self.control.summary().events_received < number:
            time.sleep(0.005)

    def received(self) -> int:
        return self.control.summary().events_received

    def lost_answers(self, moment: float | None) -> int:
        """Events that may come again after a process was stopped: its last receipts, and what it had in the air."""
        if moment is None:
            return 0
        earliest = moment - RECEIPT_SECONDS - SLACK_SECONDS
        recent = [each for each in self.control.requests() if earliest <= each.at <= moment + SLACK_SECONDS]
        return sum(each.events for each in recent) + IN_FLIGHT * BATCH


def _run(seed: int, simulator: RunningSimulator, folder: Path) -> None:
    pair = Pair(seed, simulator, folder)
    first = pair.random.randrange(2)
    one = pair.start(first)
    if pair.random.random() < 0.5:
        pair.wait_for_events(pair.random.randint(1, 800), one)
    other = pair.start(1 - first)
    action = pair.random.choice(["nothing", "kill", "pause", "pause"])
    pair.wait_for_events(pair.received() + pair.random.randint(1, 800), one)
    lost_at = None
    ended: list[Ended] = []
    if action == "kill":
        lost_at = pair.control.summary().now
        one.kill()
    elif action == "pause":
        lost_at = pair.control.summary().now
        one.send_signal(signal.SIGSTOP)
        ended.append(finish(other))
        # Long enough that the lease of the paused one is over and the other may go on with its events.
        deadline = time.monotonic() + LEASE_SECONDS + 0.5
        while time.monotonic() < deadline:
            time.sleep(0.05)
        ended.append(pair.shops[1 - first].upload(pair.files[1 - first].path))
        before = pair.received()
        one.send_signal(signal.SIGCONT)
        ended.append(finish(one))
        late = pair.received() - before
        # It may well go on if the other needed nothing of what it had claimed.
        stopped = "took over" in ended[-1].errors
        assert late <= IN_FLIGHT * BATCH or not stopped, f"{late} events left after another took over"
    ended += [finish(process) for process in (one, other) if process.returncode is None]
    last = pair.finish_both()
    story = "\n".join([f"seed {seed}: {action}", *(f"{each.code}: {each.errors.strip()[-300:]}" for each in ended)])
    held = simulator.event_ids()
    wanted = Counter(pair.event_ids)
    assert held == wanted, f"{len(wanted - held)} missing, {len(held - wanted)} too many of {len(wanted)}\n{story}"
    again, allowed = pair.received() - len(wanted), pair.lost_answers(lost_at)
    assert again <= allowed, f"{again} events came again, at most {allowed} may\n{story}"
    for each, file in zip(last, pair.files, strict=True):
        assert sum(each.result["events"].values()) == len(file.purchases), f"{each.result}\n{story}"


@pytest.mark.parametrize("seed", HANDFUL)
def test_each_transaction_is_sent_by_one_of_them(seed: int, simulator: RunningSimulator, tmp_path: Path) -> None:
    """Also when one is paused beyond its lease, or killed, in the middle."""
    _run(seed, simulator, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", CAMPAIGN)
def test_each_transaction_is_sent_by_one_of_them_in_many_runs(
    seed: int, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """The same, forty times."""
    _run(seed, simulator, tmp_path)
