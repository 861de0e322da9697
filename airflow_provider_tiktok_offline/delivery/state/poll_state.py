"""Files that the last poll found incomplete, for waiting that is spread over several processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext


def _path(ctx: DeliveryContext) -> str:
    return f"advertisers/{ctx.config.name}/pending/{ctx.run_key}.json"


def read_poll_state(ctx: DeliveryContext) -> list[Mapping[str, object]]:
    """The stamps of the files that this run's last poll found incomplete; none at the first."""
    stored = ctx.objects.get(_path(ctx))
    if stored is None:
        return []
    stamps: list[Mapping[str, object]] = json.loads(stored[0])
    return stamps


def write_poll_state(ctx: DeliveryContext, pending: Sequence[Mapping[str, object]]) -> None:
    """Keep the stamps of the files that this poll found incomplete; nothing is kept of an empty list."""
    if pending:
        ctx.objects.put(_path(ctx), json.dumps(list(pending)).encode())
    else:
        ctx.objects.delete(_path(ctx))
