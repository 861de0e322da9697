"""The report as a page: complete, self-contained, escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import OptOutFacts
from airflow_provider_tiktok_offline.conversions.report.html_report import EventsSummary, html
from airflow_provider_tiktok_offline.conversions.report.report import Report, ReportIssue
from tests.conversions.files import AS_OF, SETTINGS, check, text

REPORT = Report(
    file="sales_2026-11-22.csv",
    sha256="ab" * 32,
    size=123_456,
    delimiter="comma",
    columns=("email_1", "transaction_amount"),
    profile="tiktok",
    as_of="2026-11-22T12:00:00Z",
    rows_total=10_000,
    rows_valid=9_700,
    rows_rejected=200,
    rows_duplicate=30,
    rows_excluded=70,
    excluded={"return": 40, "zero": 30},
    values={"valid": {"USD": "1234567.80", "EUR": "12.00"}, "rejected": {"USD": "99.00"}},
    events=9_700,
    categories={"CompletePayment": 9_000, "Contact": 700},
    unknown_categories=("In Store",),
    first_time=1_795_000_000,
    last_time=1_795_300_000,
    issues=(
        ReportIssue("timestamp_old", "error", "transaction_timestamp", 200, (2, 5, 17, 1204, 8, 9), "too old"),
        ReportIssue("email_shape", "warning", "Kunden <Mail>", 12, (3,), "no address"),
        ReportIssue("white_space", "note", None, 1, (4,), "trimmed"),
    ),
    duration_s=1.25,
)
SUMMARY: EventsSummary = {
    "delivery_id": "d-0123456789abcdef01234567",
    "advertiser": "northwind",
    "mode": "live",
    "open": "",
    "events": {"accepted": 9_000, "already_sent": 690, "refused": 10},
    "values": {"accepted": {"EUR": "100000.00", "USD": "1000000.00"}, "refused": {"USD": "12.50"}},
}
#: Elements without an end tag.
_VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Text and elements of a page; complains about tags that don't pair."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def says(self, words: str) -> bool:
        return words in re.sub(r"\s+", " ", " ".join(self.text))


def test_page_needs_nothing_from_elsewhere() -> None:
    """No script, no link, no image, no address of any other server."""
    page = html(REPORT, summary=SUMMARY)
    elements = Page(page).elements
    assert {tag for tag, _ in elements}.isdisjoint({"script", "link", "img", "iframe", "object", "svg"})
    assert not [attributes for _, attributes in elements if {"src", "href", "onclick"} & set(attributes)]
    assert "://" not in page
    assert "default-src 'none'" in page


def test_classes_with_counts_shares_and_value() -> None:
    """Each class of rows has its count, share and money."""
    page = Page(html(REPORT))
    for words in ("9,700", "97.0 %", "12.00 EUR, 1,234,567.80 USD", "2.00 %", "99.00 USD", "0.30 %", "0.70 %"):
        assert page.says(words), words


def test_issues_say_what_where_and_what_to_do() -> None:
    """Rule, column, count, first lines and remedy of each issue are on the page."""
    page = Page(html(REPORT))
    for words in ("timestamp_old", RULES["timestamp_old"].todo, "transaction_timestamp", "2, 5, 17, 1204, 8"):
        assert page.says(words), words


def test_exclusions_are_explained() -> None:
    """Reasons appear in words, not as keys."""
    page = Page(html(REPORT))
    assert page.says(EXCLUSIONS["return"][1:])
    assert not page.says("before_send_from")


def test_cells_are_escaped() -> None:
    """A column name that looks like markup is shown, not obeyed."""
    hostile = replace(
        REPORT,
        file='"><script>alert(1)</script>.csv',
        unknown_categories=("<em>x</em>",),
        categories={"<img src=x>": 1},
        columns=("=cmd()", "<i>"),
    )
    page = Page(html(hostile, summary={**SUMMARY, "advertiser": "<u>a</u>"}))
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "em", "img", "u"})
    assert page.says("<script>alert(1)</script>.csv")
    assert page.says("Kunden <Mail>")


@pytest.mark.parametrize(
    ("changes", "summary", "words"),
    [
        ({}, None, "200 rows were left out"),
        ({"rows_rejected": 1}, None, "1 row was left out"),
        ({"rows_rejected": 0, "issues": ()}, None, "The file is fine"),
        ({"rows_rejected": 900}, None, "more than the 5.00 % that are allowed. Nothing was sent"),
        ({}, {**SUMMARY, "open": "3 events unconfirmed"}, "Not finished: 3 events unconfirmed"),
        (
            {"issues": (ReportIssue("header_missing", "error", None, 0, (), "Line 1 is no header."),)},
            None,
            "The file can't be used as it is",
        ),
    ],
)
def test_verdict_comes_first(changes: dict[str, object], summary: EventsSummary | None, words: str) -> None:
    """One sentence at the top says how it stands."""
    assert Page(html(replace(REPORT, **changes), summary=summary)).says(words)  # type: ignore[arg-type]


def test_events_are_shown_once_there_are_any() -> None:
    """What became of the events appears with the summary, and only then."""
    before, after = Page(html(REPORT)), Page(html(REPORT, summary=SUMMARY))
    assert not before.says("What became of the events")
    assert after.says("What became of the events")
    for words in (
        "9,000",
        "100,000.00 EUR, 1,000,000.00 USD",
        "already sent",
        "northwind",
        "d-0123456789abcdef01234567",
    ):
        assert after.says(words), words


def test_dry_run_says_that_nothing_was_sent() -> None:
    """The mode can't be overlooked."""
    page = Page(html(REPORT, summary={**SUMMARY, "mode": "dry_run", "events": {"would_send": 9_700}, "values": {}}))
    assert page.says("Dry run: nothing was sent")


