"""What a pass over a file found: counts, sums and issues, never a value of a customer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypedDict
from zoneinfo import ZoneInfo

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import Entries, OptOutFacts
from airflow_provider_tiktok_offline.errors import InputFileError
from airflow_provider_tiktok_offline.plain_text import one_line

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from rich.console import Console

#: The currency of amounts for which nobody named one.
NO_CURRENCY = "none"
#: Exclusions that say nothing of the export's health.
_LEFT_OUT = ("filtered", "before_send_from", "suppressed")
#: Line numbers kept with an issue.
FIRST_LINES = 10
_ISSUE_COLUMNS = ("rule", "severity", "column", "rows", "share", "first_lines", "message")
_STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


@dataclass(frozen=True, slots=True)
class ReportIssue:
    """One rule broken in one column.

    Attributes:
        rule: its name; docs/file-format.md explains it.
        severity: error, warning or note.
        column: the file's own name of the column; None for the row or file as such.
        rows: how many rows break it; 0 for the file.
        first_lines: the first line numbers, the header being line 1.
        message: what is wrong and what to do.
        value: the money it concerns, where it is known.
        todo: the part of the message that says what to do; empty in reports of earlier versions.
    """

    rule: str
    severity: str
    column: str | None
    rows: int
    first_lines: tuple[int, ...] = ()
    message: str = ""
    value: str | None = None
    todo: str = ""

    def __post_init__(self) -> None:
        for name in ("column", "message", "todo"):
            text = getattr(self, name)
            object.__setattr__(self, name, None if text is None else one_line(text))


class StoreSums(TypedDict):
    """The valid rows of a store, and their sums by currency."""

    rows: int
    value: dict[str, str]


class Returns(TypedDict):
    """The returned lines of a file's orders.

    ``orders`` says whether the values of orders are ``gross``, since returned lines are left out, ``net``, since they
    are taken off, or ``waiting``, since they are taken off before the orders are sent (``send_after_days``); ``rows``
    are the returned lines and ``value`` their sums by currency, positive.
    """

    orders: Literal["gross", "net", "waiting"]
    rows: int
    value: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One pass over one file.

    Attributes:
        file: its name.
        sha256: of the stored bytes, in hex.
        size: stored bytes.
        rows_sha256: of the data rows alone, unpacked and as UTF-8, in hex; empty in reports of earlier versions.
        delimiter: comma, tab, pipe, semicolon, or the character.
        columns: the header, as far as it may be shown.
        profile: whose rules decided.
        as_of: the moment against which ages were checked, ISO 8601.
        rows_total: data rows; the sum of the four classes.
        rows_valid, rows_rejected, rows_duplicate, rows_excluded: rows by class.
        rows_held_back: rejected rows without a fault of their own, of an order with another rejected row; they don't
            enter the gate.
        lines_without_row: blank lines, lines of delimiters alone and the like; they are no rows.
        excluded: excluded rows by reason.
        values: class -> currency ("none" where no one said) -> sum of amounts.
        returns: the returned lines of orders; None where there are none, or each row is an event.
        events: events that the valid rows make.
        categories: category as written -> valid rows.
        unknown_categories: unknown ones that are surely no customer's data.
        identifiers: rows by the identifiers that can be used: ``email``, ``phone``, ``both`` of the valid rows, and
            ``none``: rows that are left out for having none.
        stores: store -> rows and sums of its valid rows; only where asked for.
        store_keys: digest of a store -> its valid rows, by which files are compared.
        day: the day on which most transactions of the valid rows lie, in ``time_zone``.
        drift: what is less than usual, in words; empty where nothing is, or nothing was compared.
        drift_basis: what the file was compared with, or why with nothing.
        time_zone: the advertiser's, for times that people read.
        first_time, last_time: of the valid rows, seconds since 1970.
        phones: ``looked_at``, the phone numbers of all valid rows, and ``not_valid``, those of them that are in no
            assigned range: they are sent, but a large share hints at a fault.
        opt_outs: of the suppression list: entries by kind (``emails``, ``phones``, ``digests``, ``customers``), when it
            was ``written``, ``unreadable_lines`` and ``nameless_lines`` (text that could identify nobody), and
            ``rows_by_wider_reading``: suppressed rows that only another reading of a phone than the one to send has
            found. Empty without a list.
        identity_columns: the columns that entered the file's event ids, by kind of row.
        issues: what was found, errors first.
        max_rejected_ratio: the gate.
        duration_s: how long the pass took.
    """

    file: str
    sha256: str
    size: int
    delimiter: str
    columns: tuple[str, ...]
    profile: str
    as_of: str
    rows_total: int
    rows_valid: int
    rows_rejected: int
    rows_duplicate: int
    rows_excluded: int
    rows_sha256: str = ""
    rows_held_back: int = 0
    lines_without_row: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    returns: Returns | None = None
    events: int = 0
    categories: Mapping[str, int] = field(default_factory=dict)
    unknown_categories: tuple[str, ...] = ()
    identifiers: Mapping[str, int] = field(default_factory=dict)
    stores: Mapping[str, StoreSums] = field(default_factory=dict)
    store_keys: Mapping[str, int] = field(default_factory=dict)
    day: str | None = None
    drift: tuple[str, ...] = ()
    drift_basis: str = ""
    time_zone: str = "UTC"
    first_time: int | None = None
    last_time: int | None = None
    phones: Mapping[str, int] = field(default_factory=dict)
    opt_outs: OptOutFacts = field(default_factory=OptOutFacts)
    identity_columns: Mapping[str, list[str]] = field(default_factory=dict)
    issues: tuple[ReportIssue, ...] = ()
    max_rejected_ratio: float = 0.05
    duration_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("file", "delimiter"):
            object.__setattr__(self, name, one_line(getattr(self, name)))
        for name in ("columns", "unknown_categories", "drift"):
            object.__setattr__(self, name, tuple(map(one_line, getattr(self, name))))
        for name in ("categories", "stores", "identity_columns", "excluded"):
            object.__setattr__(self, name, {one_line(key): value for key, value in getattr(self, name).items()})

    @property
    def rejected_ratio(self) -> float:
        """Rows rejected for their own fault over all rows but those of other advertisers (``filtered``)."""
        return (self.rows_rejected - self.rows_held_back) / self.rows_own if self.rows_own else 0.0

    @property
    def rows_own(self) -> int:
        """The file's rows without those of other advertisers (``filtered``)."""
        return self.rows_total - self.excluded.get("filtered", 0)

    def worth(self, issue: ReportIssue) -> str:
        """The money that an issue is about, for a reader; empty where it can't be told."""
        if issue.value is None:
            return ""
        currencies = {name for sums in self.values.values() for name in sums}
        return money({currencies.pop(): issue.value} if len(currencies) == 1 else issue.value)

    @property
    def nothing_valid(self) -> bool:
        """Whether no row is valid of those that this advertiser could send: a sign of a broken export.

        Rows that are left out by ``where:``, ``send_from`` or the opt-out list don't count.
        """
        left = self.rows_total - sum(self.excluded.get(reason, 0) for reason in _LEFT_OUT)
        return left > 0 and self.rows_valid == 0

    @property
    def phones_in_words(self) -> str:
        """The share of phones that are possible but not valid; empty where there are none."""
        looked_at, not_valid = self.phones.get("looked_at", 0), self.phones.get("not_valid", 0)
        if not looked_at:
            return ""
        return f"phones possible but not valid: {percent(not_valid, looked_at)} of {looked_at:,}"

    @property
    def drift_in_words(self) -> str:
        """What is less than usual, and what the file was compared with; empty where nobody looked."""
        if not self.drift:
            return f"compared with {self.drift_basis}: as usual" if self.drift_basis else ""
        return f"less than usual: {'; '.join(self.drift)} (compared with {self.drift_basis})"

    @property
    def opt_outs_in_words(self) -> str:
        """What was read of the suppression list, and the rows only a wider reading has found; empty without one."""
        if not self.opt_outs:
            return ""
        facts = self.opt_outs
        entries = Entries(
            emails=facts["emails"], phones=facts["phones"], digests=facts["digests"], customers=facts["customers"]
        )
        text = f"suppression list: {entries}"
        if facts["written"]:
            written = datetime.fromisoformat(facts["written"]).astimezone(ZoneInfo(self.time_zone))
            text += f", written {written:%Y-%m-%d %H:%M} ({self.time_zone})"
        for count, said in (
            (facts["unreadable_lines"], "not understood, though it may identify a person: {} line"),
            (facts["nameless_lines"], "other text: {} line"),
            (facts["rows_by_wider_reading"], "suppressed by a wider reading of an identifier: {} row"),
        ):
            if count:
                text += f"; {said.format(f'{count:,}')}{'' if count == 1 else 's'}"
        return text

    @property
    def returns_in_words(self) -> str:
        """Whether the values of orders are gross or net; empty where no order of the file has a return."""
        if self.returns is None:
            return ""
        lines = f"{number_of(self.returns['rows'], 'returned line')} of orders ({money(self.returns['value'])})"
        if self.returns["orders"] == "net":
            return f"values are net: {lines} taken off"
        if self.returns["orders"] == "waiting":
            return f"values are gross: {lines} are taken off the orders that wait, before these are sent"
        return f"values are gross: {lines} left out; `returns: net` takes them off the value of their order"

    @property
    def gate_exceeded(self) -> bool:
        """Whether a larger share was rejected than the gate allows, or nothing is valid."""
        return self.rejected_ratio > self.max_rejected_ratio or self.nothing_valid

    @property
    def gate_in_words(self) -> str:
        """Why the gate is exceeded; empty where it is not."""
        if not self.gate_exceeded:
            return ""
        if self.nothing_valid:
            reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in self.excluded.items())
            excluded = f" and {self.rows_excluded:,} are left out ({reasons})" if reasons else ""
            return f"no row is valid: {self.rows_rejected:,} of {self.rows_total:,} are rejected{excluded}"
        return (
            f"{self.rows_rejected:,} of {self.rows_total:,} rows {'is' if self.rows_rejected == 1 else 'are'} rejected "
            f"({percent(self.rejected_ratio)}), more than "
            f"max_rejected_ratio {percent(self.max_rejected_ratio)} allows"
        )

    def to_dict(self) -> dict[str, object]:
        """Plain lists, dictionaries and numbers."""
        content = asdict(self)
        content["rejected_ratio"] = round(self.rejected_ratio, 6)
        content["gate_exceeded"] = self.gate_exceeded
        for issue in content["issues"]:
            issue["first_lines"] = list(issue["first_lines"])
            if issue["value"] is None:
                del issue["value"]
            if not issue["todo"]:
                del issue["todo"]
        return content

    def to_json(self) -> str:
        """The report as ``report.json`` holds it."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """Read ``report.json`` back.

        :raises InputFileError: if it is damaged.
        """
        try:
            return typed_json.decode(text, cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise InputFileError(
                "report.json is damaged.",
                rule="report_damaged",
                todo="Restore it below state_uri, or delete it: later files are then compared without it.",
            ) from None

    def to_arrow(self) -> pa.Table:
        """The issues as an Arrow table, one row an issue."""
        import pyarrow as pa

        types = [pa.string(), pa.string(), pa.string(), pa.int64(), pa.float64(), pa.list_(pa.int64()), pa.string()]
        rows = [
            {
                "rule": issue.rule,
                "severity": issue.severity,
                "column": issue.column,
                "rows": issue.rows,
                "share": issue.rows / self.rows_total if self.rows_total else 0.0,
                "first_lines": list(issue.first_lines),
                "message": issue.message,
            }
            for issue in self.issues
        ]
        return pa.Table.from_pylist(rows, schema=pa.schema(list(zip(_ISSUE_COLUMNS, types, strict=True))))

    def to_pandas(self) -> pd.DataFrame:
        """The issues as a pandas frame, one row an issue."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame


def number_of(number: int, thing: str) -> str:
    """A number and its thing, singular or plural: ``1 row``, ``2,000 rows``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def percent(part: float, whole: float = 1) -> str:
    """A share for a reader, in three digits: ``1.30 %``, ``47.5 %``; empty without a whole.

    Only none is ``0 %``, and only all are ``100 %``. The page in Airflow writes shares by the same rule (``parts.js``).
    """
    if not whole:
        return ""
    share = 100 * part / whole
    if share in (0, 100):
        return f"{share:.0f} %"
    if share < 0.01:
        return "<0.01 %"
    if 99.95 <= share < 100:
        return ">99.9 %"
    return f"{share:.2f} %" if share < 9.995 else f"{share:.1f} %"


def money(sums: Mapping[str, str] | str) -> str:
    """Sums by currency for a reader: ``1,234.50 EUR, 7.00 USD``; a bare amount, of older summaries, as it is."""
    if isinstance(sums, str):
        return f"{Decimal(sums):,}"
    return ", ".join(
        f"{Decimal(amount):,}" if currency == NO_CURRENCY else f"{Decimal(amount):,} {currency}"
        for currency, amount in sorted(sums.items())
    )


def render(report: Report, console: Console) -> None:
    """Print the report as a table."""
    from rich.markup import escape
    from rich.table import Table

    console.print(f"[bold]{escape(report.file)}[/bold]  profile {report.profile}, as of {report.as_of}")
    counts = Table("class", "rows", "value", box=None, pad_edge=False)
    for name, rows in (
        ("valid", report.rows_valid),
        ("rejected", report.rows_rejected),
        ("duplicate", report.rows_duplicate),
        ("excluded", report.rows_excluded),
    ):
        counts.add_row(name, f"{rows:,}", money(report.values.get(name, {})))
    counts.add_row("total", f"{report.rows_total:,}", "")
    console.print(counts)
    if report.excluded:
        console.print("excluded: " + ", ".join(f"{reason} {rows:,}" for reason, rows in report.excluded.items()))
    if report.lines_without_row:
        console.print(f"lines without a row: {report.lines_without_row:,}")
    for text in filter(
        None, (report.returns_in_words, report.opt_outs_in_words, report.phones_in_words, report.drift_in_words)
    ):
        console.print(text)
    if report.issues:
        table = Table("severity", "rule", "column", "rows", "share", "first lines", "value")
        for issue in report.issues:
            share = percent(issue.rows, report.rows_own) if issue.rows else ""
            table.add_row(
                f"[{_STYLES.get(issue.severity, '')}]{issue.severity}[/]",
                issue.rule,
                escape(issue.column or ""),
                f"{issue.rows:,}" if issue.rows else "file",
                share,
                ", ".join(map(str, issue.first_lines[:5])),
                report.worth(issue),
            )
        console.print(table)
    gate = "exceeded" if report.gate_exceeded else "kept"
    console.print(f"rejected {percent(report.rejected_ratio)}, gate {percent(report.max_rejected_ratio)} {gate}")
