"""A list of opt-outs keeps its people out, however it is written, or stops the run; it is never half an empty list."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import time
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.errors import OptOutListError
from tests.conversions.files import HEADER, check, events, text
from tests.conversions.opt_out_samples import ANN, BEA, SAMPLES, Sample, digest

GERMAN = ConversionSettings(phone_region="DE", currency="EUR", customer_columns=("customer",))
LIST = ListSettings(phone_regions=("DE",))
ROWS = {
    "ann": {"email_1": "Ann.Lee@Example.com", "customer": "1"},
    "bea": {"email_1": "bea@example.net", "phone_1": "0151 23456789", "customer": "815"},
    "zoe": {"email_1": "zoe@example.net", "phone_1": "0170 1112223", "customer": "0"},
}
FILE = text(list(ROWS.values()), [*HEADER, "customer"])


def opt_outs(data: bytes | str, settings: ListSettings = LIST) -> Suppression:
    """The people on a list."""
    return read_list(io.BytesIO(data.encode() if isinstance(data, str) else data), settings)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_list_keeps_its_people_out(sample: Sample, tmp_path: Path) -> None:
    """And nobody else: of each list as tools export it, the events hold nobody who is on it."""
    people = opt_outs(sample.data, sample.settings)
    prepared = events(FILE, tmp_path, GERMAN, suppression=people)
    sent = {bytes(one) for one in prepared.read(0)["email_1"]}
    kept = {hashlib.sha256(ROWS[name]["email_1"].lower().encode()).digest() for name in ROWS.keys() - sample.out}
    assert sent == kept
    assert prepared.report.excluded == {"suppressed": len(sample.out)}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_nothing_of_a_list_that_tools_export_is_left_unread(sample: Sample) -> None:
    """No cell of these is taken for text that could identify a person and is not understood."""
    assert opt_outs(sample.data, sample.settings).facts.unreadable.count == 0


STOPS = {
    "nothing": (b"", "has no entry"),
    "blank lines": (b"\r\n \r\n\r\n", "has no entry"),
    "a header alone": (b"Email,Phone\n", "has no entry"),
    "a header alone, one column": (b"E-Mail-Adresse\n", "has no entry"),
    "names alone": ("Ann Lee\nBea Müller\n".encode(), "no entry beside 2 .lines 1, 2. of other text"),
    "MD5": (f"email\n{'ab' * 16}\n{ANN}\n".encode(), "MD5 digests: 1 .line 2"),
    "SHA-1": (f"{ANN}\n{'ab' * 20}\n".encode(), "SHA-1 digests: 1 .line 2"),
    "SHA-512": (f"{ANN}\n\n{'ab' * 64}\n".encode(), "SHA-512 digests: 1 .line 3"),
    "a digest that was cut": (f"{ANN}\n{'ab' * 28}\n".encode(), "digests that are not SHA-256: 1 .line 2"),
    "base64": (f"{ANN}\nn4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n".encode(), "other text .*line 2"),
    "a UUID": (f"{ANN}\n123e4567-e89b-12d3-a456-426614174000\n".encode(), "other text .*line 2"),
    "a spreadsheet's number": (f"{ANN}\n4.9E+12\n".encode(), "damaged by a spreadsheet: 1 .line 2"),
    "a spreadsheet's number, German": (f"Mail;Tel\n{ANN};4,91512E+12\n".encode(), "damaged by a spreadsheet"),
    "a number with a fraction": (f"{ANN}\n4915123456789.0\n".encode(), "damaged by a spreadsheet"),
    "damaged numbers alone": (b"4,91512E+12\n4,91513E+12\n", "damaged by a spreadsheet: 2"),
    "no domain": (f"{ANN}\nann@\n".encode(), "parts of e-mail addresses: 1 .line 2"),
    "no local part": (f"{ANN}\n@example.com\n".encode(), "parts of e-mail addresses"),
    "a wildcard": (f"{ANN}\n*@example.com\n".encode(), "parts of e-mail addresses"),
    "no top level domain": (f"{ANN}\nann@example\n".encode(), "parts of e-mail addresses"),
    "an at sign in words": (f"{ANN}\nann (at) example.com\n".encode(), "parts of e-mail addresses"),
    "an encoded at sign": (f"{ANN}\nann%40example.com\n".encode(), "parts of e-mail addresses"),
    "half a pair": (f"{ANN}, bob@\n".encode(), "parts of e-mail addresses"),
    "no number of any country": (f"{ANN}\n00000000\n".encode(), "no phone number: 1 .line 2"),
    "a total that could be a number": (f"{ANN}\nTotal 1,234,567\n".encode(), "no phone number"),
    "an unreadable cell beside a good one": (f"email,phone\n{ANN},12345678901234567\n".encode(), "no phone number"),
    "MD5 beside a good cell": (f"email,md5\n{ANN},{'ab' * 16}\n".encode(), "MD5 digests.*suppression.columns"),
    "half an address in another column": (f"email,note\n{ANN},see bob@home\n".encode(), "parts of e-mail addresses"),
    "a cell too many": (f"name,email,phone\nLee, Ann,{ANN},+4930901820\n".encode(), "more cells than the header"),
    "a quotation mark that is not closed": (f'name,email\n"Ann,{ANN}\n'.encode() + b"b,b@x.de\n" * 600, "line 2 "),
    "an archive": (b"PK\x03\x04\x14\x00", "a ZIP archive"),
    "a compressed list": (gzip.compress(ANN.encode()), "compressed"),
    "a login page": (b"<!DOCTYPE html><html><body>support@example.com</body></html>", "a page of a web site"),
    "bytes": (bytes(range(256)), "no text"),
}


@pytest.mark.parametrize(("data", "says"), STOPS.values(), ids=STOPS.keys())
def test_a_list_that_is_not_understood_stops_the_run(data: bytes, says: str) -> None:
    """With what is wrong and in which lines, and without a value of the list."""
    with pytest.raises(OptOutListError, match=says) as stopped:
        opt_outs(data)
    message = str(stopped.value)
    assert "Nothing was sent." in message
    values = (ANN, "b@x.de", "bob@", "@example", "ab" * 8, "4.9", "4,9", "123e4567", "n4bQ", "1,234,567", "Ann")
    assert not [value for value in values if value in message]


def test_a_column_that_is_not_there_stops_the_run() -> None:
    """For identifiers and for customer numbers."""
    for settings in (ListSettings(columns=("contact",)), ListSettings(match={"customer": "contact"})):
        with pytest.raises(OptOutListError, match="no header with the column 'contact'"):
            opt_outs(f"email,phone\n{ANN},\n", settings)


def test_numbers_without_a_country_need_a_region() -> None:
    """The message names the setting."""
    with pytest.raises(OptOutListError, match="Set phone_region"):
        opt_outs("0151 23456789\n", ListSettings())


def test_so_many_lines_may_be_unreadable_and_no_more() -> None:
    """What is understood of the list counts, also in such a line."""
    data = f"email;phone\n{ANN};4.9E+12\nbob@;\nzoe@example.net;\n"
    allowed = replace(LIST, max_unreadable=2)
    people = opt_outs(data, allowed)
    assert people.facts.entries.emails == 2
    assert (people.facts.unreadable.count, people.facts.unreadable.first) == (2, [2, 3])
    with pytest.raises(OptOutListError, match=r"3 lines .*max_unreadable is 2"):
        opt_outs(f"{data}x@;\n", allowed)


def test_an_empty_list_can_be_allowed() -> None:
    """For a retailer that nobody has left yet."""
    for data in ("", "Email,Phone\n"):
        people = opt_outs(data, replace(LIST, allow_empty=True))
        assert str(people.facts) == "no entry"
        assert check(FILE, GERMAN, suppression=people).excluded == {}


def test_text_that_could_identify_nobody_is_told_with_its_lines() -> None:
    """A title, a total, a date: a warning, no stop."""
    facts = opt_outs(f"Opt-outs, 2026-11-20 10:00\n{ANN}\n20.11.2026\nTotal: 12345\n").facts
    assert str(facts) == "1 e-mail; other text: 3 (lines 1, 3, 4)"


def test_entries_are_counted_once() -> None:
    """However often and in however many spellings they stand there."""
    facts = opt_outs(f"{ANN}\n{ANN.upper()}\n{BEA}\n0151-23456789\n{digest(ANN)}\n").facts
    assert str(facts.entries) == "1 e-mail, 1 phone, 1 digest"


def test_numbers_of_other_columns_are_no_entries() -> None:
    """Ids, times and sums look like phones."""
    data = "".join(f"u{row}@example.org,4915123450{row:03},16000{row:05},0.{row:07}\n" for row in range(100))
    assert opt_outs(f"email,customer_id,created,spent\n{data}").facts.entries.phones == 0


def test_line_numbers_are_those_of_an_editor() -> None:
    """Also behind cells of several lines, blank lines, titles and a separator line."""
    lines = ["sep=,", "Export", "", "email,note", f'{ANN},"a', "b", 'c"', "", "bob@,", f"{ANN},"]
    with pytest.raises(OptOutListError, match=r"1 \(line 9\)"):
        opt_outs("\r\n".join(lines))


@pytest.mark.parametrize(
    "piece", ['{"a":', "<", "[ ", "a ", ", ", ". ", "a.b", "a1", "((", "/ ", " ", "@ ", "f", "+ 1 ", "0 1", "1e"]
)
def test_a_long_line_is_read_in_no_time(piece: str) -> None:
    """Ten thousand characters of what may begin an address, a number or a digest; seconds would be quadratic."""
    begun = time.process_time()
    with contextlib.suppress(OptOutListError):
        opt_outs(piece * (10_000 // len(piece)) + "x,1 2\n")
    assert time.process_time() - begun < 1


def test_a_line_without_an_end_stops_the_reading() -> None:
    """It may be gigabytes."""
    with pytest.raises(OptOutListError, match="line 2 of the suppression list is longer than"):
        opt_outs(b"ann@example.com\n" + b"a" * (5 * 1024 * 1024))
