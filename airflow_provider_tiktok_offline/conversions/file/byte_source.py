"""Where a conversion file's bytes come from, without knowing of networks."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from airflow_provider_tiktok_offline.errors import FileMissingError, InputFileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER = 1 << 20


class ByteSource(Protocol):
    """A file that can be read from its start, more than once."""

    @property
    def name(self) -> str:
        """The file's name, whose ending says its type."""

    @property
    def uri(self) -> str:
        """Where it lies, without a secret."""

    def open(self) -> BinaryIO:
        """Its stored bytes from the start."""


class LocalFile:
    """A conversion file on this machine.

    :param path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def uri(self) -> str:
        return str(self.path.absolute())

    @property
    def size(self) -> int:
        """Stored bytes."""
        return self.path.stat().st_size

    def open_range(self, start: int, end: int) -> BinaryIO:
        """Its stored bytes from one place up to another one; errors as for :meth:`open`."""
        return limited(self.open(), start, end)

    def open(self) -> BinaryIO:
        """Open the file.

        :raises FileMissingError: nothing lies there.
        :raises InputFileError: it is a directory, or may not be read.
        """
        if self.path.is_dir():
            raise InputFileError(
                "a directory, where a file is expected.",
                rule="directory",
                where=str(self.path),
                todo="Name the file itself.",
            )
        try:
            return self.path.open("rb")
        except FileNotFoundError:
            raise FileMissingError(
                "no such file.", rule="unreadable", where=str(self.path), todo="Check the path."
            ) from None
        except OSError as error:
            raise InputFileError(
                f"can't be opened ({error.strerror}).", where=str(self.path), todo="Check its permissions."
            ) from None


def limited(stream: BinaryIO, start: int, end: int) -> BinaryIO:
    """The bytes of a stream from one place up to another one; closing it closes the stream.

    :param stream: one that can be searched.
    """
    stream.seek(start)
    return io.BufferedReader(_Limited(stream, end - start), _BUFFER)


class _Limited(io.RawIOBase):
    """So many bytes of a stream, from where it stands."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._stream.read(min(len(view), self._left))
        view[: len(content)] = content
        self._left -= len(content)
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()
