"""One block of lines to columns of text, with faulty lines set aside.

A clean block goes to pyarrow's parser as it is. Only where something is odd (a quote, a field too many, bytes that are
no UTF-8) are lines looked at one by one, still column-wise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from airflow_provider_tiktok_offline.conversions.file.line_scan import Flags, Positions, Scan, Text
from airflow_provider_tiktok_offline.conversions.file.reader import Block
from airflow_provider_tiktok_offline.conversions.text.buffers import frame_of
from airflow_provider_tiktok_offline.conversions.text.cleaning import with_quoted_formulas

_TAB, _NEW_LINE, _RETURN, _SUBSTITUTE, _SPACE, _QUOTE = 9, 10, 13, 26, 32, 34
#: Bytes that make no row, beside the delimiter; 0x1A is how old programs mark the end of a file.
_NO_CONTENT = (_TAB, _NEW_LINE, _RETURN, _SUBSTITUTE, _SPACE, _QUOTE)
_LONE_RETURN = re.compile(rb"\r(?!\n)")
#: How characters that are drawn as nothing begin in UTF-8.
_UNSEEN = (
    b"\xc2\xad",
    b"\xd8\x9c",
    b"\xe1\xa0\x8e",
    b"\xe2\x80",
    b"\xe2\x81",
    b"\xef\xbb\xbf",
    b"\xef\xbf",
    b"\xf3\xa0",
)
#: Bytes screened at a time: they stay in the cache.
_SCREENED = 1 << 18


@dataclass(frozen=True, slots=True)
class Screens:
    """What a look at the bytes of a block rules out, so that no cell need be looked at.

    Attributes:
        ascii: no byte above 127.
        edges: white space next to a delimiter or a line end.
        control: control characters other than tab and line ends.
        returns: how many carriage returns there are.
        unseen: characters that are drawn as nothing.
        marks: an apostrophe or ``=`` at the beginning of a value.
    """

    ascii: bool
    edges: bool
    control: bool
    returns: int = 0
    unseen: bool = False
    marks: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """The rows of a block.

    Attributes:
        frame: text columns named ``0``, ``1``, … as in the file.
        lines: line number of each row.
        faults: rule -> line numbers of the rows set aside for it.
        screens: what no row of the block has.
        quoted: whether a quote occurs.
        without_row: how many lines hold no row: blank ones, delimiters or white space alone, a lone 0x1A.
        line_breaks: whether a value holds a line break.
        arrays: the columns as the parser made them; none where it made none.
    """

    frame: pl.DataFrame
    lines: Positions
    faults: dict[str, Positions] = field(default_factory=dict)
    screens: Screens = Screens(True, False, False)
    quoted: bool = False
    without_row: int = 0
    line_breaks: bool = False
    arrays: tuple[pa.StringArray, ...] = ()


def screen(block: Block, delimiter: bytes) -> Screens:
    """Look at the bytes of a block."""
    data = block.data
    whole = np.frombuffer(data, dtype=np.uint8)
    low_bytes = 0
    for start in range(0, len(whole), _SCREENED):
        low_bytes += int(np.count_nonzero(whole[start : start + _SCREENED] < _SPACE))
    edges = b" " in data and _has_space_at_edge(whole, ord(delimiter))
    returns = tabs = 0
    if low_bytes > block.count:
        returns = int(np.count_nonzero(whole == _RETURN))
        tabs = int(np.count_nonzero(whole == _TAB))
        edges = edges or (tabs > 0 and delimiter[0] != _TAB)
        # A carriage return that ends no line is white space of a value.
        edges = edges or returns > data.count(b"\r\n")
    if block.quoted:
        edges = edges or b'" ' in data or b' "' in data
    plain = data.isascii()
    return Screens(
        ascii=plain,
        edges=edges or not plain,
        control=low_bytes > block.count + returns + tabs,
        returns=returns,
        unseen=not plain and any(start in data for start in _UNSEEN),
        marks=_may_have_marks(data, delimiter, edges=edges),
    )


def _has_space_at_edge(whole: npt.NDArray[np.uint8], separator: int) -> bool:
    """Whether a space stands next to a delimiter, a control character or the block's beginning."""
    spaces = np.flatnonzero(whole == _SPACE)
    # A block ends with a line end, so the last byte also stands for what is before its first.
    beside = np.concatenate([whole[spaces - 1], whole[spaces + 1]])
    return bool(((beside == separator) | (beside < _SPACE)).any())


def _may_have_marks(data: Text, delimiter: bytes, *, edges: bool) -> bool:
    for mark in (b"'", b"="):
        before = (delimiter, b"\n", b'"', *((b" ", b"\t") if edges else ()))
        if mark in data and (data.startswith(mark) or any(sign + mark in data for sign in before)):
            return True
    return False


