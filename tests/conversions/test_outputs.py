"""What a pass leaves behind: parts, manifest, report, rejects, repair file and verdicts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.conversions.report.report import Report, render
from airflow_provider_tiktok_offline.errors import FileChangedError, InputFileError
from tests.conversions.files import AS_OF, HEADER, LIVERAMP, SETTINGS, BytesSource, check, events, text

MIXED = [
    {"order_id": "o1"},
    {"email_1": "nobody", "phone_1": "x", "order_id": "o9"},
    {"order_id": "o1", "transaction_amount": "13.00"},
    {"product_name": "=HYPERLINK(1)", "transaction_amount": "$1"},
    {"order_id": "o1"},
]


def test_an_event_holds_what_the_row_says(tmp_path: Path) -> None:
    """Digests of normal forms, amount as a number, absent what is blank."""
    row = {"email_1": " Ann@Example.com ", "phone_1": "(212) 555-0100", "store_code": "S1", "order_id": "1001"}
    item = json.loads(next(events([row], tmp_path).json_lines()))
    event_id = hashlib.sha256("\x1f".join(["Purchase", "S1", "1001", ""]).encode()).hexdigest()[:32]
    assert item == {
        "event": "CompletePayment",
        "event_time": 1795168800,
        "event_id": f"v2-{event_id}",
        "user": {
            "email": [hashlib.sha256(b"ann@example.com").hexdigest()],
            "phone": [hashlib.sha256(b"+12125550100").hexdigest()],
        },
        "properties": {"value": 12.5, "currency": "USD", "order_id": "1001", "shop_id": "S1"},
    }


def test_identifiers_of_a_row_are_sent_once_each(tmp_path: Path) -> None:
    """Up to four e-mails and two phones, without repeats and blanks; a digest passes through in lower case."""
    digest = hashlib.sha256(b"eve@example.com").hexdigest()
    header = ["email_1", "email_2", "email_3", "email_4", *HEADER[1:5], "phone_2", *HEADER[5:]]
    row = {"email_1": "ann@example.com", "email_2": "ANN@example.com", "email_3": "", "email_4": digest.upper(),
           "phone_1": "2125550100", "phone_2": "+1 212 555 0100"}  # fmt: skip
    user = json.loads(next(events(text([row], header), tmp_path).json_lines()))["user"]
    assert user == {
        "email": [hashlib.sha256(b"ann@example.com").hexdigest(), digest],
        "phone": [hashlib.sha256(b"+12125550100").hexdigest()],
    }


def test_only_what_is_opted_into_is_sent(tmp_path: Path) -> None:
    """send_fields is an allow-list."""
    row = {"product_id": "p1", "product_name": 'a "b"', "quantity": "02", "store_code": "S1", "order_id": "1"}
    few = replace(SETTINGS, send_fields=frozenset({"event", "event_time", "event_id", "email"}))
    item = json.loads(next(events([{**row, "product_name": ""}], tmp_path / "few", few).json_lines()))
    assert set(item) == {"event", "event_time", "event_id", "user"}
    more = replace(
        SETTINGS, send_fields=SETTINGS.send_fields | {"content_id", "content_name", "quantity", "content_type"}
    )
    quoted = {**row, "product_name": '"a ""b"""'}
    item = json.loads(next(events([quoted], tmp_path, more).json_lines()))
    assert item["properties"]["contents"] == [{"content_id": "p1", "content_name": 'a "b"', "quantity": 2}]
    assert item["properties"]["content_type"] == "product"


def test_parts_hold_a_fixed_number_of_rows_and_no_plaintext(tmp_path: Path) -> None:
    """In the order of the file, readable by their owner alone."""
    rows = [{"email_1": f"p{number}@example.com", "phone_1": "2125550100"} for number in range(25)]
    prepared = events(rows, tmp_path, part_events=10)
    assert [part.events for part in prepared.parts] == [10, 10, 5]
    lines = [line for index in range(3) for line in prepared.read(index)["line"].to_list()]
    assert lines == list(range(2, 27))
    for path in (tmp_path / "parts").iterdir():
        content = path.read_bytes()
        assert b"example.com" not in content
        assert b"5550100" not in content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_repeats_are_gone_from_the_parts(tmp_path: Path) -> None:
    """Rows that only the whole file shows to be none are left out on reading."""
    prepared = events(MIXED, tmp_path, part_events=2)
    assert prepared.report.rows_valid == 1 == prepared.manifest["events"]
    frames = [prepared.read(index) for index in range(len(prepared.parts))]
    assert [line for frame in frames for line in frame["line"].to_list()] == [2]
    assert [part.events for part in prepared.parts] == [frame.height for frame in frames]


