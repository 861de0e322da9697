"""What a delivery of any size costs, from measured ones: docs/scale.md's model.

``python -m benchmarks.scale_model --measure [--small]``: deliveries of three sizes, each task a process of its own, the
state on an S3 server on loopback, TikTok a server that answers at once; the figures go to ``scale_points.json``.
Without ``--measure`` the model is printed: lines through the least and the greatest size, the one between as the proof.
``tests/project/test_scale_model.py`` compares it with the points and with the table in docs/scale.md.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

POINTS = Path(__file__).with_name("scale_points.json")
#: Rows of the measured files: the second is what the line through the others is checked against.
SIZES = (250_000, 1_000_000, 3_000_000)
#: The steps of a file that one task prepares.
STEPS = ("prepare", "upload", "summary")
#: TikTok's documented limit of ``/event/track/`` (1,000 requests a second), at 1,000 events a request.
TIKTOK_EVENTS_PER_SECOND = 1_000_000
#: What the largest file of the programme holds.
MOST_ROWS = 500_000_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """One measured delivery.

    Attributes:
        rows: of its file.
        processor: step -> seconds of processors.
        requests: step -> object requests.
        staged: bytes of the staged parts and plan, while it is sent.
        kept: bytes that stay when it is closed.
    """

    rows: int
    processor: dict[str, float]
    requests: dict[str, int]
    staged: int
    kept: int


@dataclass(frozen=True, slots=True)
class Shards:
    """A measured file in shards, in seconds of processors: one pass, and the same work by task.

    Attributes:
        rows: of the file.
        whole: one pass over it.
        cut, shards, settle: the tasks, all shards together.
    """

    rows: int
    whole: float
    cut: float
    shards: float
    settle: float


@dataclass(frozen=True, slots=True)
class Large:
    """A file in shards that was delivered as a whole, its state in a folder (``benchmarks/large_file.py``).

    Attributes:
        rows: of the file.
        processor: step -> seconds of processors.
        staged: bytes of the state before anything is sent.
        kept: bytes that stay when it is closed.
    """

    rows: int
    processor: dict[str, float]
    staged: int
    kept: int


@dataclass(frozen=True, slots=True)
class Line:
    """A cost that has a fixed part and one that grows with the rows."""

    fixed: float
    a_row: float

    @classmethod
    def through(cls, first: tuple[int, float], last: tuple[int, float]) -> Line:
        """The line through two points, each rows and cost."""
        a_row = (last[1] - first[1]) / (last[0] - first[0])
        return cls(first[1] - a_row * first[0], a_row)

    def at(self, rows: int) -> float:
        """The cost of so many rows."""
        return self.fixed + self.a_row * rows


class Model:
    """Costs by the number of rows.

    :param deliveries: measured ones, by size; the least and the greatest make the lines.
    :param shards: a file in shards.
    """

    def __init__(self, deliveries: Sequence[Delivery], shards: Shards) -> None:
        least, most = deliveries[0], deliveries[-1]
        self._processor = {
            step: Line.through((least.rows, least.processor[step]), (most.rows, most.processor[step])) for step in STEPS
        }
        self._requests = {
            step: Line.through((least.rows, least.requests[step]), (most.rows, most.requests[step])) for step in STEPS
        }
        self._staged = Line.through((least.rows, least.staged), (most.rows, most.staged))
        self._kept = Line.through((least.rows, least.kept), (most.rows, most.kept))
        self._shards = shards

    def processor(self, rows: int) -> dict[str, float]:
        """Step -> seconds of processors, for a file that one task prepares."""
        return {step: line.at(rows) for step, line in self._processor.items()}

    def in_shards(self, rows: int) -> dict[str, float]:
        """The same for a file in shards. ``prepare`` is what settles it and plans; the shards are all of them."""
        alone = self.processor(rows)
        share = rows / self._shards.rows
        planning = max(0.0, alone["prepare"] - self._shards.whole * share)
        return {
            "cut_file": self._shards.cut * share,
            "prepare_shard": self._shards.shards * share,
            "prepare": self._shards.settle * share + planning,
            "upload": alone["upload"],
            "summary": alone["summary"],
        }

    def requests(self, rows: int) -> float:
        """Object requests of all steps."""
        return sum(line.at(rows) for line in self._requests.values())

    def staged(self, rows: int) -> float:
        """Bytes while it is sent."""
        return self._staged.at(rows)

    def kept(self, rows: int) -> float:
        """Bytes that stay."""
        return self._kept.at(rows)

    def wall(self, rows: int, cores: int) -> dict[str, float]:
        """Step -> seconds by the clock with so many cores for the tasks that are mapped, TikTok's limit included."""
        steps = self.in_shards(rows)
        return {
            step: max(seconds / cores, rows / TIKTOK_EVENTS_PER_SECOND)
            if step == "upload"
            else seconds / cores
            if step == "prepare_shard"
            else seconds
            for step, seconds in steps.items()
        }


