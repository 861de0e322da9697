"""What the last look saw of files that were not complete yet, for waiting that is spread over several processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


def _path(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/pending/{ctx.run_key}.json"


def recall_pending(ctx: DeliveryContext) -> list[dict[str, Any]]:
    """The ``pending`` stamps of this run's last look; none at the first."""
    found = ctx.objects.get(_path(ctx))
    if found is None:
        return []
    stamps: list[dict[str, Any]] = json.loads(found[0])
    return stamps


def keep_pending(ctx: DeliveryContext, pending: Sequence[Mapping[str, Any]]) -> None:
    """Keep this look's ``pending`` stamps for the next one; nothing is kept of an empty list."""
    if pending:
        ctx.objects.put(_path(ctx), json.dumps(list(pending)).encode())
    else:
        ctx.objects.delete(_path(ctx))
