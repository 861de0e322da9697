"""What the processes of the concurrency tests do; imported by each of them afresh."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerBusyError
from airflow_provider_tiktok_offline.ledger import Deliveries, Ledger, delivery_id
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.ledger.ledger import LedgerOptions
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import EVENT_SET, IDENTITY, LOOKBACK, event_id

LEASE = 3.0
_PATIENCE = 120.0


class _One:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, conn_id: str) -> Connection:
        return self._connection


def store(uri: str, connection: Connection | None) -> ObjectStore:
    """The store under test, as a worker reaches it."""
    return open_objects(uri, None if connection is None else _One(connection))


def deliver(
    uri: str,
    connection: Connection | None,
    name: str,
    numbers: Sequence[int],
    log: str,
    die_after: int | None = None,
    pause_after: int | None = None,
) -> None:
    """Deliver a file like a run that is retried until it is settled; every event that leaves is noted in ``log``.

    :param die_after: kill this process once so many windows have left, before their receipts are durable.
    :param pause_after: stop this process there instead, until somebody continues it.
    """
    objects, clock = store(uri, connection), SystemClock()
    deliveries = Deliveries(objects, clock, LEASE)
    delivery = delivery_id("shop", name)
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            state = deliveries.enter(
                delivery,
                f"run-{name}",
                DeliveredFile(advertiser="shop", route="tiktok", digest=name, uri=f"/{name}", file_name=name, size=1),
                as_of=clock.now(),
            )
            ledger = Ledger.open(
                objects, EVENT_SET, identity=IDENTITY, clock=clock, options=LedgerOptions(deliveries=deliveries)
            )
            keys = ledger.keys(pl.Series([event_id(number) for number in numbers]))
            frame = pl.DataFrame(
                {
                    "event_key": keys,
                    "content": pl.Series([b"10.00"] * len(keys), dtype=pl.Binary),
                    "event_time": [int(clock.now().timestamp()) - 60] * len(keys),
                }
            )
            plan = ledger.dedupe(delivery, [(0, frame)], route="tiktok", now=clock.now(), lookback=LOOKBACK)
            by_key = dict(zip(keys.to_list(), numbers, strict=True))
            with ledger.receipts(delivery, 0, f"run-{name}") as receipts:
                settled = receipts.settled().filter(pl.col("outcome") != "in_doubt")
                todo = plan.part(0).join(settled, on="event_key", how="anti", maintain_order="left")["event_key"]
                for window, start in enumerate(range(0, len(todo), 100)):
                    deliveries.heartbeat(state)
                    chosen = todo[start : start + 100]
                    receipts.attempted(chosen)
                    _note(log, [by_key[key] for key in chosen.to_list()])
                    if die_after == window:
                        os.kill(os.getpid(), signal.SIGKILL)
                    if pause_after == window:
                        pause_after = None
                        os.kill(os.getpid(), signal.SIGSTOP)
                    receipts.accepted(chosen, "request")
            settlement = ledger.settle(delivery)
            if settlement.finished and not plan.counts["held"]:
                deliveries.save(state, status="closed")
                return
        except (LedgerBusyError, DeliveryHeldError):
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{name} was not settled")


def _note(log: str, numbers: list[int]) -> None:
    with Path(log).open("a") as file:
        file.write("".join(f"{number}\n" for number in numbers))
        file.flush()
        os.fsync(file.fileno())
