"""Valid rows to TikTok events: staged columns, and the items of a request's ``data[]`` as JSON.

Source: TikTok Doc ID 1771101303285761. What a row does not have is absent, never null or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.conversions.contract.columns import PHONE_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.event_id import (
    ID_BYTES,
    canonical_event,
    id_text,
    identity_value,
    phone_identifier,
    text_with_order,
    text_without_order,
)
from airflow_provider_tiktok_offline.conversions.events.event_json import escape
from airflow_provider_tiktok_offline.conversions.events.event_json import to_json as to_json
from airflow_provider_tiktok_offline.conversions.events.identity_settings import ORDER_COLUMNS, ORDERLESS_COLUMNS
from airflow_provider_tiktok_offline.conversions.events.row_keys import Hashes, hash_columns
from airflow_provider_tiktok_offline.conversions.file.line_scan import Positions
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import sent_digests
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import READINGS
from airflow_provider_tiktok_offline.conversions.rules.amounts import canonical, canonical_text
from airflow_provider_tiktok_offline.conversions.rules.checked_block import CheckedBlock
from airflow_provider_tiktok_offline.conversions.rules.optional_cells import blank_where
from airflow_provider_tiktok_offline.conversions.text.buffers import numbers_to_arrow, series, to_arrow
from airflow_provider_tiktok_offline.conversions.text.column_bytes import CodedColumn, column_bytes
from airflow_provider_tiktok_offline.conversions.text.digests import DIGEST_BYTES, fixed_width, hashes

#: Content field of ``send_fields`` -> the programme's column, and whether it is a number.
CONTENT_FIELDS = {
    "content_id": ("product_id", False),
    "content_name": ("product_name", False),
    "content_category": ("product_category", False),
    "brand": ("product_brand", False),
    "price": ("product_price", True),
    "quantity": ("quantity", True),
}


class Identities:
    """What the event ids of a block's valid rows are made of.

    :param checked: the block.
    :param rows: positions of its valid rows; None for all.
    """

    def __init__(self, checked: CheckedBlock, rows: Positions | None, settings: ConversionSettings) -> None:
        self._settings = settings
        self._checked = checked
        self._rows = rows
        self.height = len(checked.lines) if rows is None else len(rows)
        blank = pl.Series([""], dtype=pl.String)
        names = {*ORDERLESS_COLUMNS, *ORDER_COLUMNS, *settings.event_identity}
        columns = {
            name: self._pick(identity_value(checked.values[name]))
            if name in checked.values
            else blank.new_from_index(0, self.height)
            for name in sorted(names)
        }
        columns["event"] = self._pick(checked.values["canonical_event"])
        self._frame = pl.DataFrame(columns)
        self.with_order = (self._frame["order_id"] != "").to_numpy()

    def _pick(self, values: pl.Series) -> pl.Series:
        return values if self._rows is None else values.gather(self._rows)

    def event_texts(self) -> pl.Series:
        """The text that each row's event id is the hash of: the order's where orders are events."""
        text = text_with_order(self._id_columns())
        if self.with_order.all():
            return self._frame.select(text).to_series()
        if not self.with_order.any():
            return self._orderless_texts(None)
        without = np.flatnonzero(~self.with_order)
        return self._frame.select(text).to_series().scatter(without, self._orderless_texts(without))

    def numbers(self, seed: int) -> Hashes:
        """Each row's own identity as a number under a secret."""
        if not self.with_order.any():
            return self._orderless_texts(None).hash(seed).to_numpy()
        numbers = hash_columns([self._frame[name] for name in ("event", *self._settings.event_identity)], seed)
        if not self.with_order.all():
            without = np.flatnonzero(~self.with_order)
            numbers[without] = self._orderless_texts(without).hash(seed).to_numpy()
        return numbers

    def order_numbers(self, seed: int) -> Hashes:
        """Each row's order as a number under a secret; of no meaning where it has none."""
        return hash_columns([self._frame[name] for name in ("event", *ORDER_COLUMNS)], seed)

    def orders(self, events: Iterable[str]) -> pl.DataFrame:
        """The orders of the rows that have one: ``event`` and the columns of an order's identity.

        :param events: under each of them a row without a known event is listed.
        """
        orders = self._frame.select("event", *ORDER_COLUMNS).filter(pl.col("order_id") != "").unique()
        return _under_each(orders, events)

    def order_texts(self, events: Iterable[str]) -> pl.DataFrame:
        """``row``, its position, and ``text``, as :meth:`event_texts` has it, of each row that has an order.

        :param events: under each of them a row without a known event is listed.
        """
        columns = self._id_columns()
        rows = self._frame.select("event", *dict.fromkeys(("order_id", *columns))).with_row_index("row")
        return _under_each(rows.filter(pl.col("order_id") != ""), events).select("row", text=text_with_order(columns))

    def _id_columns(self) -> tuple[str, ...]:
        return ORDER_COLUMNS if self._settings.basket == "order" else self._settings.event_identity

    def _orderless_texts(self, rows: Positions | None) -> pl.Series:
        frame = self._frame if rows is None else self._frame[rows]
        within: slice | Positions = slice(None) if rows is None else rows
        valid = slice(None) if self._rows is None else self._rows

        def pick(cells: pl.Series) -> pl.Series:
            picked = self._pick(cells)
            return picked if rows is None else picked.gather(rows)

        first = []
        for name, column in self._checked.emails + self._checked.phones:
            normal = pick(column["normal"])
            if name in PHONE_COLUMNS:
                normal = normal.to_frame("normal").select(phone_identifier(pl.col("normal"))).to_series()
            first += [normal, pick(column["digest"])]
        return (
            frame.with_columns(
                epoch=pl.Series(self._checked.epoch[valid][within]).cast(pl.String),
                units=pl.Series(self._checked.units[valid][within]),
            )
            .with_columns(amount=canonical(pl.col("units")), identifier=pl.select(pl.coalesce(*first)).to_series())
            .select(text_without_order())
            .to_series()
        )


