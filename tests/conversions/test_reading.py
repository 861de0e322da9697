"""A file as a whole: types, packing, encodings, limits and lines that are no rows."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import Limits
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.file.reader import FileReader
from airflow_provider_tiktok_offline.conversions.preparation.prepare import validate
from airflow_provider_tiktok_offline.errors import FileMissingError, InputFileError
from tests.conversions.files import AS_OF, LIVERAMP, SETTINGS, BytesSource, check, found, text

THREE = text([{}, {}, {}])


def _zipped(*names: str, content: str = THREE) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return stream.getvalue()


def _parquet() -> bytes:
    stream = io.BytesIO()
    pl.DataFrame({"email_1": ["ann@example.com"] * 100}).write_parquet(stream)
    return stream.getvalue()


class Dripping(BytesSource):
    """A source that gives a byte at a time."""

    def open(self) -> io.BytesIO:
        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(1)

        return Slow(self.data)


@pytest.mark.parametrize(
    ("content", "name", "rule"),
    [
        (b"", "sales.csv", "empty_file"),
        (b"\n\n", "sales.csv", "empty_file"),
        (THREE.splitlines()[0].encode(), "sales.csv", "header_only"),
        (THREE.encode("utf-16"), "sales.csv", "utf16"),
        (THREE.encode("utf-16-le"), "sales.csv", "utf16"),
        (b"PK\x03\x04\x00\x01\x02\x00" * 50, "sales.csv", "binary_file"),
        (THREE.replace("\n", "\r").encode(), "sales.csv", "line_ending"),
        (gzip.compress(THREE.encode() * 50)[:-9], "sales.csv.gz", "gzip_damaged"),
        (b"\x1f\x8b" + THREE.encode(), "sales.csv.gz", "gzip_damaged"),
        (b"x" * 100_000, "sales.csv", "binary_file"),
    ],
)
def test_a_file_that_is_none_is_one_clear_error(content: bytes, name: str, rule: str) -> None:
    """Each way of not being a conversion file has its own rule, and says what to do."""
    with pytest.raises(InputFileError) as error:
        check(content, name=name)
    assert error.value.rule == rule
    assert error.value.todo


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (_zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook (.xlsx)"),
        (_zipped("sales.csv"), "a ZIP archive"),
        (_zipped("mimetype", content="application/vnd.oasis.opendocument.spreadsheet"), "an OpenDocument file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 60, "an old Excel workbook (.xls)"),
        (bz2.compress(THREE.encode()), "a bzip2 archive"),
        (lzma.compress(THREE.encode()), "an xz archive"),
        (gzip.compress(_zipped("sales.csv")), "a ZIP archive"),
        (_parquet(), "a Parquet file"),
        (b"%PDF-1.7\n1 0 obj\n", "a PDF document"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n", "encrypted with PGP"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html>\n<table><tr><td>email_1</td></tr></table>", "an HTML page"),
        (b'<?xml version="1.0"?>\n<Workbook xmlns="urn:schemas">', "an XML file"),
        (b"<sales><sale><email>a</email></sale></sales>", "an XML file"),
        (b'{"email": "a", "amount": 1}\n', "a JSON file"),
        (b'[\n  {"email": "a"}\n]', "a JSON file"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_what_is_no_delimited_text_is_named(content: bytes, what: str, encoding: str) -> None:
    """By its first bytes, whatever name and encoding it is given."""
    settings = replace(SETTINGS, format=replace(SETTINGS.format, encoding=encoding))
    with pytest.raises(InputFileError) as error:
        check(content, settings, name="sales.csv")
    assert error.value.rule == "binary_file"
    assert f"it is {what}," in str(error.value)
    assert error.value.todo


@pytest.mark.parametrize("header", ["ORCID", "PAR1"])
def test_a_column_may_be_called_like_a_kind_of_file(header: str) -> None:
    """What other files begin with may be the letters of a name."""
    content = "\n".join(f"{'x' if number else header},{line}" for number, line in enumerate(THREE.splitlines()))
    assert check(content.encode(), replace(SETTINGS, allow_extra_columns=True)).rows_valid == 3


@pytest.mark.parametrize("name", ["sales.dat", "SALES", "sales.20261121", "sales.xlsx", "export.csv.bak"])
def test_any_name_is_read_where_only_tiktok_sees_the_file(name: str) -> None:
    """A note; LiveRamp takes four types alone."""
    report = check(THREE.encode(), name=name)
    assert report.rows_valid == 3
    assert ("file_type", "note") in found(report)
    with pytest.raises(InputFileError) as error:
        check(THREE.encode(), LIVERAMP, name=name)
    assert error.value.rule == "file_type"


@pytest.mark.parametrize(
    ("content", "name"), [(gzip.compress(THREE.encode()), "sales.csv"), (THREE.encode(), "sales.csv.gz")]
)
def test_the_first_bytes_say_whether_a_file_is_compressed(content: bytes, name: str) -> None:
    """A transfer may pack or unpack a file and keep its name."""
    report = check(content, name=name)
    assert report.rows_valid == 3
    assert report.sha256 == hashlib.sha256(content).hexdigest()


def test_the_first_bytes_may_come_one_by_one() -> None:
    """A server may send as little as it likes."""
    with FileReader(Dripping(gzip.compress(THREE.encode())), SETTINGS, block_bytes=64) as reader:
        header = reader.read_header()
        assert sum(block.count for block in reader.blocks(header)) == 3


def test_a_directory_and_a_missing_file_are_errors(tmp_path: Path) -> None:
    """Neither is mistaken for an empty file."""
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputFileError) as error:
        validate(LocalFile(tmp_path / "folder.csv"), SETTINGS, as_of=AS_OF)
    assert error.value.rule == "directory"
    with pytest.raises(FileMissingError):
        validate(LocalFile(tmp_path / "nothing.csv"), SETTINGS, as_of=AS_OF)


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(THREE.encode()), gzip.compress(THREE[:60].encode()) + gzip.compress(THREE[60:].encode()) + b"\0\0"],
)
def test_gzip_is_read_as_a_stream(packed: bytes) -> None:
    """One member or several, with padding behind them."""
    assert check(packed, name="sales.csv.gz").rows_valid == 3


def test_a_small_gzip_can_not_unpack_beyond_the_limit() -> None:
    """The limit on uncompressed bytes is enforced while reading."""
    bomb = gzip.compress(THREE.encode() + b"," * 50_000_000)
    with pytest.raises(InputFileError) as error:
        check(bomb, replace(SETTINGS, limits=Limits(bytes=1_000_000)), name="sales.csv.gz")
    assert error.value.rule == "file_too_large"


def test_more_rows_than_allowed_stop_the_reading() -> None:
    """The limit on rows is enforced while reading."""
    with pytest.raises(InputFileError) as error:
        check(THREE, replace(SETTINGS, limits=Limits(rows=2)))
    assert error.value.rule == "too_many_rows"


def test_a_row_that_is_too_long_is_rejected_alone() -> None:
    """Characters are counted, not bytes."""
    limits = replace(SETTINGS, limits=Limits(row_characters=200))
    report = check([{"product_name": "ü" * 100}, {"product_name": "x" * 200}, {}], limits)
    assert (report.rows_valid, report.rows_rejected) == (2, 1)
    assert ("row_length", "error") in found(report)


def test_a_byte_order_mark_is_reported_and_skipped() -> None:
    """It never becomes part of the first column's name."""
    report = check(b"\xef\xbb\xbf" + THREE.encode())
    assert report.rows_valid == 3
    assert ("byte_order_mark", "note") in found(report)
    assert ("byte_order_mark", "warning") in found(check(b"\xef\xbb\xbf" + THREE.encode(), LIVERAMP))


