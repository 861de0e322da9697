"""How much is read of files on this machine."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import pytest

from airflow_provider_tiktok_offline.storage.backends import local_files


@dataclass
class Reads:
    """What was read of each file.

    Attributes:
        bytes: by URI.
        opened: how often each was opened, by URI.
    """

    bytes: dict[str, int] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)

    def times(self, uri: str, size: int) -> float:
        """How often a file of that size was transferred."""
        return self.bytes.get(uri, 0) / size


class _CountedFile(io.FileIO):
    def __init__(self, uri: str, reads: Reads) -> None:
        super().__init__(uri)
        self._uri = uri
        self._reads = reads

    def _count(self, number: int) -> None:
        self._reads.bytes[self._uri] = self._reads.bytes.get(self._uri, 0) + number

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(-1 if size is None else size) or b""
        self._count(len(content))
        return content

    def readall(self) -> bytes:
        content = super().readall() or b""
        self._count(len(content))
        return content

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        number = super().readinto(buffer) or 0
        self._count(number)
        return number


@contextmanager
def counted_reads() -> Iterator[Reads]:
    """Count what is read of the files of a local store in this block."""
    reads = Reads()

    def open_read(_: local_files.LocalFiles, uri: str, start: int = 0) -> BinaryIO:
        reads.opened[uri] = reads.opened.get(uri, 0) + 1
        stream = _CountedFile(uri, reads)
        stream.seek(start)
        return cast("BinaryIO", stream)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_files.LocalFiles, "open_read", open_read)
        yield reads
