"""Events as JSON: held against plain Python, row by row."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.events.event_json import to_json

_DIGESTS = ("email_1", "email_2", "email_3", "phone_1", "phone_2")
_TEXTS = ("value", "currency", "order_id", "shop_id", "content_type", "contents")
_VALUES: dict[str, st.SearchStrategy[str | None]] = {
    "value": st.sampled_from([None, "1", "12.5"]),
    "currency": st.sampled_from([None, "EUR"]),
    "order_id": st.none() | st.text(max_size=8).filter(lambda text: "\x7f" not in text and text.isprintable()),
    "shop_id": st.sampled_from([None, "", 'a"b\\c\td']),
    "content_type": st.sampled_from([None, "product"]),
    "contents": st.sampled_from([None, '[{"content_id":"A-1","price":1.5}]']),
}


def expected(row: dict[str, Any]) -> dict[str, Any]:
    """The item as plain Python would build it."""
    item: dict[str, Any] = {name: row[name] for name in ("event", "event_time", "event_id")}
    item["user"] = {}
    for field in ("email", "phone"):
        found = [row[name].hex() for name in _DIGESTS if name.startswith(field) and row.get(name) is not None]
        if found:
            item["user"][field] = found
    properties: dict[str, Any] = {}
    for name in _TEXTS:
        if row.get(name):
            properties[name] = json.loads(row[name]) if name in ("value", "contents") else row[name]
    if properties:
        item["properties"] = properties
    return item


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    rows = draw(st.integers(0, 6))
    columns: dict[str, pl.Series] = {
        "event": pl.Series(["Purchase"] * rows, dtype=pl.String),
        "event_time": pl.Series([1_795_000_000 + row for row in range(rows)], dtype=pl.Int64),
        "event_id": pl.Series([f"v1-{row:032x}" for row in range(rows)], dtype=pl.String),
    }
    for name in draw(st.sets(st.sampled_from(_DIGESTS))):
        digests = draw(st.lists(st.none() | st.binary(min_size=32, max_size=32), min_size=rows, max_size=rows))
        columns[name] = pl.Series(digests, dtype=pl.Binary)
    for name in draw(st.sets(st.sampled_from(_TEXTS))):
        texts = draw(st.lists(_VALUES[name], min_size=rows, max_size=rows))
        columns[name] = pl.Series(texts, dtype=pl.String)
    return pl.DataFrame(columns)


@settings(deadline=None)
@given(frames())
def test_an_event_is_the_json_that_plain_python_would_write(events: pl.DataFrame) -> None:
    """Whatever a row has or lacks: present values as they are, absent ones absent, never null or empty."""
    items = to_json(events)
    assert items.dtype == pl.String
    assert [json.loads(item) for item in items] == [expected(row) for row in events.iter_rows(named=True)]
