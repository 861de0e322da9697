"""Random settings over random and broken exports: never a traceback, a lost line, or a value in a message."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import (
    OPTIONAL_SEND_FIELDS,
    ConversionSettings,
    FileFormat,
    Profile,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from airflow_provider_tiktok_offline.conversions.report.html_report import html
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.conversions.files import AS_OF, BytesSource

HEADER = ("Kunde", "Handy", "Datum", "Uhrzeit", "Betrag brutto", "Beleg", "Filiale", "Artikel", "Marke")
COLUMNS = {
    "Kunde": "email_1", "Handy": "phone_1", "Betrag brutto": "transaction_amount", "Beleg": "order_id",
    "Filiale": "store_code", "Artikel": "product_name",
}  # fmt: skip
#: Stands in every value of a customer, so that a value in a message is found wherever it comes from.
SECRET, NUMBER = "quokka", "7654321"

ADDRESS = re.compile(rf"{SECRET}[^\s\"]*@[^\s\"]+\.[a-z]{{2}}")

MARKS: list[tuple[Literal[".", ","] | None, Literal[".", ",", " ", "'"] | None]] = [
    (None, None), (",", "."), (".", ","), (",", " "), (".", "'"), (",", None),
]  # fmt: skip
Draw = Callable[[random.Random], str]
_INVISIBLE = ("\u200b", "\ufeff", "\u00ad", "\u202a", "\u00a0", "'", "\t")
CELLS: tuple[tuple[Draw, ...], ...] = (
    (lambda r: f"{SECRET}{r.randrange(99)}@example.com", lambda r: f"{SECRET}@", lambda r: f"{SECRET} <{SECRET}@x.de>",
     lambda r: f"{SECRET}@example.com{r.choice('.,;')}", lambda _: "", lambda _: "N/A"),
    (lambda _: f"0151{NUMBER}1", lambda _: f"+49151{NUMBER}1", lambda _: f"{NUMBER}", lambda _: f"4.9151{NUMBER}E+12",
     lambda _: ""),
    (lambda r: f"{r.randrange(1, 29):02}.11.2026", lambda r: f"11/{r.randrange(1, 29):02}/2026", lambda _: SECRET,
     lambda _: ""),
    (lambda r: f"{r.randrange(24):02}:{r.randrange(60):02}", lambda r: f"{r.randrange(24)}:{r.randrange(60)}:5.25",
     lambda _: "25:99", lambda _: ""),
    (lambda r: f"{r.randrange(9999)},{r.randrange(99):02}", lambda r: f"1.{r.randrange(100, 999)}", lambda _: "-12,50",
     lambda _: "12.5 €", lambda _: "(1 299,00)", lambda _: SECRET, lambda _: "19.990000000000002"),
    (lambda r: f"b{r.randrange(60)}", lambda r: f"{r.randrange(99)}.0", lambda _: "2.02E+14", lambda _: '="0012"',
     lambda _: f"{SECRET}@example.com", lambda _: "123456789012345000", lambda _: ""),
    (lambda r: f"S{r.randrange(4)}", lambda _: f"0151{NUMBER}1", lambda _: f"<{SECRET}>", lambda _: ""),
    (lambda _: "hat", lambda _: '"a\nhat"', lambda _: '"a ""hat"""', lambda _: 'hat"'),
    (lambda r: r.choice("AB"),),
)  # fmt: skip


def cell(generator: random.Random, draws: tuple[Draw, ...]) -> str:
    """Mostly what the column usually holds, now and then something odd."""
    text = draws[0 if generator.random() < 0.85 else generator.randrange(len(draws))](generator)
    if generator.random() < 0.03:
        place = generator.randrange(len(text) + 1)
        text = text[:place] + generator.choice(_INVISIBLE) + text[place:]
    return text


