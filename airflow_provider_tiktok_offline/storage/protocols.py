"""What a store of files and a store of objects can do, whatever lies behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol

from airflow_provider_tiktok_offline.storage.stamps import FileStamp

#: Called with the bytes written so far.
Progress = Callable[[int], None]
#: Raises :class:`~..errors.DeliveryHeldError` once a file's name is another writer's.
Fence = Callable[[], None]


class RemoteFiles(Protocol):
    """Files of one store.

    Every method raises :class:`~..errors.StorageUnavailableError` if the store may answer later,
    :class:`~..errors.StorageDeniedError` if it never will with these credentials, and
    :class:`~..errors.FileMissingError` where no such file or folder is.
    """

    def list(self, directory_uri: str) -> list[FileStamp]:
        """The regular files directly in a folder, sorted by name, in one listing; no dot files."""

    def stat(self, uri: str) -> FileStamp:
        """One file as it stands now."""

    def open_read(self, uri: str, start: int = 0) -> BinaryIO:
        """The file's stored bytes from a place on, read ahead in bounded memory.

        :param start: the first byte; what lies before it is not transferred.
        """

    def move(self, uri: str, to_uri: str) -> None:
        """Rename within the store, making the folder; an existing file is never replaced.

        :raises StorageError: if there is a file of that name already.
        """

    def delete(self, uri: str) -> None:
        """Remove a file; one that is gone already is no error."""

    def check_folder(self, directory_uri: str) -> None:
        """Make sure that files can be put there.

        :raises ConfigError: if the folder or bucket does not exist.
        """

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        """Write a file from a stream, check its size, and return how it stands.

        :param replace: a file of that name may be replaced; without it an existing one is refused.
        :param temporary: write under a dot name in the same folder and rename at the end; stores whose files appear
            only when complete ignore it.
        :param fence: asked before anything of that name is put in place or removed.
        :raises StorageError: if a file of that name exists.
        :raises PartialFileError: if the write failed and what was written could not be removed.
        :raises DeliveryHeldError: if the fence says so; what lies there is left as it is.
        """


class ObjectStore(ABC):
    """Objects under one URI, named by relative paths with ``/``.

    Every implementation gives the same guarantees: an object is whole or absent, :meth:`create` has one winner, and
    :meth:`replace` is a compare-and-swap. On S3 and GCS these are conditional puts; on a local directory a hard link,
    and a rename under a lock file.
    """

    #: The URI without credentials, for messages and reports.
    uri: str

    @property
    def storage_options(self) -> dict[str, str]:
        """What ``deltalake`` and Polars need to reach the same place now; holds secrets, never to be logged."""
        return {}

    def table_access(self) -> AbstractContextManager[None]:
        """In its block ``deltalake`` and Polars reach the store; what they have no option for is set there."""
        return nullcontext()

    @abstractmethod
    def get(self, path: str) -> tuple[bytes, str] | None:
        """The object's bytes and its version, or None where there is no such object."""

    @abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """Write the object, whatever was there."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> bool:
        """Write the object if there is none; False if there is one already."""

    @abstractmethod
    def replace(self, path: str, content: bytes, version: str) -> bool:
        """Write the object if it still has the version that :meth:`get` gave; else False."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove the object; none there is no error."""

    @abstractmethod
    def list(self, prefix: str) -> list[str]:
        """The paths below the folder ``prefix`` (all for an empty one), at any depth, in order."""

    @abstractmethod
    def sizes(self, prefix: str) -> dict[str, int]:
        """Path -> bytes of every object below the folder ``prefix``."""

    @abstractmethod
    def written(self, prefix: str) -> dict[str, datetime]:
        """Path -> when each object below the folder ``prefix`` was written, aware, by whoever keeps it.

        One listing, so that old objects are found without a look into each.
        """

    @abstractmethod
    def open_read(self, path: str) -> BinaryIO:
        """The object as a seekable stream.

        :raises FileMissingError: if there is none.
        """

    @abstractmethod
    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A stream to write the object through; it appears when the block ends without an error, else not at all."""

    @abstractmethod
    def delta_uri(self, path: str) -> str:
        """Where ``deltalake`` finds the table at that path (with :attr:`storage_options`)."""

    #: Whether objects carry the store's own time, not that of the machine that wrote them.
    has_own_clock = False

    def written_at(self, path: str) -> datetime | None:  # noqa: ARG002 - only some stores can
        """When the object was written by the store's own clock; None where there is no such clock or object."""
        return None

    def link(self, path: str, lifetime: timedelta) -> str | None:  # noqa: ARG002 - only some stores can
        """A URL by which a browser reads the object until ``lifetime`` has passed; None where there can be none."""
        return None

    def delete_all(self, prefix: str) -> int:
        """Remove everything below the folder ``prefix``; how many objects that were."""
        paths = self.list(prefix)
        self.delete_each(paths)
        return len(paths)

    def delete_each(self, paths: Sequence[str]) -> None:
        """Remove objects, in any order; none there is no error."""
        for path in paths:
            self.delete(path)
