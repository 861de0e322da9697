"""Which deliveries a run has opened, so that its last step finds them whatever happened before it."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_tiktok_offline.delivery.context import DeliveryContext


def _prefix(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/runs/{ctx.run_key}/"


def note_delivery(ctx: DeliveryContext, delivery_id: str) -> None:
    """Record that this run works on that delivery."""
    ctx.objects.create(f"{_prefix(ctx)}{delivery_id}", b"")


def deliveries_of_run(ctx: DeliveryContext) -> list[str]:
    """The ids of the deliveries this run has worked on, sorted."""
    return sorted(path.rpartition("/")[2] for path in ctx.objects.list(_prefix(ctx)))


def write_json(ctx: DeliveryContext, path: str, content: dict[str, Any]) -> str:
    """Put a JSON object below ``state_uri``; returns its URI."""
    ctx.objects.put(path, json.dumps(content, indent=2).encode())
    return ctx.uri(path)