@pytest.mark.parametrize(
    ("delimiter", "ending"), [(",", ".csv"), ("\t", ".tsv"), ("|", ".psv"), ("|", ".txt"), (",", ".txt")]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_delimiter_and_line_end_gives_the_same_rows(delimiter: str, ending: str, line_end: str) -> None:
    """Comma, tab and pipe, Unix and Windows, with and without a last line end."""
    content = THREE.replace(",", delimiter).replace("\n", line_end)
    for whole in (content, content.removesuffix(line_end)):
        report = check(whole, name=f"sales{ending}")
        assert (report.rows_valid, report.issues) == (3, ())


def test_type_and_delimiter_that_disagree_are_a_warning_or_an_error() -> None:
    """The direct route reads the file; LiveRamp's would not."""
    piped = THREE.replace(",", "|")
    assert ("delimiter_type", "warning") in found(check(piped))
    with pytest.raises(InputFileError, match=r"\.csv file delimited by pipe"):
        check(piped, LIVERAMP)


def _faulty(line: str | bytes) -> bytes:
    good = THREE.splitlines()
    middle = line if isinstance(line, bytes) else line.encode()
    return b"\n".join([good[0].encode(), good[1].encode(), middle, good[2].encode(), good[3].encode(), b""])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("a@example.com,Purchase", "field_count"),
        ("a@example.com" + "," * 10, "field_count"),
        ('a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,5" pipe', "quoting"),
        ('a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,"5" pipe"', "quoting"),
        ('a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,"5" x"y"', "quoting"),
        ('"a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,x', "quoting"),
        (b"a@example.com,Purchase,2026-11-20,1.00,,o\xfc9,s,1,p,x", "encoding"),
        (b"a@example.com,Purchase,2026-11-20,1.00,,o\x009,s,1,p,x", "control_character"),
        (b"a@example.com,Purchase,2026-11-20,1.00,,o\x1f9,s,1,p,x", "control_character"),
    ],
)
def test_a_faulty_line_is_rejected_alone(line: str | bytes, rule: str) -> None:
    """The rows before and behind it stay valid, and its line number is told."""
    report = check(_faulty(line))
    assert report.rows_valid == 3
    issue = next(issue for issue in report.issues if issue.rule == rule)
    assert issue.first_lines[0] == 3
    assert issue.severity == "error"


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,\xfcber", "encoding"),
        (b"a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,a\0b", "control_character"),
        (b'a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,"a\nb"', "line_break"),
    ],
)
def test_a_fault_in_an_optional_text_costs_that_text_alone(line: bytes, rule: str) -> None:
    """The direct route sends the row; LiveRamp's file can't hold it."""
    report = check(_faulty(line))
    assert report.rows_valid == 4
    assert next(issue for issue in report.issues if issue.rule == rule).severity in ("warning", "note")
    strict = check(_faulty(line), LIVERAMP)
    assert next(issue for issue in strict.issues if issue.rule == rule).severity == "error"