def export(generator: random.Random, rows: int, written: FileFormat) -> bytes:
    """An export as these settings, or nearly these, describe it; some of its bytes are wrong."""
    mark = written.delimiter or ","
    lines = [f"Bericht {number}" for number in range(written.skip_lines)]
    lines.append(mark.join(HEADER))
    for _ in range(rows):
        row = mark.join(cell(generator, draws) for draws in CELLS)
        lines.append(generator.choice(["", mark * 8, row[: len(row) // 2]]) if generator.random() < 0.03 else row)
    lines += ["Summe"] * written.footer_lines
    end = generator.choice(["\n", "\r\n", "\r\r\n"])
    data = bytearray((end.join(lines) + end).encode(written.encoding, "replace"))
    for _ in range(generator.choice([0, 0, 1, 5, 40])):
        place = generator.randrange(len(data))
        data[place : place + generator.randrange(2)] = generator.choice([b"\0", b'"', b"\xff", b"\n", b"", b"\r"])
    return bytes(data)


def chosen(generator: random.Random) -> ConversionSettings:
    """Settings of an advertiser."""
    pick = generator.choice
    decimal, thousands = pick(MARKS)
    written = FileFormat(
        delimiter=pick([";", ",", "\t", "|", "^"]),
        encoding=pick(["utf-8", "utf-8-sig", "cp1252", "utf-16", "iso-8859-15", "shift_jis"]),
        skip_lines=pick([0, 0, 1, 3]),
        footer_lines=pick([0, 0, 2]),
        decimal=decimal,
        thousands=thousands,
        strip_symbols=pick([True, False]),
        timestamp_formats=pick([("dd.MM.yyyy HH:mm",), ("M/d/yyyy H:mm", "d.M.yyyy H:mm:ss.S"), ()]),
        joined={"transaction_timestamp": ("Datum", "Uhrzeit")},
    )
    profile: Profile = pick(["tiktok", "tiktok", "liveramp"])
    return ConversionSettings(
        profile=profile,
        format=written,
        columns=COLUMNS,
        constants={"transaction_category": "Purchase" if profile == "tiktok" else "CompletePayment"},
        currency=pick([None, "EUR", "JPY"]),
        phone_region=pick([None, "DE"]),
        time_zone=pick(["UTC", "Europe/Berlin"]),
        where=pick([{}, {"Marke": frozenset({"A"})}]),
        basket=pick(["row", "order"]),
        amount=pick(["line", "order"]),
        repair=pick([True, False]),
        allow_extra_columns=True,
        report_by_store=pick([True, False]),
        send_fields=ConversionSettings().send_fields | pick([frozenset(), OPTIONAL_SEND_FIELDS]),
        lookback_days=None,
    )


def fuzz(seed: int, rows: int, directory: Path) -> int:
    """One export under one advertiser's settings; returns its rows."""
    generator = random.Random(seed)
    settings = chosen(generator)
    data = export(generator, rows, settings.format)
    rejects, verdicts = io.BytesIO(), io.BytesIO()
    options = PassOptions(rejects=rejects, repair=io.BytesIO(), block_bytes=generator.choice([1 << 11, 1 << 20]))
    source = BytesSource(data, "export.txt")
    try:
        report = validate(source, settings, as_of=AS_OF, verdicts=verdicts, options=options)
    except InputFileError as error:
        fault = str(error)
    else:
        fault = ""
    assert not leaks(fault), seed
    if fault:
        return 0
    parts = DirectoryParts(directory / "parts")
    prepare(source, settings, as_of=AS_OF, output=parts)
    verdicts.seek(0)
    found = [row for frame in read_verdicts(verdicts) for row in frame.iter_rows()]
    counts = (report.rows_valid, report.rows_rejected, report.rows_duplicate, report.rows_excluded)
    assert report.rows_total == sum(counts) == len(found), seed
    events = list(PreparedEvents.open(parts).json_lines())
    assert len(events) == report.events, seed
    if b'"' not in data and settings.format.footer_lines == 0:
        text = data.decode(settings.format.encoding, "replace")
        lines = text.removesuffix("\n").count("\n") + 1
        assert report.rows_total + report.lines_without_row + settings.format.skip_lines + 1 == lines, seed
    for said in (report.to_json(), html(report), rejects.getvalue().decode()):
        assert not leaks(said), seed
    assert not ADDRESS.search("".join(events)), seed
    return report.rows_total


def leaks(text: str) -> bool:
    """Whether a customer's value stands in a text."""
    return SECRET in text or NUMBER in text


@pytest.mark.parametrize("seeds", [range(0, 20), range(20, 40)], ids=str)
def test_any_settings_over_any_export_end_in_issues(seeds: range, tmp_path: Path) -> None:
    """Each row has one class, each line is a row or none, and nobody's value is said."""
    for seed in seeds:
        fuzz(seed, 60, tmp_path)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_three_hundred_thousand_rows_under_random_settings(tmp_path: Path) -> None:
    """The same, until three hundred thousand rows were read."""
    total = seed = 0
    while total < 300_000:
        seed += 1
        total += fuzz(10_000 + seed, random.Random(seed).choice([50, 500, 5_000]), tmp_path)


def test_settings_that_differ_from_the_file_are_no_traceback(tmp_path: Path) -> None:
    """A file of another delimiter and encoding than the settings say."""
    for seed in range(12):
        generator = random.Random(seed)
        settings, other = chosen(generator), chosen(generator)
        data = export(generator, 20, replace(other.format, skip_lines=0))
        try:
            validate(BytesSource(data, "export.txt"), settings, as_of=AS_OF)
            fault = ""
        except InputFileError as error:
            fault = str(error)
        assert not leaks(fault), seed
