"""Two tries of one run at the same time, as after a network partition: the later one sends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.test_remote_files import variable
from tests.integration.shop import COMMAND, ConversionFile, Ended, Shop, finish, write_file
from tests.servers.simulator import RunningSimulator, simulator
from tests.servers.sshd import Sshd, sshd
from tests.servers.waiting import wait_until

BATCH, IN_FLIGHT, EVENTS = 50, 2, 3000
#: So many rows are more bytes than may be under way to a server at once.
FEED_ROWS = 150_000
COLUMNS = ("email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "order_id")


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


class FeedTries:
    """One day's feed file, and the SFTP server it goes to. Both tries are the same command of the same user."""

    def __init__(self, server: Sshd, folder: Path) -> None:
        self.folder, self.outbox, self.connection = folder, folder / "uploads", variable(server.connection())
        self.outbox.mkdir()
        settings = {
            "name": "shop", "advertiser_id": "7001", "event_set_id": "7002", "route": "liveramp", "mode": "live",
            "state_uri": str(folder / "state"), "ledger": {"lease_seconds": 300}, "lookback_days": None,
            "source": {"path": str(folder / "day.csv")},
            "liveramp": {"conn_id": "feed", "destination": str(self.outbox)},
        }  # fmt: skip
        (folder / "shop.yaml").write_text(json.dumps({"advertisers": [settings]}))
        day = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
        lines = [f"buyer{n}@shop.example,CompletePayment,{day},{n % 90 + 1}.50,order-{n}" for n in range(FEED_ROWS)]
        self.text = "\n".join([",".join(COLUMNS), *lines]) + "\n"
        (folder / "day.csv").write_text(self.text)
        for command in (
            ("liveramp", "sample", "--output", "sample.csv", "--columns", ",".join(COLUMNS)),
            ("liveramp", "accept", "sample.csv"),
            ("ledger", "init"),
        ):
            ended = finish(self._start(*command))
            assert ended.code == 0, ended

    def start(self) -> subprocess.Popen[str]:
        return self._start("liveramp", "deliver", "day.csv", "--json")

    def stop_in_the_middle(self, process: subprocess.Popen[str]) -> None:
        """Stop a try as soon as bytes of its file are at the server."""
        wait_until(lambda: self.written() > 0, "bytes at the server", seconds=60, every=0.001)
        process.send_signal(signal.SIGSTOP)
        assert self.written() < len(self.text), "the file was delivered before its try was stopped"

    def written(self) -> int:
        return sum(path.stat().st_size for path in self.outbox.iterdir())

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        locks = tempfile.mkdtemp(dir=self.folder)
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        environment |= {"TMPDIR": locks, "AIRFLOW_CONN_FEED": self.connection, "POLARS_MAX_THREADS": "2"}
        return subprocess.Popen(
            [str(COMMAND), *arguments, "--config", "shop.yaml"],
            cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


def test_a_feed_file_of_a_paused_try_is_written_by_the_next_one(tmp_path: Path) -> None:
    """The first goes on after the second has delivered: the file stays whole, and its rows are counted once."""
    with sshd() as server:
        tries = FeedTries(server, tmp_path)
        first = tries.start()
        tries.stop_in_the_middle(first)
        ended: Ended = finish(tries.start())
        assert ended.code == 0, ended
        assert ended.result["deliver"]["rows"] == FEED_ROWS
        first.send_signal(signal.SIGCONT)
        late = finish(first)
        (delivered,) = tries.outbox.iterdir()
        assert delivered.read_text() == tries.text
        assert late.code != 0
        assert "a later try of" in late.errors
        again = finish(tries.start())
        assert (again.code, "already" in again.output) == (0, True), again
