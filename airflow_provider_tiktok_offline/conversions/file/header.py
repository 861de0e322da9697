"""Line 1: which column is where, and what is wrong with it, without ever showing a customer's value."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES, severity_of
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    EMAIL_COLUMNS,
    PHONE_COLUMNS,
    PROGRAMME_COLUMNS,
    REQUIRED_COLUMNS,
    STANDARD_EVENTS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Severity
from airflow_provider_tiktok_offline.errors import InputFileError

DELIMITERS = {",": "comma", "\t": "tab", "|": "pipe", ";": "semicolon"}
_PROGRAMME_DELIMITERS = frozenset({",", "\t", "|"})
_DELIMITER_OF_TYPE = {".csv": ",", ".tsv": "\t", ".psv": "|"}
_TYPES = frozenset({*_DELIMITER_OF_TYPE, ".txt"})
#: The column that a repair file has beyond the file's own; dropped when the repaired file is read.
REPAIR_COLUMN = "rejected_because"
#: Stands for a text that may be a customer's.
HIDDEN = "<looks like data>"
#: Letters of any script, with their marks.
_NAME_LIKE = re.compile(r"[^\W\d_][\w\u0300-\u036f .#/()-]{0,47}")
_MOST_DIGITS = 3
_AMOUNT = re.compile(r"^\s*[-+]?[0-9]+[.,][0-9]{2}\s*$")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """A file-level rule that the header breaks."""

    rule: str
    severity: Severity
    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """The header as it stands in the file.

    Attributes:
        text: its bytes, without the line end and the byte order mark.
        byte_order_mark: whether a byte order mark precedes it.
        number: its line number.
        delimiter: what a ``sep=`` line above it says.
        doubled: whether it ends in ``\\r\\r\\n``.
    """

    text: bytes = field(repr=False)
    byte_order_mark: bool = False
    number: int = 1
    delimiter: str | None = None
    doubled: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What line 1 says.

    Attributes:
        delimiter: the character between fields.
        width: fields in a row.
        shown: the column names, fit to be shown.
        places: programme column -> index of the field.
        others: file column named by the settings (extension, where, consent, customer numbers) -> index of the field.
        labels: programme column -> the file's own name for it.
        findings: what is wrong with it, short of an error.
        line: line 1 itself.
    """

    delimiter: str
    width: int
    shown: tuple[str, ...]
    places: dict[str, int]
    others: dict[str, int]
    labels: dict[str, str]
    findings: tuple[Finding, ...] = ()
    line: HeaderLine = HeaderLine(b"")


@dataclass(slots=True)
class _Findings:
    settings: ConversionSettings
    found: list[Finding] = field(default_factory=list)

    def add(self, rule: str, message: str, column: str | None = None) -> None:
        severity = severity_of(rule, self.settings)
        if severity != "off":
            self.found.append(Finding(rule, severity, column, message))


