"""Every row-level rule under both profiles: what it finds, what that costs, and how the row is classed."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES, severity_of
from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat, Store
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS, canonical, decimal_text, read_amounts
from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat
from tests.conversions.files import HEADER, LIVERAMP, SETTINGS, check, found, text

CASES: list[tuple[dict[str, str], str]] = [
    ({"email_1": "nobody", "phone_1": ""}, "identifier_missing"),
    ({"email_1": "ann.example.com", "phone_1": "2125550100"}, "email_shape"),
    ({"email_1": " ann@example.com"}, "white_space"),
    ({"product_name": "thing "}, "white_space"),
    ({"product_name": "\u00a0thing"}, "white_space"),
    ({"product_name": "N/A"}, "placeholder"),
    ({"order_id": "null"}, "placeholder"),
    ({"quantity": "-"}, "placeholder"),
    ({"email_1": "None", "phone_1": "2125550100"}, "placeholder"),
    ({"email_1": "A" * 64}, "already_hashed"),
    ({"email_1": "a" * 40, "phone_1": "2125550100"}, "hash_sha1"),
    ({"email_1": "a" * 32, "phone_1": "2125550100"}, "hash_md5"),
    ({"phone_1": "12345"}, "phone_impossible"),
    ({"phone_1": "1-800-FLOWERS"}, "phone_letters"),
    ({"phone_1": "2.12555E+09"}, "phone_damaged"),
    ({"phone_1": "2125550100 ext. 5"}, "phone_extension"),
    ({"transaction_category": ""}, "category_missing"),
    ({"transaction_category": "null"}, "category_missing"),
    ({"transaction_category": "In Store"}, "category_unknown"),
    ({"transaction_timestamp": ""}, "timestamp_missing"),
    ({"transaction_timestamp": "N/A"}, "timestamp_missing"),
    ({"transaction_timestamp": "31.12.2026"}, "timestamp_format"),
    ({"transaction_timestamp": "2026-02-30"}, "timestamp_impossible"),
    ({"transaction_timestamp": "2014-03-31"}, "timestamp_old"),
    ({"transaction_timestamp": "2026-11-24"}, "timestamp_future"),
    ({"transaction_amount": ""}, "amount_missing"),
    ({"transaction_amount": "-"}, "amount_missing"),
    ({"transaction_amount": "$12.50"}, "amount_format"),
    ({"transaction_amount": '"1,299.00"'}, "amount_format"),
    ({"order_id": "#1001"}, "id_characters"),
    ({"product_id": "a/b"}, "id_characters"),
    ({"order_id": "", "product_id": "p1"}, "order_id_missing"),
    ({"store_code": "s" * 65}, "store_code_length"),
    ({"store_code": "<b>12</b>"}, "store_code_characters"),
    ({"store_code": "https://shop.example/12"}, "store_code_url"),
    ({"store_code": "www.shop.example"}, "store_code_url"),
    ({"quantity": "two"}, "quantity_format"),
]


@pytest.mark.parametrize(("row", "rule"), CASES, ids=[f"{rule}-{number}" for number, (_, rule) in enumerate(CASES)])
def test_a_broken_rule_is_found_with_its_severity(row: dict[str, str], rule: str) -> None:
    """In the second of three rows, under both profiles, and nowhere else."""
    rows = [{}, row, {}]
    for settings in (SETTINGS, replace(SETTINGS, profile="liveramp")):
        report = check(rows, settings)
        issues = {issue.rule: issue for issue in report.issues}
        assert rule in issues, issues
        assert (issues[rule].rows, issues[rule].first_lines) == (1, (3,))
        assert issues[rule].severity == severity_of(rule, settings)
        errors = any(issue.severity == "error" for issue in report.issues)
        assert report.rows_rejected == errors
        assert report.rows_valid == 3 - errors


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("state", "California", "state_format"),
        ("state", "Ca", "state_format"),
        ("zip", "1011", "zip_format"),
        ("zip", "123456", "zip_format"),
        ("product_price", "$5", "price_format"),
        ("first_name", "null", "placeholder_name"),
        ("city", "N/A", "placeholder"),
        ("city", " Rome", "white_space"),
    ],
)
def test_columns_that_are_never_sent_cost_a_note_at_most_on_the_direct_route(
    column: str, value: str, rule: str
) -> None:
    """LiveRamp's rules hold them to the seed."""
    content = text([{column: value, "order_id": "o1"}], PROGRAMME_COLUMNS)
    severity = "warning" if column == "product_price" else "note"
    assert (rule, severity) in found(check(content))
    assert (rule, severity_of(rule, LIVERAMP)) in found(check(content, LIVERAMP))


def test_a_faulty_identifier_costs_the_cell_on_the_direct_route() -> None:
    """The other identifier carries the row; without one the row is rejected."""
    report = check([{"email_1": "nobody", "phone_1": "2125550100"}, {"email_1": "nobody"}])
    assert (report.rows_valid, report.rows_rejected) == (1, 1)