def parse(block: Block, columns: int, delimiter: bytes, row_characters: int, *, lenient: bool = False) -> Parsed:
    """Parse a block.

    :param columns: how many fields a row has.
    :param row_characters: the longest row that is taken.
    :param lenient: keep rows with bytes that are no UTF-8 (replaced by U+FFFD) or with control characters; without it
        they are set aside.
    """
    if block.quoted and b'="' in block.data:
        block = replace(block, data=with_quoted_formulas(block.data, delimiter))
    screens = screen(block, delimiter)
    stray_returns = screens.returns and screens.returns != block.data.count(b"\r\n")
    simple = not (block.quoted or screens.control or stray_returns)
    if simple and not _has_long_line(block.data, row_characters):
        try:
            frame, arrays = _read(block.data, columns, delimiter, ascii_only=screens.ascii)
        except pa.ArrowInvalid:
            pass
        else:
            may_be_blank = screens.edges or _may_have_blank_row(arrays)
            if frame.height == block.count and not (may_be_blank and _has_blank_row(frame, edges=screens.edges)):
                lines = np.arange(block.first_line, block.first_line + block.count, dtype=np.int64)
                return Parsed(frame, lines, screens=screens, arrays=arrays)
    return _OddBlock(block, columns, delimiter, screens, lenient=lenient).parse(row_characters)


def _has_long_line(data: Text, most: int) -> bool:
    start = 0
    while len(data) - start > most + 1:
        end = data.rfind(b"\n", start, start + most + 1)
        if end < 0:
            return True
        start = end + 1
    return False


def _may_have_blank_row(arrays: tuple[pa.StringArray, ...]) -> bool:
    """Whether no column has a value in every row."""
    for array in arrays:
        ends = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
        if (ends[1:] > ends[:-1]).all():
            return False
    return True


def _has_blank_row(frame: pl.DataFrame, *, edges: bool) -> bool:
    """Whether a row has no value at all: the parser makes one of an empty line, or of delimiters alone."""
    rows = np.arange(frame.height)
    for cells in frame.iter_columns():
        some = cells if len(rows) == len(cells) else cells.gather(rows)
        rows = rows[((some.str.strip_chars() if edges else some) == "").to_numpy()]
        if not len(rows):
            return False
    return bool(len(rows))


def _read(
    data: Text, columns: int, delimiter: bytes, *, ascii_only: bool, quoted: bool = False, line_breaks: bool = False
) -> tuple[pl.DataFrame, tuple[pa.StringArray, ...]]:
    names = [str(index) for index in range(columns)]
    if not data:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String)), ()
    if columns == 1:
        return _read_single(data), ()
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data)),
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter.decode(),
            quote_char='"' if quoted else False,
            ignore_empty_lines=False,
            newlines_in_values=line_breaks,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=not ascii_only
        ),
    )
    return frame_of(table), tuple(column.chunk(0) for column in table.columns if column.num_chunks == 1)


def _read_single(data: Text) -> pl.DataFrame:
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    cells = pl.Series("0", lines, dtype=pl.Binary).cast(pl.String)
    unquoted = pl.col("0").str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return cells.to_frame().select(pl.when(pl.col("0").str.starts_with('"')).then(unquoted).otherwise("0").alias("0"))


