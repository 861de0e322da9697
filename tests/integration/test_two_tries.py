"""Two tries of one run at the same time, as after a network partition: the later one sends."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from tests.integration.shop import ConversionFile, Shop, finish, write_file
from tests.servers.simulator import RunningSimulator, simulator
from tests.servers.waiting import wait_until

BATCH, IN_FLIGHT, EVENTS = 50, 2, 3000


class Place(Shop):
    """A shop's command as on a machine of its own: its lock keeps nobody out, and the holder is the same."""

    def environment(self) -> dict[str, str]:
        locks = tempfile.mkdtemp(dir=self.folder)
        return super().environment() | {"TMPDIR": locks}


class Tries:
    """One run's file, and the simulator it goes to. Both tries are the same command of the same user."""

    def __init__(self, running: RunningSimulator, folder: Path) -> None:
        self.simulator = running
        upload = {"batch_events": BATCH, "in_flight": IN_FLIGHT, "requests_per_second": 30}
        self.shop = Place(folder, running.url, settings={"upload": upload, "ledger": {"lease_seconds": 300}})
        self.shop.init_ledger()
        self.file: ConversionFile = write_file(folder / "day.csv", range(EVENTS), self.shop.now())

    def start(self) -> subprocess.Popen[str]:
        return self.shop.start_upload(self.file.path)

    def received(self) -> int:
        return self.simulator.control.summary().events_received

    def wait_for(self, events: int) -> None:
        wait_until(lambda: self.received() >= events, f"{events} events at the simulator", seconds=60, every=0.02)

    def check_books(self) -> None:
        """Every transaction counts once."""
        assert self.simulator.event_ids() == Counter(self.file.event_ids)


def test_a_try_that_was_paused_sends_nothing_after_the_next_one(tmp_path: Path) -> None:
    """Its lease is not over: it is the same run's."""
    with simulator() as running:
        tries = Tries(running, tmp_path)
        first = tries.start()
        tries.wait_for(500)
        first.send_signal(signal.SIGSTOP)
        ended = finish(tries.start())
        assert ended.code == 0, ended
        before = tries.received()
        first.send_signal(signal.SIGCONT)
        late = finish(first)
        assert tries.received() == before
        assert "a later try of this step sends the events now" in late.errors
        tries.check_books()
