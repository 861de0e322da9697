"""One block of lines to columns of text, with faulty lines set aside.

A clean block goes to pyarrow's parser as it is. Only where something is odd (a quote, a field too many, bytes that are
no UTF-8) are lines looked at one by one, still column-wise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from airflow_provider_tiktok_offline.conversions.file.line_scan import Flags, Positions, Scan
from airflow_provider_tiktok_offline.conversions.file.reader import Block

_TAB, _NEW_LINE, _RETURN, _SPACE, _QUOTE = 9, 10, 13, 32, 34
#: Bytes screened at a time: they stay in the cache.
_SCREENED = 1 << 18


@dataclass(frozen=True, slots=True)
class Screens:
    """What a look at the bytes of a block rules out, so that no cell need be looked at.

    Attributes:
        ascii: no byte above 127.
        edges: white space next to a delimiter or a line end.
        control: control characters other than tab and line ends.
        markup: ``<``, ``>`` or ``:/``.
        returns: how many carriage returns there are.
    """

    ascii: bool
    edges: bool
    control: bool
    markup: bool
    returns: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """The rows of a block.

    Attributes:
        frame: text columns named ``0``, ``1``, … as in the file.
        lines: line number of each row.
        faults: rule -> line numbers of the rows set aside for it.
        screens: what no row of the block has.
        quoted: whether a quote occurs.
    """

    frame: pl.DataFrame
    lines: Positions
    faults: dict[str, Positions] = field(default_factory=dict)
    screens: Screens = Screens(True, False, False, False)
    quoted: bool = False


def screen(block: Block, delimiter: bytes) -> Screens:
    """Look at the bytes of a block."""
    data = block.data
    whole = np.frombuffer(data, dtype=np.uint8)
    separator = ord(delimiter)
    edges = previous_space = False
    previous_mark = True
    low_bytes = 0
    for start in range(0, len(whole), _SCREENED):
        chunk = whole[start : start + _SCREENED]
        low = chunk < _SPACE
        low_bytes += int(np.count_nonzero(low))
        if not edges:
            marks = (chunk == separator) | low
            spaces = chunk == _SPACE
            edges = bool(
                (marks[1:] & spaces[:-1]).any()
                or (spaces[1:] & marks[:-1]).any()
                or (previous_space and marks[0])
                or (previous_mark and spaces[0])
            )
            previous_space, previous_mark = bool(spaces[-1]), bool(marks[-1])
    returns = tabs = 0
    if low_bytes > block.count:
        returns = int(np.count_nonzero(whole == _RETURN))
        tabs = int(np.count_nonzero(whole == _TAB))
        edges = edges or (tabs > 0 and separator != _TAB)
    if block.quoted:
        edges = edges or b'" ' in data or b' "' in data
    return Screens(
        ascii=data.isascii(),
        edges=edges or not data.isascii(),
        control=low_bytes > block.count + returns + tabs,
        markup=b"<" in data or b">" in data or b":/" in data,
        returns=returns,
    )


def parse(block: Block, columns: int, delimiter: bytes, row_characters: int) -> Parsed:
    """Parse a block.

    :param columns: how many fields a row has.
    :param row_characters: the longest row that is taken.
    """
    screens = screen(block, delimiter)
    stray_returns = screens.returns and screens.returns != block.data.count(b"\r\n")
    simple = not (block.quoted or screens.control or stray_returns)
    if simple and not _has_long_line(block.data, row_characters):
        try:
            frame = _read(block.data, columns, delimiter, quoted=False)
        except pa.ArrowInvalid:
            pass
        else:
            if frame.height == block.count and not _has_blank_row(frame):
                lines = np.arange(block.first_line, block.first_line + block.count, dtype=np.int64)
                return Parsed(frame, lines, screens=screens)
    return _parse_odd(block, columns, delimiter, row_characters, screens)


def _has_long_line(data: bytes, most: int) -> bool:
    start = 0
    while len(data) - start > most + 1:
        end = data.rfind(b"\n", start, start + most + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _has_blank_row(frame: pl.DataFrame) -> bool:
    """Whether a row has no value at all: the parser makes one of an empty line."""
    blank = frame[:, 0] == ""
    for cells in frame.iter_columns():
        if not blank.any():
            return False
        blank = blank & (cells == "")
    return bool(blank.any())


def _read(data: bytes, columns: int, delimiter: bytes, *, quoted: bool) -> pl.DataFrame:
    names = [str(index) for index in range(columns)]
    if not data:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    if columns == 1:
        return _read_single(data)
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data)),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter.decode(), quote_char='"' if quoted else False, ignore_empty_lines=False
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=True
        ),
    )
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table became no frame")
    return frame


def _read_single(data: bytes) -> pl.DataFrame:
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    cells = pl.Series("0", lines, dtype=pl.Binary).cast(pl.String)
    unquoted = pl.col("0").str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return cells.to_frame().select(pl.when(pl.col("0").str.starts_with('"')).then(unquoted).otherwise("0").alias("0"))


def _parse_odd(block: Block, columns: int, delimiter: bytes, row_characters: int, screens: Screens) -> Parsed:
    scan = Scan(block.data, delimiter)
    count = len(scan.ends)
    each = np.arange(count, dtype=np.int64)
    lengths = scan.ends - scan.starts
    keep = np.ones(count, dtype=bool)
    faults: dict[str, Positions] = {}

    def set_aside(rule: str, wrong: Flags) -> None:
        wrong &= keep
        if wrong.any():
            faults[rule] = np.flatnonzero(wrong) + block.first_line
            keep[wrong] = False

    for first, last in block.spans:
        keep[first + 1 : last + 1] = False
    stretched = np.zeros(count, dtype=bool)
    stretched[[first for first, _ in block.spans]] = True
    set_aside("line_break", stretched)
    ends_with_return = (lengths > 0) & (scan.bytes[np.maximum(scan.ends - 1, 0)] == _RETURN)
    set_aside("blank_line", (lengths - ends_with_return) == 0)
    set_aside("quoting", scan.odd | ~scan.well_quoted(each, each))
    set_aside(
        "control_character", _with_control(scan, ends_with_return) if screens.control or screens.returns else ~keep
    )
    set_aside("field_count", scan.fields(each, each) != columns)
    if not screens.ascii:
        set_aside("encoding", _not_utf8(block.data, scan, keep))
    set_aside("row_length", _too_long(block.data, scan, lengths, row_characters, keep))
    data = scan.bytes[np.repeat(keep, lengths + 1)].tobytes() if not keep.all() else block.data
    frame = _read(data, columns, delimiter, quoted=block.quoted)
    lines = np.flatnonzero(keep) + block.first_line
    if frame.height != len(lines):
        raise RuntimeError(f"{len(lines)} lines became {frame.height} rows in the block from line {block.first_line}")
    return Parsed(frame, lines, faults, screens, block.quoted)


def _with_control(scan: Scan, ends_with_return: Flags) -> Flags:
    odd = (scan.bytes < _SPACE) & (scan.bytes != _TAB) & (scan.bytes != _NEW_LINE)
    counted = np.add.reduceat(odd.astype(np.int32), scan.starts)
    wrong: Flags = counted > ends_with_return
    return wrong


def _not_utf8(data: bytes, scan: Scan, keep: Flags) -> Flags:
    high = np.maximum.reduceat(scan.bytes, scan.starts) > 127
    wrong = np.zeros(len(scan.ends), dtype=bool)
    candidates = np.flatnonzero(high & keep)
    for line in candidates:
        try:
            data[scan.starts[line] : scan.ends[line]].decode()
        except UnicodeDecodeError:
            wrong[line] = True
    return wrong


def _too_long(data: bytes, scan: Scan, lengths: Positions, most: int, keep: Flags) -> Flags:
    wrong = np.zeros(len(lengths), dtype=bool)
    for line in np.flatnonzero((lengths > most) & keep):
        text = data[scan.starts[line] : scan.ends[line]].removesuffix(b"\r").decode()
        wrong[line] = len(text) > most
    return wrong