class _OddBlock:
    """A block in which something is odd, looked at record by record, still column-wise.

    A record is a line, or several that quotes hold together. Rules set records aside; what is left is parsed.
    """

    def __init__(self, block: Block, columns: int, delimiter: bytes, screens: Screens, *, lenient: bool) -> None:
        self.block = block
        self.columns = columns
        self.delimiter = delimiter
        self.screens = screens
        self.lenient = lenient
        self.scan = Scan(block.data, delimiter)
        begins = np.ones(len(self.scan.ends), dtype=bool)
        for first, last in block.spans:
            begins[first + 1 : last + 1] = False
        #: First and last line of each record.
        self.first: Positions = np.flatnonzero(begins)
        self.last: Positions = np.append(self.first[1:], len(begins)) - 1
        self.starts = self.scan.starts[self.first]
        self.lengths = self.scan.ends[self.last] - self.starts
        self.keep = np.ones(len(self.first), dtype=bool)
        self.faults: dict[str, Positions] = {}

    def parse(self, row_characters: int) -> Parsed:
        empty = self._without_row()
        self.keep &= ~empty
        scan, first, last = self.scan, self.first, self.last
        self._set_aside("quoting", scan.odd_quotes(first, last) | ~scan.well_quoted(first, last))
        if not self.lenient and (self.screens.control or self.screens.returns):
            self._set_aside("control_character", self._with_control())
        self._set_aside("field_count", scan.fields(first, last) != self.columns)
        wrong_bytes = self._not_utf8() if not self.screens.ascii else np.zeros(len(first), dtype=bool)
        if not self.lenient:
            self._set_aside("encoding", wrong_bytes)
        self._set_aside("row_length", self._too_long(row_characters))
        replaced = bool((wrong_bytes & self.keep).any())
        frame, arrays = self._read(replaced)
        lines = first[self.keep] + self.block.first_line
        if frame.height != len(lines):
            raise RuntimeError(
                f"{len(lines)} rows became {frame.height} in the block from line {self.block.first_line}"
            )
        return Parsed(
            frame,
            lines,
            self.faults,
            self.screens,
            self.block.quoted,
            without_row=int(empty.sum()),
            line_breaks=bool(self.block.spans),
            arrays=arrays,
        )

    def _set_aside(self, rule: str, wrong: Flags) -> None:
        wrong = wrong & self.keep
        if wrong.any():
            self.faults[rule] = self.first[wrong] + self.block.first_line
            self.keep[wrong] = False

    def _read(self, replaced: bool) -> tuple[pl.DataFrame, tuple[pa.StringArray, ...]]:
        """The records that are kept.

        pyarrow before 26 misses the first delimiter of a row that begins with a zero byte, in a large block. So another
        control character stands there while it reads.
        """
        begins_with_zero = self.keep & (self.lengths > 0) & (self.scan.bytes[self.starts] == 0)
        whole = self.scan.bytes
        if begins_with_zero.any():
            whole = whole.copy()
            whole[self.starts[begins_with_zero]] = 1
        frame, arrays = _read(
            self._text(whole, replaced),
            self.columns,
            self.delimiter,
            ascii_only=self.screens.ascii,
            quoted=self.block.quoted,
            line_breaks=bool(self.block.spans),
        )
        if not begins_with_zero.any():
            return frame, arrays
        there = pl.Series(begins_with_zero[self.keep])
        as_written = pl.lit("\0") + pl.col("0").str.slice(1)
        return frame.with_columns(pl.when(there).then(as_written).otherwise("0").alias("0")), ()

    def _text(self, whole: npt.NDArray[np.uint8], replaced: bool) -> Text:
        """The bytes of the records that are kept.

        :param whole: the block's.
        """
        if self.keep.all():
            data = self.block.data if whole is self.scan.bytes else whole.tobytes()
        else:
            data = whole[np.repeat(self.keep, self.lengths + 1)].tobytes()
        if replaced:
            data = data.decode("utf-8", "replace").encode()
        if self.lenient and self.screens.returns and self.screens.returns != data.count(b"\r\n"):
            # The parser takes a lone carriage return for a line end.
            data = _LONE_RETURN.sub(b" ", data)
        return data

    def _without_row(self) -> Flags:
        content = np.ones(256, dtype=bool)
        content[[*_NO_CONTENT, self.delimiter[0]]] = False
        counted = np.add.reduceat(content[self.scan.bytes], self.starts, dtype=np.int64)
        empty: Flags = (counted == 0) & ~self.scan.odd_quotes(self.first, self.last)
        return empty

    def _with_control(self) -> Flags:
        scan = self.scan
        odd = (scan.bytes < _SPACE) & (scan.bytes != _TAB) & (scan.bytes != _NEW_LINE)
        counted = np.add.reduceat(odd, self.starts, dtype=np.int64)
        line_ends = (scan.ends > scan.starts) & (scan.bytes[np.maximum(scan.ends - 1, 0)] == _RETURN)
        wrong: Flags = counted > np.add.reduceat(line_ends, self.first, dtype=np.int64)
        return wrong

    def _not_utf8(self) -> Flags:
        high = np.maximum.reduceat(self.scan.bytes, self.starts) > 127
        wrong = np.zeros(len(self.first), dtype=bool)
        for record in np.flatnonzero(high & self.keep):
            start = self.starts[record]
            try:
                self.block.data[start : start + self.lengths[record]].decode()
            except UnicodeDecodeError:
                wrong[record] = True
        return wrong

    def _too_long(self, most: int) -> Flags:
        wrong = np.zeros(len(self.first), dtype=bool)
        for record in np.flatnonzero((self.lengths > most) & self.keep):
            start = self.starts[record]
            text = self.block.data[start : start + self.lengths[record]].removesuffix(b"\r").decode("utf-8", "replace")
            wrong[record] = len(text) > most
        return wrong