def read_points(path: Path = POINTS) -> tuple[list[Delivery], Shards]:
    """The measured points."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return [Delivery(**one) for one in found["deliveries"]], Shards(**found["shards"])


def read_large(path: Path = POINTS) -> Large:
    """The measured large file, far beyond the sizes that the model is made from."""
    return Large(**json.loads(path.read_text(encoding="utf-8"))["large"])


def beside_large(model: Model, large: Large) -> dict[str, float]:
    """What the model says of the large file, beside what was measured: 1.0 is exact."""
    said = model.in_shards(large.rows)
    found = {step: said[step] / seconds for step, seconds in large.processor.items()}
    return found | {
        "staged bytes": model.staged(large.rows) / large.staged,
        "kept bytes": model.kept(large.rows) / large.kept,
    }


def differences(deliveries: Sequence[Delivery], model: Model) -> dict[str, float]:
    """What the model says of the sizes between, beside what was measured: 1.0 is exact."""
    found: dict[str, float] = {}
    for one in deliveries[1:-1]:
        found[f"processor of {one.rows:,} rows"] = sum(model.processor(one.rows).values()) / sum(one.processor.values())
        found[f"requests of {one.rows:,} rows"] = model.requests(one.rows) / sum(one.requests.values())
        found[f"staged bytes of {one.rows:,} rows"] = model.staged(one.rows) / one.staged
        found[f"kept bytes of {one.rows:,} rows"] = model.kept(one.rows) / one.kept
    return found


def table(model: Model, sizes: Sequence[int] = (1_000_000, 20_000_000, 100_000_000, MOST_ROWS)) -> list[str]:
    """The model as docs/scale.md shows it."""
    rows: list[tuple[str, list[str]]] = [("rows", [f"{size:,}" for size in sizes])]
    shards = [model.in_shards(size) for size in sizes]
    rows += [(f"`{step}`, core hours", [f"{one[step] / 3600:.2f}" for one in shards]) for step in shards[0]]
    rows.append(("all, core hours", [f"{sum(one.values()) / 3600:.2f}" for one in shards]))
    rows.append(("object requests", [_rounded(model.requests(size)) for size in sizes]))
    rows.append(("staged while it is sent, GB", [f"{model.staged(size) / 1e9:.1f}" for size in sizes]))
    rows.append(("stays in the ledger and its receipts, GB", [f"{model.kept(size) / 1e9:.1f}" for size in sizes]))
    for cores in (2, 16):
        times = [model.wall(size, cores) for size in sizes]
        rows.append((f"clock with {cores} cores, minutes", [f"{sum(one.values()) / 60:.0f}" for one in times]))
    rows.append(
        ("of these what TikTok's limit takes", [f"{size / TIKTOK_EVENTS_PER_SECOND / 60:.1f}" for size in sizes])
    )
    lines = [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
    return [lines[0], f"|{'---|' * (len(sizes) + 1)}", *lines[1:]]


def _rounded(number: float) -> str:
    """Two digits that count."""
    digits = 10 ** max(0, len(str(int(number))) - 2)
    return f"{round(number / digits) * digits:,.0f}"


def _measure(rows: int, rounds: int) -> Delivery:
    from benchmarks.delivery import BUCKET, benchmark, deliver, run_in_process

    found = []
    with benchmark(rows) as bench:
        for _ in range(rounds):
            sizes: dict[str, int] = {}
            setting = bench.setting()

            def note(step: str, prefix: str = setting.prefix, sizes: dict[str, int] = sizes) -> None:
                sizes[step] = bench.s3.stored_bytes(BUCKET, prefix)
                bench.s3.requests()

            costs = deliver(setting, run_in_process, explicit=False, after=note)
            found.append((costs, sizes))
    costs, sizes = found[0]
    processor = {step: statistics.median(one[step].processor for one, _ in found) for step in STEPS}
    return Delivery(
        rows,
        {step: round(seconds, 2) for step, seconds in processor.items()},
        {step: len(costs[step].requests) for step in STEPS},
        sizes["prepare"],
        sizes["summary"],
    )


def _measure_shards(rows: int) -> Shards:
    from benchmarks.shards import one_round

    found: Mapping[str, Mapping[str, float]] = one_round(rows, shards=4)
    return Shards(rows, *(round(found[name]["processor"], 2) for name in ("whole", "cut", "shards", "settle")))


def main() -> None:
    """Measure if asked to, and print the model."""
    if "--measure" in sys.argv:
        small = "--small" in sys.argv
        sizes = (20_000, 50_000, 100_000) if small else SIZES
        points = [_measure(rows, 1 if small else 3) for rows in sizes]
        shards = _measure_shards(300_000 if small else 20_000_000)
        if small:
            print("\n".join(table(Model(points, shards))))
            return
        content = {"deliveries": [asdict(one) for one in points], "shards": asdict(shards)}
        before = json.loads(POINTS.read_text(encoding="utf-8"))
        POINTS.write_text(json.dumps(before | content, indent=2) + "\n", encoding="utf-8")
    deliveries, in_shards = read_points()
    model = Model(deliveries, in_shards)
    print("\n".join(table(model)))
    for name, ratio in differences(deliveries, model).items():
        print(f"{name}: {ratio:.2f} times what was measured")
    large = read_large()
    for name, ratio in beside_large(model, large).items():
        print(f"{name} of {large.rows:,} rows: {ratio:.2f} times what was measured")


if __name__ == "__main__":
    main()
