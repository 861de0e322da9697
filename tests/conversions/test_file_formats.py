"""One table of transactions, written as any till or shop writes it, gives the same events."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, FileFormat
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, prepare
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.errors import InputFileError
from tests.conversions.files import AS_OF, SETTINGS, check

NAMES = {
    "Kunde E-Mail": "email_1",
    'Währung "Betrag"': "transaction_amount",
    "Zeitpunkt": "transaction_timestamp",
    "Beleg Nr.": "order_id",
    "Bezeichnung": "product_name",
}
OWN = replace(SETTINGS, columns=NAMES, constants={"transaction_category": "Purchase"})


@dataclass(frozen=True)
class Sale:
    """One transaction, before anybody wrote it down."""

    email: str
    amount: Decimal
    moment: datetime
    order: int
    product: str


@dataclass(frozen=True)
class Dialect:
    """How a system writes a table."""

    delimiter: str
    encoding: str
    decimal: str
    thousands: str
    time: str
    line_end: str
    quoting: Literal[0, 1]
    columns: Sequence[str]
    above: int
    blank_lines: bool

    def write(self, sales: Sequence[Sale]) -> bytes:
        """The file, as the system writes it."""
        out = io.StringIO()
        out.write("".join(f"Bericht {line}{self.line_end}" for line in range(self.above)))
        writer = csv.writer(
            out,
            delimiter=self.delimiter,
            quoting=self.quoting,
            lineterminator=self.line_end,
        )
        writer.writerow(self.columns)
        for sale in sales:
            cells = {
                "Kunde E-Mail": sale.email,
                'Währung "Betrag"': self._number(sale.amount),
                "Zeitpunkt": sale.moment.strftime(TIMES[self.time]),
                "Beleg Nr.": str(sale.order),
                "Bezeichnung": sale.product,
            }
            writer.writerow([cells[name] for name in self.columns])
            if self.blank_lines:
                out.write(self.delimiter * (len(self.columns) - 1) + self.line_end + self.line_end)
        return out.getvalue().encode(self.encoding)

    def _number(self, amount: Decimal) -> str:
        text = f"{amount:,.2f}".replace(",", "T").replace(".", self.decimal)
        return text.replace("T", self.thousands)

    def settings(self) -> ConversionSettings:
        """What a person writes into the configuration for it."""
        return replace(
            OWN,
            format=FileFormat(
                delimiter=self.delimiter,
                encoding=self.encoding,
                decimal=self.decimal,  # type: ignore[arg-type]
                thousands=self.thousands or None,  # type: ignore[arg-type]
                timestamp_formats=(self.time,),
                skip_lines=self.above,
            ),
        )


TIMES = {
    "dd.MM.yyyy HH:mm:ss": "%d.%m.%Y %H:%M:%S",
    "MM/dd/yyyy hh:mm:ss a": "%m/%d/%Y %I:%M:%S %p",
    "yyyyMMddHHmmss": "%Y%m%d%H%M%S",
    "yyyy-MM-dd'T'HH:mm:ss": "%Y-%m-%dT%H:%M:%S",
}
PLAIN = Dialect(
    ",", "utf-8", ".", "", "yyyy-MM-dd'T'HH:mm:ss", "\n", csv.QUOTE_MINIMAL, tuple(NAMES), above=0, blank_lines=False
)
_WORDS = st.text(st.sampled_from("abc äöüß€,;|\t\"'.\n"), max_size=12).map(lambda text: " ".join(text.split(" ")))

sales = st.builds(
    Sale,
    email=st.sampled_from(["ann@example.com", "bob@example.org", "Carl.Ö@example.net"]),
    amount=st.decimals(min_value=Decimal("0.01"), max_value=9_999_999, places=2, allow_nan=False),
    moment=st.integers(0, 86_400 * 20).map(lambda seconds: AS_OF.replace(tzinfo=None) - timedelta(seconds=seconds)),
    order=st.integers(1, 10**6),
    product=_WORDS,
)
dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|", "^"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "iso-8859-15"]),
    decimal=st.just("."),
    thousands=st.just(""),
    time=st.sampled_from(sorted(TIMES)),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    columns=st.permutations(sorted(NAMES)),
    above=st.integers(0, 3),
    blank_lines=st.booleans(),
).flatmap(
    lambda dialect: st.sampled_from([(".", ""), (".", ","), (",", "."), (",", ""), (",", " "), (".", "'")]).map(
        lambda marks: replace(dialect, decimal=marks[0], thousands=marks[1])
    )
)


def events(content: bytes, written: ConversionSettings, folder: Path) -> pl.DataFrame:
    """What a file becomes, without where its rows stood."""
    path = folder / "sales.txt"
    path.write_bytes(content)
    parts = DirectoryParts(folder / "parts")
    prepare(LocalFile(path), written, as_of=AS_OF, output=parts)
    table = PreparedEvents.open(parts).to_arrow()
    return pl.from_arrow(table).drop("line", strict=False)  # type: ignore[union-attr]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(sales, min_size=1, max_size=12, unique_by=lambda sale: sale.order), dialect=dialects)
def test_any_dialect_gives_the_same_events(
    table: list[Sale], dialect: Dialect, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Delimiter, encoding, marks, notation, line ends, quotes, column order and lines that are none change nothing."""
    plain = events(PLAIN.write(table), PLAIN.settings(), tmp_path_factory.mktemp("plain"))
    assert plain.equals(events(dialect.write(table), dialect.settings(), tmp_path_factory.mktemp("own")))


