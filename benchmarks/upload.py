"""Events a second from Parquet parts to receipts, beside TikTok's official SDK in a loop with the same payloads.

``python -m benchmarks.upload [--small]``: each in a fresh process, in turn, against a server that answers at once;
median of the ratios of one run. Then peak memory at one and at five times as many events.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import polars as pl

_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_EVENT_SET = "7000000000000000201"
_PLAIN = "events.parquet"


def write_parts(folder: Path, events: int) -> None:
    """Prepared parts as the package stages them, and the same events as a plain Parquet file for the loop."""
    from airflow_provider_tiktok_offline.conversions.parts import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.prepare import prepare
    from airflow_provider_tiktok_offline.conversions.prepared import PreparedEvents
    from airflow_provider_tiktok_offline.conversions.sample import write_sample
    from airflow_provider_tiktok_offline.conversions.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.source import LocalFile

    file = folder / "conversions.csv"
    write_sample(file, events, as_of=_NOW, identifiers="both", seed=1)
    settings = ConversionSettings(currency="USD", phone_region="US")
    parts = DirectoryParts(folder / "parts")
    prepare(LocalFile(file), settings, as_of=_NOW, output=parts)
    prepared = PreparedEvents.open(parts)
    frames = []
    for index in range(len(prepared.parts)):
        part = prepared.read(index)
        hashed = {
            field: pl.concat_list(pl.col(f"^{field}_\\d$").bin.encode("hex")).list.drop_nulls()
            for field in ("email", "phone")
        }
        frames.append(
            part.select(
                "event",
                "event_time",
                "event_id",
                pl.col("value").cast(pl.Float64),
                "currency",
                "order_id",
                "shop_id",
                **hashed,
            )
        )
    pl.concat(frames).write_parquet(folder / _PLAIN)
    file.unlink()


def ours(folder: Path, port: int) -> dict[str, float]:
    """The package: prepared parts, columns to JSON, several requests in flight, durable receipts."""
    from airflow_provider_tiktok_offline.clock import system_clock
    from airflow_provider_tiktok_offline.config.models import UploadConfig
    from airflow_provider_tiktok_offline.conversions.events import to_json
    from airflow_provider_tiktok_offline.conversions.parts import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.prepared import PreparedEvents
    from airflow_provider_tiktok_offline.delivery.upload import WINDOW_BATCHES
    from airflow_provider_tiktok_offline.ledger.keying import event_keys, new_secret
    from airflow_provider_tiktok_offline.ledger.receipts import OUTCOMES, PartReceipts
    from airflow_provider_tiktok_offline.storage.objects import open_objects
    from airflow_provider_tiktok_offline.tiktok.ahead import ahead
    from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
    from airflow_provider_tiktok_offline.tiktok.requests import Envelope
    from airflow_provider_tiktok_offline.tiktok.upload import send

    limits = UploadConfig(requests_per_second=1_000_000)
    size = limits.batch_events * WINDOW_BATCHES
    clock = system_clock()
    secret = new_secret()
    state = open_objects(str(folder / f"state-{time.time_ns()}"))
    prepared = PreparedEvents.open(DirectoryParts(folder / "parts"))

    def windows() -> Iterator[tuple[int, pl.Series, pl.Series]]:
        for index in range(len(prepared.parts)):
            part = prepared.read(index)
            keys = event_keys(secret, part["event_id"])
            for first in range(0, part.height, size):
                yield index, to_json(part.slice(first, size)), keys.slice(first, size)

    def receipts_of(index: int) -> PartReceipts:
        carried = OUTCOMES.to_frame().select("event_key", "first_attempt_at")
        return PartReceipts(
            state,
            f"receipts/{index}",
            "benchmark",
            clock=clock,
            fence=lambda: None,
            carried=carried,
            retry_window=timedelta(hours=limits.retry_hours),
        )

    accepted = 0
    started, worked = time.perf_counter(), time.process_time()
    with TikTokClient("benchmark", base_url=f"http://127.0.0.1:{port}") as client:
        for index, window in groupby(ahead(windows()), key=itemgetter(0)):
            with receipts_of(index) as receipts:
                for _, items, keys in window:
                    accepted += send(
                        items,
                        keys,
                        client=client,
                        envelope=Envelope(_EVENT_SET),
                        limits=limits,
                        receipts=receipts,
                        clock=clock,
                        proven=bool(accepted),
                    ).accepted
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - worked,
        "events": accepted,
    }


def official_sdk(folder: Path, port: int) -> dict[str, float]:
    """A loop as a user would write it: a thousand rows, their bodies, a call, a line of receipts."""
    import business_api_client as sdk
    import pyarrow.parquet as pq

    configuration = sdk.Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    client = sdk.ApiClient(configuration)
    accepted = 0
    started, worked = time.perf_counter(), time.process_time()
    with (folder / "receipts.jsonl").open("w") as receipts:
        for batch in pq.ParquetFile(folder / _PLAIN).iter_batches(1000):
            events = []
            for row in batch.to_pylist():
                user = {name: row[name] for name in ("email", "phone") if row[name]}
                properties = {
                    name: row[name] for name in ("value", "currency", "order_id", "shop_id") if row[name] is not None
                }
                events.append(
                    {
                        "event": row["event"],
                        "event_time": row["event_time"],
                        "event_id": row["event_id"],
                        "user": user,
                        "properties": properties,
                    }
                )
            answer = client.call_api(
                "/open_api/v1.3/event/track/",
                "POST",
                header_params={"Access-Token": "benchmark", "Content-Type": "application/json"},
                body={"event_source": "offline", "event_source_id": _EVENT_SET, "data": events},
                response_type="InlineResponse200",
                _return_http_data_only=True,
            )
            receipts.write(json.dumps([answer["request_id"], [event["event_id"] for event in events]]) + "\n")
            receipts.flush()
            accepted += len(events)
    return {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - worked,
        "events": accepted,
    }


_CONTENDERS = {"ours": ours, "sdk": official_sdk}


def _run(name: str, folder: Path, port: int) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.upload", "--run", name, str(folder), str(port)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def _measured(events: int, port: int, rounds: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(folder, events)
        pairs = []
        for number in range(rounds):
            pairs.append((_run("ours", folder, port), _run("sdk", folder, port)))
            seconds = " and ".join(
                f"{each['seconds']:.1f} s ({each['processor_seconds']:.1f} s of work)" for each in pairs[-1]
            )
            print(f"round {number + 1} of {rounds}: {seconds}", file=sys.stderr, flush=True)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _peak(events: int, port: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(folder, events)
        return _run("ours", folder, port)["peak_mb"]


def main() -> None:
    """Measure and print; ``--run`` is one contender, in its own process."""
    if "--run" in sys.argv:
        name, folder, port = sys.argv[-3:]
        found = _CONTENDERS[name](Path(folder), int(port))
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    small = "--small" in sys.argv
    events, rounds = (100_000, 1) if small else (200_000, 3)
    sink = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], stdout=subprocess.PIPE, text=True)
    assert sink.stdout is not None
    try:
        port = int(sink.stdout.readline())
        package, sdk = _measured(events, port, rounds)
        assert all(found["events"] == package[0]["events"] for found in (*package, *sdk))
        rate = [found["events"] / found["seconds"] for found in package]
        sdk_rate = [found["events"] / found["seconds"] for found in sdk]
        ratio = statistics.median(a / b for a, b in zip(rate, sdk_rate, strict=True))
        work = statistics.median(
            b["processor_seconds"] / a["processor_seconds"] for a, b in zip(package, sdk, strict=True)
        )
        print(f"{events:,} events, {rounds} round(s), requests of 1,000 events, 4 in flight")
        print(f"  package       {statistics.median(rate):>12,.0f} events/s")
        print(f"  official SDK  {statistics.median(sdk_rate):>12,.0f} events/s")
        print(f"  ratio         {ratio:>12.1f}   (of processor seconds an event: {work:.1f})")
        if not small:
            peaks = [_peak(count, port) for count in (events, 5 * events)]
            print(f"  peak memory   {peaks[0]:,.0f} MB at {events:,}, {peaks[1]:,.0f} MB at {5 * events:,} events")
    finally:
        sink.kill()
        sink.wait()


if __name__ == "__main__":
    main()
