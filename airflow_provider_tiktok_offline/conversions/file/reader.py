"""A delimited file of any size as blocks of whole lines, read as a stream within its limits."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.decoding import encoding_name, is_utf8, utf8_chunks
from airflow_provider_tiktok_offline.conversions.file.foreign_files import GZIP_MARK, foreign_file
from airflow_provider_tiktok_offline.conversions.file.header import Header, HeaderLine, parse_header
from airflow_provider_tiktok_offline.conversions.file.line_scan import Span, Text, count_lines, resolve_spans
from airflow_provider_tiktok_offline.errors import InputFileError

#: Bytes read from the source at a time.
_CHUNK = 1 << 20
#: Bytes of text that become one block.
BLOCK_BYTES = 6 << 20
#: Lines in a block at most: what is kept of each line costs more than an empty line's one byte.
_BLOCK_LINES = 250_000
_NEW_LINE = 10
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_SET_UTF16 = 'Set `format.encoding: utf-16`, or save it as "CSV UTF-8".'
_SEPARATOR_LINE = re.compile(rb'"?sep=([^\r\n"])"?[;,\t|]*\r?\n', re.IGNORECASE)
_BLANK = b" \t\r\n\x1a"
#: The header is looked for within so many bytes.
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """Whole physical lines of the file.

    Attributes:
        data: their bytes; each line ends in ``\\n``.
        first_line: number of the first of them; the header is line 1.
        spans: records that quotes stretch over several lines, as (first, last) line offsets.
        quoted: whether a quote occurs.
        count: how many lines there are.
    """

    data: Text
    first_line: int
    spans: tuple[Span, ...]
    quoted: bool
    count: int


class RunningDigest(Protocol):
    """A SHA-256 that is still being computed, as ``hashlib`` has it."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes so far."""

    def hexdigest(self) -> str:
        """The same in hex."""


