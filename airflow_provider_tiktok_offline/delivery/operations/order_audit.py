"""What became of orders: a question that finance asks with order numbers, and the ledger answers by event ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.conversions.contract.columns import CANONICAL_EVENT, STANDARD_EVENTS
from airflow_provider_tiktok_offline.conversions.events.identity_settings import OF_FILE
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_EVENT = "transaction_category"


def audit_orders(ctx: DeliveryContext, file: Path, *, forget: bool = False) -> pl.DataFrame:
    """Look orders up in the ledger.

    :param file: a comma-delimited file with a header: ``order_id`` and, where the files of transactions had them, the
        other columns that make an event's identity (``store_code``, ``product_id``). Without ``transaction_category``
        every standard event is tried, without ``store_code`` every store that the settings name.
    :param forget: keep a record that persons asked for these orders to be forgotten: event keys, date and operator.
    :returns: the asked columns, ``event``, ``outcome`` (``not found``: no event of it is known), ``recorded_at``,
        ``delivery_id`` and ``file_name``, a row for each event that is known, and one for each order of which none is.
    :raises ConfigError: if the file can't be read, or lacks a column without which no id can be computed.
    """
    import polars as pl

    asked = _read(file, columns := _identity(ctx))
    known = _known(ctx, asked, columns, str(file))
    if forget:
        _record_request(ctx, known["event_id"])
    by_file = _file_names(ctx, known["delivery_id"])
    known = known.join(by_file, on="delivery_id", how="left", maintain_order="left").drop("event_id")
    numbered = asked.with_row_index("row")
    unknown = numbered.join(known, on="row", how="anti").with_columns(outcome=pl.lit("not found"))
    return pl.concat([known, unknown], how="diagonal_relaxed").sort("row").drop("row", "route", strict=False)


def _identity(ctx: DeliveryContext) -> list[str]:
    return ["store_code", "order_id"] if ctx.config.basket == "order" else [*ctx.config.event_identity]


def _read(file: Path, columns: list[str]) -> pl.DataFrame:
    import polars as pl

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
    return asked.select(
        pl.col(name).fill_null("").str.strip_chars() for name in asked.columns if name in {*columns, _EVENT}
    )


def _known(ctx: DeliveryContext, asked: pl.DataFrame, columns: list[str], where: str) -> pl.DataFrame:
    """The events of the orders that the ledger knows, with their ids."""
    import polars as pl

    from airflow_provider_tiktok_offline.conversions.events.event_id import (
        canonical_event,
        id_bytes,
        id_text,
        text_with_order,
    )
    from airflow_provider_tiktok_offline.ledger.inspection import sent

    tried = asked.with_row_index("row")
    for name in columns:
        if name not in asked.columns:
            tried = tried.join(pl.DataFrame({name: _candidates(ctx, name, where)}), how="cross")
    if _EVENT in asked.columns:
        event = pl.col(_EVENT).replace(dict(ctx.config.event_map))
        tried = tried.with_columns(canonical_event(event).alias("event"))
    else:
        names = sorted({CANONICAL_EVENT.get(name, name) for name in STANDARD_EVENTS})
        tried = tried.join(pl.DataFrame({"event": names}), how="cross")
    ids = tried.select(event_id=id_text(id_bytes(text_with_order(columns)))).to_series()
    return pl.concat([tried, sent(ctx.ledger, ids)], how="horizontal").filter(pl.col("outcome").is_not_null())


def _candidates(ctx: DeliveryContext, column: str, where: str) -> list[str]:
    """What a column that the question lacks may have held in the files of transactions.

    :raises ConfigError: if the files had it and its values are not known.
    """
    constant = ctx.config.constants.get(column)
    if constant is not None:
        return [constant]
    had = ctx.ledger.meta.identity_sources.get(ctx.config.name, {}).get(f"{OF_FILE}columns_with_order_id")
    stores = sorted({*ctx.config.stores, *(ctx.config.guards.stores or ())}) if column == "store_code" else []
    if isinstance(had, list | tuple) and column in had and not stores:
        raise ConfigError(
            f"has no column {column}, which enters the event ids: no order can be found without it.",
            where=where,
            todo=f"Add {column} beside each order_id"
            + (", or name the stores under stores:." if column == "store_code" else "."),
        )
    return ["", *stores]


def _file_names(ctx: DeliveryContext, deliveries: pl.Series) -> pl.DataFrame:
    """By which file: from the records of deliveries, else from the deliveries themselves."""
    import polars as pl

    recorded = dict(ctx.ledger.records.read().select("delivery_id", "file_name").iter_rows())
    names = {}
    for one in deliveries.unique().drop_nulls():
        state = None if one in recorded else ctx.deliveries.find(one)
        names[one] = recorded.get(one) or (state.file_name if state is not None else None)
    return pl.DataFrame(
        {"delivery_id": list(names), "file_name": list(names.values())},
        schema={"delivery_id": pl.String, "file_name": pl.String},
    )


def _record_request(ctx: DeliveryContext, event_ids: pl.Series) -> None:
    """Keep that somebody asked to be forgotten: event keys, date and operator, never an order number."""
    from airflow_provider_tiktok_offline.ledger import audit
    from airflow_provider_tiktok_offline.ledger.meta_document import LedgerPlace

    keys = [key.hex() for key in ctx.ledger.keys(event_ids)]
    audit.note(
        LedgerPlace(ctx.objects, ctx.config.event_set_id, ctx.clock),
        "forget-request",
        reason="a person asked to be forgotten",
        actor=ctx.holder,
        details={"advertiser": ctx.config.name, "event_keys": keys},
    )
