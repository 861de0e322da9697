"""Conversion files on an SFTP server, at the speed of OpenSSH's own client.

asyncssh runs on an event loop in a thread of its own; what is seen from outside is synchronous. Several requests are
under way at once, in order and in bounded memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar

import asyncssh

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    PartialFileError,
    StorageError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.files import Progress
from airflow_provider_tiktok_offline.storage.ssh_faults import is_cut, ssh_fault
from airflow_provider_tiktok_offline.storage.ssh_options import ssh_options
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from airflow_provider_tiktok_offline.storage.uris import Location, parse

_T = TypeVar("_T")

#: Bytes of one request, if the server allows as many (OpenSSH: 255 KiB).
_BLOCK = 256 * 1024
#: Bytes of one request to a server that names no limit.
_SAFE_BLOCK = 32 * 1024
#: Bytes that may be under way at once.
_WINDOW = 4 * 1024 * 1024


@contextmanager
def open_sftp(connection: Connection) -> Iterator[SftpFiles]:
    """Log in once and keep the session for as long as the context lasts.

    :raises HostKeyError: if the server is unknown or not the one that was pinned.
    :raises StorageDeniedError: if password or key is refused.
    :raises StorageUnavailableError: if nobody answers.
    """
    options = ssh_options(connection)
    with _LoopThread() as loop:
        session = _Session(loop, options, connection.conn_id)
        session.connect()
        try:
            yield SftpFiles(session)
        finally:
            session.disconnect()


class SftpFiles:
    """:class:`~.files.RemoteFiles` on an SFTP server."""

    def __init__(self, session: _Session) -> None:
        self._session = session

    def list(self, directory_uri: str) -> list[FileStamp]:
        folder = parse(directory_uri)
        names = self._session.run(self._session.client.readdir(folder.path), directory_uri)
        found = []
        for name in names:
            text, attrs = str(name.filename), name.attrs
            if not text.startswith(".") and attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                found.append(_stamp(folder.child(text), attrs))
        return sorted(found, key=lambda stamp: stamp.uri)

    def stat(self, uri: str) -> FileStamp:
        location = parse(uri)
        attrs = self._session.run(self._session.client.stat(location.path), uri)
        if attrs.type != asyncssh.FILEXFER_TYPE_REGULAR:
            raise FileMissingError("is a folder or device, not a file.", rule="not_a_file", where=uri)
        return _stamp(location, attrs)

    def open_read(self, uri: str) -> BinaryIO:
        path = parse(uri).path
        handle = self._session.run(_open(self._session.client, path, "rb"), uri)
        return io.BufferedReader(_ReadStream(self._session, handle, uri), _BLOCK)

    def move(self, uri: str, to_uri: str) -> None:
        source, target = parse(uri), parse(to_uri)
        if source.store != target.store:
            raise ConfigError("a file can only be moved within its server.", where=f"{uri} to {to_uri}")
        client = self._session.client
        self._session.run(client.makedirs(target.directory.path, exist_ok=True), to_uri)
        self._refuse_existing(to_uri)
        self._session.run(client.rename(source.path, target.path), uri)

    def delete(self, uri: str) -> None:
        with contextlib.suppress(FileMissingError):
            self._session.run(self._session.client.remove(parse(uri).path), uri)

    def check_folder(self, directory_uri: str) -> None:
        path = parse(directory_uri).path
        if not self._session.run(self._session.client.isdir(path), directory_uri):
            raise ConfigError(
                "the folder does not exist on the server.",
                where=directory_uri,
                todo="Have it made, or correct the path; folders are never made at a destination.",
            )

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,
        progress: Progress | None = None,
    ) -> FileStamp:  # fmt: skip
        target = parse(uri)
        if not replace:
            self._refuse_existing(uri)
        path = target.directory.child(f".{target.name}.part").path if temporary else target.path
        ours = replace or temporary
        written = 0
        try:
            handle = self._session.run(_open(self._session.client, path, "wb" if ours else "xb"), uri)
            ours = True
            for written in _pipeline(self._session, handle, chunks, uri):
                if progress is not None:
                    progress(written)
            attrs = self._session.run(handle.stat(), uri)
            self._session.run(handle.close(), uri)
            if attrs.size != written:
                raise StorageUnavailableError(f"the server holds {attrs.size} bytes of {written} sent.", where=uri)
            if temporary:
                self._publish(path, target, replace)
        except BaseException as fault:
            full = isinstance(fault.__cause__, asyncssh.SFTPFailure) and self._free_bytes(target) == 0
            if ours or self._session.lost:
                self._clean_up(path, uri, fault)
            if full:
                raise StorageUnavailableError(
                    "the server's disk is full.", where=uri, todo="Have space freed, run again."
                ) from fault
            raise
        return self._verified(target, attrs, written)

    def _free_bytes(self, target: Location) -> int | None:
        """Free bytes where the file should lie; None if the server does not say."""
        try:
            found = self._session.run(self._session.client.statvfs(target.directory.path), str(target))
        except TikTokOfflineError:
            return None
        return int(found.bavail * found.frsize)

    def _refuse_existing(self, uri: str) -> None:
        if self._session.run(self._session.client.exists(parse(uri).path), uri):
            raise StorageError("a file of that name is there already.", where=uri)

    def _publish(self, path: str, target: Location, replace: bool) -> None:
        """Give the complete file its final name: at once where the server can, else after removing the old one."""
        client = self._session.client
        try:
            if not replace:
                self._session.run(client.rename(path, target.path), str(target))
                return
            try:
                self._session.run(client.posix_rename(path, target.path), str(target), unsupported=True)
            except asyncssh.SFTPOpUnsupported:
                with contextlib.suppress(FileMissingError):
                    self._session.run(client.remove(target.path), str(target))
                self._session.run(client.rename(path, target.path), str(target))
        except StorageUnavailableError:
            raise
        except TikTokOfflineError:
            raise ConfigError(
                "the server does not let a file be renamed.", where=str(target), todo="Set temporary_name: false."
            ) from None

    def _verified(self, target: Location, attrs: Any, written: int) -> FileStamp:
        """The file under its final name; as it was last seen, if the server took it away as soon as it was closed."""
        try:
            stamp = self.stat(str(target))
        except FileMissingError:
            return _stamp(target, attrs)
        if stamp.size != written:
            raise StorageUnavailableError(f"the server holds {stamp.size} bytes of {written} sent.", where=stamp.uri)
        return stamp

    def _clean_up(self, path: str, uri: str, fault: BaseException) -> None:
        """Remove what a failed write left, over a new session if the old one is lost."""
        try:
            if self._session.lost:
                self._session.connect()
            with contextlib.suppress(FileMissingError):
                self._session.run(self._session.client.remove(path), uri)
        except TikTokOfflineError:
            raise PartialFileError(
                "the upload was cut and the server does not answer any more.",
                where=uri,
                todo=f"A part of the file may lie there as {path}; the next try replaces it.",
            ) from fault


def _stamp(location: Location, attrs: Any) -> FileStamp:
    return FileStamp(str(location), int(attrs.size or 0), from_epoch(float(attrs.mtime or 0)))


class _LoopThread:
    """An event loop in a thread of its own."""

    def __enter__(self) -> _LoopThread:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="sftp", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        pending = asyncio.all_tasks(self.loop)
        for task in pending:
            task.cancel()
        if pending:
            self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self.loop.close()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)


class _Session:
    """One login: the connection, its SFTP channel, and the loop that they live on."""

    def __init__(self, loop: _LoopThread, options: dict[str, Any], conn_id: str) -> None:
        self._loop = loop
        self._options = options
        self._conn_id = conn_id
        self._connection: asyncssh.SSHClientConnection | None = None
        self.lost = False
        self.client: asyncssh.SFTPClient

    def connect(self) -> None:
        """Log in, again after a loss."""
        self.disconnect()
        self._connection, self.client = self.run(self._connect(), self._where)
        self.lost = False

    def disconnect(self) -> None:
        """Let go of the server, whatever state the connection is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._loop.submit(_close(connection)).result()

    @property
    def _where(self) -> str:
        return f"{self._conn_id} ({self._options['host']}:{self._options['port']})"

    async def _connect(self) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
        connection = await asyncssh.connect(**self._options)
        try:
            return connection, await connection.start_sftp_client()
        except BaseException:
            await _close(connection)
            raise

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        return self._loop.submit(work)

    def run(self, work: Coroutine[Any, Any, _T], where: str, *, unsupported: bool = False) -> _T:
        """Wait for one piece of work."""
        return self.wait(self.submit(work), where, unsupported=unsupported)

    def wait(self, future: Future[_T], where: str, *, unsupported: bool = False) -> _T:
        """The result of work under way; its faults become the package's own errors."""
        try:
            return future.result()
        except (OSError, asyncssh.Error, TimeoutError) as error:
            self.lost = self.lost or is_cut(error)
            if unsupported and isinstance(error, asyncssh.SFTPOpUnsupported):
                raise
            raise ssh_fault(error, where) from error


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        await asyncio.wait_for(connection.wait_closed(), 5)
    connection.abort()


