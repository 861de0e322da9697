"""Dedupe against a ledger of 28 million keys, beside the bare Polars anti-join on the same table.

    python benchmarks/ledger.py [--small] [--rounds 5] [--large 10] [--huge]

The bare side reads the keys column of the same Delta table and drops the new rows that are in it: no content, no
claims, no plan, nothing durable. Our side is ``Ledger.dedupe``: keyed content, verdicts, the claim by compare-and-swap,
the plan written in five parts. Both run in processes of their own, in turn; the table shows medians. *Work* is the
ratio of processor seconds, which other work on the machine changes less. Last, deliveries of several batches: one look
through the ledger for any number of events (``--large N`` million). ``--huge`` is another one: 100 million events in
parts of 200,000 against 280 million keys (with ``--small`` a fiftieth of both), with 20 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.ledger.key_files import from_bytes
from airflow_provider_tiktok_offline.ledger.keys_table import key_rows
from airflow_provider_tiktok_offline.storage.objects import open_objects
from benchmarks.common import own_peak_mb

EVENT_SET = "7000000000000000001"
IDENTITY = IdentitySettings("shop", {"recipe": "v1"}, {})
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PARTS = 5


def keys(seed: int, count: int) -> pl.Series:
    """Random event keys, the same for the same seed."""
    return from_bytes(np.random.default_rng(seed).bytes(16 * count))


def build(root: str, days: int, per_day: int, files_per_day: int) -> None:
    """Fill a ledger with accepted events, as so many days of settlements leave it."""
    clock = ManualClock(NOW - timedelta(days=days))
    ledger = Ledger.init(open_objects(root), EVENT_SET, identity=IDENTITY, clock=clock)
    for day in range(days):
        of_day = keys(day, per_day)
        each = -(-per_day // files_per_day)
        for start in range(0, per_day, each):
            chunk = of_day[start : start + each]
            snapshot = ledger.table.snapshot()
            frame = pl.DataFrame({"event_key": chunk}).with_columns(
                content=pl.int_range(pl.len(), dtype=pl.Int64) * 7_919_777,
                outcome=pl.lit("accepted"),
                first_attempt_at=pl.lit(clock.now()).cast(pl.Datetime("us", "UTC")),
                code=pl.lit(None, pl.Int32),
                field=pl.lit(None, pl.String),
            )
            rows = key_rows(frame, now=clock.now(), delivery_id=f"d-{day}", route="tiktok", seq=snapshot.version + 1)
            ledger.table.append(pl.from_arrow(rows), snapshot, app_id=f"build:{day}:{start}", transaction=0)
        clock.advance(timedelta(days=1))


def new_rows(per_day: int, count: int) -> pl.DataFrame:
    """A day's file: a tenth of it was sent before."""
    known = keys(3, per_day)[: count // 10]
    every = pl.concat([known, keys(10_000, count - len(known))])
    return pl.DataFrame({"event_key": every}).with_columns(
        content=pl.int_range(pl.len()).cast(pl.String).cast(pl.Binary),
        event_time=pl.lit(int(NOW.timestamp()) - 3600, pl.Int64),
    )


def bare(root: str, per_day: int, count: int) -> dict[str, float]:
    """The anti-join alone."""
    table = f"{root}/event_sets/{EVENT_SET}/g0001/keys"
    new = new_rows(per_day, count)
    begun = time.perf_counter(), time.process_time()
    known = pl.scan_delta(table).select("event_key")
    left = new.lazy().join(known, on="event_key", how="anti").collect(engine="streaming")
    return _figures(begun, left.height)


def ours(root: str, per_day: int, count: int, delivery: str) -> dict[str, float]:
    """The whole of dedupe."""
    new = new_rows(per_day, count)
    clock = ManualClock(NOW)
    ledger = Ledger.open(open_objects(root), EVENT_SET, identity=IDENTITY, clock=clock)
    size = -(-count // PARTS)
    begun = time.perf_counter(), time.process_time()
    parts = ((index, new.slice(index * size, size)) for index in range(PARTS))
    plan = ledger.dedupe(delivery, parts, route="tiktok", now=NOW, lookback=timedelta(days=28))
    figures = _figures(begun, plan.to_send)
    ledger.release(delivery)
    return figures


def large(root: str, size: int, count: int, delivery: str) -> dict[str, float]:
    """The whole of dedupe for many events, made part by part: a tenth was sent before.

    :param size: events of a part.
    """

    def parts() -> Iterator[tuple[int, pl.DataFrame]]:
        for index in range(count // size):
            known = keys(index % 28, size // 10)  # a day's first ones
            every = pl.concat([known, keys(20_000 + index, size - len(known))])
            yield (
                index,
                pl.DataFrame({"event_key": every}).with_columns(
                    content=pl.int_range(pl.len()).cast(pl.String).cast(pl.Binary),
                    event_time=pl.lit(int(NOW.timestamp()) - 3600, pl.Int64),
                ),
            )

    ledger = Ledger.open(open_objects(root), EVENT_SET, identity=IDENTITY, clock=ManualClock(NOW))
    begun = time.perf_counter(), time.process_time()
    plan = ledger.dedupe(delivery, parts(), route="tiktok", now=NOW, lookback=timedelta(days=28))
    figures = _figures(begun, plan.to_send)
    ledger.release(delivery)
    return figures


def _figures(begun: tuple[float, float], left: int) -> dict[str, float]:
    seconds = time.perf_counter() - begun[0]
    processor = time.process_time() - begun[1]
    return {"seconds": seconds, "processor": processor, "left": left, "memory_mb": own_peak_mb()}


def _child(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.ledger", "--child", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def compare(root: str, per_day: int, count: int, rounds: int, tag: str) -> dict[str, float]:
    """Medians of both sides, taken in turn."""
    pairs = []
    for number in range(rounds):
        one = _child("bare", root, per_day, count)
        other = _child("ours", root, per_day, count, f"d-{tag}-{number}")
        assert one["left"] == other["left"], (one, other)
        pairs.append((one, other))
    return {
        "bare_s": statistics.median(one["seconds"] for one, _ in pairs),
        "ours_s": statistics.median(other["seconds"] for _, other in pairs),
        "ratio": statistics.median(other["seconds"] / one["seconds"] for one, other in pairs),
        "work": statistics.median(other["processor"] / one["processor"] for one, other in pairs),
        "bare_mb": max(one["memory_mb"] for one, _ in pairs),
        "ours_mb": max(other["memory_mb"] for _, other in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a fiftieth of the size, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=10, help="million events of the largest delivery")
    parser.add_argument("--huge", action="store_true", help="100 million events against 280 million keys, alone")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        side, root, per_day, count, *rest = options.child
        if side == "bare":
            figures = bare(root, int(per_day), int(count))
        else:
            figures = {"ours": ours, "large": large}[side](root, int(per_day), int(count), *rest)
        print(json.dumps(figures))
        return
    if options.huge:
        _huge(50 if options.small else 1)
        return
    per_day = 20_000 if options.small else 1_000_000
    count = per_day
    print(f"{'ledger':34} {'bare s':>8} {'ours s':>8} {'ratio':>7} {'work':>6} {'bare MB':>8} {'ours MB':>8}")
    for name, files_per_day in (("28 days, 1 file a day", 1), ("28 days, 8 files a day", 8)):
        with tempfile.TemporaryDirectory(prefix="ledger-bench-") as root:
            build(root, 28, per_day, files_per_day)
            _print(name, compare(root, per_day, count, options.rounds, "a"))
            if files_per_day == 1:
                for millions in (1, 2, 4, options.large):
                    found = _child("large", root, per_day // PARTS, millions * per_day, f"d-large-{millions}")
                    words = f"{found['processor'] / millions:.2f} processor s a day's events"
                    line = f"{f'  {millions} days of events at once':34} {'':8} {found['seconds']:8.2f} {'':24}"
                    print(f"{line} {found['memory_mb']:8.0f}  {words}", flush=True)
            if files_per_day > 1:
                begun = time.perf_counter()
                Ledger.open(open_objects(root), EVENT_SET, identity=IDENTITY, clock=ManualClock(NOW)).table.compact()
                print(f"{'  compacting it':34} {'':8} {time.perf_counter() - begun:8.2f}")
                _print("  the same, compacted", compare(root, per_day, count, options.rounds, "b"))


def _huge(less: int) -> None:
    """A delivery as large as the ledger of many days.

    :param less: so many times less of both.
    """
    per_day, count = 10_000_000 // less, 100_000_000 // less
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as root:
        begun = time.perf_counter()
        build(root, 28, per_day, 1)
        print(f"a ledger of {28 * per_day:,} keys, made in {time.perf_counter() - begun:.0f} s", flush=True)
        found = _child("large", root, 200_000 // less, count, "d-huge")
        print(
            f"{count:,} events, {found['left']:,.0f} of them new: {found['seconds']:.0f} s, processor "
            f"{found['processor']:.0f} s, peak {found['memory_mb']:.0f} MB (less than 1,500)"
        )


def _print(name: str, found: dict[str, float]) -> None:
    print(
        f"{name:34} {found['bare_s']:8.2f} {found['ours_s']:8.2f} {found['ratio']:7.2f} {found['work']:6.2f} "
        f"{found['bare_mb']:8.0f} {found['ours_mb']:8.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
