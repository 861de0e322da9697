"""Where a large file may be cut, so that several machines read a piece of it each: at ends of rows, found in one pass.

The pass reads no cell. It digests the file, counts its lines and follows its quotes, and notes for every block that
:class:`.reader.FileReader` makes where it lies in the stored bytes. A piece is read by these notes, so the blocks, and
with them every result, are those of one reader.
"""

from __future__ import annotations

import codecs
import importlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import numpy as np

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.decoding import encoding_name, is_utf8
from airflow_provider_tiktok_offline.conversions.file.foreign_files import GZIP_MARK
from airflow_provider_tiktok_offline.conversions.file.header import Header
from airflow_provider_tiktok_offline.conversions.file.line_scan import Text, count_lines, resolve_spans
from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES, Block, FileReader
from airflow_provider_tiktok_offline.errors import FileChangedError

if TYPE_CHECKING:
    from types import TracebackType

_NEW_LINE = 10
_LATIN_1 = "iso8859-1"
_WORD = 8


class RangedSource(ByteSource, Protocol):
    """A file of which a piece can be read."""

    def open_from(self, start: int) -> BinaryIO:
        """Its stored bytes from a place on."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What only the whole file says of itself.

    Attributes:
        sha256: of the stored bytes, in hex.
        rows_sha256: of the data rows alone; see :attr:`.reader.FileReader.rows_sha256`.
        size: stored bytes.
        lines_without_row: lines above the header that hold no row.
    """

    sha256: str
    rows_sha256: str
    size: int
    lines_without_row: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the blocks of a file lie.

    Attributes:
        facts: of the whole file.
        first_line: of the first data row.
        starts: for each block the place of its first stored byte, and behind the last one where that ends.
        lines: of each block, how many lines it has.
        quoted: of each block, whether it holds a quote.
        sums: of each block, a sum over its text, by which a reader sees that the file is still the same.
    """

    facts: FileFacts
    first_line: int
    starts: tuple[int, ...]
    lines: tuple[int, ...]
    quoted: tuple[bool, ...]
    sums: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lines)


def why_not_cut(head: bytes, settings: ConversionSettings) -> str | None:
    """Why a file can't be read in pieces, in words; None if it can.

    :param head: its first stored bytes.
    """
    if head.startswith(GZIP_MARK):
        return "it is compressed with gzip, which is unpacked from its start"
    name = encoding_name(settings.format.encoding)
    if not is_utf8(name) and not _one_byte_a_character(name):
        return f"in {settings.format.encoding} a byte alone does not say where a line ends"
    return None


def cut(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    block_bytes: int = BLOCK_BYTES,
    tick: Callable[[int], None] | None = None,
) -> Cut:
    """Read a file once, without looking at a cell, and note where its blocks lie.

    :param tick: called with the stored bytes read so far.
    :raises InputFileError: the file can't be used at all; rules that need no cell are checked here.
    """
    recorded = _RecordedSource(source)
    plain = is_utf8(encoding_name(settings.format.encoding))
    starts, lines, quoted, sums = list[int](), list[int](), list[bool](), list[int]()
    with FileReader(recorded, settings, block_bytes=block_bytes, tick=tick) as reader:
        header = reader.read_header()
        first_line = None
        for block in reader.blocks(header):
            if first_line is None:
                first_line = block.first_line
                starts.append(recorded.behind(first_line - 1))
                recorded.keep = not plain
            # The last line may lack its end, which the reader adds.
            starts.append(min(starts[-1] + len(block.data), reader.size) if plain else recorded.behind(block.count))
            lines.append(block.count)
            quoted.append(block.quoted)
            sums.append(_sum(block.data))
        facts = FileFacts(reader.sha256, reader.rows_sha256, reader.size, reader.lines_without_row)
    return Cut(facts, first_line or 0, tuple(starts), tuple(lines), tuple(quoted), tuple(sums))


def pieces(cut: Cut, *, least_bytes: int, most: int) -> list[tuple[int, int]]:
    """The first block of each piece, and the one behind its last: pieces of about one size.

    :param least_bytes: of a piece; a smaller file stays whole.
    :param most: pieces at most.
    """
    if not len(cut):
        return []
    size = cut.starts[-1] - cut.starts[0]
    count = max(1, min(most, size // max(1, least_bytes), len(cut)))
    wanted = [cut.starts[0] + size * number // count for number in range(count)]
    firsts = [first for first in np.unique(np.searchsorted(cut.starts[:-1], wanted)).tolist() if first < len(cut)]
    return list(zip(firsts, [*firsts[1:], len(cut)], strict=True))


def read_piece(
    source: RangedSource,
    settings: ConversionSettings,
    header: Header,
    cut: Cut,
    piece: tuple[int, int],
) -> Iterator[Block]:
    """The blocks of a piece of a file that was cut.

    :param header: as :meth:`.reader.FileReader.read_header` gives it.
    :param piece: its first block, and the one behind its last.
    :raises FileChangedError: the file is not the one that was cut.
    """
    first, behind = piece
    encoding = encoding_name(settings.format.encoding)
    line = cut.first_line + sum(cut.lines[:first])
    with source.open_from(cut.starts[first]) as stream:
        for number in range(first, behind):
            data = _read(stream, cut.starts[number + 1] - cut.starts[number])
            if not is_utf8(encoding):
                data = bytearray(data.decode(encoding, "surrogateescape").encode("utf-8", "surrogateescape"))
            if not data.endswith(b"\n"):
                data += b"\n"
            if _sum(data) != cut.sums[number] or count_lines(data) != cut.lines[number]:
                raise FileChangedError(
                    "the file is not the one that was cut into pieces.", rule="file_changed", where=source.uri,
                    todo="Clear the task that cuts it, and what follows.",
                )  # fmt: skip
            most = 4 * settings.limits.row_characters
            spans, _ = (
                resolve_spans(data, header.delimiter.encode(), header.width, most) if cut.quoted[number] else ((), None)
            )
            yield Block(data, line, spans, cut.quoted[number], cut.lines[number])
            line += cut.lines[number]


def _read(stream: BinaryIO, size: int) -> bytearray:
    """So many bytes; fewer only where the stream ends."""
    chunks = bytearray()
    while len(chunks) < size and (chunk := stream.read(size - len(chunks))):
        chunks += chunk
    return chunks


def _sum(data: Text) -> int:
    """A sum over a text, read as numbers of eight bytes; it tells a file that was replaced, and is no digest."""
    whole = len(data) // _WORD * _WORD
    numbers = np.frombuffer(data, dtype="<u8", count=whole // _WORD)
    return (int(numbers.sum(dtype=np.uint64)) + int.from_bytes(bytes(data[whole:]), "little")) % (1 << 64)


def _one_byte_a_character(name: str) -> bool:
    """Whether an encoding has one byte for each character, those of ASCII where ASCII has them.

    :param name: from :func:`.decoding.encoding_name`.
    """
    if name == _LATIN_1:
        return True
    module = codecs.lookup(name).name.replace("-", "_")
    try:
        table = getattr(importlib.import_module(f"encodings.{module}"), "decoding_table", None)
    except ImportError:
        return False
    return isinstance(table, str) and table[:128] == bytes(range(128)).decode("ascii")


@dataclass(slots=True)
class _RecordedSource:
    """A file whose stored bytes are kept while they are read, until it is known which lines they were.

    Attributes:
        keep: whether they are.
    """

    source: ByteSource
    keep: bool = True
    _chunks: deque[bytes] = field(default_factory=deque)
    _place: int = 0
    _within: int = 0

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def uri(self) -> str:
        return self.source.uri

    def open(self) -> BinaryIO:
        # The reader of a conversion file uses no more of a stream than this.
        return cast("BinaryIO", _RecordedStream(self.source.open(), self))

    def note(self, chunk: bytes) -> None:
        """Keep what was read, while it is wanted."""
        if self.keep:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def behind(self, lines: int) -> int:
        """The place behind so many more line ends, or behind the last byte that was read if fewer are left."""
        while lines and self._chunks:
            chunk = memoryview(self._chunks[0])[self._within :]
            ends = count_lines(chunk)
            if ends < lines:
                lines -= ends
                self._place += len(chunk)
                self._within = 0
                self._chunks.popleft()
                continue
            places = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == _NEW_LINE)
            self._within += int(places[lines - 1]) + 1
            self._place += int(places[lines - 1]) + 1
            lines = 0
        return self._place


@dataclass(frozen=True, slots=True)
class _RecordedStream:
    stream: BinaryIO
    source: _RecordedSource

    def __enter__(self) -> _RecordedStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.stream.close()

    def read(self, size: int = -1) -> bytes:
        chunk = self.stream.read(size)
        if chunk:
            self.source.note(chunk)
        return chunk