def test_other_e_mails_alone_are_no_identifier_for_liveramp() -> None:
    """email_2 to 4 are usable on the direct route."""
    header = [HEADER[0], "email_2", *HEADER[1:]]
    content = text([{"email_1": "", "email_2": "ann@example.com"}], header)
    report = check(content)
    assert report.rows_valid == 1
    assert ("identifier_position", "note") in found(report)
    assert ("identifier_position", "error") in found(check(content, LIVERAMP))


def test_phones_are_digits_only_for_liveramp() -> None:
    """The direct route reads punctuation."""
    row = {"phone_1": "(212) 555-0100"}
    assert check([row]).issues == ()
    assert ("phone_punctuation", "error") in found(check([row], LIVERAMP))


def test_a_value_that_needs_quotes_is_an_error_for_liveramp() -> None:
    """LiveRamp's own examples of quoting contradict each other."""
    rows = [{"product_name": '"a, b"'}, {"product_name": '"a ""b"""'}, {"product_name": '"plain"'}]
    assert check(rows).issues == ()
    issue = next(issue for issue in check(rows, LIVERAMP).issues if issue.rule == "needs_quotes")
    assert issue.rows == 2


def test_the_seeds_own_examples_are_rejected_for_the_seeds_reasons() -> None:
    """In Store and Offline are no categories, and 2014 lies before the lookback."""
    content = (
        "email_1|transaction_category|transaction_timestamp|transaction_amount\n"
        "alex@gmail.com|In Store|2014-03-31|99.99\n"
        "julian@gmail.com|Offline|2014-03-30|55.55\n"
    )
    report = check(content, LIVERAMP, name="seed.psv")
    assert report.rows_rejected == 2
    errors = {(issue.rule, issue.rows) for issue in report.issues if issue.severity == "error"}
    assert errors == {("category_unknown", 2), ("timestamp_old", 2)}
    assert set(report.unknown_categories) == {"In Store", "Offline"}


def test_the_templates_instruction_row_is_one_finding() -> None:
    """Not a pile of broken formats."""
    row = {
        "email_1": "Required: must be plaintext",
        "transaction_category": "Required: CompletePayment",
        "transaction_timestamp": "Required: format yyyy-MM-dd",
        "transaction_amount": "Required: format XXX.XX",
    }
    report = check([row, {}])
    assert found(report) == {("instruction_row", "error")}
    assert (report.rows_valid, report.rows_rejected) == (1, 1)


def test_severities_can_be_set_but_not_below_what_an_event_needs() -> None:
    """A locked rule stays an error."""
    settings = replace(SETTINGS, severities={"white_space": "error", "email_shape": "off", "amount_format": "off"})
    rows = [{"email_1": " ann@example.com"}, {"email_1": "x", "phone_1": "2125550100"}, {"transaction_amount": "$1"}]
    assert found(check(rows, settings)) == {("white_space", "error"), ("amount_format", "error")}


def test_white_space_is_trimmed_for_liveramp_where_the_settings_allow() -> None:
    """Then it costs a note."""
    report = check([{"store_code": " S1"}], replace(LIVERAMP, trim_white_space=True))
    assert (report.rows_valid, found(report)) == (1, {("white_space", "note")})


def test_categories_can_be_mapped_and_narrowed() -> None:
    """The retailer's words become TikTok's names; others are unknown."""
    settings = replace(SETTINGS, event_map={"Kauf": "Purchase"}, categories=frozenset({"Kauf", "Contact"}))
    report = check([{"transaction_category": name} for name in ("Kauf", "Contact", "Purchase", "purchase")], settings)
    assert report.categories == {"Contact": 1, "Kauf": 1}
    assert report.rows_rejected == 2


@pytest.mark.parametrize(("currency", "amount", "wrong"), [
    ("JPY", "1000", False), ("JPY", "1000.00", False), ("JPY", "10.50", True), ("KWD", "1.234", False),
    ("USD", "99", False), ("USD", "99.9", False),
])  # fmt: skip
def test_decimals_are_those_of_the_currency(currency: str, amount: str, wrong: bool) -> None:
    """More than its minor unit has are a warning on the direct route."""
    report = check([{"transaction_amount": amount}], replace(SETTINGS, currency=currency))
    assert report.rows_valid == 1
    assert found(report) == ({("amount_decimals", "warning")} if wrong else set())


@pytest.mark.parametrize(
    ("currency", "amount", "value"),
    [
        ("KWD", "1.2345", "1.234"),
        ("KWD", "1.2355", "1.236"),
        ("USD", "19.990000000000002", "19.99"),
        ("USD", "1234.567", "1234.57"),
        ("USD", "0.125", "0.12"),
        (None, "1234.567", "1234.57"),
        ("JPY", "1234.5678", "1235.00"),
    ],
)
def test_decimals_beyond_the_currency_s_are_rounded_with_a_warning(
    currency: str | None, amount: str, value: str
) -> None:
    """They are the noise of a floating-point sum."""
    report = check([{"transaction_amount": amount}], replace(SETTINGS, currency=currency))
    assert found(report) == {("amount_rounded", "warning")}
    assert report.values["valid"] == {currency or "none": value}


