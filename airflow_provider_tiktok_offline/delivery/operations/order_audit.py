"""What became of orders: a question that finance asks with order numbers, and the ledger answers by event ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.contract.columns import CANONICAL_EVENT, STANDARD_EVENTS
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_EVENT = "transaction_category"


def audit_orders(ctx: DeliveryContext, file: Path) -> pl.DataFrame:
    """Look orders up in the ledger.

    :param file: a comma-delimited file with a header: ``order_id`` and, where the file of transactions has them, the
        other columns that make an event's identity (``store_code``, ``product_id``). Without ``transaction_category``
        every standard event is tried.
    :returns: the asked columns, ``event``, ``outcome`` (null: never heard of), ``recorded_at`` and ``delivery_id``, a
        row for each event that is known, and one for each order of which none is.
    :raises ConfigError: if the file can't be read or has no ``order_id``.
    """
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.events.event_id import (
        canonical_event,
        id_bytes,
        id_text,
        text_with_order,
    )
    from airflow_provider_tiktok_offline.ledger.inspection import sent

    columns = ["store_code", "order_id"] if ctx.config.basket == "order" else [*ctx.config.event_identity]
    try:
        asked = pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(
            f"can't be read ({type(error).__name__}).",
            where=str(file),
            todo="Write one order_id a line below a header.",
        ) from None
    if "order_id" not in asked.columns:
        raise ConfigError("has no column order_id.", where=str(file))
    asked = asked.select(
        pl.col(name).fill_null("").str.strip_chars() for name in asked.columns if name in {*columns, _EVENT}
    )
    numbered = asked.with_row_index("row").with_columns(
        pl.lit("").alias(name) for name in columns if name not in asked.columns
    )
    if _EVENT in asked.columns:
        event = pl.col(_EVENT).replace(dict(ctx.config.event_map))
        tried = numbered.with_columns(canonical_event(event).alias("event"))
    else:
        names = sorted({CANONICAL_EVENT.get(name, name) for name in STANDARD_EVENTS})
        tried = numbered.join(pl.DataFrame({"event": names}), how="cross")
    ids = tried.select(id_text(id_bytes(text_with_order(columns)))).to_series()
    events = pl.concat([tried, sent(ctx.ledger, ids).drop("event_id")], how="horizontal")
    known = events.filter(pl.col("outcome").is_not_null())
    unknown = numbered.join(known, on="row", how="anti")
    return pl.concat([known, unknown], how="diagonal").sort("row").drop("row", "route", strict=False)
