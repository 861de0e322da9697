"""Each data row has exactly one class: rejected, duplicate, excluded or valid, with its value."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import Consent, ConversionSettings
from airflow_provider_tiktok_offline.conversions.events import key_store, occurrences
from tests.conversions.files import GOOD, HEADER, LIVERAMP, SETTINGS, check, events, found, text


def test_returns_and_zero_amounts_are_excluded_outside_the_gate() -> None:
    """With their value, and without their other faults."""
    report = check([{}, {"transaction_amount": "-5.00"}, {"transaction_amount": "0.00", "email_1": ""}])
    assert report.excluded == {"return": 1, "zero": 1}
    assert report.rows_rejected == 0
    assert report.values["excluded"] == {"USD": "-5.00"}
    assert report.issues == ()


def test_transactions_before_the_cut_over_are_excluded() -> None:
    """send_from is a moment."""
    settings = replace(SETTINGS, send_from=datetime(2026, 11, 20, 10, tzinfo=UTC))
    rows = [{"transaction_timestamp": f"2026-11-20T{clock}Z-0000"} for clock in ("09:59:59", "10:00:00")]
    assert check(rows, settings).excluded == {"before_send_from": 1}


def test_consent_that_is_not_yes_excludes_the_row_and_blank_is_no() -> None:
    """Compared without case."""
    settings = replace(SETTINGS, consent=Consent(column="ok", yes=frozenset({"yes"})))
    content = text([{"ok": value} for value in ("YES", "no", "", "maybe")], [*HEADER, "ok"])
    report = check(content, settings)
    assert (report.rows_valid, report.excluded) == (1, {"suppressed": 3})


def test_the_same_transaction_twice_is_a_duplicate() -> None:
    """Of the first valid line; a rejected one is none."""
    rows = [{"order_id": "o1", "email_1": "x"}, {"order_id": "o1"}, {"order_id": "o1"}, {"order_id": "o1"}]
    report = check(rows)
    assert (report.rows_rejected, report.rows_valid, report.rows_duplicate) == (1, 1, 2)
    assert report.values == {kind: {"USD": amount} for kind, amount in
                             (("valid", "12.50"), ("rejected", "12.50"), ("duplicate", "25.00"))}  # fmt: skip
    assert next(issue for issue in report.issues if issue.rule == "duplicate").first_lines == (4, 5)


@pytest.mark.parametrize(
    "change", [{"transaction_amount": "13.00"}, {"transaction_timestamp": "2026-11-20T10:00:01Z-0000"}]
)
def test_one_id_with_other_content_is_an_error(change: dict[str, str]) -> None:
    """Never a silent duplicate."""
    report = check([{"order_id": "o1"}, {"order_id": "o1", **change}, {"order_id": "o1"}])
    assert (report.rows_valid, report.rows_rejected, report.rows_duplicate) == (1, 1, 1)
    assert ("id_collision", "error") in found(report)


def test_without_an_order_id_the_person_time_and_amount_tell_transactions_apart() -> None:
    """The same purchase is a duplicate, another person's is not."""
    rows = [{"order_id": "", **change} for change in (
        {}, {}, {"email_1": "bob@example.com"}, {"email_1": "ANN@example.com"}, {"transaction_amount": "12.51"},
        {"store_code": "S"},
    )]  # fmt: skip
    report = check(rows)
    assert (report.rows_valid, report.rows_duplicate) == (4, 2)


def test_a_phone_identifies_by_its_digits_however_spelled() -> None:
    """Spelling can't make a transaction a second one."""
    rows = [
        {"order_id": "", "email_1": "", "phone_1": phone}
        for phone in ("2125550100", "+1 212-555-0100", "(212) 555 0100")
    ]
    assert check(rows).rows_duplicate == 2


def test_an_amount_repeated_over_an_orders_rows_is_warned_of_with_the_money_at_stake() -> None:
    """Only where all of an order's rows repeat it."""
    rows = [{"order_id": "o1", "product_id": f"p{number}", "transaction_amount": "60.00"} for number in range(3)]
    rows += [
        {"order_id": "o2", "product_id": "p1", "transaction_amount": "1.00"},
        {"order_id": "o2", "product_id": "p2", "transaction_amount": "2.00"},
    ]
    issue = next(issue for issue in check(rows).issues if issue.rule == "amount_repeated")
    assert (issue.rows, issue.first_lines, issue.value) == (3, (2, 3, 4), "120.00")


def test_an_orders_amount_goes_on_one_event(tmp_path: Path) -> None:
    """With amount: order the other rows are sent without value."""
    settings = replace(SETTINGS, amount="order")
    rows = [{"order_id": "o1", "product_id": f"p{number}", "transaction_amount": "60.00"} for number in range(3)]
    assert check(rows, settings).values["valid"] == {"USD": "60.00"}
    assert events(rows, tmp_path, settings).read(0)["value"].to_list() == ["60", None, None]