@pytest.mark.parametrize("amount", ["1.299", "12.505", "99.990"])
@pytest.mark.parametrize("currency", ["USD", "JPY", None])
def test_three_decimals_may_be_a_thousands_group(currency: str | None, amount: str) -> None:
    """Nobody can tell 1.299 from 1,299 until the configuration says what the mark means."""
    settings = replace(SETTINGS, currency=currency)
    assert found(check([{"transaction_amount": amount}], settings)) == {("amount_ambiguous", "error")}
    places = Decimal(1) if currency == "JPY" else Decimal("0.01")
    for written, value in (
        (FileFormat(decimal="."), Decimal(amount).quantize(places, ROUND_HALF_EVEN)),
        (FileFormat(decimal=",", thousands="."), Decimal(amount) * 1000),
    ):
        report = check([{"transaction_amount": amount}], replace(settings, format=written))
        assert report.rows_valid == 1
        assert Decimal(report.values["valid"][currency or "none"]) == value


@pytest.mark.parametrize(
    ("amount", "mark", "noted"), [(".99", ".", True), (",99", ",", True), ("0.99", ".", False), ("7.5", ".", False)]
)
def test_an_amount_without_a_digit_before_its_mark_is_read_with_a_note(
    amount: str, mark: Literal[".", ","], noted: bool
) -> None:
    """On the direct route."""
    settings = replace(SETTINGS, format=FileFormat(decimal=mark))
    report = check([{"transaction_amount": f'"{amount}"'}], settings)
    assert report.values["valid"]["USD"] == f"{Decimal(amount.replace(',', '.')):.2f}"
    assert found(report) == ({("amount_near", "note")} if noted else set())


@pytest.mark.parametrize("amount", ["99", "99.9", "99.999", ".99"])
def test_liveramp_wants_two_decimals(amount: str) -> None:
    """XXX.XX, whatever the currency."""
    assert found(check([{"transaction_amount": amount}], LIVERAMP)) == {("amount_decimals", "error")}


@examples(deadline=None)
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False, allow_infinity=False))
def test_amounts_are_exact(amount: Decimal) -> None:
    """Read and written back, an amount is the same number."""
    for cell, written in ((f"{amount:f}", NumberFormat(".")), (f"{amount:f}".replace(".", ","), NumberFormat(","))):
        read = read_amounts(pl.Series([cell, "12.34"]), written)
        assert read.units[0] == int(amount * UNITS)
        assert Decimal(decimal_text(int(read.units[0]))) == amount
    shown = (
        pl.Series("units", [int(amount * UNITS)], dtype=pl.Int64).to_frame().select(canonical(pl.col("units"))).item()
    )
    assert Decimal(shown) == amount
    assert "E" not in shown
    assert not ("." in shown and shown.endswith("0"))


@examples(deadline=None)
@given(st.integers(0, 99_999_999_999))
def test_two_decimals_are_exact_by_the_quick_way(cents: int) -> None:
    """A column of usual amounts is read through floating point, and loses nothing."""
    read = read_amounts(pl.Series([f"{cents // 100}.{cents % 100:02}"]), NumberFormat())
    assert read.units[0] == cents * 10_000


def test_currency_region_and_zone_come_from_row_store_or_settings() -> None:
    """In that order."""
    settings = replace(
        SETTINGS,
        stores={"DE": Store(currency="EUR", phone_region="DE"), "UK": Store(currency="GBP", phone_region="GB")},
        extensions={"currency": "curr"},
    )
    header = [*HEADER, "curr"]
    rows = [
        {"store_code": "DE", "email_1": "", "phone_1": "030 901820"},
        {"store_code": "UK", "email_1": "", "phone_1": "020 7946 0000", "curr": "chf"},
        {"store_code": "", "email_1": "", "phone_1": "212 555 0100"},
        {"store_code": "FR", "curr": "EURO"},
    ]
    report = check(text(rows, header), settings)
    assert report.values["valid"] == {"CHF": "12.50", "EUR": "12.50", "USD": "12.50"}
    assert found(report) == {("store_unknown", "warning"), ("currency", "error")}


def test_every_row_rule_has_a_sentence_and_an_example() -> None:
    """The table is the documentation."""
    for rule in RULES.values():
        assert rule.fault.endswith(".")
        assert rule.todo.endswith(".")
        assert rule.example
        assert set(rule.severity) == {"tiktok", "liveramp"}


@pytest.mark.parametrize("blank", ["", "n/a", "null"])
def test_a_placeholder_is_no_order(blank: str) -> None:
    """A product without an order is warned of, whatever stands for none."""
    assert ("order_id_missing", "warning") in found(check([{"order_id": blank, "product_id": "p1"}]))
    assert "order_id_missing" not in {rule for rule, _ in found(check([{"order_id": "", "product_id": blank}]))}
