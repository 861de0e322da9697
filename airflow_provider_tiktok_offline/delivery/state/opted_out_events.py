"""Events that were left out because their customers opted out after staging: their event keys, until the close-out.

With them the close-out needs no opt-out list: a list that has become stale stops sending, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext

if TYPE_CHECKING:
    import polars as pl


def write_opted_out(ctx: DeliveryContext, delivery_id: str, part: int, keys: pl.Series) -> None:
    """Keep the keys of a part's events that are left out; those of an earlier call are replaced."""
    from airflow_provider_tiktok_offline.ledger import key_files

    if len(keys):
        ctx.objects.put(_path(ctx, delivery_id, part), key_files.pack(keys, {"part": part}))
    else:
        ctx.objects.delete(_path(ctx, delivery_id, part))


def read_opted_out(ctx: DeliveryContext, delivery_id: str, part: int) -> pl.Series:
    """The keys of a part's events that the last upload left out.

    :raises LedgerDamagedError: if the object is cut off or was changed.
    """
    from airflow_provider_tiktok_offline.ledger import key_files

    path = _path(ctx, delivery_id, part)
    stored = ctx.objects.get(path)
    return key_files.from_bytes(b"") if stored is None else key_files.unpack(stored[0], path)[1]


def forget_opted_out(ctx: DeliveryContext, delivery_id: str) -> None:
    """Remove the keys of a delivery that is closed."""
    ctx.objects.delete_all(f"{ctx.folder(delivery_id)}/opted_out")


def _path(ctx: DeliveryContext, delivery_id: str, part: int) -> str:
    return f"{ctx.folder(delivery_id)}/opted_out/{part:06d}"