def _under_each(rows: pl.DataFrame, events: Iterable[str]) -> pl.DataFrame:
    """The rows, those without an event once under each of ``events``."""
    known = pl.DataFrame({"name": sorted(set(events))}).select(canonical_event(pl.col("name")).alias("name"))
    unknown = rows.filter(pl.col("event") == "").join(known.unique(), how="cross")
    return pl.concat([rows.filter(pl.col("event") != ""), unknown.with_columns(event="name").select(rows.columns)])


def stage(
    checked: CheckedBlock, rows: Positions | None, texts: pl.Series, content: np.ndarray, settings: ConversionSettings
) -> pa.Table:
    """Valid rows as they are staged: digests as bytes, no plaintext identifier.

    :param rows: positions of the valid rows; None for all.
    :param texts: what their event ids are hashed from.
    :param content: fingerprints of time and amount.
    :returns: with a suppression list also ``readings``, digest prefixes by which people who opt out later are found.
    """
    wanted = settings.send_fields
    values = checked.values
    picked = slice(None) if rows is None else rows

    def pick(cells: pl.Series) -> pl.Series:
        return cells if rows is None else cells.gather(rows)

    columns: dict[str, pa.Array] = {
        "line": numbers_to_arrow(checked.lines[picked]),
        "event": checked.events.to_arrow(rows),
        "event_time": numbers_to_arrow(checked.sent_epoch[picked]),
        "digest": hashes(texts, ID_BYTES),
        "content": numbers_to_arrow(content),
        "units": numbers_to_arrow(checked.units[picked]),
        "currency": _currency(checked, rows),
    }
    if "order_id" in wanted and "order_id" in values:
        columns["order_id"] = to_arrow(pick(_sent(checked, "order_id")))
    if "shop_id" in wanted and "shop_id" in values:
        columns["shop_id"] = column_bytes(values["shop_id"]).coded.to_arrow(rows)
    for field, identifiers in (("email", checked.emails), ("phone", checked.phones)):
        if field in wanted:
            columns |= _digests(checked, identifiers, pick)
    if checked.identifiers is not None:
        # An order's event stands for all its lines, and what is not sent is no column of its own.
        everything = settings.basket == "order" or not {"email", "phone"} <= wanted
        columns[READINGS] = to_arrow(checked.identifiers.readings(rows, everything=everything))
    item = _item(checked, pick, settings)
    if item is not None:
        # What came back is no content of the order.
        sold = pl.DataFrame({"units": checked.units[picked], "item": item})
        columns["item"] = to_arrow(sold.select(pl.when(pl.col("units") > 0).then("item")).to_series())
    return pa.table(columns)


