"""Every issue for people, line by line; and, only if asked for, the rejected rows themselves to be corrected."""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import cost_of
from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat, Severity
from airflow_provider_tiktok_offline.conversions.file.decoding import is_utf8
from airflow_provider_tiktok_offline.conversions.file.header import REPAIR_COLUMN, Header
from airflow_provider_tiktok_offline.conversions.file.line_scan import Positions
from airflow_provider_tiktok_offline.conversions.file.reader import Block
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.rules.checked_block import REJECTED, CheckedBlock
from airflow_provider_tiktok_offline.plain_text import one_line

_HEAD = b"line,column,rule,severity,cost,message\n"


def rejects_head() -> bytes:
    """The first line of ``rejects.csv``."""
    return _HEAD


def rejects_text(checked: CheckedBlock, faults: dict[str, Positions], messages: Messages) -> bytes:
    """The lines of ``rejects.csv`` for a block: every issue of every row that is not left out on purpose.

    In the order of the lines, without values. Lines of people who opted out would be an opt-out list: rows that are
    left out have no issues.
    """
    frames = [_frame(lines, None, rule, "error", messages.message(rule)) for rule, lines in faults.items()]
    for issue in checked.issues:
        text = messages.message(issue.rule, issue.details)
        frames.append(_frame(checked.lines[issue.rows], issue.column, issue.rule, issue.severity, text))
    return _csv(frames)


def lines_text(lines: Positions, column: str | None, rule: str, severity: Severity, messages: Messages) -> bytes:
    """The lines of ``rejects.csv`` for an issue that only the whole file showed."""
    return _csv([_frame(lines, column, rule, severity, messages.message(rule))]) if len(lines) else b""


def _frame(lines: Positions, column: str | None, rule: str, severity: Severity, message: str) -> pl.DataFrame:
    texts = {
        "column": column and safe_cell(one_line(column)),
        "rule": rule,
        "severity": severity,
        "cost": cost_of(rule, severity),
        "message": message,
    }
    return pl.DataFrame({"line": lines}).with_columns(
        pl.lit(text, dtype=pl.String).alias(name) for name, text in texts.items()
    )


def _csv(frames: Sequence[pl.DataFrame]) -> bytes:
    if not frames:
        return b""
    table = pl.concat(frames).sort("line", maintain_order=True)
    return table.write_csv(include_header=False, quote_style="necessary").encode()


def safe_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


class RepairWriter:
    """The rejected lines as they were, with a column that says why.

    The file is written as its source is, so that the same settings read it once it is corrected.

    :param stream: where they go; it holds customers' data.
    :param header: the source's header.
    :param written: how the source is written.
    """

    def __init__(self, stream: BinaryIO, header: Header, written: FileFormat) -> None:
        self._stream = stream
        self._header = header.line.text
        self._format = written
        self._delimiter = header.delimiter.encode()
        self._formula = re.compile(
            rb"(^|"
            + re.escape(self._delimiter)
            + rb')("?)(?=[=@\t]|[+-](?![0-9 (.]))'.replace(rb"\t", rb"" if header.delimiter == "\t" else rb"\t")
        )
        names = self._header.split(self._delimiter)
        self._has_column = bool(names) and names[-1] == REPAIR_COLUMN.encode()
        self._encode = None if is_utf8(written.encoding) else codecs.getincrementalencoder(written.encoding)()

    def begin(self) -> None:
        """Write the header, and blank lines in place of those that the settings leave out above it."""
        column = b"" if self._has_column else self._delimiter + REPAIR_COLUMN.encode()
        self._write(b"\n" * self._format.skip_lines + self._header + column + b"\n")

    def write(self, lines: Iterable[tuple[bytes, str]]) -> None:
        """Write lines, each with its reason."""
        for line, reason in lines:
            kept = line.rpartition(self._delimiter)[0] if self._has_column else line
            safe = self._formula.sub(rb"\1\2'", kept)
            self._write(safe + self._delimiter + reason.encode() + b"\n")

    def finish(self) -> None:
        """Write lines in place of those that the settings leave out at the end."""
        self._write(b"-\n" * self._format.footer_lines)

    def _write(self, text: bytes) -> None:
        if self._encode is None:
            self._stream.write(text)
        elif text:
            # Bytes that the encoding does not have were kept as they are.
            self._stream.write(_encoded(text.decode("utf-8", "surrogateescape"), self._encode, self._format.encoding))


def _encoded(text: str, encoder: codecs.IncrementalEncoder, name: str) -> bytes:
    try:
        return encoder.encode(text)
    except UnicodeEncodeError:
        return text.encode(name, "surrogateescape")


def rejected_lines(block: Block, checked: CheckedBlock, faults: dict[str, Positions]) -> list[tuple[bytes, str]]:
    """The rejected lines of a block with the rules that they break."""
    reasons: dict[int, list[str]] = defaultdict(list)
    for rule, lines in faults.items():
        for line in lines.tolist():
            reasons[line].append(rule)
    rejected = checked.classes == REJECTED
    for issue in checked.issues:
        if issue.severity == "error":
            for line in checked.lines[issue.rows[rejected[issue.rows]]].tolist():
                if issue.rule not in reasons[line]:
                    reasons[line].append(issue.rule)
    return raw_lines(block, {line: " ".join(rules) for line, rules in sorted(reasons.items())})


def raw_lines(block: Block, reasons: dict[int, str]) -> list[tuple[bytes, str]]:
    """Lines of a block as they stand in the file; a record over several lines is one."""
    if not reasons:
        return []
    ends = np.flatnonzero(np.frombuffer(block.data, dtype=np.uint8) == 10)
    last_of = dict(block.spans)
    found = []
    for line, reason in reasons.items():
        first = line - block.first_line
        last = last_of.get(first, first)
        start = 0 if first == 0 else int(ends[first - 1]) + 1
        found.append((bytes(block.data[start : int(ends[last])]).removesuffix(b"\r"), reason))
    return found
