"""What each step of a delivery costs, from the file to the closed delivery: processor time, clock, object requests.

``python -m benchmarks.delivery [--small] [--rounds N] [--list STEP]``: a million rows with an e-mail and a phone each,
in five parts. The state lies on an S3 server on loopback, TikTok is a server that answers at once. The steps of the
factory's chain, and then the explicit ones, run one after the other in one process, as the command line runs them:
processor time, clock and requests of each. Then each step of the factory's chain is a process of its own, as a task is,
without and with 30 ms added to each object request. ``--list STEP`` names a step's requests, ``--check`` fails on what
is beyond its limit.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.common import EVENT_SET, live_entry, running_sink
from tests.servers.s3 import S3Server, s3_server

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.connections import Connection
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

CHAIN = ("prepare", "upload", "summary")
EXPLICIT = ("validate", "normalize_hash", "dedupe", "upload", "summary")
#: Of a million rows: object requests, processor seconds, and how many times the clock with 30 ms a request.
_MOST_REQUESTS, _MOST_PROCESSOR, _MOST_TIMES = 300, 8.5, 1.5
BUCKET = "benchmark"
_DELAY_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Setting:
    """Where one delivery is made: what each of its processes is told.

    Attributes:
        file: the conversion file.
        prefix: of the state, below the bucket.
        s3, tiktok: the URLs of the two servers.
    """

    file: str
    prefix: str
    s3: str
    tiktok: str

    def told(self) -> tuple[str, str, str, str]:
        """The same as arguments of a command."""
        return self.file, self.prefix, self.s3, self.tiktok

    def stamp(self) -> dict[str, object]:
        """The file as a sensor finds it."""
        from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch

        found = Path(self.file).stat()
        return FileStamp(uri=self.file, size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def get(self, conn_id: str) -> Connection:
        """The connections, by their ids."""
        from airflow_provider_tiktok_offline.connections import Connection

        if conn_id == "s3_state":
            return S3Server(self.s3).connection()
        return Connection(conn_id=conn_id, conn_type="tiktok", host=self.tiktok, password="benchmark")  # noqa: S106

    def context(self) -> DeliveryContext:
        """One task's view."""
        from airflow_provider_tiktok_offline.config import AdvertiserConfig
        from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

        config = AdvertiserConfig.model_validate(live_entry(self.file, f"s3://s3_state@{BUCKET}/{self.prefix}"))
        return DeliveryContext(config=config, connections=self, holder="benchmark")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step took: seconds of processors and of the clock, and its object requests."""

    processor: float
    clock: float
    requests: tuple[str, ...]


def run_step(step: str, setting: Setting, argument: str) -> object:
    """One step, as its task runs it; what the next one is given."""
    ctx = setting.context()
    if step == "init":
        from airflow_provider_tiktok_offline.ledger.ledger import Ledger

        Ledger.init(ctx.objects, EVENT_SET, identity=ctx.config.identity_settings(), clock=ctx.clock)
        return None
    if step == "prepare":
        from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
        from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file

        delivery_id = prepare_file(ctx, setting.stamp()).validated.delivery_id
        return [delivery_id, *dedupe(ctx, delivery_id).parts]
    if step == "validate":
        from airflow_provider_tiktok_offline.delivery.steps.validate import validate

        return validate(ctx, setting.stamp()).delivery_id
    if step == "normalize_hash":
        from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash

        return normalize_hash(ctx, argument).events
    if step == "dedupe":
        from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe

        return list(dedupe(ctx, argument).parts)
    if step == "upload":
        from airflow_provider_tiktok_offline.delivery.steps.upload import upload

        delivery_id, _, part = argument.partition(":")
        return upload(ctx, delivery_id, int(part)).accepted
    from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize

    return summarize(ctx, argument).events


def run_in_process(step: str, setting: Setting, argument: str) -> object:
    """The same in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.delivery", "--step", step, *setting.told(), argument],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(ended.stdout)


def deliver(
    setting: Setting,
    run: Callable[[str, Setting, str], object],
    *,
    explicit: bool,
    after: Callable[[str], None] | None = None,
) -> dict[str, Cost]:
    """Deliver the file; what each step took of this process and its children.

    :param explicit: by the explicit steps.
    :param after: called when a step has ended, with its name.
    """
    costs: dict[str, Cost] = {}
    server = S3Server(setting.s3)

    def step(name: str, argument: str) -> object:
        begun, worked = time.perf_counter(), _processor_seconds()
        result = run(name, setting, argument)
        before = costs.get(name, Cost(0.0, 0.0, ()))
        costs[name] = Cost(
            before.processor + _processor_seconds() - worked,
            before.clock + time.perf_counter() - begun,
            (*before.requests, *server.requests()),
        )
        if after is not None:
            after(name)
        return result

    if explicit:
        delivery_id = step("validate", "")
        step("normalize_hash", str(delivery_id))
        parts = step("dedupe", str(delivery_id))
        assert isinstance(parts, list)
    else:
        prepared = step("prepare", "")
        assert isinstance(prepared, list)
        delivery_id, *parts = prepared
    for part in parts:
        step("upload", f"{delivery_id}:{part}")
    events = step("summary", str(delivery_id))
    assert isinstance(events, dict)
    assert list(events) == ["accepted"], events
    return costs


