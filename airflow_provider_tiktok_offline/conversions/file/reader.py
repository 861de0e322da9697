"""A delimited file of any size as blocks of whole lines, read as a stream within its limits."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.header import Header, HeaderLine, parse_header
from airflow_provider_tiktok_offline.conversions.file.line_scan import Span, count_lines, resolve_spans
from airflow_provider_tiktok_offline.errors import InputFileError

#: Bytes read from the source at a time.
_CHUNK = 1 << 20
#: Bytes of text that become one block.
BLOCK_BYTES = 6 << 20
_TYPES = (".csv", ".tsv", ".psv", ".txt")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
#: Line 1 is looked for within so many bytes.
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

    data: bytes
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

    ``sha256`` and ``size`` (of the stored bytes) are final when :meth:`blocks` has ended.

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
        self._lines = 0
        self.size = 0
        self._packed = source.name.lower().endswith(".gz")
        self._ended_here = False
        self._type = file_type(source.name)
        self._stream: BinaryIO | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._pending = bytearray()

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

    def digest(self) -> RunningDigest | None:
        """A copy of the running SHA-256 of all text returned so far; None where that is not what is stored."""
        return None if self._packed or self._ended_here else self._digest.copy()

    def _fault(self, rule: str, what: str, todo: str) -> InputFileError:
        return InputFileError(what, rule=rule, where=self._source.name, todo=todo)

    def _stored(self, stream: BinaryIO) -> Iterator[bytes]:
        while chunk := stream.read(min(_CHUNK, self._block_bytes)):
            if self._packed:
                self._digest.update(chunk)
            self.size += len(chunk)
            if self._tick is not None:
                self._tick(self.size)
            yield chunk

    def _text(self, stream: BinaryIO) -> Iterator[bytes]:
        chunks = self._stored(stream)
        if self._packed:
            chunks = self._unpacked(chunks)
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
                except zlib.error as error:
                    raise self._fault("gzip_damaged", "damaged, or no gzip data.", "Transfer it again.") from error
                started = True
                if text:
                    yield text
                chunk = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        if started and not inflater.eof:
            raise self._fault("gzip_damaged", "the gzip data ends in the middle.", "Transfer it again.")

    def read_header(self) -> Header:
        """Read line 1.

        :raises InputFileError: the file is no delimited text, or its header breaks a rule of severity error.
        """
        for chunk in self._chunks:
            self._pending += chunk
            if len(self._pending) >= _HEADER_BYTES or (len(self._pending) > 4 and b"\n" in self._pending):
                break
        return parse_header(self._header_line(), self._source.name, self._type, self._settings)

    def blocks(self, header: Header) -> Iterator[Block]:
        """Every data line, in blocks.

        :param header: what :meth:`read_header` returned.
        """
        pending = self._pending
        if len(pending) >= self._block_bytes:
            yield from self._cut(header)
        for chunk in self._chunks:
            pending += chunk
            if len(pending) >= self._block_bytes:
                yield from self._cut(header)
        if pending:
            if not pending.endswith(b"\n"):
                pending += b"\n"
                self._ended_here = True
            yield from self._cut(header, last=True)

    def _take(self, text: bytes | bytearray | memoryview) -> None:
        """Add text to the digest; of a compressed file the stored bytes were added when they were read."""
        if not self._packed:
            self._digest.update(text)

    def _header_line(self) -> HeaderLine:
        pending = self._pending
        if not pending:
            raise self._fault("empty_file", "the file is empty.", "Check the export that writes it.")
        if pending.startswith(_UTF16_MARKS):
            raise self._fault("utf16", "the text is UTF-16.", 'Save it as "CSV UTF-8".')
        byte_order_mark = pending.startswith(_UTF8_MARK)
        if byte_order_mark:
            self._take(_UTF8_MARK)
            del pending[: len(_UTF8_MARK)]
        head = bytes(pending[:_HEADER_BYTES])
        if b"\0" in head:
            zeros = head.count(0)
            if zeros * 3 > len(head) and head.replace(b"\0", b"").isascii():
                raise self._fault("utf16", "the text is UTF-16.", 'Save it as "CSV UTF-8".')
            # A NUL here and there costs the rows that hold one, not the day.
            if zeros * 100 > len(head) or b"\0" in head.partition(b"\n")[0]:
                raise self._fault("binary_file", "not a text file.", "Export as text instead of renaming a workbook.")
        if not head.strip():
            raise self._fault("empty_file", "the file holds nothing but line ends.", "Check the export that writes it.")
        end = pending.find(b"\n")
        line = bytes(pending if end < 0 else pending[:end]).removesuffix(b"\r")
        if b"\r" in line:
            raise self._fault("line_ending", "lines end in \\r alone.", "Export with Unix or Windows line ends.")
        if end < 0 and len(pending) >= _HEADER_BYTES:
            raise self._fault("binary_file", "no line end in the first 64 KiB.", "Check that this is a delimited file.")
        end = len(pending) if end < 0 else end + 1
        self._take(pending[:end])
        del pending[:end]
        self._lines = 1
        return HeaderLine(line, byte_order_mark)

    def _cut(self, header: Header, *, last: bool = False) -> Iterator[Block]:
        """Take whole lines off the pending bytes; records that may go on in bytes not yet read stay."""
        pending = self._pending
        end = pending.rfind(b"\n") + 1
        most = 4 * self._limits.row_characters
        if not end:
            if len(pending) > max(most, self._block_bytes) * 2:
                raise self._fault("binary_file", "a line without end.", "Check that this is a delimited file.")
            return
        data = bytes(memoryview(pending)[:end])
        quoted = b'"' in data
        spans: tuple[Span, ...] = ()
        if quoted:
            spans, open_at = resolve_spans(data, header.delimiter.encode(), header.width, most)
            if open_at is not None and not last:
                data = data[:open_at]
        if data:
            del pending[: len(data)]
            self._take(memoryview(data)[:-1] if last and self._ended_here else data)
            block = Block(data, self._lines + 1, spans, quoted, count_lines(data))
            self._lines += block.count
            if self._lines - 1 > self._limits.rows:
                raise self._fault(
                    "too_many_rows",
                    f"more than {self._limits.rows:,} rows.",
                    "Split the export, or raise `limits.rows`.",
                )
            yield block


def file_type(name: str) -> str:
    """The ending that says a conversion file's type, without ``.gz``.

    :raises InputFileError: it is none of the programme's.
    """
    stem = name.lower().removesuffix(".gz")
    for ending in _TYPES:
        if stem.endswith(ending):
            return ending
    raise InputFileError(
        "not a .csv, .tsv, .psv or .txt file, with or without .gz.",
        rule="file_type",
        where=name,
        todo="Save it as one of these types.",
    )
