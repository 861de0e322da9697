"""``validate``, ``prepare`` and ``events``: exit codes, shapes, and what they never show."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.sales import AS_OF, HEADER, MAIL, PHONE, rows


@pytest.fixture
def config(cli: Cli) -> Path:
    """A configuration with one advertiser."""
    file = cli.home / "advertisers.yaml"
    file.write_text(
        'advertisers:\n  - {name: shop, advertiser_id: "7000000000000000101", event_set_id: "7000000000000000201", '
        f"currency: USD, phone_region: US, state_uri: {cli.home}/state, source: {{path: /in/x.csv}}}}\n"
    )
    return file


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.csv", None, "no such file"),
        ("empty.csv", b"", "empty"),
        ("header.csv", HEADER.encode() + b"\n", "a header and no rows"),
        ("binary.csv", bytes(range(256)) * 40, "binary"),
        ("utf16.csv", rows(2).encode("utf-16"), "UTF-16"),
        ("sales.xlsx", b"PK\x03\x04", "ZIP archive"),
        ("cut.csv.gz", gzip.compress(rows(500).encode())[:-300], ""),
        ("bad.csv", rows(2).replace("transaction_amount", "amount").encode(), "transaction_amount"),
        ("shifted.csv", rows(2).partition("\n")[2].encode(), "header"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_error(
    cli: Cli, name: str, content: bytes | None, expected: str
) -> None:
    """It names the file, ends with 2, shows no traceback and nothing of the file."""
    if content is not None:
        (cli.home / name).write_bytes(content)
    message = cli.error("validate", name)
    assert name in message
    assert expected in message
    assert MAIL not in message


def test_nothing_is_prepared_of_a_file_that_cannot_be_used(cli: Cli, config: Path) -> None:
    """No manifest says that there is something to send."""
    (cli.home / "cut.csv.gz").write_bytes(gzip.compress(rows(500).encode())[:-300])
    assert "cut.csv.gz" in cli.error("prepare", "cut.csv.gz", "--config", config, "--output", "out")
    assert not (cli.home / "out" / "manifest.json").exists()


def test_a_file_without_rows_is_passed_over_on_a_closed_day(cli: Cli, config: Path) -> None:
    """The configuration says which days these are."""
    (cli.home / "quiet.csv").write_text(rows(0))
    config.write_text(config.read_text().replace("source: {", "source: {closed_dates: [2026-11-22], "))
    for command in ("validate", "quiet.csv"), ("prepare", "quiet.csv", "--output", "out"):
        result = cli(*command, "--config", config, "--day", "2026-11-22")
        assert (result.returncode, "a quiet day" in result.stderr) == (0, True), result.stderr
    assert "--day: needs a configuration" in cli.error("validate", "quiet.csv", "--day", "2026-11-22")


def test_a_directory_is_one_clear_error(cli: Cli) -> None:
    """The file itself must be named."""
    (cli.home / "in.csv").mkdir()
    assert "directory" in cli.error("validate", "in.csv")


def test_an_unknown_configuration_key_is_one_clear_error(cli: Cli, config: Path) -> None:
    """With file, line, entry and key."""
    (cli.home / "sales.csv").write_text(rows(2))
    config.write_text(config.read_text().replace("currency", "currencie"))
    message = cli.error("validate", "sales.csv", "--config", config)
    assert "advertisers.yaml:2, entry shop, key currencie: unknown key; did you mean currency?" in message


def test_a_good_file_passes(cli: Cli) -> None:
    """Without a configuration, with exit code 0."""
    (cli.home / "sales.csv").write_text(rows(3))
    assert "gate" in cli.done("validate", "sales.csv", "--as-of", AS_OF)


def test_a_files_name_is_shown_as_it_is(cli: Cli) -> None:
    """Brackets are no styles."""
    name = "sales[red].csv"
    (cli.home / name).write_text(rows(3))
    assert name in cli.done("validate", name, "--as-of", AS_OF)
    assert name in cli.error("events", name)


def test_the_report_has_the_fields_that_are_promised(cli: Cli) -> None:
    """report.json names file, digest, classes, issues and moment."""
    text = rows(40, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2", line_4=rows(1).splitlines()[1])
    (cli.home / "sales.csv").write_text(text)
    cli.done("validate", "sales.csv", "--as-of", AS_OF, "--report", "report.json")
    report = json.loads((cli.home / "report.json").read_text())
    assert report["file"] == "sales.csv"
    assert report["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert (report["delimiter"], report["columns"]) == ("comma", HEADER.split(","))
    assert [report[f"rows_{name}"] for name in ("total", "valid", "rejected", "duplicate", "excluded")] == [
        40,
        38,
        1,
        1,
        0,
    ]
    assert (report["excluded"], report["profile"], report["as_of"]) == ({}, "tiktok", AS_OF)
    assert {"values", "duration_s"} <= report.keys()
    issue = next(one for one in report["issues"] if one["severity"] == "error")
    assert issue.items() >= {"rule": "timestamp_impossible", "column": "transaction_timestamp", "rows": 1}.items()
    assert issue["first_lines"] == [3]


def test_the_report_is_a_page_where_its_name_says_so(cli: Cli) -> None:
    """As JSON it would be shown as text by a browser."""
    (cli.home / "sales.csv").write_text(rows(3))
    cli.done("validate", "sales.csv", "--as-of", AS_OF, "--report", "report.html")
    assert (cli.home / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_the_rejects_name_line_column_rule_and_message(cli: Cli) -> None:
    """And hold no value; the file is readable by its owner alone."""
    (cli.home / "sales.csv").write_text(rows(40, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2"))
    cli.done("validate", "sales.csv", "--as-of", AS_OF, "--rejects", "rejects.csv")
    text = (cli.home / "rejects.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert list(table[0]) == ["line", "column", "rule", "severity", "cost", "message"]
    assert [(row["line"], row["rule"], row["cost"]) for row in table] == [("3", "timestamp_impossible", "row")]
    assert MAIL not in text
    assert "2026-02-30" not in text


def test_a_repair_file_is_written_only_with_a_warning(cli: Cli) -> None:
    """It holds the rejected rows themselves, for their owner alone."""
    (cli.home / "sales.csv").write_text(rows(40, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2"))
    result = cli("validate", "sales.csv", "--as-of", AS_OF, "--repair", "repair.csv")
    assert "customers' data in clear" in result.stderr
    file = cli.home / "repair.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert MAIL in file.read_text()


@pytest.mark.parametrize(("ratio", "code"), [(None, 1), ("0.2", 0), ("0.01", 1)])
def test_the_gate_decides_the_exit_code(cli: Cli, ratio: str | None, code: int) -> None:
    """One of ten rows is more than 5 percent."""
    (cli.home / "sales.csv").write_text(rows(10, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2"))
    gate = ("--max-rejected-ratio", ratio) if ratio else ()
    result = cli("validate", "sales.csv", "--as-of", AS_OF, *gate)
    assert result.returncode == code
    assert "timestamp_impossible" in result.stdout


def test_as_of_decides_what_is_too_old(cli: Cli) -> None:
    """The same file is fine in time and rejected a month later."""
    (cli.home / "sales.csv").write_text(rows(3))
    assert cli("validate", "sales.csv", "--as-of", "2026-11-22").returncode == 0
    late = cli("validate", "sales.csv", "--as-of", "2026-12-25")
    assert late.returncode == 1
    assert "timestamp_old" in late.stdout


def test_the_profile_decides_what_is_an_error(cli: Cli) -> None:
    """LiveRamp's programme knows no Purchase and wants digits only."""
    (cli.home / "sales.csv").write_text(rows(3))
    strict = cli("validate", "sales.csv", "--as-of", AS_OF, "--profile", "liveramp")
    assert strict.returncode == 1
    assert "category_unknown" in strict.stdout


