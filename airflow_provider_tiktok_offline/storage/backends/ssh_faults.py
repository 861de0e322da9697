"""What asyncssh raises, as the package's own errors. No message of the server is passed on."""

from __future__ import annotations

import asyncssh

from airflow_provider_tiktok_offline.errors import (
    FileMissingError,
    HostKeyError,
    NameTakenError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.backends.ssh_keys import ShortHostKeyError

_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_DENIED = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_CUT = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError)


class UnexplainedFailureError(StorageError):
    """The server answered "failure" and no reason; a full disk is reported so too."""


def is_cut(error: Exception) -> bool:
    """Whether the session is gone."""
    return isinstance(error, (*_CUT, OSError)) or not isinstance(error, asyncssh.SFTPError)


def ssh_fault(error: Exception, where: str) -> TikTokOfflineError:
    """The error to raise instead."""
    if isinstance(error, ShortHostKeyError):
        return HostKeyError(
            f"the server's RSA key has {error.bits} bits; {error.least} are needed.",
            where=where,
            todo="Ask its owner for a longer key. Until then the connection's extra can take it: "
            f'{{"min_rsa_bits": {error.bits}}}.',
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostKeyError(
            "the server's host key is unknown or not the pinned one.",
            where=where,
            todo="Compare it with what the server's owner publishes, then set host_key in the connection's extra.",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return StorageDeniedError(
            "login refused: user, password or key is wrong.", where=where, todo="Correct the connection."
        )
    if isinstance(error, _MISSING):
        return FileMissingError("no such file or folder.", rule="missing", where=where)
    if isinstance(error, _DENIED):
        return StorageDeniedError("permission denied.", where=where)
    if isinstance(error, _FULL):
        return StorageUnavailableError("the server's disk is full.", where=where, todo="Have space freed, run again.")
    if isinstance(error, asyncssh.SFTPFileAlreadyExists):
        return NameTakenError(where)
    if isinstance(error, asyncssh.SFTPOpUnsupported):
        return StorageError("the server does not support this operation.", where=where)
    if isinstance(error, asyncssh.SFTPFailure):
        return UnexplainedFailureError("the server answered 'failure' and no reason.", where=where)
    if isinstance(error, asyncssh.SFTPError) and not isinstance(error, _CUT):
        return StorageError(f"the server refused (SFTP status {error.code}).", where=where)
    if isinstance(error, TimeoutError):
        return StorageUnavailableError("the server did not answer in time.", where=where)
    if isinstance(error, ConnectionRefusedError):
        return StorageUnavailableError("connection refused.", where=where)
    if isinstance(error, (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported)):
        return StorageError("no common algorithm or protocol with the server.", where=where)
    return StorageUnavailableError(f"the connection was lost ({type(error).__name__}).", where=where)
