"""One file in shards beside the same file in one pass: what the cut, the shards and the settling cost.

``python -m benchmarks.shards [--small] [--rows N] [--shards N]``: a sample with an e-mail and a phone in each row, made
on the fly. *whole* is one process that prepares the file; the same in shards is one process that cuts it, one for each
shard, one behind the other, and one that settles what they left. Medians of the ratios of three rounds in turn, one
round beyond 20 million rows; processor time, imports included. Rows by class are compared.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import own_peak_mb

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)
_MANY_ROWS = 20_000_000
#: Of a part of staged events.
_PART_EVENTS = 200_000

Spent = dict[str, float]


def _task(name: str, folder: Path, shards: int) -> dict[str, int]:
    """One task: ``whole``, ``cut``, a shard's number, or ``settle``."""
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import cut_into_shards, read_shards

    settings = ConversionSettings(phone_region="US", currency="USD")
    source, left = LocalFile(folder / "sales.csv"), DirectoryParts(folder / "shards")
    if name == "cut":
        least = (folder / "sales.csv").stat().st_size // shards
        made = cut_into_shards(source, settings, as_of=AS_OF, least_bytes=least, most=shards, output=left)
        return {"shards": len(made.pieces)}

    from airflow_provider_tiktok_offline.conversions.preparation import shards as engine
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare

    options = PassOptions(part_events=_PART_EVENTS, spill_dir=folder)
    match name:
        case "whole":
            whole = DirectoryParts(folder / "whole")
            report = prepare(source, settings, as_of=AS_OF, output=whole, options=options).report
        case "settle":
            plan = read_shards(left)
            report = engine.merge_shards(source, settings, plan, left, output=left, options=options)
        case _:
            plan = read_shards(left)
            request = engine.ShardRequest(options=options)
            engine.prepare_shard(source, settings, plan, int(name), output=left, request=request)
            return {}
    return {"valid": report.rows_valid, "duplicate": report.rows_duplicate, "rejected": report.rows_rejected}


def _run(name: str, folder: Path, shards: int) -> tuple[Spent, dict[str, int]]:
    """One task in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.shards", "--task", name, str(folder), str(shards)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    return found["spent"], found["outcome"]


def _round(folder: Path, shards: int) -> dict[str, Spent]:
    for left in ("whole", "shards"):
        shutil.rmtree(folder / left, ignore_errors=True)
    whole, outcome = _run("whole", folder, shards)
    shutil.rmtree(folder / "whole")
    cut, made = _run("cut", folder, shards)
    tasks = [_run(str(number), folder, shards)[0] for number in range(made["shards"])]
    keys = sum(one.stat().st_size for one in (folder / "shards").glob("*-keys.arrow"))
    settle, merged = _run("settle", folder, shards)
    if outcome != merged:
        raise SystemExit(f"one pass gave {outcome}, shards gave {merged}")
    return {
        "whole": whole,
        "cut": cut,
        "a shard": {key: max(one[key] for one in tasks) for key in whole},
        "shards": {key: sum(one[key] for one in tasks) for key in whole},
        "settle": {**settle, "keys_mb": keys / 1e6},
    }


def one_round(rows: int, shards: int) -> dict[str, Spent]:
    """One file of so many rows, made on the fly, in one pass and in shards."""
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        write_sample(folder / "sales.csv", rows, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
        return _round(folder, shards)


def main() -> None:
    """Measure and print; ``--task`` is one task, in its own process."""
    if "--task" in sys.argv:
        name, place, count = sys.argv[-3:]
        started, processor = time.perf_counter(), time.process_time()
        outcome = _task(name, Path(place), int(count))
        spent = {"seconds": time.perf_counter() - started, "processor": time.process_time() - processor}
        spent["peak_mb"] = own_peak_mb()
        print(json.dumps({"spent": spent, "outcome": outcome}))
        return
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

    small = "--small" in sys.argv
    rows = _number("--rows", 300_000 if small else _MANY_ROWS)
    shards = _number("--shards", 4)
    rounds = 1 if small or rows > _MANY_ROWS else 3
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        write_sample(folder / "sales.csv", rows, as_of=AS_OF, seed=1, form=SampleForm(identifiers="both"))
        size = (folder / "sales.csv").stat().st_size / 1e6
        print(f"{rows:,} rows, {size:,.0f} MB, {shards} shards; medians of {rounds} round(s)")
        found = [_round(folder, shards) for _ in range(rounds)]
    for name in found[0]:
        seconds, processor = (statistics.median(one[name][key] for one in found) for key in ("seconds", "processor"))
        peak = max(one[name]["peak_mb"] for one in found)
        memory = "" if name == "shards" else f"  peak {peak:5.0f} MB"
        print(f"{name:8} {seconds:8.1f} s  processor {processor:8.1f} s{memory}")
    ratios = [
        sum(one[name]["processor"] for name in ("cut", "shards", "settle")) / one["whole"]["processor"] for one in found
    ]
    print(f"shards beside one pass: {statistics.median(ratios):.2f} (at most 1.10)")
    print(f"keys between the tasks: {found[0]['settle']['keys_mb']:,.0f} MB")


def _number(option: str, usual: int) -> int:
    return int(sys.argv[sys.argv.index(option) + 1]) if option in sys.argv else usual


if __name__ == "__main__":
    main()
