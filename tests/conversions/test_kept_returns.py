"""Returned lines that are kept for sales that wait: what is kept of them, and what they take off."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.kept_returns import (
    KEPT,
    Netting,
    as_kept,
    each_once,
    returns_for,
    without,
)
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from tests.conversions.files import SETTINGS, check, events, found
from tests.conversions.test_returns import RETURNED, SALES, line, said

WAITING = replace(SETTINGS, send_after_days=3)
ORDERS = replace(WAITING, basket="order")
NET = replace(ORDERS, returns="net")
#: Millionths.
USD = 1_000_000


def kept(prepared: PreparedEvents) -> dict[str, int]:
    """Event id -> kept units that were taken off nothing, summed."""
    frame = prepared.returns
    assert frame.schema == KEPT
    frame = frame.filter(~pl.col("netted"))
    ids = ["v2-" + digest.hex() for digest in frame["digest"]]
    sums: Counter[str] = Counter()
    for event_id, units in zip(ids, frame["units"], strict=True):
        sums[event_id] += units
    return dict(sums)


def ids_of(prepared: PreparedEvents) -> dict[str, str]:
    """order_id -> event id, of files whose orders are one event each."""
    frame = pl.concat([prepared.read(part) for part in range(len(prepared.parts))])
    return dict(zip(frame["order_id"], frame["event_id"], strict=True))


@pytest.mark.parametrize("how", [ORDERS, NET])
def test_a_return_is_kept_under_the_id_of_its_order(how: ConversionSettings, tmp_path: Path) -> None:
    """Whether returns of the file itself are left out or netted; the sale's file gives the same id."""
    sold = events(SALES, tmp_path / "a", how)
    returned = events([RETURNED, line("o9", "hat", "3.00")], tmp_path / "b", how)
    assert kept(returned) == {ids_of(sold)["o1"]: -30 * USD}
    assert kept(sold) == {}


def test_a_return_of_a_row_is_kept_under_the_id_of_that_row(tmp_path: Path) -> None:
    """Product and all; a return of another product is another event's."""
    sold = events([line("o1", "shoe", "50.00")], tmp_path / "a", WAITING)
    returned = events([RETURNED, line("o1", "sock", "-5.00"), line("o2", "hat", "1.00")], tmp_path / "b", WAITING)
    assert kept(returned)[ids_of(sold)["o1"]] == -30 * USD
    assert sorted(kept(returned).values()) == [-30 * USD, -5 * USD]


def test_what_is_netted_inside_the_file_is_kept_as_such(tmp_path: Path) -> None:
    """With its order's other lines. Of an order that is worth less than nothing, what exceeds it is left.

    Of an order of several lines without a return nothing is kept.
    """
    cancelled = [line("o4", "cap", "9.00"), line("o4", "cap", "-9.00")]
    sold = [line("o5", "cap", "3.00"), line("o5", "tie", "4.00")]
    lines = [*SALES, RETURNED, line("o3", "cap", "10.00"), line("o3", "tie", "-25.00"), *cancelled, *sold]
    prepared = events(lines, tmp_path, NET)
    assert sorted(kept(prepared).values()) == [-15 * USD]
    netted = prepared.returns.filter("netted")["units"].to_list()
    assert sorted(netted) == [-30 * USD, -9 * USD, 5 * USD, 9 * USD, 50 * USD]


@pytest.mark.parametrize("how", [ORDERS, NET])
def test_equal_returns_of_two_products_are_two(how: ConversionSettings, tmp_path: Path) -> None:
    """Two products at one price; the same two in the next file are the same."""
    rows = [RETURNED, line("o1", "sock", "-30.00"), *SALES[2:], RETURNED]
    prepared = events(rows, tmp_path, how, block_bytes=150)
    assert each_once([prepared.returns, prepared.returns])["units"].to_list() == [-30 * USD] * 2
    assert without(prepared.returns, prepared.returns.head(1)).height == 1


def test_returns_of_a_sale_are_known_by_its_lines(tmp_path: Path) -> None:
    """In a file that holds the sale's lines among others, wherever; not in one with other lines of its order."""
    sold = events([SALES[1], SALES[0]], tmp_path / "a", NET).read_sales(0)
    again = events([line("o1", "tie", "7.00"), *SALES, RETURNED], tmp_path / "b", NET).returns
    taken, elsewhere = returns_for(again, sold)
    assert (taken["units"].to_list(), elsewhere.height) == ([-30 * USD], 0)
    others = events([line("o1", "tie", "70.00"), *SALES[1:], RETURNED], tmp_path / "c", NET).returns
    taken, elsewhere = returns_for(others, sold)
    assert (taken.height, elsewhere["units"].to_list()) == (0, [-30 * USD])


def test_what_was_kept_before_lines_were_told_apart_is_read(tmp_path: Path) -> None:
    """None of it was netted."""
    returns = events([RETURNED, *SALES], tmp_path, ORDERS).returns
    assert as_kept(returns.drop("netted")).equals(returns)


def test_the_same_return_twice_is_one(tmp_path: Path) -> None:
    """A till that repeats a line, in one block or several."""
    rows = [RETURNED, line("o1", "shoe", "-1.00"), *SALES, RETURNED]
    prepared = events(rows, tmp_path, ORDERS, block_bytes=150)
    assert prepared.returns.height == 2
    assert each_once([prepared.returns, prepared.returns]).equals(prepared.returns)