def test_rows_of_others_enter_no_count_share_or_sum() -> None:
    """They are named, once; the gate's share is that of the rows with a fault of their own."""
    shared = replace(
        REPORT,
        rows_total=12_000,
        rows_excluded=2_070,
        excluded={**REPORT.excluded, "filtered": 2_000},
        rows_held_back=60,
    )
    page = Page(html(shared))
    assert page.says("and 2,000 of others")
    assert page.says("Left out here: 2,000 rows of others")
    for words in ("97.0 %", "0.70 %", "1.40 % for a fault of their own, at most 5.00 %"):
        assert page.says(words), words


def test_the_list_of_opt_outs_has_the_advertisers_time() -> None:
    """As every other time on the page."""
    facts: OptOutFacts = {
        "emails": 1, "phones": 0, "digests": 0, "customers": 0, "written": "2026-11-22T23:30:00+00:00",
        "unreadable_lines": 0, "nameless_lines": 0, "rows_by_wider_reading": 0,
    }  # fmt: skip
    page = Page(html(replace(REPORT, opt_outs=facts, time_zone="Europe/Berlin")))
    assert page.says("Suppression list: 1 e-mail, written 2026-11-23 00:30 (Europe/Berlin).")


def test_money_at_stake_is_written_like_other_sums() -> None:
    """With its currency, where the file has one only."""
    repeated = ReportIssue("line_repeated", "warning", None, 2, (3,), "", "1853.73")
    assert Page(html(replace(REPORT, issues=(repeated,)))).says("1,853.73")
    one = replace(REPORT, issues=(repeated,), values={"valid": {"EUR": "12.00"}})
    assert Page(html(one)).says("1,853.73 EUR")


def test_empty_report_is_a_page() -> None:
    """A file without a row, and rules that this version does not know, make a page too."""
    empty = replace(
        REPORT, rows_total=0, rows_valid=0, rows_rejected=0, rows_duplicate=0, rows_excluded=0, excluded={}, values={},
        categories={}, first_time=None, last_time=None, issues=(ReportIssue("of_tomorrow", "error", None, 0),),
    )  # fmt: skip
    assert Page(html(empty, summary={"events": {}})).says("of_tomorrow")


