"""One large file from its first byte to the closed delivery, in shards, each task a process of its own.

``python -m benchmarks.large_file [--small] [--rows N] [--tasks N] [--folder PATH] [--keep]``: a sample with an e-mail
and a phone in each row, made on the fly; 100 million rows need some 50 GB of disk. The state lies in a folder, TikTok
is a server that answers at once. ``cut_file``, then the shards, so many tasks at once, then ``prepare`` (which settles
and plans), then the upload tasks that the factory would map, then ``summary``: processor time with imports, clock, peak
memory of each, and what lies on the disk after it. Before them the same with 2 million rows in one task, whose rows a
second of processor time the shards are compared with. Every valid row must be accepted. ``--keep`` writes the figures
to ``scale_points.json``, where docs/scale.md's model is compared with them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import EVENT_SET, live_entry, own_peak_mb, running_sink

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.connections import Connection
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

POINTS = Path(__file__).with_name("scale_points.json")
#: The steps of a file in shards.
_IN_SHARDS = ("cut_file", "prepare_shard", "prepare", "upload", "summary")
#: Rows of the file that one task prepares, and what the shards' rows a second must be of its.
_ALONE, _LEAST_SHARE = 2_000_000, 0.85
_MOST_MEGABYTES, _MOST_SUMMARY_SECONDS = 1000, 120


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a delivery is made: what each of its processes is told.

    Attributes:
        folder: holds the conversion file, ``sales.csv``, and ``state``.
        tiktok: the URL of the server.
        megabytes: of a shard, at least; 0 for one task.
    """

    folder: Path
    tiktok: str
    megabytes: float

    @property
    def file(self) -> Path:
        """The conversion file."""
        return self.folder / "sales.csv"

    def get(self, conn_id: str) -> Connection:
        """The one connection."""
        from airflow_provider_tiktok_offline.connections import Connection

        return Connection(conn_id=conn_id, conn_type="tiktok", host=self.tiktok, password="benchmark")  # noqa: S106

    def stamp(self) -> dict[str, object]:
        """The file as a sensor finds it."""
        from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch

        found = self.file.stat()
        return FileStamp(uri=str(self.file), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def context(self) -> DeliveryContext:
        """One task's view."""
        from airflow_provider_tiktok_offline.config import AdvertiserConfig
        from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

        entry = live_entry(self.file, self.folder / "state")
        if self.megabytes:
            entry["shards"] = {"megabytes": self.megabytes}
        return DeliveryContext(config=AdvertiserConfig.model_validate(entry), connections=self, holder="benchmark")

    def bytes_on_disk(self) -> int:
        """Of the state."""
        return sum(found.stat().st_size for found in (self.folder / "state").rglob("*") if found.is_file())


def _run_task(name: str, setting: Setting, argument: Any) -> Any:
    """One task; what the next ones are given."""
    ctx = setting.context()
    match name:
        case "write":
            from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

            write_sample(setting.file, argument, as_of=datetime.now(UTC), seed=1, form=SampleForm(identifiers="both"))
            return None
        case "init":
            from airflow_provider_tiktok_offline.ledger.ledger import Ledger

            Ledger.init(ctx.objects, EVENT_SET, identity=ctx.config.identity_settings(), clock=ctx.clock)
            return None
        case "cut_file":
            from airflow_provider_tiktok_offline.delivery.steps.shards import cut_file

            return cut_file(ctx, setting.stamp())
        case "prepare_shard":
            from airflow_provider_tiktok_offline.delivery.steps.shards import read_shard

            return read_shard(ctx, argument).rows
        case "prepare":
            return _prepare(ctx, setting.stamp())
        case "upload":
            from airflow_provider_tiktok_offline.delivery.steps.upload import upload

            return sum(upload(ctx, argument["delivery_id"], part).accepted for part in _parts(argument))
        case _:
            from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize

            return summarize(ctx, argument).events


def _parts(planned: dict[str, Any]) -> Sequence[int]:
    """The numbers of the parts that an upload task sends."""
    return planned.get("parts") or [planned["part"]]


def _prepare(ctx: DeliveryContext, stamp: dict[str, object]) -> dict[str, Any]:
    """Stage the file's events and plan them; what reading or settling took of it apart."""
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file

    prepared = prepare_file(ctx, stamp)
    staged = time.process_time()
    delivery_id = prepared.validated.delivery_id
    plan = dedupe(ctx, delivery_id)
    from airflow_provider_tiktok_offline.operators.conversions import named_parts

    return {
        "delivery_id": delivery_id,
        "valid": prepared.validated.rows_valid,
        "staged": staged,
        "uploads": list(named_parts(ctx.deliveries.get(delivery_id), plan)),
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """What a task took: seconds of processors, imports included, seconds of the clock, peak memory in MB."""

    processor: float
    clock: float
    peak_mb: float


def run_task(name: str, setting: Setting, argument: object = None) -> tuple[Cost, Any]:
    """A task in a process of its own; what it took, and what it gave."""
    told = json.dumps([name, str(setting.folder), setting.tiktok, setting.megabytes, argument])
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.large_file", "--task"], input=told, stdout=subprocess.PIPE, text=True,
        check=True,
    )  # fmt: skip
    found = json.loads(ended.stdout.splitlines()[-1])  # Airflow writes, too
    return Cost(**found["cost"]), found["outcome"]


def _be_a_task() -> None:
    name, folder, tiktok, megabytes, argument = json.load(sys.stdin)
    begun = time.perf_counter()
    outcome = _run_task(name, Setting(Path(folder), tiktok, megabytes), argument)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {
        "processor": used.ru_utime + used.ru_stime,
        "clock": time.perf_counter() - begun,
        "peak_mb": own_peak_mb(),
    }
    print(json.dumps({"cost": cost, "outcome": outcome}))


class Chain:
    """The tasks of one file, in the order of the factory's DAG; prints each step as it ends."""

    def __init__(self, setting: Setting, tasks: int) -> None:
        self._setting, self._tasks = setting, tasks
        self.costs: dict[str, list[Cost]] = {}
        #: Step -> bytes of the state after it.
        self.on_disk: dict[str, int] = {}

    def step(self, name: str, arguments: Sequence[object] = (None,)) -> list[Any]:
        """Run a step's tasks, so many at once; what they gave."""
        begun = time.perf_counter()
        run: Callable[[object], tuple[Cost, Any]] = lambda argument: run_task(name, self._setting, argument)  # noqa: E731
        with ThreadPoolExecutor(self._tasks) as pool:
            ended = list(pool.map(run, arguments))
        self.costs[name] = costs = [cost for cost, _ in ended]
        self.on_disk[name] = self._setting.bytes_on_disk()
        print(
            f"{name:14} {len(costs):4} task(s) {sum(one.processor for one in costs):8.1f} processor s "
            f"{time.perf_counter() - begun:8.1f} s  peak {max(one.peak_mb for one in costs):5.0f} MB  "
            f"state {self.on_disk[name] / 1e9:6.2f} GB",
            flush=True,
        )
        return [outcome for _, outcome in ended]

    def deliver(self) -> tuple[int, float]:
        """Deliver the file; its rows, and the seconds of processors until its events were staged."""
        self.step("init")
        shards: list[Any] = self.step("cut_file")[0] if self._setting.megabytes else []
        if shards:
            self.step("prepare_shard", shards)
        [prepared] = self.step("prepare")
        accepted = sum(self.step("upload", prepared["uploads"]))
        [events] = self.step("summary", [prepared["delivery_id"]])
        if not accepted == prepared["valid"] == events.get("accepted") or len(events) != 1:
            raise SystemExit(f"{prepared['valid']:,} valid rows, {accepted:,} accepted, and the summary says {events}")
        before = (cost.processor for name in ("cut_file", "prepare_shard") for cost in self.costs.get(name, []))
        return accepted, sum(before) + prepared["staged"]


def _write(setting: Setting, rows: int) -> None:
    """Make the file."""
    cost, _ = run_task("write", setting, rows)
    size = setting.file.stat().st_size / 1e9
    print(f"\n{rows:,} rows, {size:.2f} GB, made in {cost.clock:.0f} s", flush=True)


def _keep(rows: int, chain: Chain) -> None:
    """Write the figures of the large file to the measured points."""
    points = json.loads(POINTS.read_text(encoding="utf-8"))
    points["large"] = {
        "rows": rows,
        "processor": {name: round(sum(one.processor for one in chain.costs[name]), 1) for name in _IN_SHARDS},
        "staged": chain.on_disk["prepare"],
        "kept": chain.on_disk["summary"],
    }
    POINTS.write_text(json.dumps(points, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and print; ``--task`` is one task, in its own process."""
    if "--task" in sys.argv:
        _be_a_task()
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="200,000 rows, to see that it runs")
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--tasks", type=int, default=2, help="at once")
    parser.add_argument("--megabytes", type=float, default=512, help="of a shard")
    parser.add_argument("--folder", type=Path, help="where there is room; the temporary folder if it is not given")
    parser.add_argument("--keep", action="store_true", help="write the figures to scale_points.json")
    options = parser.parse_args()
    rows, alone, megabytes = options.rows, _ALONE, options.megabytes
    if options.small:
        rows, alone, megabytes = 200_000, 100_000, 8.0
    rates, chain = [], None
    with running_sink() as port:
        for count, size in ((alone, 0.0), (rows, megabytes)):
            with tempfile.TemporaryDirectory(prefix="large-file-", dir=options.folder) as folder:
                setting = Setting(Path(folder), f"http://127.0.0.1:{port}", size)
                _write(setting, count)
                chain = Chain(setting, options.tasks)
                accepted, processor = chain.deliver()
                rates.append(count / processor)
                print(f"{accepted:,} accepted; {count / processor:,.0f} rows a processor second until they were staged")
    assert chain is not None
    summary = chain.costs["summary"][0].clock
    peak = max(cost.peak_mb for costs in chain.costs.values() for cost in costs)
    print(f"\nrows a processor second, shards beside one task: {rates[1] / rates[0]:.2f} (at least {_LEAST_SHARE})")
    print(f"summary {summary:.0f} s (under {_MOST_SUMMARY_SECONDS}); peak {peak:.0f} MB (under {_MOST_MEGABYTES})")
    if options.keep:
        _keep(rows, chain)


if __name__ == "__main__":
    main()
