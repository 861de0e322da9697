"""Sums of baskets are exact decimals, whatever the number of lines, the currency and the size of the amounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.conversions.files import SETTINGS, check, events


def total(amounts: Sequence[str], folder: Path, currency: str = "USD") -> str:
    """What is sent for one order of these lines."""
    rows = [{"order_id": "o1", "product_id": f"p{n}", "transaction_amount": amount} for n, amount in enumerate(amounts)]
    baskets = replace(SETTINGS, basket="order", currency=currency, format=FileFormat(decimal="."))
    prepared = events(rows, folder, baskets, part_events=100)
    assert prepared.report.rows_rejected == 0
    [part] = [prepared.read(index) for index in range(len(prepared.parts)) if prepared.parts[index].events]
    [value] = part["value"].to_list()
    return str(value)


@pytest.mark.parametrize(
    ("amounts", "currency", "value"),
    [
        (["0.1", "0.2"], "USD", "0.3"),
        (["0.01"] * 1000, "USD", "10"),
        (["0.10"] * 999, "EUR", "99.9"),
        (["1.10", "2.20", "3.30"], "EUR", "6.6"),
        (["1", "2", "9999999"], "JPY", "10000002"),
        (["0.001", "0.002", "1.1", "0.897"], "BHD", "2"),
        (["999999999.99"] * 100, "USD", "99999999999"),
        (["999999999999.99", "0.01"], "USD", "1000000000000"),
        (["999999999999.99"] * 9, "VND", "8999999999999.91"),
        (["900000000000.00"] * 10, "USD", "9000000000000"),
    ],
    ids=str,
)
def test_a_basket_is_the_sum_of_its_lines(amounts: list[str], currency: str, value: str, tmp_path: Path) -> None:
    """To the last digit: no float, no overflow."""
    assert total(amounts, tmp_path, currency) == value


@settings(max_examples=12, deadline=None)
@given(
    currency=st.sampled_from([("USD", 2), ("JPY", 0), ("BHD", 3)]),
    units=st.lists(st.integers(1, 10**9), min_size=1, max_size=12),
)
def test_any_basket_adds_up(
    currency: tuple[str, int], units: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As decimals do."""
    name, decimals = currency
    amounts = [Decimal(number).scaleb(-decimals) for number in units]
    told = total([f"{amount:f}" for amount in amounts], tmp_path_factory.mktemp("basket"), name)
    assert Decimal(told) == sum(amounts)


def test_a_sum_that_no_till_takes_is_refused(tmp_path: Path) -> None:
    """It would wrap around to another, smaller amount."""
    with pytest.raises(InputFileError, match=r"line 2: .*9,000,000,000,000"):
        total(["999999999999.99"] * 20, tmp_path)


def test_a_stores_sum_is_exact() -> None:
    """In the report too, for amounts of twelve digits."""
    rows = [{"store_code": "s1", "transaction_amount": "999999999999.99"} for _ in range(20)]
    report = check(rows, replace(SETTINGS, report_by_store=True))
    [store] = report.stores.values()
    assert store["value"] == {"USD": "19999999999999.80"}


def test_what_baskets_hold_back_on_the_disk_is_removed(tmp_path: Path) -> None:
    """Digests of customers wait there while the file is read."""
    spill = tmp_path / "spill"
    spill.mkdir()
    rows = [{"order_id": f"o{n % 50}", "product_id": f"p{n}"} for n in range(500)]
    prepared = events(rows, tmp_path / "file", replace(SETTINGS, basket="order"), part_events=100, spill_dir=spill)
    assert prepared.report.rows_valid == 500
    assert list(spill.iterdir()) == []
