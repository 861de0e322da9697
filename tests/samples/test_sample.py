"""Sample files: reproducible, realistic, and with every fault where it is said to be."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import phonenumbers
import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import PROGRAMME_COLUMNS
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS, Sample, SampleForm, write_sample

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)


class _Form(TypedDict, total=False):
    days: int
    identifiers: Literal["both", "some"]
    phones: Literal["digits", "written"]
    columns: Sequence[str]


def sample(rows: int, *, seed: int = 0, bad_ratio: float = 0, **form: Unpack[_Form]) -> tuple[bytes, Sample]:
    stream = io.BytesIO()
    written = write_sample(stream, rows, as_of=AS_OF, seed=seed, bad_ratio=bad_ratio, form=SampleForm(**form))
    return stream.getvalue(), written


def test_same_seed_same_bytes() -> None:
    """The same arguments make the same file, another seed another one."""
    one, again, other = (sample(500, bad_ratio=0.1, seed=seed)[0] for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_size_and_rows_are_counted() -> None:
    """Bytes and rows are those of the file."""
    content, written = sample(1_000)
    assert written.size == len(content)
    assert written.rows == content.count(b"\n") - 1 == 1_000


def test_row_is_about_107_bytes() -> None:
    """The benchmarks' row: ten columns, about 107 bytes."""
    _, written = sample(20_000, identifiers="both")
    assert len(SAMPLE_COLUMNS) == 10
    assert 103 < written.size / written.rows < 111


def test_people_do_not_exist() -> None:
    """Addresses are of reserved domains, phones of an exchange that is given to nobody."""
    content, _ = sample(2_000, phones="written")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    emails = [row["email_1"] for row in rows if row["email_1"]]
    phones = [phonenumbers.parse(row["phone_1"], "US") for row in rows if row["phone_1"]]
    assert {email.rpartition("@")[2] for email in emails} <= {"example.com", "example.org", "example.net"}
    assert all(phonenumbers.is_possible_number(phone) for phone in phones)
    assert {str(phone.national_number)[3:6] for phone in phones} == {"555"}


def test_every_row_has_an_identifier() -> None:
    """Some rows lack an e-mail, some a phone, none lacks both."""
    content, _ = sample(2_000)
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert all(row["email_1"] or row["phone_1"] for row in rows)
    assert not all(row["email_1"] for row in rows)
    assert not all(row["phone_1"] for row in rows)


def test_transactions_lie_in_the_days_before() -> None:
    """No clean row is older than ``days`` or in the future."""
    content, _ = sample(2_000, days=3)
    times = [
        datetime.strptime(row["transaction_timestamp"], "%Y-%m-%dT%H:%M:%SZ-0000").replace(tzinfo=UTC)
        for row in csv.DictReader(io.StringIO(content.decode()))
    ]
    assert AS_OF - timedelta(days=3) <= min(times)
    assert max(times) < AS_OF


def test_every_fault_is_a_rule_or_an_exclusion() -> None:
    """Faults carry the names that reports use."""
    _, written = sample(4_000, bad_ratio=0.4, columns=PROGRAMME_COLUMNS)
    assert set(written.faults["rule"]) <= set(RULES) | set(EXCLUSIONS)


def test_all_kinds_come_in_equal_numbers() -> None:
    """No kind of fault is rarer than another by more than one row."""
    _, written = sample(4_000, bad_ratio=0.4, columns=PROGRAMME_COLUMNS)
    numbers: list[int] = written.faults["rule"].value_counts()["count"].to_list()
    assert sum(numbers) == 1_600
    assert max(numbers) - min(numbers) <= 1


def test_line_numbers_are_physical() -> None:
    """A row broken over two lines is counted where it begins and moves the ones below by one."""
    content, written = sample(4_000, bad_ratio=0.4)
    lines = content.split(b"\n")
    broken = written.faults.filter(pl.col("rule") == "line_break")["line"].to_list()
    bad_bytes = written.faults.filter(pl.col("rule") == "encoding")["line"].to_list()
    assert broken
    assert all(lines[line - 1].startswith(b'"') and lines[line - 1].count(b'"') == 1 for line in broken)
    assert [number for number, line in enumerate(lines, 1) if b"\xe9" in line] == bad_bytes


def test_duplicates_repeat_a_good_row() -> None:
    """A duplicate is the line above it once more, and that one has no fault."""
    content, written = sample(4_000, bad_ratio=0.4)
    lines = content.split(b"\n")
    faulty = set(written.faults["line"])
    for line in written.faults.filter(pl.col("rule") == "duplicate")["line"]:
        assert lines[line - 1] == lines[line - 2]
        assert line - 1 not in faulty


def test_classes_add_up() -> None:
    """Each row has exactly one class, under either profile."""
    _, written = sample(4_000, bad_ratio=0.4)
    for profile in ("tiktok", "liveramp"):
        assert sum(written.classes(profile).values()) == 4_000
    assert written.classes("liveramp")["rejected"] > written.classes("tiktok")["rejected"]


def test_every_row_can_be_bad() -> None:
    """With a ratio of 1 every row has a fault."""
    _, written = sample(300, bad_ratio=1)
    assert written.faults["line"].n_unique() == 300


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("a.psv", "|"), ("a.txt", "|"), ("a.csv.gz", ",")]
)
def test_type_decides_delimiter(tmp_path: Path, name: str, delimiter: str) -> None:
    """The file type stands for its delimiter, also under .gz."""
    written = write_sample(tmp_path / name, 10, as_of=AS_OF)
    content = (tmp_path / name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    assert content.split(b"\n")[0].decode() == delimiter.join(SAMPLE_COLUMNS)
    assert len(content) == written.size


def test_packed_file_is_reproducible(tmp_path: Path) -> None:
    """No time of writing is in a .gz, so its digest tells the content."""
    for name in ("a.csv.gz", "b.csv.gz"):
        write_sample(tmp_path / name, 100, as_of=AS_OF)
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.csv.gz", "b.csv.gz")}
    assert len(digests) == 1


@pytest.mark.parametrize("columns", [("email_1",), (*SAMPLE_COLUMNS, "loyalty_card")])
def test_columns_must_be_the_programmes(columns: tuple[str, ...]) -> None:
    """A header that the programme does not know is refused."""
    with pytest.raises(ValueError, match="programme"):
        sample(1, columns=columns)