def test_a_fault_in_a_column_that_is_not_sent_costs_nothing() -> None:
    """No event carries a city."""
    content = b"email_1,transaction_category,transaction_timestamp,transaction_amount,city\n" + b"".join(
        b"a@example.com,Purchase,2026-11-20 10:00:00,%d.00,%s\n" % (number, city)
        for number, city in enumerate((b"K\xf6ln", b"a\x00b", b'"a\nb"', b"Bonn"), 1)
    )
    report = check(content)
    assert report.rows_valid == 4
    assert {issue.severity for issue in report.issues if issue.rule != "column_order"} <= {"note"}


@pytest.mark.parametrize("where", [1, 5462, 8000])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_row_that_begins_with_a_zero_byte_is_read(where: int, quoted: bool) -> None:
    """In a large block pyarrow before 26 misses the first delimiter behind it."""
    lines = [
        b"%s,ann.%d@example.com,CompletePayment,2026-11-20T10:01:00Z-0000,52.49,6175553828"
        % (b"\0TX" if number == where else b'"TX"' if quoted else b"TX", number)
        for number in range(1, 9000)
    ]
    header = b"state,email_1,transaction_category,transaction_timestamp,transaction_amount,phone_1"
    report = check(b"\n".join([header, *lines, b""]))
    assert report.rows_valid == report.rows_total == 8999


