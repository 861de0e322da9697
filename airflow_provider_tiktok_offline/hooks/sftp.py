"""Conversion files on an SFTP server, for tasks of your own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_tiktok_offline.errors import ConfigError, StorageError
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.uris import sftp_uri

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp

__all__ = ["ConversionFileSFTPHook"]


class ConversionFileSFTPHook(BaseHook):
    """List, read and move conversion files; one login for as long as a ``with hook.get_managed_conn():`` lasts.

    It reaches a server exactly as operators and sensors do. Errors are of two kinds:
    :class:`~..errors.StorageUnavailableError` may pass, while a wrong host key, password or permission
    (:class:`~..errors.HostKeyError`, :class:`~..errors.StorageDeniedError`) is raised at once and never tried
    again. Paths are absolute. Times are UTC whatever the worker's time zone.

    :param ssh_conn_id: a connection of type ``sftp``; its extra should pin ``host_key``.
    """

    conn_name_attr = "ssh_conn_id"
    default_conn_name = "sftp_default"
    conn_type = "sftp"
    hook_name = "SFTP"

    def __init__(self, ssh_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ssh_conn_id = ssh_conn_id
        self._files: RemoteFiles | None = None

    @contextmanager
    def get_managed_conn(self) -> Iterator[RemoteFiles]:
        """The server's files over one login, which the hook's methods share until the block ends.

        :raises ConfigError: if Airflow has no such connection, or its settings can't be used.
        """
        if self._files is not None:
            yield self._files
            return
        with open_files(sftp_uri(self.ssh_conn_id, "/"), AirflowConnections()) as files:
            self._files = files
            try:
                yield files
            finally:
                self._files = None

    def list_files(self, directory: str) -> list[FileStamp]:
        """The regular files directly in a folder, by name; one listing, no dot files.

        :raises FileMissingError: if there is no such folder.
        """
        uri = self._uri(directory)
        with self.get_managed_conn() as files:
            return files.list(uri)

    def stat_file(self, path: str) -> FileStamp:
        """One file as it stands now.

        :raises FileMissingError: if there is none.
        """
        uri = self._uri(path)
        with self.get_managed_conn() as files:
            return files.stat(uri)

    @contextmanager
    def open_read(self, path: str) -> Iterator[BinaryIO]:
        """The file as a stream from its start, read ahead in bounded memory.

        :raises FileMissingError: if there is none.
        """
        uri = self._uri(path)
        with self.get_managed_conn() as files, files.open_read(uri) as stream:
            yield stream

    def move(self, path: str, to_path: str) -> None:
        """Rename a file within the server, making the folder; an existing file is never replaced.

        :raises StorageError: if there is a file of that name already.
        """
        uri, to_uri = self._uri(path), self._uri(to_path)
        with self.get_managed_conn() as files:
            files.move(uri, to_uri)

    def check_size(self, path: str, size: int) -> None:
        """Make sure that a file has so many bytes.

        :raises StorageError: if it has more or fewer.
        """
        stamp = self.stat_file(path)
        if stamp.size != size:
            raise StorageError(f"the file has {stamp.size} bytes, not {size}.", where=stamp.uri)

    def _uri(self, path: str) -> str:
        if not path.startswith("/"):
            where = f"connection {self.ssh_conn_id!r}, {path}"
            raise ConfigError("a path on the server must be absolute.", where=where)
        return sftp_uri(self.ssh_conn_id, path)
