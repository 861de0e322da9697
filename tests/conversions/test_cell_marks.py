"""What nobody typed into a cell is taken out: characters that are drawn as nothing, and a spreadsheet's marks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.report.report import Report
from tests.conversions.files import LIVERAMP, SETTINGS, check, events, found

PLAIN = {"order_id": "0012", "store_code": "S1", "phone_1": "+12133734253", "product_id": "p1", "product_name": "hat"}


def only(rows: list[dict[str, str]], directory: Path) -> dict[str, object]:
    """The one event of a file."""
    (line,) = events(rows, directory).json_lines()
    event: dict[str, object] = json.loads(line)
    return event


@pytest.mark.parametrize("character", ["\u200b", "\u200e", "\u202a", "\u2060", "\u2066", "\ufeff", "\u00ad", "\u061c"])
def test_characters_that_nobody_sees_are_removed(character: str, tmp_path: Path) -> None:
    """Around and in e-mails, phones, ids, times and amounts: the event is that of the plain row."""
    hidden = {
        "email_1": f"{character}ann@exa{character}mple.com{character}",
        "transaction_timestamp": f"2026-11-20T10:00:00Z-0000{character}",
        "transaction_amount": f"{character}12.50",
        **{
            name: f"{character}{PLAIN[name][0]}{character}{PLAIN[name][1:]}" for name in PLAIN if name != "product_name"
        },
    }
    assert only([PLAIN | hidden], tmp_path / "hidden") == only([PLAIN], tmp_path / "plain")
    report = check([PLAIN | hidden])
    assert found(report) == {("invisible_character", "warning")}
    assert {issue.column for issue in report.issues} == set(hidden)
    assert all(f"Found: U+{ord(character):04X}." in issue.message for issue in report.issues)


def test_text_for_people_keeps_what_its_script_needs(tmp_path: Path) -> None:
    """A joiner in a product's name is part of it."""
    settings = replace(SETTINGS, send_fields=SETTINGS.send_fields | {"content_name"})
    (line,) = events([PLAIN | {"product_name": "\u0646\u200c\u0647"}], tmp_path, settings).json_lines()
    assert json.loads(line)["properties"]["contents"] == [{"content_name": "\u0646\u200c\u0647"}]


@pytest.mark.parametrize("form", ["'{}", '"=""{}"""', '="{}"', "'' {}", " '{}"])
def test_marks_of_spreadsheets_are_removed(form: str, tmp_path: Path) -> None:
    """In every column but names and places, quoted for a delimited file or not."""
    marked = {name: form.format(value) for name, value in PLAIN.items()}
    marked |= {"email_1": form.format("ann@example.com"), "transaction_amount": form.format("12.50")}
    assert only([marked], tmp_path / "marked") == only([PLAIN], tmp_path / "plain")
    assert ("spreadsheet_mark", "warning") in found(check([marked]))


def test_an_apostrophe_that_belongs_to_the_value_stays() -> None:
    """Inside a value, and in front of a place's name."""
    header = "city,email_1,transaction_category,transaction_timestamp,transaction_amount\n"
    row = "'s-Hertogenbosch,o'hara@example.com,Purchase,2026-11-20 10:00:00,1.00\n"
    report = check(header + row)
    assert (report.rows_valid, report.issues) == (1, ())


def test_a_formula_with_a_delimiter_in_it_is_one_cell() -> None:
    """It was a quoting fault before."""
    report = check([PLAIN | {"product_name": '="hat, blue"'}, PLAIN | {"order_id": "2"}])
    assert (report.rows_valid, found(report)) == (2, {("spreadsheet_mark", "warning")})


def test_liveramp_takes_the_file_as_it_is() -> None:
    """What nobody sees is an error there, unless the settings allow repairs; a mark is judged by the column's rule."""
    rows = [PLAIN | {"phone_1": "12133734253", "store_code": "\u200bS1"}, PLAIN | {"phone_1": "", "order_id": "'0013"}]
    report = check(rows, LIVERAMP)
    assert found(report) == {("invisible_character", "error"), ("id_characters", "error")}
    repaired = check(rows, replace(LIVERAMP, repair=True))
    assert (repaired.rows_valid, found(repaired)) == (
        2,
        {("invisible_character", "warning"), ("spreadsheet_mark", "warning")},
    )


def test_messages_speak_of_the_files_own_columns_and_marks() -> None:
    """Names, decimal sign, delimiter, and the accepted format that comes nearest."""
    content = (
        "Mail;Datum;Betrag;Kategorie\n"
        "ann@example.com;20.11.2026 10.01;1,00;Purchase\n"
        "bob@example.com;20.11.2026 10:01;12,5,0;Purchase\n"
        "eve@example.com;20.11.2026 10:01;1,00;Purchase;\n"
    )
    columns = {"Mail": "email_1", "Datum": "transaction_timestamp", "Betrag": "transaction_amount"}
    written = replace(SETTINGS.format, decimal=",", timestamp_formats=("dd.MM.yyyy HH:mm", "yyyyMMdd"))
    chosen = replace(SETTINGS, columns=columns | {"Kategorie": "transaction_category"}, format=written)
    by_rule = {issue.rule: issue for issue in check(content, chosen).issues}
    assert "nearest is `dd.MM.yyyy HH:mm`" in by_rule["timestamp_format"].message
    assert by_rule["timestamp_format"].column == "Datum"
    assert by_rule["amount_format"].todo == "Write `1299,00`."
    assert "the delimiter (semicolon)" in by_rule["field_count"].message


def test_a_message_survives_being_written_and_read() -> None:
    """With what to do."""
    report = check([PLAIN | {"store_code": "\u200bS1"}])
    assert Report.from_json(report.to_json()) == report