def test_a_file_that_changed_since_it_was_validated_is_refused(tmp_path: Path) -> None:
    """And no manifest is left."""
    options = PassOptions(expected_sha256=check([{}]).sha256)
    parts = DirectoryParts(tmp_path)
    changed = BytesSource(text([{}, {}]).encode())
    with pytest.raises(FileChangedError):
        prepare(changed, SETTINGS, as_of=AS_OF, output=parts, options=options)
    with pytest.raises(FileChangedError):
        validate(changed, SETTINGS, as_of=AS_OF, options=options)
    with pytest.raises(InputFileError, match=r"no manifest\.json"):
        PreparedEvents.open(parts)
    same = prepare(BytesSource(text([{}]).encode()), SETTINGS, as_of=AS_OF, output=parts, options=options)
    assert same.report.sha256 == hashlib.sha256(text([{}]).encode()).hexdigest()


def test_a_report_survives_being_written_and_read(tmp_path: Path) -> None:
    """As JSON; for notebooks as pandas and Arrow."""
    report = check(MIXED)
    assert Report.from_json(report.to_json()) == report
    assert report.to_pandas()["rows"].sum() == report.to_arrow()["rows"].to_pandas().sum()
    prepared = events(MIXED, tmp_path)
    assert prepared.to_pandas().shape == (1, prepared.to_arrow().num_columns)


