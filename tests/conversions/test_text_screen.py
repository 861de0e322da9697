"""An identifier outside of the identifier columns does not leave in plain text."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import OPTIONAL_SEND_FIELDS
from airflow_provider_tiktok_offline.conversions.report.html_report import html
from tests.conversions.files import HEADER, LIVERAMP, SETTINGS, check, events, found, text

EVERYTHING = replace(SETTINGS, send_fields=SETTINGS.send_fields | OPTIONAL_SEND_FIELDS)
FIELDS = {"order_id": "order_id", "store_code": "shop_id", "product_id": "content_id", "product_name": "content_name"}
ROW = {"order_id": "o1", "store_code": "S1", "product_id": "p1", "product_name": "hat", "phone_1": "(212) 555-0100"}
HIDDEN = [
    "bob@example.com", "order of Bob.B@example.co.uk", "+49 1512 3456789", "call +1 (213) 373-4253", "2125550100",
    "12125550100", "212-555-0100", "tel 212 555 0100 x", "0012125550100",
]  # fmt: skip


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_property_is_left_out_and_the_row_stays(hidden: str, tmp_path: Path) -> None:
    """With a warning; its id is the digest that it was."""
    rows = [ROW | {column: hidden} for column in FIELDS]
    report = check(rows, EVERYTHING)
    assert report.rows_valid == len(FIELDS)
    screened = [(issue.severity, issue.column) for issue in report.issues if issue.rule == "identifier_in_text"]
    assert sorted(screened) == sorted(("warning", column) for column in FIELDS)
    items = [json.loads(line) for line in events(rows, tmp_path, EVERYTHING).json_lines()]
    for column, row, item in zip(FIELDS, rows, items, strict=True):
        sent = item["properties"] | item["properties"]["contents"][0]
        assert set(FIELDS.values()) - set(sent) == {FIELDS[column]}
        identity = "\x1f".join(["Purchase", *(row[name] for name in ("store_code", "order_id", "product_id"))])
        assert item["event_id"] == f"v2-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


def test_what_identifies_nobody_is_sent(tmp_path: Path) -> None:
    """Another number, a sign without an address."""
    names = ["20261120101500", "A+B", "5550100", "@home", "a@b", "2125550101", "C++ 2026", "+5 % off", "12345678"]
    rows = [ROW | {"order_id": f"o{number}", "product_name": name} for number, name in enumerate(names)]
    items = [json.loads(line) for line in events(rows, tmp_path, EVERYTHING).json_lines()]
    assert [item["properties"]["contents"][0]["content_name"] for item in items] == names


def test_every_phone_and_block_is_looked_at(tmp_path: Path) -> None:
    """The second phone of the row, a row far down the file, another row's phone only where `+` says that it is one."""
    header = [*HEADER[:5], "phone_2", *HEADER[5:]]
    rows = [ROW | {"order_id": f"o{number}"} for number in range(200)]
    rows[150] |= {"phone_2": "2133734253", "order_id": "2133734253"}
    rows[151] |= {"order_id": "2133734253x"}
    report = check(text(rows, header), block_bytes=2_000)
    (issue,) = report.issues
    assert (issue.rule, issue.rows, issue.first_lines) == ("identifier_in_text", 1, (152,))


def test_nothing_of_it_is_staged_or_reported(tmp_path: Path) -> None:
    """Parts, report, page, rejects."""
    rows = [ROW | {"order_id": "bob@example.com"}, ROW | {"store_code": "eve@example.com"}]
    rejects = io.BytesIO()
    report = check(rows, EVERYTHING, rejects=rejects)
    events(rows, tmp_path, EVERYTHING)
    outputs = [path.read_bytes() for path in (tmp_path / "parts").iterdir()]
    outputs += [rejects.getvalue(), report.to_json().encode(), html(report).encode()]
    assert not [one for one in outputs if b"bob@" in one or b"eve@" in one]


def test_a_column_that_is_not_sent_costs_nothing() -> None:
    """On the direct route; in a feed file every column leaves."""
    row = {"product_name": "bob@example.com", "phone_1": "2125550100"}
    assert check([row]).issues == ()
    report = check([row], LIVERAMP)
    assert (report.rows_rejected, found(report)) == (1, {("identifier_in_text", "error")})
    named = "first_name,email_1,transaction_category,transaction_timestamp,transaction_amount\n"
    named += "ann@example.com,ann@example.com,Contact,2026-11-20,1.00\n"
    assert found(check(named, LIVERAMP)) == {("identifier_in_text", "error"), ("timestamp_date_only", "note")}


def test_a_whole_column_of_identifiers_is_one_warning() -> None:
    """And the message says that it is the whole column."""
    report = check([ROW | {"order_id": f"p{number}@example.com"} for number in range(30)])
    (issue,) = report.issues
    assert (issue.rows, "in every row" in issue.message) == (30, True)
    some = check([ROW, ROW | {"order_id": "bob@example.com"}])
    assert "in every row" not in some.issues[0].message