def _currency(checked: CheckedBlock, rows: Positions | None) -> pa.Array:
    """The currencies of some rows, or of all; of few different texts."""
    if len(checked.currencies) == 1 and checked.currencies[0] is not None:
        height = len(checked.lines) if rows is None else len(rows)
        return CodedColumn([checked.currencies[0]], np.zeros(height, dtype=np.int32)).to_arrow(None)
    currencies = checked.values["currency"]
    return to_arrow(currencies if rows is None else currencies.gather(rows)).dictionary_encode()


def _sent(checked: CheckedBlock, column: str) -> pl.Series:
    """A text column as it leaves: blank where the value holds an identifier."""
    withheld = checked.withheld.get(column)
    return checked.values[column] if withheld is None else blank_where(checked.values[column], pl.Series(withheld))


def _digests(
    checked: CheckedBlock, identifiers: list[tuple[str, pl.DataFrame]], pick: Callable[[pl.Series], pl.Series]
) -> dict[str, pa.Array]:
    """The digests of the columns of one kind of identifier, each digest once a row."""
    found: dict[str, pa.Array] = {}
    for name, cells in identifiers:
        known = None if checked.identifiers is None else checked.identifiers.known_digests(name)
        if known is None:
            found[name] = sent_digests(pick(cells["normal"]), pick(cells["digest"]))
        else:
            found[name] = fixed_width(pick(known), DIGEST_BYTES)
    return found if len(found) < 2 else _without_repeats(found)


def _without_repeats(columns: dict[str, pa.Array]) -> dict[str, pa.Array]:
    """Null where an earlier column of the row has the same digest."""
    names = list(columns)
    frame = pl.DataFrame([series(name, array) for name, array in columns.items()])
    for place, name in enumerate(names[1:], 1):
        repeated = pl.any_horizontal(pl.col(name).eq_missing(pl.col(earlier)) for earlier in names[:place])
        frame = frame.with_columns(pl.when(~repeated).then(name).alias(name))
    return {name: fixed_width(frame[name], DIGEST_BYTES) for name in names}


def _item(checked: CheckedBlock, pick: object, settings: ConversionSettings) -> pl.Series | None:
    """Each row's entry of ``contents[]`` as JSON, or null; None where nothing of it is sent."""
    assert callable(pick)  # noqa: S101
    members = []
    fields: dict[str, pl.Series] = {}
    for field, (column, is_number) in CONTENT_FIELDS.items():
        if field not in settings.send_fields or column not in checked.values:
            continue
        cells = pick(_sent(checked, column))
        if is_number:
            cells = cells.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
            whole = cells.cast(pl.Int64, strict=False)
            frame = pl.DataFrame({"cell": cells, "whole": whole})
            fields[field] = frame.select(
                pl.when(pl.col("cell") == pl.col("whole"))
                .then(pl.col("whole").cast(pl.String))
                .otherwise(pl.col("cell").cast(pl.String))
            ).to_series()
            members.append(pl.lit(f'"{field}":') + pl.col(field))
        else:
            fields[field] = escape(cells)
            members.append(pl.when(pl.col(field) != "").then(pl.lit(f'"{field}":"') + pl.col(field) + pl.lit('"')))
    if not members:
        return None
    body = pl.concat_str(members, separator=",", ignore_nulls=True)
    return pl.DataFrame(fields).select(pl.when(body != "").then(pl.lit("{") + body + pl.lit("}"))).to_series()


def finished(staged: pl.DataFrame, *, recipe: str, content_type: bool) -> pl.DataFrame:
    """Staged rows as events: ids and amounts as text, one event a row.

    :param recipe: the version of the recipe that made the ids.
    """
    frame = staged.with_columns(
        event_id=id_text(pl.col("digest"), recipe),
        value=canonical_text(staged["units"]),
        rows=pl.lit(1, dtype=pl.Int64) if "rows" not in staged.columns else pl.col("rows"),
        content=_big_endian(staged["content"]),
    ).drop("digest", "units")
    if "item" in frame.columns:
        frame = frame.with_columns(contents=pl.lit("[") + pl.col("item") + pl.lit("]")).drop("item")
        if content_type:
            frame = frame.with_columns(content_type=pl.when(pl.col("contents").is_not_null()).then(pl.lit("product")))
    return frame


def _big_endian(numbers: pl.Series) -> pl.Series:
    data = numbers.to_numpy().astype(">u8")
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(data), [None, pa.py_buffer(data)])
    return pl.Series("content", array.cast(pa.large_binary()), dtype=pl.Binary)
