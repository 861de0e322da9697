"""One advertiser, one day: a folder where files appear, a ledger, and a simulator that counts what arrives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import DeliverySummary
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HEADER = "email_1,transaction_category,transaction_timestamp,transaction_amount,phone_1,order_id,store_code"


class FixedConnections:
    """Connections by id, from memory."""

    def __init__(self, *connections: Connection) -> None:
        self._by_id = {connection.conn_id: connection for connection in connections}

    def get(self, conn_id: str) -> Connection:
        if conn_id not in self._by_id:
            raise ConfigError("no such connection.", where=f"connection {conn_id}")
        return self._by_id[conn_id]


@dataclass
class World:
    """What the tests of the steps stand on."""

    folder: Path
    simulator: RunningSimulator
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def config(self, **changes: Any) -> AdvertiserConfig:
        """The advertiser, live unless said otherwise."""
        settings: dict[str, Any] = {
            "name": "corner_shop",
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "currency": "USD",
            "phone_region": "US",
            "state_uri": str(self.folder / "state"),
            "source": {"path": str(self.folder / "drop" / "conversions_{{ ds_nodash }}.csv"), "settle_seconds": 0},
            "max_rejected_ratio": 0.5,
            "upload": {"requests_per_second": 1000, "max_attempts": 3, "part_events": 1000},
        }
        return AdvertiserConfig.model_validate(settings | changes)

    def context(self, holder: str = "daily/run-1", **changes: Any) -> DeliveryContext:
        """The steps' view, for one run."""
        connections = FixedConnections(
            Connection(conn_id="tiktok_default", conn_type="tiktok", host=self.simulator.url, password=ACCESS_TOKEN)
        )
        return DeliveryContext(config=self.config(**changes), connections=connections, holder=holder, clock=self.clock)

    def init_ledger(self, **changes: Any) -> None:
        """Make the event set's ledger, as the command does once."""
        ctx = self.context(**changes)
        Ledger.init(ctx.objects, EVENT_SET_ID, identity=ctx.config.identity_settings(), clock=self.clock)

    def drop(
        self, rows: Iterable[str], *, name: str = "conversions_20261121.csv", header: str = HEADER
    ) -> dict[str, Any]:
        """Write a file of rows into the folder; returns its stamp as the sensor would."""
        path = self.folder / "drop" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *rows]) + "\n")
        os.utime(path, (NOW.timestamp() - 3600, NOW.timestamp() - 3600))
        found = path.stat()
        return FileStamp(uri=str(path), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def deliver(self, stamp: Mapping[str, Any], ctx: DeliveryContext | None = None) -> DeliverySummary:
        """All steps in their order; returns the summary."""
        ctx = ctx or self.context()
        delivery_id = validate(ctx, stamp).delivery_id
        normalize_hash(ctx, delivery_id)
        for part in dedupe(ctx, delivery_id).parts:
            upload(ctx, delivery_id, part)
        return summarize(ctx, delivery_id)


def rows(first: int, count: int, *, amount: str = "10.00", at: str = "2026-11-20T12:00:00Z-0000") -> list[str]:
    """Valid rows with consecutive order ids."""
    return [
        f"shopper{number}@example.com,CompletePayment,{at},{amount},,order-{number},store-1"
        for number in range(first, first + count)
    ]
