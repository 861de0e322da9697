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


#: What cannot be sent as an identifier is the row's own all the same: the cells of the row, what its text holds.
UNUSABLE = {
    "an address without a dot": ({"email_1": "bob@localhost"}, "for bob@localhost"),
    "an address with a number as host": ({"email_1": "Bob@[10.1.1.1]"}, "bob@[10.1.1.1]"),
    "a phone that is none": ({"phone_1": "12345678"}, "12345678"),
    "a phone that is too long": ({"phone_1": "+999212555010099999"}, "999212555010099999"),
    "a phone of another region": ({"phone_1": "030 1234567"}, "0301234567"),
    "a phone in the column of e-mails": ({"email_1": "2125550100"}, "tel 212-555-0100"),
    "an MD5 digest": ({"email_1": "4b9bb80620f03eb3719e0a061c14283d"}, "4b9bb80620f03eb3719e0a061c14283d"),
}
#: What is an e-mail address or a phone to whoever reads it, though its characters are others.
OTHER_SIGNS = {
    "as in a URL": "https://example.net/?m=bob%40example.com",
    "with blanks": "bob @ example.com",
    "with two at signs": "bob@@example.com",
    "in wide letters": "bob\uff20example.com",
    "with a small at sign": "bob\ufe6bexample.com",
    "with what nobody sees": "bob\u200b@\u200bexample.com",
    "a wide plus": "\uff0b49 151 23456789",
    "a phone with dashes": "+49\u2013151\u201323456789",
    "a phone with underscores": "+49_151_23456789",
    "a phone with wide blanks": "+49   151   23456789",
    "a phone in Arabic digits": "+\u0664\u0669\u0661\u0665\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669",
    "the row's phone in wide digits": "\uff12\uff11\uff12\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
    "the row's phone in Arabic digits": "\u0662\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0660\u0660",
    "the row's phone and a counter": "212555010001",
    "the row's phone with what nobody sees": "212\u2060555\u20600100",
}
FEED = (*HEADER[:4], "phone_1", "phone_2", *HEADER[5:])
KINDS = [*UNUSABLE.values(), *(({}, text) for text in OTHER_SIGNS.values())]


@pytest.mark.parametrize(("cells", "hidden"), KINDS, ids=[*UNUSABLE, *OTHER_SIGNS])
def test_neither_spelling_nor_an_unusable_identifier_lets_it_through(
    cells: dict[str, str], hidden: str, tmp_path: Path
) -> None:
    """On both routes, in each column; the row's other identifier is good."""
    rows = [ROW | {"phone_2": "2133734253"} | cells | {column: hidden} for column in FIELDS]
    items = [json.loads(line) for line in events(text(rows, FEED), tmp_path, EVERYTHING).json_lines()]
    for column, item in zip(FIELDS, items, strict=True):
        sent = item["properties"] | item["properties"]["contents"][0]
        assert set(FIELDS.values()) - set(sent) == {FIELDS[column]}
    report = check(text(rows, FEED), LIVERAMP)
    assert sum(issue.rows for issue in report.issues if issue.rule == "identifier_in_text") == len(FIELDS)


def test_a_short_number_is_known_by_seven_digits(tmp_path: Path) -> None:
    """As in Estonia or Iceland, where country code and number have ten digits."""
    rows = [ROW | {"phone_1": "+354 581 2345", "order_id": hidden} for hidden in ("5812345", "581-2345")]
    items = [json.loads(line) for line in events(rows, tmp_path).json_lines()]
    assert ["order_id" in item["properties"] for item in items] == [False, False]


def test_what_is_no_identifier_of_the_row_is_sent(tmp_path: Path) -> None:
    """Placeholders, zeros and short numbers stand in columns of phones, too."""
    texts = ["0000000000", "12345", "n/a", "S1"]
    rows = [{"phone_1": text, "store_code": text} for text in texts]
    items = [json.loads(line) for line in events(rows, tmp_path).json_lines()]
    assert [item["properties"].get("shop_id") for item in items] == ["0000000000", "12345", None, "S1"]


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
