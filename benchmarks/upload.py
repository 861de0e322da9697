"""Events a second from Parquet parts to receipts, beside TikTok's official SDK in a loop with the same payloads.

``python -m benchmarks.upload [--small]``: each in a fresh process, in turn, against a server that answers at once;
median of the ratios of one run. Then peak memory at one and at four times as many events.
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
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.common import EVENT_SET, live_entry, own_peak_mb, running_sink

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.connections import Connection
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_TOKEN = "benchmark"  # noqa: S105 - nobody checks it
_PLAIN = "events.parquet"
_SOURCE = "conversions.csv"
#: The state of a delivery that is ready to be sent; each run sends a copy of it.
_READY = "ready"


class _Connections:
    """One connection, to the server of the benchmark."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, conn_id: str) -> Connection:
        from airflow_provider_tiktok_offline.connections import Connection

        host = f"http://127.0.0.1:{self._port}"
        return Connection(conn_id=conn_id, conn_type="tiktok", host=host, password=_TOKEN)


def _context(folder: Path, port: int = 0) -> DeliveryContext:
    from airflow_provider_tiktok_offline.clock import SystemClock
    from airflow_provider_tiktok_offline.config import AdvertiserConfig
    from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

    entry = live_entry(folder.parent / _SOURCE, folder / "state")
    config = AdvertiserConfig.model_validate(entry | {"upload": {"requests_per_second": 1_000_000}})
    # On the day of the file, whenever this runs.
    clock = SystemClock(_NOW - datetime.now(UTC))
    return DeliveryContext(config=config, connections=_Connections(port), holder="benchmark", clock=clock)


def write_parts(folder: Path, events: int) -> str:
    """A delivery up to its plan, and the same events as a plain Parquet file for the loop.

    :returns: the delivery's id.
    """
    from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
    from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
    from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
    from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
    from airflow_provider_tiktok_offline.delivery.steps.validate import validate
    from airflow_provider_tiktok_offline.ledger.ledger import Ledger
    from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch

    file = folder / _SOURCE
    write_sample(file, events, as_of=_NOW, seed=1, form=SampleForm(identifiers="both"))
    ctx = _context(folder / _READY)
    Ledger.init(ctx.objects, EVENT_SET, identity=ctx.config.identity_settings(), clock=ctx.clock)
    found = file.stat()
    stamp = FileStamp(uri=str(file), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    dedupe(ctx, delivery_id)
    prepared = PreparedEvents.open(StagedParts(ctx.staging, delivery_id))
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
    return delivery_id


def ours(folder: Path, port: int) -> dict[str, float]:
    """The package's own step: prepared parts and plan, columns to JSON, requests in flight, durable receipts."""
    import airflow_provider_tiktok_offline.conversions.preparation.prepared_events
    import airflow_provider_tiktok_offline.tiktok.upload  # noqa: F401 - not part of what is measured
    from airflow_provider_tiktok_offline.delivery.steps.upload import open_client, upload

    (delivery_id,) = (path.name for path in (folder / _READY / "state" / "staging").iterdir())
    with tempfile.TemporaryDirectory(dir=folder) as name:
        shutil.copytree(folder / _READY, name, dirs_exist_ok=True)
        ctx = _context(Path(name), port)
        open_client(ctx).close()
        parts = ctx.ledger.plan(delivery_id).parts
        accepted = 0
        started, worked = time.perf_counter(), time.process_time()
        for part in parts:
            accepted += upload(ctx, delivery_id, part).accepted
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
                body={"event_source": "offline", "event_source_id": EVENT_SET, "data": events},
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
        name, folder, sink_port = sys.argv[-3:]
        found = _CONTENDERS[name](Path(folder), int(sink_port))
        found["peak_mb"] = own_peak_mb()
        print(json.dumps(found))
        return
    small = "--small" in sys.argv
    events, rounds = (100_000, 1) if small else (1_000_000, 3)
    with running_sink() as port:
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
            peaks = [_peak(count, port) for count in (events, 4 * events)]
            print(f"  peak memory   {peaks[0]:,.0f} MB at {events:,}, {peaks[1]:,.0f} MB at {4 * events:,} events")


if __name__ == "__main__":
    main()
