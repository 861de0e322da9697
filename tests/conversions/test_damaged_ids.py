"""Ids that a spreadsheet turned into numbers are errors: three customers must not become one sale."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.conversions.report.report import Report
from tests.conversions.files import SETTINGS, check, events, found


def with_ids(column: str, ids: list[str], block_bytes: int = 1 << 20) -> Report:
    """A file with these ids, each of another customer."""
    rows = [{column: f'"{one}"', "email_1": f"p{row}@example.com"} for row, one in enumerate(ids)]
    return check(rows, block_bytes=block_bytes)


@pytest.mark.parametrize("column", ["order_id", "product_id", "store_code"])
@pytest.mark.parametrize("one", ["2.02611E+14", "2,02611E+14", "2E+14", "2.02611e+14"])
def test_an_exponent_is_an_error(column: str, one: str) -> None:
    """Before, three of one order id were one sale and two duplicates."""
    report = with_ids(column, [one, one, one, "7"])
    assert (report.rows_valid, report.rows_rejected) == (1, 3)
    assert [(issue.rule, issue.column, issue.rows) for issue in report.issues if issue.severity == "error"] == [
        ("id_damaged", column, 3)
    ]


@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
@pytest.mark.parametrize(
    ("ids", "lines"),
    [
        (["12345.0", "12346", "a7", "12348.0"], (2, 5)),
        (["12345", "12346,0"], (3,)),
        (["12345.0", "12346.0", "", "12348.0"], ()),
        (["12345.5", "12346"], ()),
        (["123456789012345000", "12"], (2,)),
        (["1234567890123450", "1234567890123460", "1234567890123470"], (2, 3, 4)),
        (["1234567890123450", "1234567890123450", "1234567890123450"], ()),
        (["123456789012345000", "123456789012345678"], ()),
        (["12345678901234500a", "123456789012345"], ()),
    ],
)
def test_the_whole_column_decides(ids: list[str], lines: tuple[int, ...], block_bytes: int) -> None:
    """Where others have no `.0`, and where zeros behind the fifteenth digit are no accident."""
    report = with_ids("store_code", ids, block_bytes=block_bytes)
    damaged = [issue for issue in report.issues if issue.rule == "id_damaged"]
    assert [issue.first_lines for issue in damaged] == ([lines] if lines else [])
    assert report.rows_rejected == len(lines)


def test_rows_that_the_column_rejects_leave_every_output(tmp_path: Path) -> None:
    """Parts, verdicts, sums, rejects and repair file; another row of the order is held back with it."""
    rows = [
        {"order_id": "12345.0", "transaction_amount": "1.00"},
        {"order_id": "12345.0", "transaction_amount": "2.00"},
        {"order_id": "9", "transaction_amount": "4.00"},
    ]
    outputs = {name: io.BytesIO() for name in ("verdicts", "rejects", "repair")}
    report = check(rows, **outputs)  # type: ignore[arg-type]
    assert (report.rows_valid, report.rows_rejected, report.values["valid"]) == (1, 2, {"USD": "4.00"})
    assert report.values["rejected"] == {"USD": "3.00"}
    verdicts = [row[:3] for frame in read_verdicts(outputs["verdicts"]) for row in frame.iter_rows()]
    assert verdicts == [(2, "rejected", "id_damaged"), (3, "rejected", "id_damaged"), (4, "valid", "")]
    assert outputs["rejects"].getvalue().decode().count(",order_id,id_damaged,error,row,") == 2
    assert outputs["repair"].getvalue().decode().count(",id_damaged\n") == 2
    prepared = events(rows, tmp_path)
    assert len(list(prepared.json_lines())) == 1
    held = check(
        [{"order_id": "7", "product_id": "12.0"}, {"order_id": "7", "product_id": "p"}],
        replace(SETTINGS, basket="order"),
    )
    assert {("id_damaged", "error"), ("order_incomplete", "error")} <= found(held)
    assert held.rows_valid == 0


def test_a_severity_of_its_own_keeps_the_rows() -> None:
    """A column of ids that are so by nature."""
    rows = [{"store_code": "12345.0"}, {"store_code": "7"}]
    report = check(rows, replace(SETTINGS, severities={"id_damaged": "warning"}))
    assert (report.rows_valid, ("id_damaged", "warning") in found(report)) == (2, True)
    assert check(rows, replace(SETTINGS, severities={"id_damaged": "off"})).issues == ()