def test_a_report_is_shown_as_a_table() -> None:
    """With classes, issues and gate."""
    console = Console(file=io.StringIO(), width=140)
    render(check(MIXED), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("id_collision", "amount_format", "exceeded", "12.50 USD"):
        assert word in shown


def rejected(rows: list[dict[str, str]], **options: Any) -> list[dict[str, str]]:
    """The lines of ``rejects.csv``."""
    rejects = io.BytesIO()
    check(rows, rejects=rejects, **options)
    return list(csv.DictReader(io.StringIO(rejects.getvalue().decode())))


def test_rejects_say_what_every_issue_costs() -> None:
    """The row, the cell or nothing: warnings and notes too, also those that only the whole file shows."""
    digest = hashlib.sha256(b"ann@example.com").hexdigest()
    rows = [
        {"order_id": "o1", "product_id": "p1"},
        {"order_id": "o1", "product_id": "p1"},
        {"order_id": "o2", "phone_1": "12345", "store_code": " S1"},
        {"order_id": "o3", "email_1": "nobody"},
        {"order_id": "o4", "email_1": digest, "transaction_amount": "-1.00"},
    ]
    found = {(row["line"], row["rule"], row["severity"], row["cost"]) for row in rejected(rows)}
    assert found == {
        ("3", "duplicate", "note", "row"),
        ("3", "line_repeated", "warning", "nothing"),
        ("4", "phone_impossible", "warning", "cell"),
        ("4", "white_space", "note", "nothing"),
        ("5", "email_shape", "warning", "cell"),
        ("5", "identifier_missing", "error", "row"),
    }


def test_rejects_name_nobody_who_opted_out() -> None:
    """Their line numbers would be an opt-out list."""
    suppression = read_list(io.BytesIO(b"ann@example.com\n"), ListSettings())
    rows = [{"phone_1": "12345"}, {"email_1": "bob@example.com", "phone_1": "12345"}]
    assert [row["line"] for row in rejected(rows, suppression=suppression)] == ["3"]


def test_rejects_name_line_column_and_rule_and_no_value() -> None:
    """Every issue of a rejected row."""
    rejects = io.BytesIO()
    check(MIXED, rejects=rejects)
    rows = list(csv.DictReader(io.StringIO(rejects.getvalue().decode())))
    assert list(rows[0]) == ["line", "column", "rule", "severity", "cost", "message"]
    assert {(row["line"], row["rule"]) for row in rows} >= {
        ("3", "identifier_missing"),
        ("5", "amount_format"),
        ("4", "id_collision"),
    }
    assert "nobody" not in rejects.getvalue().decode()


def test_the_repair_file_can_be_corrected_and_replayed() -> None:
    """The original lines with their reasons; formulas are defused, the extra column is dropped on reading."""
    repair = io.BytesIO()
    check(MIXED, repair=repair)
    content = repair.getvalue().decode()
    lines = content.splitlines()
    assert lines[0] == ",".join([*HEADER, "rejected_because"])
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["identifier_missing", "amount_format", "id_collision"]
    assert "'=HYPERLINK(1)" in content
    repaired = content.replace("nobody", "ann@example.com").replace("$1", "1.00").replace(",x,", ",,")
    for settings in (SETTINGS, LIVERAMP):
        report = check(repaired, settings)
        assert (report.rows_valid, report.rows_rejected) == (3, 0)


@pytest.mark.parametrize(("settings", "block_bytes"), [(SETTINGS, 1 << 20), (LIVERAMP, 120)])
def test_every_row_has_a_verdict(settings: object, block_bytes: int) -> None:
    """Class, reason and, where it makes an event, its id; in the order of the file."""
    sink = io.BytesIO()
    rows = [*MIXED, {"transaction_amount": "-1.00"}]
    check(text(rows) + "x\n", settings, verdicts=sink, block_bytes=block_bytes)  # type: ignore[arg-type]
    sink.seek(0)
    found = [row for frame in read_verdicts(sink) for row in frame.iter_rows(named=True)]
    assert [(row["line"], row["class"], row["reason"]) for row in found] == [
        (2, "valid", ""), (3, "rejected", "email_shape" if settings is LIVERAMP else "identifier_missing"),
        (4, "rejected", "id_collision"), (5, "rejected", "amount_format"), (6, "duplicate", "duplicate"),
        (7, "excluded", "return"), (8, "rejected", "field_count"),
    ]  # fmt: skip
    assert all(
        (row["event_id"] is not None) == (row["class"] in ("valid", "duplicate") or row["line"] == 4) for row in found
    )
    assert found[0]["event_id"] == found[4]["event_id"]
    assert found[0]["event_time"] == 1795168800


def test_progress_is_told(tmp_path: Path) -> None:
    """Bytes done, bytes in all where known, and rows."""
    path = tmp_path / "sales.csv"
    path.write_text(text([{}] * 100))
    steps: list[tuple[int, int | None, int]] = []
    options = PassOptions(progress=lambda *step: steps.append(step))
    validate(LocalFile(path), SETTINGS, as_of=AS_OF, options=options)
    assert steps[-1][0] == steps[-1][1] == path.stat().st_size


def test_what_a_dag_file_imports_loads_no_polars() -> None:
    """Polars before a fork would hang the child."""
    code = (
        "import sys; import airflow_provider_tiktok_offline.conversions.contract.catalogue, "
        "airflow_provider_tiktok_offline.conversions.contract.settings, "
        "airflow_provider_tiktok_offline.conversions.contract.columns, "
        "airflow_provider_tiktok_offline.conversions.report.report; "
        "assert not {'polars', 'pyarrow', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_report_says_which_share_of_phones_is_possible_but_not_valid() -> None:
    """Of the phones of all valid rows, whatever period a fault has; such numbers are sent all the same."""
    rows = [
        {"order_id": f"o{row}", "phone_1": "+15555555555" if row % 4 == 1 else "+12133734253"} for row in range(2, 98)
    ]
    whole = check(rows)
    assert whole.rows_valid == 96
    assert whole.phones == {"looked_at": 96, "not_valid": 24}
    assert "25.0 % of 96" in whole.phones_in_words
    assert Report.from_json(whole.to_json()).phones == whole.phones