def parse_header(line: HeaderLine, file: str, settings: ConversionSettings) -> Header:
    """Understand the header.

    :param line: as it stands in the file.
    :param file: the file's name, whose ending says its type.
    :raises InputFileError: a rule of severity error is broken; the message shows expected beside found.
    """
    try:
        text = line.text.decode("utf-8")
    except UnicodeDecodeError:
        raise InputFileError(
            f"line {line.number} is not UTF-8.",
            rule="binary_file",
            where=file,
            todo='Set `format.encoding`, as cp1252, or save it as "CSV UTF-8".',
        ) from None
    wanted = _wanted(settings)
    ending = Path(file.lower().removesuffix(".gz")).suffix
    delimiter = settings.format.delimiter or line.delimiter or _delimiter(text, wanted, ending)
    cells = next(csv.reader([text], delimiter=delimiter), [])
    findings = _Findings(settings)
    if ending not in _TYPES:
        findings.add("file_type", RULES["file_type"].fault)
    if line.byte_order_mark:
        findings.add("byte_order_mark", RULES["byte_order_mark"].todo)
    if line.doubled:
        findings.add("line_ending_doubled", RULES["line_ending_doubled"].fault)
    shown = _shown(cells, wanted)
    if not any(_near(cell, wanted) for cell in cells):
        raise InputFileError(
            f"line {line.number} is no header. {_side_by_side(shown)}",
            rule="header_missing", where=file, todo=RULES["header_missing"].todo,
        )  # fmt: skip
    if delimiter not in _PROGRAMME_DELIMITERS and settings.format.delimiter is None:
        findings.add("delimiter", f"the fields are delimited by {delimiter_word(delimiter)}s.")
    expected_delimiter = _DELIMITER_OF_TYPE.get(ending)
    if expected_delimiter not in (None, delimiter) and delimiter in _PROGRAMME_DELIMITERS and len(cells) > 1:
        findings.add("delimiter_type", f"a {ending} file delimited by {delimiter_word(delimiter)}s.")
    places, others, labels = _places(cells, shown, settings, findings)
    _check_required(places, settings, findings)
    if not settings.columns:
        _check_order(places, findings)
    _raise_on_error(findings.found, file, shown)
    return Header(delimiter, len(cells), tuple(shown), places, others, labels, tuple(findings.found), line)


def delimiter_word(delimiter: str) -> str:
    """What a person calls the delimiter."""
    return DELIMITERS.get(delimiter, f"the character {delimiter!r}")


def _wanted(settings: ConversionSettings) -> list[str]:
    """Every column name that means something in this file."""
    consent = [] if settings.consent is None else [settings.consent.column]
    joined = [name for names in settings.format.joined.values() for name in names]
    names = [*PROGRAMME_COLUMNS, *settings.columns, *joined, *settings.extensions.values(), *settings.where, *consent]
    return list(dict.fromkeys([*names, *settings.customer_columns]))


def _delimiter(text: str, wanted: Sequence[str], ending: str) -> str:
    known = set(wanted)

    def fit(delimiter: str) -> tuple[int, int, int, bool]:
        cells = next(csv.reader([text], delimiter=delimiter), [])
        exact = sum(cell in known for cell in cells)
        near = sum(_near(cell, wanted) is not None for cell in cells)
        return (exact, near, len(cells), _DELIMITER_OF_TYPE.get(ending) == delimiter)

    return max(DELIMITERS, key=fit)


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _near(cell: str, wanted: Sequence[str]) -> str | None:
    """The known name that a header cell is, or very nearly is."""
    if cell in wanted:
        return cell
    normal = _normal(cell)
    if len(normal) < 3 or len(normal) > 60:
        return None
    by_normal = {_normal(name): name for name in wanted}
    if normal in by_normal:
        return by_normal[normal]
    close = difflib.get_close_matches(normal, by_normal, n=1, cutoff=0.82)
    if close and re.sub(r"\d", "", close[0]) != re.sub(r"\d", "", normal):
        return by_normal[close[0]]
    return None


def looks_like_data(cell: str, most_digits: int = _MOST_DIGITS) -> bool:
    """Whether a cell is rather a value than a name: an address, many digits, an amount, an event, or endless.

    :param most_digits: a name has no more.
    """
    return (
        "@" in cell
        or sum(map(str.isdigit, cell)) > most_digits
        or _AMOUNT.search(cell) is not None
        or cell.strip() in STANDARD_EVENTS
        or len(cell.strip()) > _LONGEST_NAME
    )


