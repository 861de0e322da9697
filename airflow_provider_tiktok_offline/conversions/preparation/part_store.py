"""Where prepared events are put: a small protocol, and a directory that speaks it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from airflow_provider_tiktok_offline.errors import InputFileError

#: The object of the returned lines that are kept, beside the parts.
RETURNS = "returns.parquet"


class PartStore(Protocol):
    """Named objects of one preparation."""

    def open_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream whose bytes are visible under ``name`` once it was left without an error."""

    def put(self, name: str, data: bytes) -> None:
        """Write a small object."""

    def open_read(self, name: str) -> BinaryIO:
        """A seekable stream of an object."""

    def get(self, name: str) -> bytes:
        """A small object."""


class DirectoryParts:
    """A directory on this machine: made with mode 0700, files with 0600, each visible only when whole.

    :param path: the directory; made if it is not there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @contextmanager
    def open_write(self, name: str) -> Iterator[BinaryIO]:
        target = self.path / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                yield stream
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def put(self, name: str, data: bytes) -> None:
        with self.open_write(name) as stream:
            stream.write(data)

    def open_read(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")

    def get(self, name: str) -> bytes:
        return (self.path / name).read_bytes()


def damaged(name: str) -> InputFileError:
    """The error for a staged object that is not what was written."""
    return InputFileError(
        f"the staged object {name} is damaged.",
        rule="staged_damaged",
        todo="Nothing was sent of it. Restore it, or delete its folder and prepare the file again: clear prepare (or "
        "validate) and what follows.",
    )
