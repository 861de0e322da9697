"""What a delivery leaves behind once it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.state import source_registry
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveredFile
from airflow_provider_tiktok_offline.storage.stamps import FileStamp


def mark_delivered(settings: AdvertiserConfig, found: Mapping[str, Any]) -> None:
    """Close a delivery of each file that a sensor has found."""
    ctx = DeliveryContext(config=settings, connections=AirflowConnections(), holder="a/b")
    now = system_clock().now()
    for number, stamp in enumerate(found["files"]):
        file = FileStamp.from_dict(stamp)
        digest = f"{number:064x}"
        source_registry.remember_digest(ctx, file, as_of=now, digest=digest)
        state = ctx.deliveries.enter(
            ctx.delivery_id(digest),
            "a/b",
            DeliveredFile(
                advertiser=settings.name,
                route="tiktok",
                digest=digest,
                uri=file.uri,
                file_name=file.name,
                size=file.size,
            ),
            as_of=now,
        )
        ctx.deliveries.save(state, status="closed")