class FileReader:
    """Read one conversion file: :meth:`read_header` once, then :meth:`blocks` once, both inside a ``with`` statement.

    ``sha256`` and ``size`` (of the stored bytes) and ``rows_sha256`` are final when :meth:`blocks` has ended.

    :param source: the file.
    :param settings: how it is read; its limits are enforced while reading.
    :param block_bytes: bytes of text in one block.
    :param tick: called with the stored bytes read so far.
    """

    def __init__(
        self,
        source: ByteSource,
        settings: ConversionSettings,
        *,
        block_bytes: int = BLOCK_BYTES,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        self._source = source
        self._settings = settings
        self._limits = settings.limits
        self._block_bytes = block_bytes
        self._tick = tick
        self._digest = hashlib.sha256()
        self._rows_digest = hashlib.sha256()
        self._lines = 0
        self.size = 0
        #: Whether it is compressed with gzip. Its first bytes say it: a transfer may unpack a file and keep its name.
        self._packed = False
        self._encoding = encoding_name(settings.format.encoding)
        #: Whether the digest is taken of the stored bytes as they are read, since the text is made from them.
        self._digest_stored = not is_utf8(self._encoding)
        self._ended_here = False
        self._stream: BinaryIO | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._pending = bytearray()
        self._byte_order_mark = False
        #: ``sep=`` lines above the header.
        self.lines_without_row = 0

    def __enter__(self) -> FileReader:
        self._stream = self._source.open()
        self._chunks = self._text(self._stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    @property
    def sha256(self) -> str:
        """SHA-256 of the stored bytes, in hex; final when :meth:`blocks` has ended."""
        return self._digest.hexdigest()

    @property
    def rows_sha256(self) -> str:
        """SHA-256 of the data rows, unpacked and as UTF-8, in hex; final when :meth:`blocks` has ended.

        Neither the header, nor the lines above it and at the end that are left out, nor compression and encoding
        change it.
        """
        return self._rows_digest.hexdigest()

    def digest(self) -> RunningDigest | None:
        """A copy of the running SHA-256 of all text returned so far; None where that is not what is stored."""
        return None if self._digest_stored or self._ended_here else self._digest.copy()

    def _fault(self, rule: str, what: str, todo: str) -> InputFileError:
        return InputFileError(what, rule=rule, where=self._source.name, todo=todo)

    def _stored(self, stream: BinaryIO) -> Iterator[bytes]:
        while chunk := stream.read(min(_CHUNK, self._block_bytes)):
            if not self.size:
                while len(chunk) < len(GZIP_MARK) and (more := stream.read(1)):
                    chunk += more
                self._packed = chunk.startswith(GZIP_MARK)
                self._digest_stored |= self._packed
            if self._digest_stored:
                self._digest.update(chunk)
            self.size += len(chunk)
            if self._tick is not None:
                self._tick(self.size)
            yield chunk

    def _text(self, stream: BinaryIO) -> Iterator[bytes]:
        chunks = self._stored(stream)
        head = next(chunks, b"")
        chunks = chain([head], chunks)
        if self._packed:
            chunks = self._unpacked(chunks)
            head = next(chunks, b"")
            chunks = chain([head], chunks)
        foreign = foreign_file(head)
        if foreign is not None:
            raise self._fault("binary_file", f"it is {foreign.what}, and no delimited text.", foreign.todo)
        if not is_utf8(self._encoding):
            chunks = utf8_chunks(chunks, self._encoding)
        total = 0
        for chunk in chunks:
            total += len(chunk)
            if total > self._limits.bytes:
                raise self._fault(
                    "file_too_large",
                    f"more than {self._limits.bytes:,} uncompressed bytes.",
                    "Split the export, or raise `limits.bytes`.",
                )
            yield chunk

    def _unpacked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        started = False
        for chunk in chunks:
            while chunk:
                if inflater.eof:
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
                try:
                    text = inflater.decompress(chunk, _CHUNK)
                except zlib.error:
                    raise self._fault("gzip_damaged", "the gzip data is damaged.", "Transfer it again.") from None
                started = True
                if text:
                    yield text
                chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        if started and not inflater.eof:
            raise self._fault("gzip_damaged", "the gzip data ends in the middle.", "Transfer it again.")

    def read_header(self) -> Header:
        """Read the header: line 1, or the first line behind those that are left out.

        :raises InputFileError: the file is no delimited text, or its header breaks a rule of severity error.
        """
        self._read_lines(1)
        self._check_text()
        hint = self._skip_lines()
        return parse_header(self._header_line(hint), self._source.name, self._settings)

    def _read_lines(self, count: int) -> None:
        """Read until so many lines, and a few bytes, are pending; at most 64 KiB or the end of the file."""
        pending = self._pending
        while len(pending) < _HEADER_BYTES and not (len(pending) > 4 and pending.count(b"\n") >= count):
            chunk = next(self._chunks, b"")
            if not chunk:
                return
            pending += chunk

    def _skip_lines(self) -> str | None:
        """Leave out the lines above the header; returns the delimiter that a ``sep=`` line names."""
        pending = self._pending
        if pending.startswith(_UTF8_MARK):
            self._take(_UTF8_MARK)
            del pending[: len(_UTF8_MARK)]
            self._byte_order_mark = True
        self._read_lines(self._settings.format.skip_lines + 2)
        for _ in range(self._settings.format.skip_lines):
            self._drop_line()
        separator = _SEPARATOR_LINE.match(pending)
        if separator is None:
            return None
        delimiter = separator[1].decode()
        self._drop_line()
        self.lines_without_row += 1
        return delimiter

    def _drop_line(self) -> None:
        end = self._pending.find(b"\n") + 1
        if not end:
            raise self._fault(
                "header_missing",
                f"the file ends within the {self._settings.format.skip_lines} lines that `format.skip_lines` names.",
                "Correct `format.skip_lines`.",
            )
        self._take(self._pending[:end])
        del self._pending[:end]
        self._lines += 1

    def blocks(self, header: Header) -> Iterator[Block]:
        """Every data line, in blocks.

        :param header: what :meth:`read_header` returned.
        """
        if len(self._pending) >= self._block_bytes:
            yield from self._cut(header)
        size, chunks = len(self._pending), list[bytes]()
        for chunk in self._chunks:
            chunks.append(chunk)
            size += len(chunk)
            if size >= self._block_bytes:
                self._join(chunks)
                yield from self._cut(header)
                yield from self._cut_surplus(header)
                size = len(self._pending)
        self._join(chunks)
        yield from self._cut_surplus(header)
        if self._pending:
            if not self._pending.endswith(b"\n"):
                self._pending += b"\n"
                self._ended_here = True
            yield from self._cut(header, last=True)

    def _join(self, chunks: list[bytes]) -> None:
        """Put chunks behind the pending bytes, at once: bytes that grow are copied again and again."""
        if chunks:
            self._pending = bytearray().join([self._pending, *chunks])
            chunks.clear()

    def _take(self, text: bytes | bytearray | memoryview) -> None:
        """Add text to the digest; of a compressed file the stored bytes were added when they were read."""
        if not self._digest_stored:
            self._digest.update(text)

    def _check_text(self) -> None:
        """Refuse what is no text that can be read."""
        pending = self._pending
        if not pending:
            raise self._fault("empty_file", "the file is empty.", "Check the export that writes it.")
        if pending.startswith(_UTF16_MARKS):
            raise self._fault("utf16", "the text is UTF-16.", _SET_UTF16)
        head = bytes(pending[:_HEADER_BYTES])
        if b"\0" in head:
            zeros = head.count(0)
            if zeros * 3 > len(head) and head.replace(b"\0", b"").isascii():
                raise self._fault("utf16", "the text is UTF-16.", _SET_UTF16)
            # A NUL here and there costs the rows that hold one, not the day.
            if zeros * 100 > len(head) or b"\0" in head.partition(b"\n")[0]:
                raise self._fault("binary_file", "not a text file.", "Export as text instead of renaming a workbook.")
        if not head.strip():
            raise self._fault("empty_file", "the file holds nothing but line ends.", "Check the export that writes it.")

    def _header_line(self, delimiter: str | None) -> HeaderLine:
        pending = self._pending
        end = pending.find(b"\n")
        line = bytes(pending if end < 0 else pending[:end])
        doubled = end >= 0 and line.endswith(b"\r\r")
        line = line.rstrip(b"\r")
        if b"\r" in line:
            raise self._fault("line_ending", "lines end in \\r alone.", "Export with Unix or Windows line ends.")
        if end < 0 and len(pending) >= _HEADER_BYTES:
            raise self._fault("binary_file", "no line end in the first 64 KiB.", "Check that this is a delimited file.")
        end = len(pending) if end < 0 else end + 1
        self._take(pending[:end])
        del pending[:end]
        self._lines += 1
        return HeaderLine(line, self._byte_order_mark, self._lines, delimiter, doubled)

    def _cut(self, header: Header, *, last: bool = False) -> Iterator[Block]:
        """Take whole lines off the pending bytes; records that may go on in bytes not yet read stay."""
        pending = self._pending
        end = self._end_of_rows() if last else _end_of_line(pending, self._settings.format.footer_lines)
        most = 4 * self._limits.row_characters
        if not end and not last and len(pending) > max(most, self._block_bytes) * 2:
            raise self._fault("binary_file", "a line without end.", "Check that this is a delimited file.")
        count = count_lines(memoryview(pending)[:end])
        if not last and count > _BLOCK_LINES:
            end, count = _end_of_lines(memoryview(pending)[:end], _BLOCK_LINES), _BLOCK_LINES
        quoted = pending.find(b'"', 0, end) >= 0
        spans: tuple[Span, ...] = ()
        if quoted:
            data = pending[:end]
            spans, open_at = resolve_spans(data, header.delimiter.encode(), header.width, most)
            if open_at is not None and not last:
                end, count = open_at, count_lines(data[:open_at])
        data = self._take_pending(end, last=last)
        if data:
            self._rows_digest.update(data)
            block = Block(data, self._lines + 1, spans, quoted, count)
            self._lines += block.count
            if self._lines - header.line.number > self._limits.rows:
                raise self._fault(
                    "too_many_rows",
                    f"more than {self._limits.rows:,} rows.",
                    "Split the export, or raise `limits.rows`.",
                )
            yield block

    def _cut_surplus(self, header: Header) -> Iterator[Block]:
        """Take blocks off the pending bytes while they hold more lines than one block may."""
        before = -1
        while len(self._pending) != before and count_lines(self._pending) > _BLOCK_LINES:
            before = len(self._pending)
            yield from self._cut(header)

    def _take_pending(self, end: int, *, last: bool) -> bytearray:
        """Digest and take pending bytes off; a line end that was added here is none of the file's.

        :param last: nothing is left pending; what lies behind the end is digested, too.
        """
        pending = self._pending
        count = len(pending) if last else end
        with memoryview(pending) as whole, whole[: count - (last and self._ended_here)] as text:
            self._take(text)
        self._pending = pending[count:]
        # What is cut off at the end is not copied.
        del pending[end:]
        return pending

    def _end_of_rows(self) -> int:
        """Where the last lines of the file begin that ``format.footer_lines`` leaves out."""
        pending = self._pending
        end = len(pending)
        for _ in range(self._settings.format.footer_lines):
            end = len(bytes(pending[:end]).rstrip(_BLANK))
            end = pending.rfind(b"\n", 0, end) + 1
        return end


def _end_of_line(pending: bytearray, held_back: int) -> int:
    """Behind the last whole line but so many; 0 if there is none."""
    end = pending.rfind(b"\n") + 1
    for _ in range(held_back):
        end = pending.rfind(b"\n", 0, max(end - 1, 0)) + 1
    return end


def _end_of_lines(data: memoryview, most: int) -> int:
    """Behind so many lines; there are more."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEW_LINE)
    return int(ends[most - 1]) + 1
