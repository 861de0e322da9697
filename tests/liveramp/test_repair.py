"""`repair: true`: what is surely understood is written in the programme's form; without it the row is rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.config.loading import parse_advertiser
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from tests.conversions.files import LIVERAMP, check, found
from tests.liveramp.rows import feed, source_of

COLUMNS = (
    "email_1", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "order_id",
    "store_code", "product_name",
)  # fmt: skip
GOOD = ("ann@example.com", "CompletePayment", "2026-11-20T10:00:00Z-0000", "12.50", "2125550100", "o1", "S1", "hat")
REPAIR = replace(LIVERAMP, repair=True, trim_white_space=True)

#: Column, cell in the file, cell in the feed file.
FORMS = [
    ("transaction_timestamp", "2026-11-20 10:01:00 -0500", "2026-11-20T15:01:00Z-0000"),
    ("transaction_timestamp", "2026-11-20 10:01:00 +01:00", "2026-11-20T09:01:00Z-0000"),
    ("transaction_timestamp", "2026-11-20 10:01:00 UTC", "2026-11-20T10:01:00Z-0000"),
    ("transaction_timestamp", "2026-11-20T10:01:00.250+00", "2026-11-20T10:01:00Z-0000"),
    ("transaction_timestamp", "2026-11-20 10:01", "2026-11-20T10:01:00Z-0000"),
    ("transaction_timestamp", "2026-11-20T10:01:00Z", "2026-11-20T10:01:00Z-0000"),
    ("transaction_timestamp", "11/20/2026 3:15:00\u202fPM", "2026-11-20T15:15:00Z-0000"),
    ("transaction_timestamp", "11/20/2026 3:15:00 PM", "11/20/2026 3:15:00 PM"),
    ("transaction_timestamp", "2026-11-20", "2026-11-20"),
    ("transaction_amount", ".99", "0.99"),
    ("transaction_amount", "99.9", "99.90"),
    ("transaction_amount", "99", "99.00"),
    ("transaction_amount", "19.990000000000002", "19.99"),
    ("email_1", "ann@example.com;", "ann@example.com"),
    ("email_1", "\u200bann@example.com", "ann@example.com"),
    ("email_1", " ann@example.com", "ann@example.com"),
    ("phone_1", "(212) 555-0100", "12125550100"),
    ("phone_1", "+49 1512 3456789", "4915123456789"),
    ("phone_1", "'2125550100", "2125550100"),
    ("order_id", '="0012"', "0012"),
    ("order_id", "\ufeff0012", "0012"),
    ("product_name", '"hat\nwith a brim"', "hat with a brim"),
]  # fmt: skip


def content(column: str, cell: str) -> bytes:
    """A file of one row."""
    cells = [cell if name == column else value for name, value in zip(COLUMNS, GOOD, strict=True)]
    return ("|".join(COLUMNS) + "\n" + "|".join(cells) + "\n").encode()


def written(data: bytes, settings: ConversionSettings, directory: Path) -> str:
    """The row of the feed file."""
    file = FeedFile(feed(COLUMNS), [source_of(directory / "a.psv", data, settings=settings)])
    return b"".join(file.chunks()).decode().splitlines()[1]


@pytest.mark.parametrize(("column", "cell", "expected"), FORMS, ids=[f"{name}:{cell!r}" for name, cell, _ in FORMS])
def test_a_value_is_written_in_the_programmes_form(column: str, cell: str, expected: str, tmp_path: Path) -> None:
    """The feed file breaks no rule of the programme; without repairs the row is rejected, as the same form was."""
    data = content(column, cell)
    assert check(data, REPAIR, name="a.psv").rows_valid == 1
    row = written(data, REPAIR, tmp_path)
    assert row.split("|") == [expected if name == column else good for name, good in zip(COLUMNS, GOOD, strict=True)]
    feed_file = ("|".join(COLUMNS) + "\n" + row + "\n").encode()
    assert {severity for _, severity in found(check(feed_file, LIVERAMP, name="a.psv"))} <= {"note"}
    assert check(data, LIVERAMP, name="a.psv").rows_rejected == (cell != expected or column == "product_name")


@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("transaction_amount", "1.299", "amount_ambiguous"),
        ("transaction_timestamp", "20.11.2026", "timestamp_format"),
        ("email_1", "nobody", "email_shape"),
        ("product_name", "5|6", "field_count"),
        ("product_name", '"5|6"', "needs_quotes"),
    ],
)
def test_what_is_not_surely_understood_is_rejected_all_the_same(column: str, cell: str, rule: str) -> None:
    """A repair is no guess."""
    report = check(content(column, cell), REPAIR, name="a.psv")
    assert (report.rows_rejected, report.issues[0].rule) == (1, rule)


def test_a_third_decimal_that_the_currency_has_can_not_be_written() -> None:
    """The programme has two."""
    report = check(content("transaction_amount", "1.234"), replace(REPAIR, currency="KWD"), name="a.psv")
    assert found(report) == {("amount_decimals", "error")}


def test_a_line_break_in_a_column_that_is_not_written_costs_nothing() -> None:
    """A shop's notes."""
    data = content("product_name", "hat").replace(b"product_name", b"product_name|Notes")
    data = data.replace(b"|hat", b'|hat|"Leave at\nthe door"')
    report = check(data, replace(LIVERAMP, allow_extra_columns=True), name="a.psv")
    assert (report.rows_valid, found(report)) == (1, {("unknown_column", "note")})


def test_repaired_local_times_are_all_in_utc(tmp_path: Path) -> None:
    """With a time zone every time is rewritten, also in a file with other repairs."""
    settings = replace(REPAIR, time_zone="Europe/Berlin")
    row = written(content("transaction_timestamp", "2026-11-20 10:01"), settings, tmp_path)
    assert row.split("|")[2] == "2026-11-20T09:01:00Z-0000"


def test_amounts_are_written_for_every_row(tmp_path: Path) -> None:
    """Also in an export with decimal commas and groups."""
    written = replace(REPAIR.format, decimal=",", thousands=".")
    settings = replace(REPAIR, format=written)
    for cell, expected in (("1.299,00", "1299.00"), ("12,5", "12.50"), ("0,05", "0.05"), ("7", "7.00")):
        assert written_row(cell, settings, tmp_path).split("|")[3] == expected


def written_row(amount: str, settings: ConversionSettings, directory: Path) -> str:
    """The row of a feed file with this amount."""
    data = content("transaction_amount", amount)
    assert check(data, settings, name="a.psv").rows_valid == 1
    return written(data, settings, directory)


def test_the_entry_asks_for_repairs() -> None:
    """In `advertisers.yaml`; white space is among them."""
    entry = parse_advertiser(
        {
            "name": "shop", "advertiser_id": "1", "event_set_id": "2", "state_uri": "/unused", "profile": "liveramp",
            "source": {"path": "/out/a.csv"}, "repair": True,
        },
        where="here",
    )  # fmt: skip
    settings = entry.conversion_settings()
    assert (settings.repair, settings.trim_white_space) == (True, True)
