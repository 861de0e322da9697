"""Conversion files wherever they lie: one protocol over local disk, SFTP and object stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import parse

#: Called with the bytes written so far.
Progress = Callable[[int], None]


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

    def open_read(self, uri: str) -> BinaryIO:
        """The file's stored bytes from the start, read ahead in bounded memory."""

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
        progress: Progress | None = None,
    ) -> FileStamp:  # fmt: skip
        """Write a file from a stream, check its size, and return how it stands.

        :param replace: a file of that name may be replaced; without it an existing one is refused.
        :param temporary: write under a dot name in the same folder and rename at the end; stores whose files appear
            only when complete ignore it.
        :raises StorageError: if a file of that name exists.
        :raises PartialFileError: if the write failed and what was written could not be removed.
        """


@contextmanager
def open_files(uri: str, connections: Connections) -> Iterator[RemoteFiles]:
    """The store that ``uri`` lies in, over one connection for as long as the context lasts.

    :param uri: any file or folder of the store.
    :raises HostKeyError: at once, if an SFTP server is not the one that was pinned.
    :raises StorageDeniedError: at once, if credentials are refused.
    :raises StorageUnavailableError: if nobody answers.
    """
    location = parse(uri)
    if location.scheme == "file":
        from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles

        yield LocalFiles()
    elif location.scheme == "sftp":
        from airflow_provider_tiktok_offline.storage.backends.sftp_files import open_sftp

        with open_sftp(connections.get(location.conn_id or "")) as files:
            yield files
    elif location.scheme == "s3":
        from airflow_provider_tiktok_offline.storage.backends.s3_files import open_s3

        with open_s3(connections.get(location.conn_id) if location.conn_id else None) as files:
            yield files
    else:
        from airflow_provider_tiktok_offline.storage.backends.gcs_files import open_gcs

        with open_gcs(connections.get(location.conn_id) if location.conn_id else None) as files:
            yield files
