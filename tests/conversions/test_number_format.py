"""Amounts as exports write them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat, read_numbers, rounded

_UNITS = 1_000_000


def read(cell: str, number_format: NumberFormat, digits: int = 2) -> Decimal | None:
    """One cell as a decimal number; None if it is none."""
    numbers = read_numbers(pl.Series([cell]), number_format)
    return Decimal(int(rounded(numbers, digits, units=_UNITS)[0])) / _UNITS if numbers.known[0] else None


@pytest.mark.parametrize(
    ("cell", "number_format", "value"),
    [
        ("1299.00", NumberFormat(), "1299.00"),
        (".99", NumberFormat(), "0.99"),
        ("12.", NumberFormat(), "12"),
        ("-1.00", NumberFormat(), "-1"),
        ("1.00-", NumberFormat(), "-1"),
        ("(1.00)", NumberFormat(), "-1"),
        ("\u22121.00", NumberFormat(), "-1"),
        ("+1.00", NumberFormat(), "1"),
        ("19.990000000000002", NumberFormat(), "19.99"),
        ("1.299,00", NumberFormat(",", "."), "1299"),
        ("1.299", NumberFormat(",", "."), "1299"),
        ("1 299,00", NumberFormat(",", " "), "1299"),
        ("1\u202f299,00", NumberFormat(",", " "), "1299"),
        ("1\u00a0299,00", NumberFormat(",", " "), "1299"),
        ("1'299.00", NumberFormat(".", "'"), "1299"),
        ("1\u2019299.00", NumberFormat(".", "'"), "1299"),
        ("1,00,000.50", NumberFormat(".", ","), "100000.50"),
        ("$1,299.00", NumberFormat(".", ",", strip_symbols=True), "1299"),
        ("1.299,00 €", NumberFormat(",", ".", strip_symbols=True), "1299"),
        ("EUR 12,50", NumberFormat(",", strip_symbols=True), "12.50"),
        ("-€5.00", NumberFormat(strip_symbols=True), "-5"),
        ("€-5.00", NumberFormat(strip_symbols=True), "-5"),
        ("($5.00)", NumberFormat(strip_symbols=True), "-5"),
        ("12,50 zł", NumberFormat(",", strip_symbols=True), "12.50"),
        ("US$12.50", NumberFormat(strip_symbols=True), "12.50"),
        ("R$ 12,50", NumberFormat(",", strip_symbols=True), "12.50"),
    ],
)
def test_what_exports_write_is_understood(cell: str, number_format: NumberFormat, value: str) -> None:
    """Each spelling is the number that the export means."""
    assert read(cell, number_format) == Decimal(value)


@pytest.mark.parametrize(
    ("cell", "number_format"),
    [
        ("", NumberFormat()),
        (".", NumberFormat()),
        ("-", NumberFormat()),
        ("--1.00", NumberFormat()),
        ("(-1.00)", NumberFormat()),
        ("-1.00-", NumberFormat()),
        ("(1.00", NumberFormat()),
        ("1,299.00", NumberFormat()),
        ("1299,00", NumberFormat()),
        ("$5.00", NumberFormat()),
        ("1.2e3", NumberFormat(strip_symbols=True)),
        ("12.50.00", NumberFormat()),
        ("1,29,9.00", NumberFormat(".", ",")),
        ("1234567890123.00", NumberFormat()),
        ("two", NumberFormat(strip_symbols=True)),
    ],
)
def test_what_is_no_number_stays_unknown(cell: str, number_format: NumberFormat) -> None:
    """No spelling is guessed."""
    assert read(cell, number_format) is None


@settings(deadline=None)
@given(
    value=st.decimals(min_value=-(10**9), max_value=10**9, places=12, allow_nan=False),
    digits=st.integers(min_value=0, max_value=3),
)
def test_rounding_is_half_to_even(value: Decimal, digits: int) -> None:
    """As ``decimal`` rounds, whatever the noise behind."""
    assert read(f"{value:f}", NumberFormat(), digits) == value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


@settings(deadline=None)
@given(
    cents=st.integers(min_value=-(10**13), max_value=10**13),
    marks=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (".", " ")]),
    negative=st.sampled_from(["-{}", "{}-", "({})"]),
)
def test_every_spelling_of_an_amount_is_the_same_number(cents: int, marks: tuple[str, str], negative: str) -> None:
    """Grouped or not, however a minus is written."""
    decimal, thousands = marks
    number_format = NumberFormat(decimal, thousands)  # type: ignore[arg-type]  # the pairs above are literals
    whole, part = divmod(abs(cents), 100)
    for text in (f"{whole:,}".replace(",", thousands), str(whole)):
        cell = f"{text}{decimal}{part:02}"
        cell = negative.format(cell) if cents < 0 else cell
        assert read(cell, number_format) == Decimal(cents) / 100


def test_a_thousands_group_and_a_fraction_look_alike() -> None:
    """Exactly three digits behind the mark, one to three before it, the first not 0."""
    cells = ["1.299", "12.999", "123.456", "0.125", "1234.567", "1.29", "1.2999", "01.299"]
    assert read_numbers(pl.Series(cells), NumberFormat()).grouped_like.tolist() == [True] * 3 + [False] * 5


def test_one_mark_can_not_be_both() -> None:
    """A format in which both marks are the same is refused."""
    with pytest.raises(ValueError, match="both"):
        NumberFormat(",", ",")