def test_events_are_printed_in_the_order_of_the_file(cli: Cli, config: Path) -> None:
    """One item of data[] a line: hashed identifiers, numbers, nothing absent written as null."""
    (cli.home / "sales.csv").write_text(rows(30))
    cli.done("prepare", "sales.csv", "--config", config, "--output", "out", "--as-of", AS_OF)
    assert (cli.home / "out" / "report.json").is_file()
    items = [json.loads(line) for line in cli.done("events", "out").splitlines()]
    assert [item["properties"]["value"] for item in items] == [n + 0.5 for n in range(1, 31)]
    first = items[0]
    assert first["event"] == "Purchase"
    assert first["event_time"] == 1795255200
    assert first["event_id"].startswith("v2-")
    assert first["user"] == {
        "email": [hashlib.sha256(MAIL.encode()).hexdigest()],
        "phone": [hashlib.sha256(PHONE.encode()).hexdigest()],
    }
    assert first["properties"] == {"value": 1.5, "currency": "USD", "order_id": "o-1"}
    assert "null" not in json.dumps(items)


def test_events_of_nothing_prepared_is_one_clear_error(cli: Cli) -> None:
    """The directory is named, and what to do."""
    assert "tiktok-offline prepare" in cli.error("events", ".")


def test_a_reader_that_goes_away_is_no_error(cli: Cli, config: Path) -> None:
    """As with `| head`."""
    (cli.home / "sales.csv").write_text(rows(3000))
    cli.done("prepare", "sales.csv", "--config", config, "--output", "out", "--as-of", AS_OF)
    process = cli.start("events", "out")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=200) == 0


def test_no_customers_value_is_shown_or_kept(cli: Cli, config: Path) -> None:
    """Neither in what is printed nor in any file that is left behind."""
    text = rows(40, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2", line_5=f"x{MAIL},{MAIL},{PHONE},{MAIL},,")
    (cli.home / "sales.csv").write_text(text)
    result = cli("prepare", "sales.csv", "--config", config, "-o", "out", "--as-of", AS_OF, "--rejects", "out/r.csv")
    assert result.returncode in (0, 1), result.stderr
    left = [file.read_bytes() for file in (cli.home / "out").iterdir()]
    shown = (result.stdout + result.stderr).encode()
    for secret in (MAIL, PHONE, PHONE[1:], "lovelace"):
        assert all(secret.encode() not in one for one in [shown, *left])