@pytest.mark.parametrize("line", ["", "   ", ",,,,,,,,,", " , , ,,,,,,, ", '"",,,,,,,,,""', "\x1a", "\t"])
def test_a_line_without_a_row_is_none(line: str) -> None:
    """It is counted, never rejected, and never enters the gate; the lines behind it keep their numbers."""
    report = check(_faulty(line) + b"x\n")
    assert (report.rows_total, report.rows_valid, report.rows_rejected, report.lines_without_row) == (4, 3, 1, 1)
    assert [issue.first_lines for issue in report.issues] == [(6,)]
    assert check(THREE + line, LIVERAMP).rows_valid == 3


def test_a_line_break_in_a_field_does_not_shift_the_line_numbers_behind_it() -> None:
    """A record over two lines is one row; a later fault is found on its own line."""
    content = _faulty('a@example.com,Purchase,2026-11-20,1.00,,o9,s,1,p,"a\nb"') + b"x\n"
    report = check(content)
    lines = {issue.rule: issue.first_lines for issue in report.issues}
    assert lines["line_break"] == (3,)
    assert lines["field_count"] == (7,)
    assert report.rows_total == 5


def test_two_stray_quotes_do_not_swallow_the_rows_between_them() -> None:
    """Each of the two lines is rejected, what lies between stays."""
    stray = '"a@example.com,Purchase,2026-11-20,1.00,,o{},s,1,p,x'
    good = THREE.splitlines()
    content = "\n".join([good[0], stray.format(8), good[1], good[2], stray.format(9), good[3]]) + "\n"
    report = check(content)
    assert (report.rows_valid, report.rows_rejected) == (3, 2)


def test_quoted_fields_may_hold_delimiters_and_doubled_quotes() -> None:
    """As RFC 4180 has them."""
    report = check([{"product_name": '"a ""b"", c"'}, {"email_1": '"ann@example.com"'}, {"product_name": '""'}])
    assert report.rows_valid == 3
    assert report.issues == ()


def test_windows_line_ends_and_quotes_go_together() -> None:
    """A carriage return behind a closing quote is part of the line end."""
    content = text([{"product_name": '"a, b"'}, {"product_name": '"c"'}]).replace("\n", "\r\n")
    assert check(content).rows_valid == 2


def test_a_reader_returns_the_header_then_the_blocks(tmp_path: Path) -> None:
    """The header decides where a quoted record ends; every stored byte enters the digest."""
    content = 'a|email_1|b\n1|"x\ny"|2\n3|4|5'
    path = tmp_path / "sales.psv"
    path.write_text(content)
    with FileReader(LocalFile(path), SETTINGS) as reader, pytest.raises(InputFileError, match="header is wrong"):
        reader.read_header()
    constants = dict.fromkeys(("transaction_category", "transaction_timestamp", "transaction_amount"), "x")
    with FileReader(LocalFile(path), replace(SETTINGS, constants=constants), block_bytes=12) as reader:
        header = reader.read_header()
        blocks = list(reader.blocks(header))
    assert (header.delimiter, header.width, header.line.text) == ("|", 3, b"a|email_1|b")
    assert [span for block in blocks for span in block.spans] == [(0, 1)]
    assert b"".join(block.data for block in blocks) == content.partition("\n")[2].encode() + b"\n"
    assert (reader.sha256, reader.size) == (hashlib.sha256(content.encode()).hexdigest(), len(content))


def test_a_reader_that_is_left_after_the_header_closes_the_file() -> None:
    """A look at the header alone leaves no file open."""
    source = BytesSource(text([{}]).encode())
    streams = []

    def remembered() -> io.BytesIO:
        streams.append(io.BytesIO(source.data))
        return streams[-1]

    source.open = remembered  # type: ignore[method-assign]
    with FileReader(source, SETTINGS) as reader:
        reader.read_header()
    assert [stream.closed for stream in streams] == [True]