def test_what_the_counts_by_class_do_not_show_is_said() -> None:
    """Rows held back with their order, lines without a row, and why rows became fewer events."""
    items = [{"order_id": "o1", "product_id": f"p{number}"} for number in range(3)]
    broken = [{"order_id": "o2", "product_id": "p1"}, {"order_id": "o2", "product_id": "p2", "email_1": "nobody"}]
    page = html(check(text([*items, *broken]) + "\n,,,,,,,,,\n", replace(SETTINGS, basket="order")))
    assert "1 rejected row without a fault" in page
    assert "2 lines without a row" in page
    assert "3 valid rows make 1 event" in page


def test_times_are_the_advertisers_and_no_back_quote_is_left() -> None:
    """Names in messages are marked, not quoted; what is excluded, too."""
    report = check(
        "Brand,"
        + text([{}, {"transaction_amount": "-1.00"}]).replace("\nann", "\nA,ann")
        + "B,ann@example.com,x,y,z,,,,,,\n",
        replace(
            SETTINGS, time_zone="Asia/Tokyo", where={"Brand": frozenset({"A"})}, send_from=AS_OF - timedelta(days=9)
        ),
    )
    assert report.excluded == {"filtered": 1, "return": 1}
    page = Page(html(report))
    assert page.says("from 2026-11-20 19:00 to 2026-11-20 19:00 (Asia/Tokyo)")
    assert page.says("2026-11-22 21:00 (Asia/Tokyo)")
    assert not page.says("`")
    assert page.says("and 1 of others")
    assert page.says("Left out here: 1 row of others")


def test_coverage_by_identifier_and_sums_by_store() -> None:
    """E-mail, phone, both, none; stores only where they are asked for."""
    rows = [
        {"store_code": "S1"},
        {"store_code": "S1", "phone_1": "2125550100"},
        {"store_code": "S2", "phone_1": "2125550100", "email_1": ""},
        {"store_code": "S2", "email_1": ""},
        {"store_code": "bob@example.com"},
    ]
    report = check(rows, replace(SETTINGS, report_by_store=True))
    assert report.identifiers == {"both": 1, "email": 2, "phone": 1, "none": 1}
    assert report.stores == {
        "S1": {"rows": 2, "value": {"USD": "25.00"}},
        "S2": {"rows": 1, "value": {"USD": "12.50"}},
        "": {"rows": 1, "value": {"USD": "12.50"}},
    }
    assert Report.from_json(report.to_json()) == report
    page = Page(html(report))
    for words in ("An e-mail address alone.", "Neither: nobody", "By store", "25.00 USD", "no store"):
        assert page.says(words), words
    assert check(rows).stores == {}
    numbered = check([{"store_code": "0151 7654321"}], replace(SETTINGS, report_by_store=True))
    assert set(numbered.stores) == {"<looks like data>"}


def test_each_rule_says_who_does_what_next() -> None:
    """The export's maker, the configuration's keeper, or nobody."""
    page = Page(
        html(check([{"transaction_category": "In Store"}, {"transaction_amount": "x"}, {"email_1": "a@b.de;"}]))
    )
    assert page.says("Whoever keeps the configuration: Use a listed category")
    assert page.says("Whoever makes the file: Write")
    assert page.says("Nothing on the direct route")


def test_a_phone_can_show_every_table() -> None:
    """Each cell says its column, for a screen on which a row is a card."""
    cells = [attributes for tag, attributes in Page(html(REPORT, summary=SUMMARY)).elements if tag == "td"]
    labelled = [attributes for attributes in cells if attributes.get("data-label")]
    assert len(labelled) > len(cells) / 2
    assert {"Rows", "Share", "Value", "First lines", "Who does what next"} <= {one["data-label"] for one in labelled}
    assert "attr(data-label)" in html(REPORT)