class _ReadStream(io.RawIOBase):
    """A remote file as a sequential stream, read ahead by up to the window."""

    def __init__(self, session: _Session, handle: Any, where: str) -> None:
        self._session = session
        self._handle = handle
        self._where = where
        # A request larger than the server's limit would need a second one for its tail.
        self._block = min(_BLOCK, session.client.limits.max_read_len or _SAFE_BLOCK)
        self._next = 0
        self._ahead: deque[Future[bytes]] = deque()
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._ended:
            self._fetch()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _fetch(self) -> None:
        while len(self._ahead) * self._block < _WINDOW:
            self._ahead.append(self._session.submit(_read_block(self._handle, self._next, self._block)))
            self._next += self._block
        block = self._session.wait(self._ahead.popleft(), self._where)
        self._rest = memoryview(block)
        self._ended = len(block) < self._block

    def close(self) -> None:
        if not self.closed:
            for future in self._ahead:
                future.cancel()
            self._ahead.clear()
            with contextlib.suppress(StorageError):
                self._session.run(self._handle.close(), self._where)
        super().close()


async def _open(client: asyncssh.SFTPClient, path: str, mode: str) -> Any:
    """A handle for bytes whose every read and write is one request: the pipelines here keep several under way."""
    return await client.open(path, mode, encoding=None, block_size=0)


async def _read_block(handle: Any, offset: int, size: int) -> bytes:
    """One block, whole unless the file ends in it; a server may answer with less than was asked for."""
    block: bytes = await handle.read(size, offset)
    if not block or len(block) == size:
        return block
    parts, have = [block], len(block)
    while have < size:
        more = await handle.read(size - have, offset + have)
        if not more:
            break
        parts.append(more)
        have += len(more)
    return b"".join(parts)


def _pipeline(session: _Session, handle: Any, chunks: Iterable[bytes], where: str) -> Iterator[int]:
    """Write chunks with several requests under way; yields the bytes that the server has acknowledged, in order."""
    block = min(_BLOCK, session.client.limits.max_write_len or _SAFE_BLOCK)
    ahead: deque[tuple[Future[int], int]] = deque()
    offset = 0
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), block):
                piece = bytes(view[start : start + block])
                ahead.append((session.submit(handle.write(piece, offset)), offset + len(piece)))
                offset += len(piece)
                if len(ahead) * block >= _WINDOW:
                    future, done = ahead.popleft()
                    session.wait(future, where)
                    yield done
        while ahead:
            future, done = ahead.popleft()
            session.wait(future, where)
            yield done
    finally:
        for future, _ in ahead:
            future.cancel()
