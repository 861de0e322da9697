"""Where a conversion file's bytes come from, without knowing of networks."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

from airflow_provider_tiktok_offline.errors import FileMissingError, InputFileError


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

    def open_from(self, start: int) -> BinaryIO:
        """Its stored bytes from a place on; errors as for :meth:`open`."""
        stream = self.open()
        stream.seek(start)
        return stream

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