def _shown(cells: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The cells as they may be shown: known and nearly known names, others only in a header that is surely one.

    If one cell is data, as where the first row is glued to the header, its neighbours may be a name and a town.
    """
    if any(looks_like_data(cell) for cell in cells if cell not in wanted):
        return [cell if cell in wanted else HIDDEN for cell in cells]
    known = sum(_near(cell, wanted) is not None for cell in cells)
    trusted = known >= 2 and known * 4 >= len(cells)

    def show(cell: str) -> str:
        if cell in wanted:
            return cell
        plain = _NAME_LIKE.fullmatch(cell.strip()) is not None and sum(map(str.isdigit, cell)) <= _MOST_DIGITS
        return cell if plain and (trusted or _near(cell, wanted)) else HIDDEN

    return [show(cell) for cell in cells]


def _places(
    cells: Sequence[str], shown: Sequence[str], settings: ConversionSettings, findings: _Findings
) -> tuple[dict[str, int], dict[str, int], dict[str, str]]:
    consent = [settings.consent.column] if settings.consent else []
    joined = [name for names in settings.format.joined.values() for name in names]
    named = {*settings.extensions.values(), *settings.where, *consent, *joined, *settings.customer_columns}
    places: dict[str, int] = {}
    others: dict[str, int] = {}
    labels: dict[str, str] = {}
    wanted = _wanted(settings)
    mapped_targets = set(settings.columns.values())
    for index, cell in enumerate(cells):
        target = settings.columns.get(cell)
        if target is None and cell in PROGRAMME_COLUMNS and cell not in mapped_targets:
            target = cell
        if cell in named:
            if cell in others:
                findings.add("repeated_column", f"`{shown[index]}` is there twice.", shown[index])
            others[cell] = index
        if target is not None:
            if target in places:
                findings.add("repeated_column", f"`{shown[index]}` is there twice.", shown[index])
            elif target in settings.constants:
                findings.add(
                    "mapped_column", f"`{target}` is set under `constants:`, but the file has it too.", shown[index]
                )
            places.setdefault(target, index)
            labels.setdefault(target, cell)
        elif cell not in named:
            _add_unknown(cell, shown[index], wanted, findings)
    for target, names in settings.format.joined.items():
        labels[target] = " + ".join(names)
    for name in [*settings.columns, *sorted(named)]:
        if name not in cells and name not in settings.format.optional:
            findings.add("mapped_column", f"the settings name a column `{name}` that the file does not have.", name)
    return places, others, labels


def _add_unknown(cell: str, shown: str, wanted: Sequence[str], findings: _Findings) -> None:
    if cell == REPAIR_COLUMN:
        return
    near = _near(cell, wanted)
    if near is not None and near != cell:
        findings.add("misspelt_column", f"`{shown}`: did you mean `{near}`?", shown)
    else:
        findings.add("unknown_column", f"`{shown}` is none of the programme's columns; it is left out.", shown)


def _check_required(places: dict[str, int], settings: ConversionSettings, findings: _Findings) -> None:
    there = {*places, *settings.constants, *settings.format.joined}
    for name in REQUIRED_COLUMNS:
        if name in there:
            continue
        if name == "email_1" and there & {*EMAIL_COLUMNS, *PHONE_COLUMNS}:
            findings.add("email_column", "`email_1` is missing; phones or other e-mails are the identifiers.", name)
        else:
            findings.add("required_column", f"`{name}` is missing.", name)


def _check_order(places: dict[str, int], findings: _Findings) -> None:
    found = sorted(places, key=places.__getitem__)
    expected = [name for name in PROGRAMME_COLUMNS if name in places]
    if found != expected:
        findings.add("column_order", f"expected {', '.join(expected)}; found {', '.join(found)}.")


def _side_by_side(shown: Sequence[str]) -> str:
    required = ", ".join(f"`{name}`" for name in REQUIRED_COLUMNS)
    found = ", ".join(cell if cell == HIDDEN else f"`{cell}`" for cell in shown)
    return f"Expected at least {required}; found {found}."


def _raise_on_error(found: Sequence[Finding], file: str, shown: Sequence[str]) -> None:
    errors = [finding for finding in found if finding.severity == "error"]
    if not errors:
        return
    hints = [finding for finding in found if finding.rule == "misspelt_column" and finding.severity != "error"]
    what = " ".join(finding.message for finding in [*errors, *hints])
    raise InputFileError(
        f"the header is wrong: {what} {_side_by_side(shown)}",
        rule=errors[0].rule,
        where=f"{file}, line 1",
        todo=RULES[errors[0].rule].todo,
    )
