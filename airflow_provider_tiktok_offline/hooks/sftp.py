"""Conversion files on an SFTP server, over the connection and the host-key check of Airflow's SFTP provider."""

from __future__ import annotations

import errno
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import paramiko
from airflow.providers.sftp.hooks.sftp import SFTPHook
from paramiko.ssh_exception import NoValidConnectionsError

from airflow_provider_tiktok_offline.errors import (
    FileMissingError,
    HostKeyError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from airflow_provider_tiktok_offline.storage.uris import sftp_uri

if TYPE_CHECKING:
    from paramiko.sftp_attr import SFTPAttributes
    from paramiko.sftp_client import SFTPClient

__all__ = ["ConversionFileSFTPHook"]


class ConversionFileSFTPHook(SFTPHook):
    """List, read and move conversion files; one login for as long as a ``with hook.get_managed_conn():`` lasts.

    Errors are of two kinds: :class:`~..errors.StorageUnavailableError` may pass, while a wrong host key, password or
    permission (:class:`~..errors.HostKeyError`, :class:`~..errors.StorageDeniedError`) is raised at once and
    never tried again. Times are UTC whatever the worker's time zone.

    :param ssh_conn_id: a connection of type ``sftp``; its extra should pin ``host_key``.
    """

    def __init__(self, ssh_conn_id: str = SFTPHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(ssh_conn_id=ssh_conn_id, **kwargs)
        # SSHHook tries every failure three times, a wrong host key too; Airflow's own retries do that better.
        self.conn_retry_attempts = 1
        if "no_host_key_check" not in kwargs:
            # SFTP providers before 7 trust every server unless the connection says otherwise.
            told = self.get_connection(ssh_conn_id).extra_dejson.get("no_host_key_check", False)
            self.no_host_key_check = str(told).lower() == "true"

    def list_files(self, directory: str) -> list[FileStamp]:
        """The regular files directly in a folder, by name; one listing, no dot files.

        :raises FileMissingError: if there is no such folder.
        """
        with self._session(directory) as sftp:
            entries = sftp.listdir_attr(directory)
        files = [entry for entry in entries if stat.S_ISREG(entry.st_mode or 0) and not entry.filename.startswith(".")]
        base = directory.rstrip("/")
        return sorted((self._stamp(f"{base}/{entry.filename}", entry) for entry in files), key=lambda one: one.uri)

    def stat_file(self, path: str) -> FileStamp:
        """One file as it stands now.

        :raises FileMissingError: if there is none.
        """
        with self._session(path) as sftp:
            return self._stamp(path, sftp.stat(path))

    @contextmanager
    def open_read(self, path: str) -> Iterator[IO[bytes]]:
        """The file as a stream from its start, read ahead in bounded memory.

        :raises FileMissingError: if there is none.
        """
        with self._session(path) as sftp, sftp.open(path, "rb") as stream:
            stream.prefetch(stream.stat().st_size, max_concurrent_requests=64)
            yield stream

    def move(self, path: str, to_path: str) -> None:
        """Rename a file within the server; an existing file is never replaced.

        :raises StorageError: if there is a file of that name already.
        """
        with self._session(path) as sftp:
            sftp.rename(path, to_path)

    def check_size(self, path: str, size: int) -> None:
        """Make sure that a file has so many bytes.

        :raises StorageError: if it has more or fewer.
        """
        found = self.stat_file(path).size
        if found != size:
            raise StorageError(f"the file has {found} bytes, not {size}.", where=self._where(path))

    def _stamp(self, path: str, entry: SFTPAttributes) -> FileStamp:
        uri = sftp_uri(self.ssh_conn_id or "", path)
        return FileStamp(uri=uri, size=int(entry.st_size or 0), mtime=from_epoch(entry.st_mtime or 0))

    def _where(self, path: str) -> str:
        return f"connection {self.ssh_conn_id!r}, {path}"

    @contextmanager
    def _session(self, path: str) -> Iterator[SFTPClient]:
        try:
            with self.get_managed_conn() as sftp:
                yield sftp
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise _fault(error, self._where(path)) from error


def _fault(error: Exception, where: str) -> TikTokOfflineError:
    """The package's own error for what paramiko raised; the server's wording is not passed on."""
    match error:
        case paramiko.BadHostKeyException():
            return HostKeyError(
                "the server's host key is not the pinned one.",
                where=where,
                todo="Compare it with what the server's owner publishes, then set host_key in the connection's extra.",
            )
        case paramiko.AuthenticationException():
            return StorageDeniedError(
                "login refused: user, password or key is wrong.", where=where, todo="Correct the connection."
            )
        case paramiko.SSHException() if "not found in known_hosts" in str(error):
            return HostKeyError(
                "the server's host key is unknown.", where=where, todo="Set host_key in the connection's extra."
            )
        case FileNotFoundError():
            return FileMissingError("no such file or folder.", rule="missing", where=where)
        case PermissionError():
            return StorageDeniedError("permission denied.", where=where)
        case paramiko.SSHException() | TimeoutError() | ConnectionError() | EOFError() | socket.gaierror():
            return StorageUnavailableError(f"the server can't be reached ({type(error).__name__}).", where=where)
        case NoValidConnectionsError():
            return StorageUnavailableError("connection refused.", where=where)
        case OSError() if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN):
            return StorageUnavailableError(f"the server can't be reached ({type(error).__name__}).", where=where)
    return StorageError("the server refused and gave no reason.", where=where)
