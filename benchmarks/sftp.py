"""Bytes a second to and from an OpenSSH server on loopback, beside OpenSSH's own ``sftp put`` and ``sftp get``.

``python -m benchmarks.sftp [--small]``: each in turn, several rounds; medians, and the median of each round's ratio.
Beside the rates stand the client's processor seconds (the server's are the same on both sides), which a busy machine
changes less.

* *put*: the feed file as a stream to the server, its size verified.
* *deliver*: all of a delivery: the source file is read once, its lines are chosen, digested and
  written in the feed's form, streamed, verified and noted in the feed's state.
* *get*: a source file read to its end.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.liveramp.feed import Feed
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.line_set import LineSet
from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile, FeedSource
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.servers.sshd import Sshd, StaticConnections, sshd

_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_COLUMNS = ("email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "order_id")
_CHUNK = 1024 * 1024


def make_source(path: Path, rows: int) -> FeedSource:
    """A conforming file of made-up rows, all of them chosen."""
    with path.open("w") as out:
        out.write("|".join(_COLUMNS) + "\n")
        for number in range(rows):
            out.write(
                f"customer{number * 7919 % 99991}@example.com|CompletePayment|2026-11-21T10:{number % 60:02}:00Z-0000|"
                f"{number % 900}.{number % 100:02}|1212555{number % 10000:04}|order-{number:09}\n"
            )
    lines = LineSet()
    lines.add(range(2, rows + 2))
    with path.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    settings = ConversionSettings(profile="liveramp")
    return FeedSource(
        source=LocalFile(path), settings=settings, lines=lines, sha256=digest,
        delimiter="|", categories=frozenset({"CompletePayment"}),
    )  # fmt: skip


class Bench:
    """The ways to move one file, each timed from login to the last byte."""

    def __init__(self, server: Sshd, folder: Path, rows: int) -> None:
        self._server = server
        self._connections = StaticConnections(server.connection())
        self._folder = folder
        self.path = folder / "source.psv"
        self._source = make_source(self.path, rows)
        self.size = self.path.stat().st_size
        self._round = 0

    def sftp(self, command: str) -> None:
        """OpenSSH's client."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-b", "-"]
        server = self._server
        subprocess.run(
            [
                "sftp",
                "-q",
                "-P",
                str(server.port),
                "-i",
                str(server.client_key),
                *options,
                f"{server.user}@{server.host}",
            ],
            input=command.encode(),
            capture_output=True,
            check=True,
        )

    def sftp_put(self) -> None:
        """OpenSSH sends the file."""
        self.sftp(f"put {self.path} {self._server.data / 'theirs.psv'}")

    def sftp_get(self) -> None:
        """OpenSSH fetches the file."""
        self.sftp(f"get {self.path} {self._folder / 'theirs.psv'}")

    def put(self) -> None:
        """The package sends the file."""
        uri = self._server.uri(self._server.data / "ours.psv")
        with open_files(uri, self._connections) as files, self.path.open("rb") as stream:
            files.write(uri, iter(lambda: stream.read(_CHUNK), b""), replace=True)

    def deliver(self) -> None:
        """The package delivers the file as a feed file."""
        self._round += 1
        clock = ManualClock(_NOW)
        feed = Feed(
            name="bench", advertiser="bench", columns=_COLUMNS, delimiter="|", categories=("CompletePayment",),
            sample_sha256="", accepted_at=_NOW,
        )  # fmt: skip
        outbox = self._server.data / f"round-{self._round}"
        outbox.mkdir()
        publisher = FeedPublisher(
            Destination(folder_uri=self._server.uri(outbox), template="{{ day }}.psv", feed="bench", delimiter="|"),
            FeedState(open_objects(str(self._folder / f"state-{self._round}")), "bench", clock),
            self._connections,
            clock,
            "bench",
        )
        done = publisher.publish(FeedFile(feed, [self._source]), ("d-bench",))
        if done.record is None or done.record.bytes != self.size:
            raise RuntimeError("the delivered file is not the source file")
        (outbox / "2026-11-22.psv").unlink()

    def get(self) -> None:
        """The package reads the file, and writes it down as OpenSSH does."""
        uri = self._server.uri(self.path)
        with (
            open_files(uri, self._connections) as files,
            files.open_read(uri) as stream,
            (self._folder / "ours.psv").open("wb") as out,
        ):
            while chunk := stream.read(_CHUNK):
                out.write(chunk)


@dataclass(frozen=True, slots=True)
class Run:
    """One transfer: wall clock and the client's processor seconds."""

    wall: float
    cpu: float


def run(work: Callable[[], None], who: int) -> Run:
    """Time a transfer.

    :param who: whose processor seconds count: this process's, or those of the processes it starts.
    """
    before, start = _processor(who), time.perf_counter()
    work()
    return Run(time.perf_counter() - start, _processor(who) - before)


def _processor(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def measure(bench: Bench, rounds: int) -> Iterator[tuple[str, list[tuple[Run, Run]]]]:
    """Name, and each round's runs: OpenSSH's and ours."""
    pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "put": (bench.sftp_put, bench.put),
        "deliver": (bench.sftp_put, bench.deliver),
        "get": (bench.sftp_get, bench.get),
    }
    for name, (theirs, ours) in pairs.items():
        yield (
            name,
            [(run(theirs, resource.RUSAGE_CHILDREN), run(ours, resource.RUSAGE_SELF)) for _ in range(rounds)],
        )


def main() -> None:
    """Print the table."""
    small = "--small" in sys.argv
    rows, rounds = (200_000, 3) if small else (4_000_000, 7)
    with sshd() as server, tempfile.TemporaryDirectory(prefix="sftp-bench-") as name:
        bench = Bench(server, Path(name), rows)
        print(f"{rows:,} rows, {bench.size / 1e6:.0f} MB, {os.cpu_count()} cores, medians of {rounds} rounds")
        print(f"{'':10}{'OpenSSH':>12}{'package':>12}{'of OpenSSH':>12}{'processor, theirs':>20}{'ours':>10}")
        for what, runs in measure(bench, rounds):
            theirs, ours = zip(*runs, strict=True)
            rates = [
                f"{bench.size / 1e6 / statistics.median(one.wall for one in side):.0f} MB/s" for side in (theirs, ours)
            ]
            busy = [f"{statistics.median(one.cpu for one in side):.2f} s" for side in (theirs, ours)]
            ratio = statistics.median(one.wall / other.wall for one, other in runs)
            print(f"{what:10}{rates[0]:>12}{rates[1]:>12}{ratio:>12.0%}{busy[0]:>20}{busy[1]:>10}", flush=True)


if __name__ == "__main__":
    main()