@pytest.mark.parametrize("part_events", [2, 100])
@pytest.mark.parametrize(("amount", "value"), [("line", "6"), ("order", "1")])
def test_a_basket_is_one_event_with_several_contents(tmp_path: Path, part_events: int, amount: str, value: str) -> None:
    """Wherever in the file its rows stand, and in however many parts they are."""
    rows = [{"order_id": order, "product_id": product, "transaction_amount": money} for order, product, money in (
        ("o1", "p1", "1.00"), ("o2", "p1", "9.00"), ("o1", "p2", "2.00"), ("o3", "p1", "8.00"), ("", "p1", "7.00"),
        ("o1", "p3", "3.00"),
        ("o1", "p3", "3.00"),
    )]  # fmt: skip
    settings = replace(SETTINGS, basket="order", amount=amount, send_fields=SETTINGS.send_fields | {"content_id"})  # type: ignore[arg-type]
    prepared = events(rows, tmp_path, settings, part_events=part_events)
    frames = [prepared.read(index) for index in range(len(prepared.parts))]
    sent = [row for frame in frames for row in frame.select("line", "rows", "value", "contents").iter_rows()]
    assert sent[0] == (2, 3, value, '[{"content_id":"p1"},{"content_id":"p2"},{"content_id":"p3"}]')
    assert [line for line, *_ in sent] == [2, 3, 5, 6]
    report = prepared.report
    assert (report.rows_valid, report.rows_duplicate, report.events) == (6, 1, 4)
    assert prepared.manifest["events"] == 4 == sum(part.events for part in prepared.parts)


def test_repeats_are_found_on_disk_as_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than memory allows is partitioned, and nothing of it stays behind."""
    rows = [{"order_id": f"o{number % 700}", "product_id": f"p{number % 3}"} for number in range(4_000)]
    in_memory = check(rows)
    monkeypatch.setattr(key_store, "_HELD", 50)
    monkeypatch.setattr(occurrences, "_HELD", 60)
    on_disk = check(rows, spill_dir=tmp_path, block_bytes=3_000)
    assert replace(on_disk, duration_s=0) == replace(in_memory, duration_s=0)
    assert on_disk.rows_duplicate > 0
    assert list(tmp_path.iterdir()) == []


def test_a_clean_file_of_one_class_adds_up() -> None:
    """All valid, all rejected, all excluded, all but one duplicate."""
    assert check([{}] * 3).rows_valid == 3
    assert check([{"email_1": "nobody"}] * 3).rows_rejected == 3
    assert check([{"email_1": ""}] * 3).excluded == {"no_identifier": 3}
    assert check([{"transaction_amount": "0"}] * 3).rows_excluded == 3
    assert check([{"order_id": "o1"}] * 3).rows_duplicate == 2


@pytest.mark.parametrize("settings", [SETTINGS, LIVERAMP])
@pytest.mark.parametrize("blank", ["", "  ", "N/A", "null"])
def test_an_anonymous_sale_is_left_out_without_an_issue(settings: ConversionSettings, blank: str) -> None:
    """A till sells to people it does not know; that is no fault, on either route."""
    report = check([{}, {"email_1": blank, "phone_1": blank}], settings)
    assert (report.rows_valid, report.excluded) == (1, {"no_identifier": 1})
    assert {issue.severity for issue in report.issues} <= {"note", "warning"}
    assert not report.gate_exceeded
    rejected = check([{}, {"email_1": "nobody", "phone_1": blank}], replace(settings, max_rejected_ratio=1))
    assert rejected.rows_rejected == 1


def test_excluded_rows_can_not_hide_a_broken_export() -> None:
    """A file of which nothing is valid fails its gate, whatever the ratio; one that others' rows fill does not."""
    generous = replace(SETTINGS, max_rejected_ratio=1.0)
    broken = check([{"email_1": ""}] * 9 + [{"email_1": "nobody"}], generous)
    assert (broken.gate_exceeded, broken.nothing_valid) == (True, True)
    assert broken.gate_in_words == "no row is valid: 1 of 10 are rejected and 9 are left out (9 no_identifier)"
    others = replace(generous, where={"store_code": frozenset({"mine"})})
    assert not check([{"store_code": "theirs"}] * 3, others).gate_exceeded


def test_rows_of_another_advertiser_enter_neither_gate_nor_sum() -> None:
    """Their amounts are not this advertiser's to know."""
    settings = replace(SETTINGS, where={"store_code": frozenset({"mine"})}, max_rejected_ratio=0.4)
    rows = [{"store_code": "mine"}, {"store_code": "mine", "email_1": "nobody"}] + [{"store_code": "theirs"}] * 8
    report = check(rows, settings)
    assert report.rejected_ratio == 0.5
    assert report.gate_exceeded
    assert report.values.get("excluded") is None


