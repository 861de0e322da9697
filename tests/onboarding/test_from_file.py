"""``config from-file``: a proposal that reads the file right, and shows no value of it."""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.errors import InputFileError
from airflow_provider_tiktok_offline.onboarding.cell_shapes import amount_shape, time_shape
from airflow_provider_tiktok_offline.onboarding.column_words import WORDS, normal, target_of
from airflow_provider_tiktok_offline.onboarding.export_sample import read_sample
from airflow_provider_tiktok_offline.onboarding.proposal import propose
from tests.onboarding.exports import EXPORTS, Export

AS_OF = "2026-11-22"
SCRIPT = Path(sys.executable).with_name("tiktok-offline")


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and everything that was printed."""
    done = subprocess.run(
        [str(SCRIPT), *arguments],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_column_named_after_the_time_of_day_may_hold_the_date(tmp_path: Path) -> None:
    """A few cells that are no times don't hide it, and a bare word for a receipt names the order."""
    path = tmp_path / "till.csv"
    times = [f"{20 + number % 8}.11.2026 10:{number:02}:00" for number in range(59)] + ["31.13.2026 10:00:00"]
    rows = "".join(f"a{n}@example.com;{at};1{n},50;B{n}\n" for n, at in enumerate(times))
    path.write_text(f"Kunde;Zeit;Betrag;Bon\n{rows}")
    proposal = propose(read_sample(path))
    assert proposal.faults == []
    assert proposal.notations == ("d.M.yyyy H:mm:ss",)
    assert (proposal.name_of("transaction_timestamp"), proposal.name_of("order_id")) == ("Zeit", "Bon")


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_no_value_of_the_file_is_shown(export: Export, tmp_path: Path) -> None:
    """Column names are, cells are not."""
    path = tmp_path / export.name
    path.write_bytes(export.content)
    _, printed = run("config", "from-file", str(path), "--as-of", AS_OF, *export.options)
    text = export.content.decode(read_sample(path).encoding)
    cells = {cell.strip().lower() for line in text.splitlines()[2:] for cell in re.split(r"[;,\t\"]", line)}
    leaks = [cell for cell in cells if len(cell) > 4 and cell in printed.lower() and not cell.isdecimal()]
    assert leaks == []


def test_what_can_not_be_known_is_asked(tmp_path: Path) -> None:
    """Currency, region, time zone, ids, the lookback, rows or orders, day or month."""
    path = tmp_path / "sales.csv"
    rows = "".join(f"0{day}/0{day}/2026 10:00,o1,a{day}@example.com,0{day}2 345 6789,12.50\n" for day in range(1, 5))
    path.write_text(f"Order date,Order number,Email,Phone,Total\n{rows}")
    code, printed = run("config", "from-file", str(path), "--as-of", AS_OF)
    assert code == 0
    for word in ("currency", "phone_region", "time_zone", "advertiser_id", "lookback_days", "the day or the month"):
        assert word in printed
    assert "`basket: row` counts 4 events, `basket: order` counts 1" in printed


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "no table"),
        ("a\nb\n", "no table"),
        ("Order,Total,Date\no1,1.00,2026-11-20 10:00:00\n", "nobody could be matched"),
        ("Email,Total\na@example.com,1.00\n", "no column of times"),
        ("Email,Date\na@example.com,2026-11-20 10:00:00\n", "no column of amounts"),
    ],
)
def test_a_file_that_can_not_be_delivered_says_why(content: str, fault: str, tmp_path: Path) -> None:
    """The exit code is that of unusable input."""
    path = tmp_path / "sales.csv"
    path.write_text(content)
    code, printed = run("config", "from-file", str(path))
    assert (code, fault in printed) == (2, True), printed


@pytest.mark.parametrize(
    ("cells", "decimal", "thousands", "symbols"),
    [
        (["1.299,00", "12,50"], ",", ".", False),
        (["1,299.00", "12.50"], ".", ",", False),
        (["12,50", "3,5"], ",", None, False),
        (["1 299,00 €", "12,50 €"], ",", " ", True),
        (["$1,299.00", "$3.00"], ".", ",", True),
        (["1'299.00", "3.00"], ".", "'", False),
        (["12", "15"], ".", None, False),
    ],
)
def test_marks_of_amounts_are_seen(cells: list[str], decimal: str, thousands: str | None, symbols: bool) -> None:
    """Decimal mark, thousands mark, symbols."""
    shape = amount_shape(cells)
    assert shape is not None
    assert (shape.decimal, shape.thousands, shape.symbols, shape.share) == (decimal, thousands, symbols, 1.0)


@pytest.mark.parametrize(
    ("cells", "notation", "unclear"),
    [
        (["20.11.2026 10:01", "01.12.2026 23:59"], "d.M.yyyy H:mm", False),
        (["11/20/2026 1:01 PM"], "M/d/yyyy h:mm a", False),
        (["20/11/2026 13:01:00"], "d/M/yyyy H:mm:ss", False),
        (["03/04/2026 13:01"], "M/d/yyyy H:mm", True),
        (["2026-11-20 10:01:00"], None, False),
        (["2026-11-20T10:01:00+01:00"], None, False),
    ],
)
def test_notations_of_time_are_seen(cells: list[str], notation: str | None, unclear: bool) -> None:
    """And whether day and month may change places."""
    shape = time_shape(cells, day_first=False)
    assert shape is not None
    assert (shape.notation, shape.day_or_month, shape.share) == (notation, unclear, 1.0)


def test_every_word_is_known_in_any_spelling() -> None:
    """Case, accents, marks and a unit behind the name do not matter; no word means two things."""
    meant = {normal(word): target for target, words in reversed(list(WORDS.items())) for word in words}
    for word, target in meant.items():
        for name in (word, word.upper(), f" {word} ", f"{word} (EUR)"):
            assert target_of(name) == (target, True), name
    assert target_of("Loyalty tier") is None


def test_a_compressed_file_and_a_large_one_are_looked_at_in_part(tmp_path: Path) -> None:
    """Constant memory, whatever the size."""

    line = "a@example.com,2026-11-20 10:00:00,1.00\n"
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb") as stream:
        stream.write(("Email,Paid at,Total\n" + line * 300_000).encode())
    path = tmp_path / "sales.csv.gz"
    path.write_bytes(content.getvalue())
    sample = read_sample(path)
    assert not sample.whole
    assert len(sample.rows) == 5_000
    assert propose(sample).faults == []


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    """With its place."""
    with pytest.raises(InputFileError, match=r"gone\.csv"):
        read_sample(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    "first",
    [
        "Ann,Springfield,ann@example.com,2026-11-20 10:01:00,12.50",
        "Name,City,Email,Paid at,TotalAnn,Springfield,ann@example.com,2026-11-20 10:01:00,12.50",
        "Ann,Springfield,+1 213 373 4253,20.11.26,12.50",
    ],
)
def test_a_first_line_that_holds_values_is_not_shown(first: str, tmp_path: Path) -> None:
    """The names of its columns would be a customer's."""
    path = tmp_path / "sales.csv"
    path.write_text(first + "\nBob,Shelbyville,bob@example.com,2026-11-20 11:01:00,22.50\n" * 3)
    with pytest.raises(InputFileError, match="no header") as error:
        read_sample(path)
    assert not re.search("Ann|Springfield|ann@", str(error.value))
