"""Objects in a local directory: written whole or not at all, readable by their owner alone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from airflow_provider_tiktok_offline.errors import (
    FileMissingError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: A page larger than this is none of the package's.
_LARGEST_PAGE = 32 * 1024 * 1024
_LOCK = ".lock"
_TEMPORARY = ".tmp-"
#: POSIX locks are per process: threads of one process are kept apart by this.
_THREADS = threading.Lock()


class LocalObjects(ObjectStore):
    """Objects below one directory, made with mode 0700 when first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = str(root)

    def get(self, path: str) -> tuple[bytes, str] | None:
        try:
            content = self._file(path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._translated(error, path) from None
        return content, _version(content)

    def put(self, path: str, content: bytes) -> None:
        with self.open_write(path) as stream:
            stream.write(content)

    def create(self, path: str, content: bytes) -> bool:
        target = self._file(path)
        with self._errors(path), self._temporary(target) as (temporary, stream):
            stream.write(content)
            _to_disk(stream)
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                    raise
                with self._locked():  # a file system without hard links
                    if target.exists():
                        return False
                    temporary.rename(target)
            _directory_to_disk(target.parent)
        return True

    def replace(self, path: str, content: bytes, version: str) -> bool:
        target = self._file(path)
        with self._errors(path), self._temporary(target) as (temporary, stream):
            stream.write(content)
            _to_disk(stream)
            with self._locked():
                stored = self.get(path)
                if stored is None or stored[1] != version:
                    return False
                temporary.replace(target)
            _directory_to_disk(target.parent)
        return True

    def delete(self, path: str) -> None:
        with self._errors(path), self._locked():
            self._file(path).unlink(missing_ok=True)

    def list(self, prefix: str) -> list[str]:
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        return {path: found.st_size for path, found in self._below(prefix)}

    def written(self, prefix: str) -> dict[str, datetime]:
        return {path: datetime.fromtimestamp(found.st_mtime, UTC) for path, found in self._below(prefix)}

    def _below(self, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        for folder, _, names in os.walk(self._root / prefix):
            for name in names:
                if name == _LOCK or name.startswith(_TEMPORARY):
                    continue
                file = Path(folder) / name
                with suppress(FileNotFoundError):
                    yield file.relative_to(self._root).as_posix(), file.stat()

    def open_read(self, path: str) -> BinaryIO:
        try:
            return self._file(path).open("rb")
        except FileNotFoundError:
            raise FileMissingError("the file is not there", where=f"{self.uri}/{path}") from None
        except OSError as error:
            raise self._translated(error, path) from None

    @contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        target = self._file(path)
        with self._errors(path), self._temporary(target) as (temporary, stream):
            yield stream
            _to_disk(stream)
            temporary.replace(target)
            _directory_to_disk(target.parent)

    def delta_uri(self, path: str) -> str:
        folder = self._file(path)
        self._make(folder)
        return str(folder)

    def _file(self, path: str) -> Path:
        return self._root / path

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self._root and self._root in folder.parents:
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def _temporary(self, target: Path) -> Iterator[tuple[Path, BinaryIO]]:
        self._make(target.parent)
        temporary = target.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield temporary, stream
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._make(self._root)
        with _THREADS:  # closing the file in one thread would drop another's lock
            descriptor = os.open(self._root / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._translated(error, path) from None

    def _translated(self, error: OSError, path: str) -> StorageError:
        where = f"{self.uri}/{path}"
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            return StorageDeniedError(
                "the directory can't be used by this user", where=where, todo="Check owner and mode."
            )
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return StorageUnavailableError(f"the disk refused: {reason}", where=where, todo="It is tried again.")


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _directory_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_without_links(root: str, path: str) -> bytes | None:
    """A regular file below ``root``; None if there is none, or a symbolic link leads to it.

    :param root: an absolute path.
    :param path: folders and name, below it.
    """
    *folders, name = path.split("/")
    opened: list[int] = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        for folder in folders:
            opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1])
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            content = stream.read(_LARGEST_PAGE + 1)
            return content if len(content) <= _LARGEST_PAGE else None
    except OSError:
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)