def test_a_repeated_line_of_an_order_is_a_warning_with_its_value() -> None:
    """Two equal scans at a till may be two sales; a repeated row without an order is one."""
    scan = {"order_id": "o1", "product_id": "p1", "transaction_amount": "19.99"}
    report = check([scan, scan, scan, {"order_id": "", "email_1": "b@example.com"}] + [{"order_id": ""}] * 2)
    issue = next(issue for issue in report.issues if issue.rule == "line_repeated")
    assert (issue.severity, issue.rows, issue.first_lines, issue.value) == ("warning", 2, (3, 4), "39.98")
    assert report.rows_duplicate == 3
    lines = replace(SETTINGS, event_identity=("store_code", "order_id", "product_id", "quantity"))
    numbered = check([{**scan, "quantity": str(number)} for number in range(1, 4)], lines)
    assert numbered.rows_valid == 3
    assert ("line_repeated", "warning") not in found(numbered)


def test_a_duplicate_is_the_same_customer() -> None:
    """One order number for two customers is an error, though time and amount are equal."""
    same = {"order_id": "o1"}
    report = check([same, {**same, "email_1": "bob@example.com"}, {**same, "email_1": "ANN@example.com"}])
    assert (report.rows_valid, report.rows_duplicate, report.rows_rejected) == (1, 1, 1)
    assert ("id_collision", "error") in found(report)


BASKET = replace(SETTINGS, basket="order")


@pytest.mark.parametrize(
    "broken",
    [
        {"transaction_amount": "x"},
        {"transaction_timestamp": "yesterday"},
        {"transaction_category": "Unheard of"},
        {"email_1": "nobody"},
    ],
)
@pytest.mark.parametrize("block_bytes", [120, 1 << 20])
def test_an_order_with_a_rejected_row_is_held_back_as_a_whole(
    broken: dict[str, str], block_bytes: int, tmp_path: Path
) -> None:
    """Half an order, once sent, can't be completed; the replay of the repaired file sends it once, whole."""
    items = [{"order_id": "o1", "product_id": f"p{number}", "transaction_amount": "10.00"} for number in range(3)]
    rows = [items[0], {"order_id": "o2"}, {**items[1], **broken}, items[2], {"order_id": "o1", "store_code": "s2"}]
    rejects, repair = io.BytesIO(), io.BytesIO()
    report = check(rows, BASKET, rejects=rejects, repair=repair, block_bytes=block_bytes)
    assert (report.rows_valid, report.rows_rejected, report.rows_held_back, report.events) == (2, 3, 2, 2)
    assert report.rejected_ratio == 0.2
    issue = next(issue for issue in report.issues if issue.rule == "order_incomplete")
    assert (issue.severity, issue.rows, issue.first_lines) == ("error", 2, (2, 5))
    assert {line.split(b",")[0] for line in rejects.getvalue().splitlines()[1:]} == {b"2", b"4", b"5"}
    assert [line.rpartition(b",")[2] for line in repair.getvalue().splitlines()[2:]] == [b"order_incomplete"] * 2
    sent = events(text(rows), tmp_path / "first", BASKET)
    repaired = repair.getvalue().decode()
    for column, value in broken.items():
        repaired = repaired.replace(value, {**items[1], **GOOD}[column] if column != "transaction_amount" else "10.00")
    replayed = events(repaired, tmp_path / "second", BASKET)
    assert set(sent.to_arrow()["event_id"].to_pylist()).isdisjoint(replayed.to_arrow()["event_id"].to_pylist())
    assert replayed.to_arrow()["value"].to_pylist() == ["30"]


def test_a_rejected_row_without_an_order_holds_nothing_back() -> None:
    """Rows without an order number are no order."""
    report = check([{}, {"transaction_amount": "x"}, {"transaction_amount": "11.00"}], BASKET)
    assert (report.rows_valid, report.rows_rejected, report.rows_held_back) == (2, 1, 0)


def test_excluded_rows_do_not_make_an_order_incomplete() -> None:
    """A return, or a line of zero, is no fault."""
    items = [{"order_id": "o1", "product_id": f"p{number}", "transaction_amount": amount} for number, amount in
             enumerate(["10.00", "0.00", "-2.00"])]  # fmt: skip
    report = check(items, BASKET)
    assert (report.rows_valid, report.rows_rejected, report.events) == (1, 0, 1)


def test_a_collision_holds_its_order_back() -> None:
    """It is found with the whole file only."""
    item = {"order_id": "o1", "product_id": "p1"}
    report = check([item, {**item, "transaction_amount": "99.00"}, {**item, "product_id": "p2"}], BASKET)
    assert (report.rows_valid, report.rows_rejected, report.rows_held_back) == (0, 3, 2)
