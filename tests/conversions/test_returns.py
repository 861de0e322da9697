"""Returned lines inside an order: left out and said to be, or taken off the order's value."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from airflow_provider_tiktok_offline.conversions.contract.settings import DEFAULT_SEND_FIELDS, ConversionSettings
from airflow_provider_tiktok_offline.conversions.report.html_report import html
from airflow_provider_tiktok_offline.conversions.report.report import Report, render
from tests.conversions.files import SETTINGS, check, events, found

GROSS = replace(SETTINGS, basket="order", send_fields=DEFAULT_SEND_FIELDS | {"content_id"})
NET = replace(GROSS, returns="net")


def line(order: str, product: str, amount: str, **more: str) -> dict[str, str]:
    """A line of an order."""
    return {"order_id": order, "product_id": product, "transaction_amount": amount, **more}


def said(report: Report) -> tuple[str, str]:
    """The report as page and as table."""
    text = io.StringIO()
    render(report, Console(file=text, width=200))
    return html(report), text.getvalue()


SALES = [line("o1", "shoe", "50.00"), line("o1", "sock", "5.00"), line("o2", "hat", "20.00")]
RETURNED = line("o1", "shoe", "-30.00")


@pytest.mark.parametrize(
    ("returns", "valid", "value", "words"),
    [
        (GROSS, 3, "55", "values are gross: 1 returned line of orders (30.00 USD) left out"),
        (NET, 4, "25", "values are net: 1 returned line of orders (30.00 USD) taken off"),
    ],
)
def test_an_orders_value_is_gross_or_net_and_the_report_says_which(
    returns: ConversionSettings, valid: int, value: str, words: str, tmp_path: Path
) -> None:
    """On the page, in the table and as JSON; the order's id and contents are the same."""
    prepared = events([*SALES, RETURNED], tmp_path, returns)
    assert (prepared.report.rows_valid, prepared.report.events) == (valid, 2)
    first = next(event for event in map(json.loads, prepared.json_lines()) if event["properties"]["order_id"] == "o1")
    assert Decimal(str(first["properties"]["value"])) == Decimal(value)
    assert [item["content_id"] for item in first["properties"]["contents"]] == ["shoe", "sock"]
    page, table = said(prepared.report)
    assert words in table
    assert words[1:40] in page
    assert json.loads(prepared.report.to_json())["returns"]["orders"] == ("gross" if returns is GROSS else "net")
    assert Report.from_json(prepared.report.to_json()) == prepared.report


@pytest.mark.parametrize("thousands", [1, 12_000, 500_000_000])
def test_what_is_left_of_an_order_is_exact_however_large_it_is(thousands: int, tmp_path: Path) -> None:
    """A till that counts in rupiah has orders of many digits; what is left decides whether the order is an event."""
    sold = [line(order, "house", f"{thousands}000.00") for order in ("most", "little", "nothing", "less")]
    little = {"little": "-999.99", "nothing": "-1000.00", "less": "-1000.01"}
    returned = [line(order, "house", f"-{thousands - 1}000.00") for order in little]
    rest = [line(order, "garage", amount) for order, amount in {"most": "-0.01", **little}.items()]
    sent = {
        event["properties"]["order_id"]: Decimal(str(event["properties"]["value"]))
        for event in map(json.loads, events([*sold, *returned, *rest], tmp_path, NET).json_lines())
    }
    assert sent == {"most": 1000 * thousands - Decimal("0.01"), "little": Decimal("0.01")}


def test_the_id_of_an_order_does_not_depend_on_its_returns(tmp_path: Path) -> None:
    """A setting that is changed later sends nothing twice."""
    ids = [
        {event["event_id"] for event in map(json.loads, events([*SALES, RETURNED], tmp_path / name, how).json_lines())}
        for name, how in (("gross", GROSS), ("net", NET))
    ]
    assert ids[0] == ids[1]


