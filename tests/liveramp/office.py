"""An advertiser on the liveramp route: a folder where files appear, a ledger, and an SFTP server to deliver to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.config import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import DeliverResult
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.deliver import deliver
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.liveramp.conftest import NOW
from tests.liveramp.rows import COLUMNS, feed, text
from tests.servers.sshd import Sshd, StaticConnections


@dataclass
class Office:
    """What the tests of the route stand on."""

    folder: Path
    server: Sshd
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    liveramp: dict[str, Any] = field(default_factory=dict)
    connection: Connection | None = None

    def __post_init__(self) -> None:
        self.outbox = self.folder / "uploads"
        self.outbox.mkdir()
        (self.folder / "drop").mkdir()

    def config(self, **changes: Any) -> AdvertiserConfig:
        """The advertiser, live unless said otherwise."""
        settings: dict[str, Any] = {
            "name": "shop",
            "advertiser_id": "7001",
            "event_set_id": "7002",
            "route": "liveramp",
            "mode": "live",
            "state_uri": str(self.folder / "state"),
            "source": {"path": str(self.folder / "drop" / "sales_{{ ds_nodash }}.psv")},
            "max_rejected_ratio": 0.5,
            "liveramp": {
                "destination": self.server.uri(self.outbox),
                "file_name": "{{ feed }}_{{ day }}.psv",
                **self.liveramp,
            },
        }
        return AdvertiserConfig.model_validate(settings | changes)

    def context(self, holder: str, **changes: Any) -> DeliveryContext:
        """The steps' view, for one run."""
        connections = StaticConnections(self.connection or self.server.connection())
        return DeliveryContext(config=self.config(**changes), connections=connections, holder=holder, clock=self.clock)

    def open(self, **contract: Any) -> None:
        """Make the ledger and accept the feed's sample."""
        ctx = self.context("set-up")
        Ledger.init(ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=self.clock)
        open_feed_state(ctx).accept(feed(**contract))

    def drop(self, name: str, rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> dict[str, Any]:
        """Put a file of rows into the folder; returns its stamp as the sensor would."""
        return self.drop_content(name, text(rows, columns))

    def drop_content(self, name: str, content: bytes) -> dict[str, Any]:
        """Put a file into the folder; returns its stamp as the sensor would."""
        path = self.folder / "drop" / name
        path.write_bytes(content)
        moment = self.clock.now().timestamp() - 3600
        os.utime(path, (moment, moment))
        found = path.stat()
        return FileStamp(uri=str(path), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def run(self, holder: str, stamps: Sequence[Mapping[str, Any]], **changes: Any) -> list[DeliverResult]:
        """A whole run over a day's files; returns what deliver said of each."""
        ctx = self.context(holder, **changes)
        ids = []
        for stamp in stamps:
            delivery_id = validate(ctx, stamp).delivery_id
            dedupe(ctx, delivery_id)
            ids.append(delivery_id)
        told = [deliver(ctx, delivery_id) for delivery_id in ids]
        summarize_all(self.context(holder, **changes))
        return told

    def delivered(self) -> dict[str, list[str]]:
        """The rows of every file at the far side, by file name."""
        return {path.name: path.read_text().splitlines()[1:] for path in sorted(self.outbox.iterdir())}


def at(day: int, hour: int = 9) -> datetime:
    """A moment of November 2026."""
    return NOW.replace(day=day, hour=hour)