def _processor_seconds() -> float:
    return sum(
        found.ru_utime + found.ru_stime
        for found in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


class Bench:
    """The two servers, and one file to deliver again and again, each time to a ledger of its own."""

    def __init__(self, folder: Path, rows: int, s3: S3Server, tiktok: str) -> None:
        from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

        self.s3 = s3
        self._tiktok = tiktok
        self._file = str(folder / "conversions.csv")
        self._made = 0
        write_sample(self._file, rows, as_of=datetime.now(UTC), seed=1, form=SampleForm(identifiers="both"))

    def in_one_process(self, *, explicit: bool = False) -> dict[str, Cost]:
        """The costs of a delivery in one process."""
        told = json.loads(
            subprocess.run(
                [sys.executable, "-m", "benchmarks.delivery", "--deliver", str(explicit), *self.setting().told()],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
        )
        return {step: Cost(*cost) for step, cost in told.items()}

    def in_processes(self, delay: float = 0.0) -> dict[str, Cost]:
        """The costs of a delivery whose steps are processes.

        :param delay: seconds that each object request waits for.
        """
        setting = self.setting()
        self.s3.requests(delay=delay)
        costs = deliver(setting, run_in_process, explicit=False)
        self.s3.requests(delay=0.0)
        return costs

    def setting(self) -> Setting:
        """A delivery that has nothing but its ledger yet."""
        self._made += 1
        setting = Setting(self._file, f"state-{self._made}", self.s3.endpoint, self._tiktok)
        run_in_process("init", setting, "")
        self.s3.requests()
        return setting


@contextmanager
def benchmark(rows: int) -> Iterator[Bench]:
    """A bench with its servers."""
    with running_sink() as port, s3_server() as s3, tempfile.TemporaryDirectory(prefix="delivery-bench-") as name:
        s3.make_bucket(BUCKET)
        yield Bench(Path(name), rows, s3, f"http://127.0.0.1:{port}")


def _print(rounds: list[dict[str, Cost]]) -> tuple[float, float]:
    """Print medians; processor seconds and requests of all steps."""
    print(f"{'step':16} {'processor s':>12} {'clock s':>9} {'requests':>9}  by method")
    total = [0.0, 0.0, 0.0]
    for step in rounds[0]:
        costs = [found[step] for found in rounds]
        processor = statistics.median(cost.processor for cost in costs)
        clock = statistics.median(cost.clock for cost in costs)
        methods = Counter(request.partition(" ")[0] for request in costs[0].requests)
        total = [sum(pair) for pair in zip(total, (processor, clock, len(costs[0].requests)), strict=True)]
        words = " ".join(f"{method} {count}" for method, count in methods.most_common())
        print(f"{step:16} {processor:12.2f} {clock:9.2f} {len(costs[0].requests):9}  {words}")
    print(f"{'all':16} {total[0]:12.2f} {total[1]:9.2f} {total[2]:9.0f}", flush=True)
    return total[0], total[2]


def main() -> None:
    """Measure and print; ``--deliver`` and ``--step`` are the processes that are measured."""
    if "--step" in sys.argv:
        step, file, prefix, s3, tiktok, argument = sys.argv[2:]
        print(json.dumps(run_step(step, Setting(file, prefix, s3, tiktok), argument)))
        return
    if "--deliver" in sys.argv:
        costs = deliver(Setting(*sys.argv[3:]), run_step, explicit=sys.argv[2] == "True")
        print(json.dumps({step: astuple(cost) for step, cost in costs.items()}))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a twentieth of the size, to see that it runs")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--list", choices=(*CHAIN, *EXPLICIT[:3]), help="name this step's requests")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows, rounds = (50_000, 1) if options.small else (1_000_000, 3)
    with benchmark(rows) as bench:
        chain, explicit = (
            [bench.in_one_process(explicit=explicit) for _ in range(options.rounds or rounds)]
            for explicit in (False, True)
        )
        processor, requests = _print(chain)
        _print(explicit)
        if options.list:
            print(*({**explicit[0], **chain[0]})[options.list].requests, sep="\n")
        pairs = [
            tuple(sum(cost.clock for cost in bench.in_processes(delay).values()) for delay in (0.0, _DELAY_SECONDS))
            for _ in range(options.rounds or rounds)
        ]
    usual, late = (statistics.median(clocks) for clocks in zip(*pairs, strict=True))
    ratio = statistics.median(late / usual for usual, late in pairs)
    print(f"as processes: {usual:.1f} s; with {_DELAY_SECONDS * 1000:.0f} ms a request {late:.1f} s, {ratio:.2f} times")
    if options.check and (processor > _MOST_PROCESSOR or requests > _MOST_REQUESTS or ratio > _MOST_TIMES):
        sys.exit(f"beyond {_MOST_PROCESSOR} processor s, {_MOST_REQUESTS} requests or {_MOST_TIMES} times the clock")


if __name__ == "__main__":
    main()