def test_a_file_without_returns_says_nothing_of_them() -> None:
    """Nor does one whose rows are events of their own."""
    assert check(SALES, NET).returns is None
    assert check([*SALES, RETURNED], SETTINGS).returns is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["10.00", "-10.00"], "zero"),
        (["10.00", "-4.00", "-6.00"], "zero"),
        (["10.00", "-10.01"], "return"),
        (["-10.00"], "return"),
        (["0.00", "-10.00"], "return"),
    ],
)
def test_an_order_of_which_nothing_is_left_is_not_sent(lines: list[str], reason: str, tmp_path: Path) -> None:
    """Its lines are left out for what they add up to."""
    rows = [line("o1", f"p{number}", amount) for number, amount in enumerate(lines)]
    prepared = events([*rows, line("o2", "hat", "20.00")], tmp_path, NET)
    report = prepared.report
    assert (report.rows_valid, report.events, report.rows_excluded) == (1, 1, len(lines))
    assert report.excluded[reason] == len([amount for amount in lines if amount != "0.00"])
    assert (report.returns, report.values["valid"]) == (None, {"USD": "20.00"})
    assert [event["properties"]["order_id"] for event in map(json.loads, prepared.json_lines())] == ["o2"]


def test_an_order_begins_at_its_first_sale(tmp_path: Path) -> None:
    """A return above it gives neither time nor customer."""
    first = {**RETURNED, "transaction_timestamp": "2026-11-21T10:00:00Z-0000", "email_1": "till@example.com"}
    prepared = events([first, *SALES], tmp_path, NET, block_bytes=200)
    [with_return] = [one for one in map(json.loads, prepared.json_lines()) if one["properties"]["order_id"] == "o1"]
    [without] = [
        one
        for one in map(json.loads, events(SALES, tmp_path / "b", NET).json_lines())
        if one["properties"]["order_id"] == "o1"
    ]
    assert with_return["event_time"] == without["event_time"]
    assert with_return["user"] == without["user"]


def test_a_return_repeats_no_sale_and_two_equal_returns_repeat_each_other() -> None:
    """The same product sold and returned is no collision of ids."""
    report = check([*SALES, RETURNED, RETURNED], NET)
    assert (report.rows_valid, report.rows_duplicate, report.rows_rejected) == (4, 1, 0)
    assert ("line_repeated", "warning") in found(report)
    assert report.returns == {"orders": "net", "rows": 1, "value": {"USD": "30.00"}}


def test_a_return_without_a_customer_is_taken_off_too() -> None:
    """Who bought stands on the lines of the sale; a return without an order is left out as ever."""
    nobody = {**RETURNED, "email_1": ""}
    report = check([*SALES, nobody, line("", "", "-7.00")], NET)
    assert (report.rows_valid, report.excluded) == (4, {"return": 1})
    assert report.values["valid"] == {"USD": "45.00"}


def test_a_broken_return_holds_its_order_back() -> None:
    """Half an order would have another value."""
    report = check([*SALES, {**RETURNED, "transaction_timestamp": "yesterday"}], NET)
    assert (report.rows_valid, report.rows_rejected, report.rows_held_back) == (1, 3, 2)


@settings(max_examples=15, deadline=None)
@given(
    lines=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(min_value=-900, max_value=1200)), min_size=1, max_size=25
    ),
    block=st.sampled_from([150, 1 << 20]),
    part=st.sampled_from([3, 1000]),
)
def test_what_is_sent_is_what_each_order_adds_up_to(lines: list[tuple[str, int]], block: int, part: int) -> None:
    """Whatever the order of lines, wherever blocks and parts end; and the rows add up."""
    rows = [line(order, f"p{n}", f"{cents / 100:.2f}") for n, (order, cents) in enumerate(lines)]
    totals = {order: sum(Decimal(cents) / 100 for own, cents in lines if own == order) for order, _ in lines}
    with tempfile.TemporaryDirectory() as folder:
        prepared = events(rows, Path(folder), NET, block_bytes=block, part_events=part)
        sent = [json.loads(one)["properties"] for one in prepared.json_lines()]
        report = prepared.report
    assert {one["order_id"]: Decimal(str(one["value"])) for one in sent} == {
        order: total for order, total in totals.items() if total > 0
    }
    assert report.events == len(sent)
    assert report.rows_total == report.rows_valid + report.rows_rejected + report.rows_duplicate + report.rows_excluded
    assert Decimal(report.values.get("valid", {}).get("USD", "0")) == sum(
        total for total in totals.values() if total > 0
    )
    taken_off = sum(-cents for order, cents in lines if cents < 0 and totals[order] > 0)
    assert Decimal("0" if report.returns is None else report.returns["value"]["USD"]) == Decimal(taken_off) / 100
