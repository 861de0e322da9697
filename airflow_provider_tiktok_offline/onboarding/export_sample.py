"""The first part of an export: its encoding, its delimiter, the lines around its table, its header and some rows."""

from __future__ import annotations

import codecs
import csv
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_tiktok_offline.conversions.file.foreign_files import GZIP_MARK, foreign_file
from airflow_provider_tiktok_offline.conversions.file.header import looks_like_data
from airflow_provider_tiktok_offline.errors import InputFileError

#: Bytes that are looked at.
SAMPLE_BYTES = 4 << 20
_MOST_ROWS = 5_000
_MOST_ABOVE = 30
#: Digits in a name of a column, as `Umsatz 2026`.
_MOST_DIGITS = 5
_DELIMITERS = (";", ",", "\t", "|", "^", "~")
_SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n"])"?[;,\t|]*', re.IGNORECASE)
_TOO_FEW = 2


@dataclass(frozen=True, slots=True)
class ExportSample:
    """What the first part of a file shows. It holds customers' data: nothing but the header may be shown.

    Attributes:
        name: the file's name.
        encoding: as Python names it.
        encoding_is_sure: whether the bytes say it; else it is the usual one of files that are no UTF-8.
        delimiter: one character.
        skip_lines: lines above the header, not counting a ``sep=`` line.
        header: the column names.
        rows: cells of the first rows, each as wide as the header.
        odd_rows: rows of another width in the sample.
        whole: whether the sample is the whole file.
    """

    name: str
    encoding: str
    encoding_is_sure: bool
    delimiter: str
    skip_lines: int
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    odd_rows: int
    whole: bool

    def column(self, name: str) -> list[str]:
        """The cells of a column that are not blank."""
        place = self.header.index(name)
        return [cell for row in self.rows if (cell := row[place].strip())]


def read_sample(path: Path) -> ExportSample:
    """Look at the first part of a file.

    :param path: a delimited text file, perhaps compressed with gzip.
    :raises InputFileError: if there is no table with a header in it.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(SAMPLE_BYTES)
    except OSError as error:
        raise InputFileError(f"it can't be read ({type(error).__name__}).", where=str(path)) from None
    whole = len(content) < SAMPLE_BYTES
    if content.startswith(GZIP_MARK):
        content, whole = _unpacked(content, path.name)
    foreign = foreign_file(content)
    if foreign is not None:
        raise InputFileError(
            f"it is {foreign.what}, and no delimited text.", rule="binary_file", where=str(path), todo=foreign.todo
        )
    encoding, sure = _encoding_of(content)
    text = content.decode(encoding, "replace").removeprefix("\ufeff")
    if not whole:
        text = text.rpartition("\n")[0]
    lines = text.splitlines()
    delimiter, records, at = _table(lines)
    if delimiter is None or not records:
        raise InputFileError(
            "no table with a header was found in its first lines.",
            where=str(path),
            todo="Check that it is a text file with one row a line; save a workbook as CSV.",
        )
    header = tuple(cell.strip() for cell in records[0])
    if any(looks_like_data(cell, most_digits=_MOST_DIGITS) for cell in header):
        raise InputFileError(
            "its first line of a table is no header: a cell of it looks like a value.",
            rule="header_missing", where=str(path), todo="Write the column names above the first row.",
        )  # fmt: skip
    rows = [tuple(record) for record in records[1:] if any(cell.strip() for cell in record)]
    fitting = [row for row in rows if len(row) == len(header)]
    return ExportSample(
        path.name, encoding, sure, delimiter, at, header, tuple(fitting[:_MOST_ROWS]), len(rows) - len(fitting), whole
    )


def _unpacked(content: bytes, name: str) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = inflater.decompress(content, SAMPLE_BYTES)
    except zlib.error:
        raise InputFileError("the gzip data is damaged.", where=name, todo="Transfer it again.") from None
    return text, inflater.eof


def _encoding_of(content: bytes) -> tuple[str, bool]:
    """The encoding, and whether the bytes say it."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", True
    zeros = content[:4096].count(0)
    if zeros * 3 > len(content[:4096]) > 0:
        return ("utf-16-le" if content[1:2] == b"\0" else "utf-16-be"), True
    try:
        # A character may be cut off at the end of the sample.
        codecs.getincrementaldecoder("utf-8")().decode(content)
    except UnicodeDecodeError:
        return "cp1252", False
    return "utf-8", True


def _table(lines: Sequence[str]) -> tuple[str | None, list[list[str]], int]:
    """The delimiter, the records from the header on, and how many lines stand above it."""
    for number, line in enumerate(lines[:_MOST_ABOVE]):
        separator = _SEPARATOR_LINE.fullmatch(line)
        if separator:
            records = _records(lines[number + 1 :], separator[1])
            return separator[1], records, number
    best: tuple[float, str, int] | None = None
    for delimiter in _DELIMITERS:
        records = _records(lines[: _MOST_ABOVE + 500], delimiter)
        widths = Counter(len(record) for record in records if any(cell.strip() for cell in record))
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1] * (item[0] > 1), item[0]))
        if width < _TOO_FEW:
            continue
        score = count / sum(widths.values()) * min(width, 8)
        if best is None or score > best[0]:
            best = score, delimiter, width
    if best is None:
        return None, [], 0
    _, delimiter, width = best
    for number, line in enumerate(lines[:_MOST_ABOVE]):
        record = next(csv.reader([line], delimiter=delimiter), [])
        if len(record) >= width and sum(bool(cell.strip()) for cell in record) * 2 > len(record):
            return delimiter, _records(lines[number:], delimiter), number
    return None, [], 0


def _records(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    csv.field_size_limit(SAMPLE_BYTES)
    try:
        return list(csv.reader((f"{line}\n" for line in lines), delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in lines]