def test_only_what_has_an_order_is_kept(tmp_path: Path) -> None:
    """And only returns; who bought does not matter."""
    rows = [line("", "", "-7.00"), {**RETURNED, "email_1": ""}, line("o5", "hat", "0.00"), *SALES]
    assert list(kept(events(rows, tmp_path, ORDERS)).values()) == [-30 * USD]


def test_a_return_without_a_known_category_is_kept_under_each(tmp_path: Path) -> None:
    """Tills call it Refund; the order is the same."""
    sold = events(SALES, tmp_path / "a", ORDERS)
    rows = [{**RETURNED, "transaction_category": "Refund"}, line("o9", "hat", "3.00")]
    found_in = kept(events(rows, tmp_path / "b", ORDERS))
    assert found_in[ids_of(sold)["o1"]] == -30 * USD
    assert set(found_in.values()) == {-30 * USD}


def test_without_the_setting_nothing_is_kept(tmp_path: Path) -> None:
    """Neither an object nor a word in the manifest, and parts of the same fingerprint."""
    prepared = events([*SALES, RETURNED], tmp_path, replace(ORDERS, send_after_days=0))
    assert "returns" not in prepared.manifest
    assert [path.name for path in (tmp_path / "parts").iterdir() if "returns" in path.name] == []
    assert WAITING.fingerprint() == SETTINGS.fingerprint()


def test_the_report_says_that_returns_are_taken_off_before_sending() -> None:
    """In place of the advice to set returns: net."""
    report = check([*SALES, RETURNED], ORDERS)
    for text in said(report):
        assert "alues are gross: 1 returned line of orders (30.00 USD)" in text
        assert "are taken off the orders that wait" in text
    assert report.returns == {"orders": "waiting", "rows": 1, "value": {"USD": "30.00"}}


@pytest.mark.parametrize(
    ("at", "warned"),
    [
        ("2026-10-28T00:00:00Z-0000", False),
        ("2026-10-27T23:59:59Z-0000", True),
        ("2026-10-25T00:00:00Z-0000", True),
        ("2026-10-24T23:59:59Z-0000", False),
    ],
)
def test_what_will_be_too_old_when_it_is_sent_is_warned_of(at: str, warned: bool) -> None:
    """To the second; what is too old already is an error, and no warning beside it."""
    rows = [{"transaction_timestamp": at}, {}]
    assert (("timestamp_expires", "warning") in found(check(rows, WAITING))) == warned
    assert "timestamp_expires" not in {rule for rule, _ in found(check(rows))}


def test_netting_takes_off_what_is_returned(tmp_path: Path) -> None:
    """In part, as a whole, and more than there was; other events stay as they are."""
    sold = events([*SALES, line("o3", "cap", "9.00"), line("o4", "tie", "8.00")], tmp_path, ORDERS)
    ids = ids_of(sold)
    off = [(ids["o1"], -30 * USD), (ids["o2"], -20 * USD), (ids["o3"], -4 * USD), (ids["o3"], -6 * USD)]
    returns = pl.DataFrame(off, schema=["event_key", "units"], orient="row")
    netted = sold.with_netting(Netting(returns, lambda event_ids: event_ids))
    for frame in (netted.read(0), netted.read_amounts(0)):
        rows = dict(zip(frame["event_id"], frame.select("value", "returned").iter_rows(), strict=True))
        assert {order: rows[ids[order]] for order in ids} == {
            "o1": ("25", False), "o2": ("20", True), "o3": ("9", True), "o4": ("8", False),
        }  # fmt: skip
        assert frame["content"].equals(sold.read(0)["content"])
    assert "returned" not in sold.read(0).columns


@settings(max_examples=15, deadline=None)
@given(
    lines=st.lists(st.tuples(st.sampled_from("abc"), st.integers(min_value=-9, max_value=12)), min_size=1, max_size=25),
    how=st.sampled_from([WAITING, ORDERS, NET]),
    block=st.sampled_from([150, 1 << 20]),
)
def test_every_return_is_either_netted_or_kept(
    lines: list[tuple[str, int]], how: ConversionSettings, block: int
) -> None:
    """Sales less returns of the file are what is sent and what is kept, wherever blocks end."""
    rows = [
        line(
            order,
            f"p{n}",
            f"{whole}.00",
            transaction_timestamp=f"2026-11-20T10:00:{n:02}Z-0000",
        )
        for n, (order, whole) in enumerate(lines)
    ]
    with tempfile.TemporaryDirectory() as folder:
        prepared = events([*rows, line("z", "z", "1.00")], Path(folder), how, block_bytes=block)
        sent = sum(
            (Decimal(value) for part in range(len(prepared.parts)) for value in prepared.read(part)["value"]), Decimal()
        )
        left = sum(kept(prepared).values()) // USD
    total = 1 + sum(whole for _, whole in lines)
    gone = {order for order, _ in lines if sum(w for own, w in lines if own == order) == 0} if how is NET else set()
    assert sent + left == total - sum(whole for order, whole in lines if order in gone)
