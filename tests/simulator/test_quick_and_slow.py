"""The quick way through the checks never takes what the slow one would refuse."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.simulator import events
from airflow_provider_tiktok_offline.simulator.answers import Refusal
from airflow_provider_tiktok_offline.simulator.defaults import EVENT_SET_ID
from tests.simulator.conftest import digest, make_event

_ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**14), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["USD", "Purchase"]),
    st.sampled_from([digest("x"), digest(""), digest("+"), digest("x").upper()]),
    st.just([]), st.just({}), st.lists(st.sampled_from([digest("a"), "", 5]), max_size=2),
)  # fmt: skip
_PATHS = st.sampled_from(
    [("event",), ("event_time",), ("event_id",), ("user",), ("user", "email"), ("user", "phone"), ("user", "ttp")]
    + [("properties",), ("extra",)]
    + [("properties", name) for name in ("value", "currency", "order_id", "content_type", "contents", "num_items", "x")]
)


def _changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    event = make_event()
    place = event
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return event


@settings(max_examples=400, deadline=None)
@given(path=_PATHS, value=_ODD)
def test_both_ways_agree(path: tuple[str, ...], value: Any) -> None:
    """A body is taken exactly if its item passes the checks value by value."""
    item = _changed(path, value)
    body = msgspec.json.encode({"event_source": "offline", "event_source_id": EVENT_SET_ID, "data": [item]})
    try:
        undocumented = events.check_item(msgspec.json.decode(msgspec.json.encode(item)))
    except Refusal as refusal:
        slow: tuple[Any, ...] = (refusal.code, refusal.message)
    else:
        slow = (0, undocumented)
    try:
        quick: tuple[Any, ...] = (0, events.read(body).undocumented)
    except Refusal as refusal:
        quick = (refusal.code, refusal.message)
    assert quick == slow