def test_a_separator_line_says_the_delimiter() -> None:
    """A spreadsheet writes it above the header; it is no row."""
    content = "sep=;\r\nemail_1;transaction_category;transaction_timestamp;transaction_amount\r\n"
    content += "a@example.com;Purchase;2026-11-20 10:00:00;1.00\r\n"
    report = check(content, name="sales.txt")
    assert (report.delimiter, report.rows_valid, report.lines_without_row) == ("semicolon", 1, 1)


def test_semicolons_are_read_without_a_setting() -> None:
    """The header shows them; LiveRamp's file may not have them."""
    content = "email_1;transaction_category;transaction_timestamp;transaction_amount\n"
    content += "a@example.com;Purchase;2026-11-20 10:00:00;1.00\n"
    report = check(content)
    assert report.rows_valid == 1
    assert [(issue.rule, issue.severity) for issue in report.issues] == [("delimiter", "note")]
    with pytest.raises(InputFileError, match="semicolons"):
        check(content, replace(SETTINGS, profile="liveramp"))


def test_lines_around_the_table_are_left_out() -> None:
    """A title above, a total below; line numbers stay those of the file."""
    rows = [f"a{row}@example.com,Purchase,2026-11-20 10:00:00,1.00" for row in range(3)]
    header = "email_1,transaction_category,transaction_timestamp,transaction_amount"
    content = "\n".join(["Report", "of today", header, *rows, "broken", "Total,,,3.00", "end", ""])
    written = replace(SETTINGS, format=FileFormat(skip_lines=2, footer_lines=2))
    report = check(content, written)
    assert (report.rows_total, report.rows_valid) == (4, 3)
    assert [(issue.rule, issue.first_lines) for issue in report.issues] == [("field_count", (7,))]


@pytest.mark.parametrize("block_bytes", [40, 64, 100, 1 << 20])
def test_a_footer_may_lie_across_blocks(block_bytes: int, tmp_path: Path) -> None:
    """However the file is cut, the same lines are left out and the digest is the file's."""
    header = "email_1,transaction_category,transaction_timestamp,transaction_amount"
    rows = [f"a{row}@example.com,Purchase,2026-11-20 10:00:00,1.00" for row in range(9)]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join([header, *rows, "Total,,,9.00", "end"]))
    written = replace(SETTINGS, format=FileFormat(footer_lines=2))
    prepared = prepare(
        LocalFile(path),
        written,
        as_of=AS_OF,
        output=DirectoryParts(tmp_path / "parts"),
        options=PassOptions(block_bytes=block_bytes),
    )
    assert prepared.report.rows_valid == 9
    assert prepared.report.rows_total == 9
    assert prepared.report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_time_is_joined_from_two_columns() -> None:
    """A till writes date and time apart."""
    content = "Datum;Uhrzeit;email_1;transaction_amount\n20.11.2026;10:00;a@example.com;1,00\n;;b@example.com;1,00\n"
    written = replace(
        SETTINGS,
        constants={"transaction_category": "Purchase"},
        format=FileFormat(
            decimal=",",
            timestamp_formats=("dd.MM.yyyy HH:mm",),
            joined={"transaction_timestamp": ("Datum", "Uhrzeit")},
        ),
    )
    report = check(content, written, name="sales.txt")
    assert report.rows_valid == 1
    missing = next(issue for issue in report.issues if issue.rule == "timestamp_missing")
    assert (missing.column, missing.first_lines) == ("Datum + Uhrzeit", (3,))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_repair_file_is_written_as_its_source(encoding: str) -> None:
    """Once it is corrected, the same settings read it."""
    dialect = replace(
        PLAIN, delimiter=";", encoding=encoding, above=2, decimal=",", thousands=".", time="dd.MM.yyyy HH:mm:ss"
    )
    table = [
        Sale(email, Decimal("1299.5"), AS_OF.replace(tzinfo=None), order, "Größe €")
        for order, email in enumerate(["ann@example.com", "nobody", "bob@example.com"])
    ]
    written = dialect.settings()
    written = replace(written, format=replace(written.format, footer_lines=1))
    repair = io.BytesIO()
    content = dialect.write(table) + f"Summe{dialect.line_end}".encode(encoding).removeprefix(b"\xff\xfe")
    assert check(content, written, name="sales.txt", repair=repair).rows_rejected == 1
    corrected = repair.getvalue().decode(encoding).replace("nobody", "carl@example.com").encode(encoding)
    report = check(corrected, written, name="sales.txt")
    assert (report.rows_total, report.rows_valid, report.values["valid"]) == (1, 1, {"USD": "1299.50"})
