"""Conversion files on local disk, or on a share that is mounted."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FileMissingError,
    NameTakenError,
    StorageDeniedError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage.protocols import Fence, Progress
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from airflow_provider_tiktok_offline.storage.uris import parse

log = plain_logger(__name__)


class LocalFiles:
    """:class:`~..protocols.RemoteFiles` on this machine. Files are written whole, with mode 0600."""

    def list(self, directory_uri: str) -> list[FileStamp]:
        folder = _path(directory_uri)
        stamps = []
        skipped = 0
        with _faults(directory_uri), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    entry.name.encode()
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                except (UnicodeEncodeError, OSError):
                    skipped += 1
                else:
                    if modes.S_ISREG(status.st_mode):
                        stamps.append(FileStamp(f"{folder}/{entry.name}", status.st_size, from_epoch(status.st_mtime)))
        if skipped:
            log.warning("%s: %d names were passed over: no UTF-8, or links in a circle.", directory_uri, skipped)
        return sorted(stamps, key=lambda stamp: stamp.uri)

    def stat(self, uri: str) -> FileStamp:
        path = _path(uri)
        with _faults(uri):
            status = path.stat()
        if not modes.S_ISREG(status.st_mode):
            raise FileMissingError("is a folder or device, not a file.", rule="not_a_file", where=uri)
        return FileStamp(str(path), status.st_size, from_epoch(status.st_mtime))

    def open_read(self, uri: str, start: int = 0) -> BinaryIO:
        with _faults(uri):
            stream = _path(uri).open("rb")
            stream.seek(start)
            return stream

    def move(self, uri: str, to_uri: str) -> None:
        source, target = _path(uri), _path(to_uri)
        with _faults(uri):
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                raise NameTakenError(to_uri)
            source.rename(target)

    def delete(self, uri: str) -> None:
        with _faults(uri):
            _path(uri).unlink(missing_ok=True)

    def check_folder(self, directory_uri: str) -> None:
        if not _path(directory_uri).is_dir():
            raise ConfigError("the folder does not exist.", where=directory_uri, todo="Create it or correct the path.")

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,  # noqa: ARG002
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        target = _path(uri)
        partial = target.with_name(f".{target.name}.part")
        with _faults(uri):
            if target.exists() and not replace:
                raise NameTakenError(uri)
            partial.unlink(missing_ok=True)
            try:
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                written = 0
                with os.fdopen(descriptor, "wb") as out:
                    for chunk in chunks:
                        out.write(chunk)
                        written += len(chunk)
                        if progress is not None:
                            progress(written)
                    out.flush()
                    os.fsync(out.fileno())
                if fence is not None:
                    fence()
                partial.rename(target)
            except DeliveryHeldError:
                # Another writer's file may have the name now.
                raise
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        return self.stat(uri)


def _path(uri: str) -> Path:
    return Path(parse(uri).path)


@contextlib.contextmanager
def _faults(uri: str) -> Iterator[None]:
    """The operating system's errors as the package's own."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissingError("no such file or folder.", rule="missing", where=uri) from None
    except (NotADirectoryError, IsADirectoryError):
        raise FileMissingError("is not the kind of file that is expected here.", rule="not_a_file", where=uri) from None
    except PermissionError:
        raise StorageDeniedError("permission denied.", where=uri) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageUnavailableError("the disk is full.", where=uri, todo="Free space and run again.") from None
        raise StorageUnavailableError(f"input or output failed (errno {error.errno}).", where=uri) from None
