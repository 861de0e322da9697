"""Reading and writing one remote file with several requests under way, in order and in bounded memory."""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, cast

import asyncssh

from airflow_provider_tiktok_offline.errors import StorageError
from airflow_provider_tiktok_offline.storage.backends.ssh_session import Session

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of one request, if the server allows as many (OpenSSH: 255 KiB).
BLOCK = 256 * 1024
#: Bytes of one request to a server that names no limit.
_SAFE_BLOCK = 32 * 1024
#: Bytes that may be under way at once.
_WINDOW = 4 * 1024 * 1024


class RemoteHandle(Protocol):
    """An open file of asyncssh, for bytes."""

    async def read(self, size: int, offset: int) -> bytes:
        """At most so many bytes from a place on; none at the end of the file."""

    async def write(self, data: bytes, offset: int) -> int:
        """Write all bytes at a place."""

    async def stat(self) -> asyncssh.SFTPAttrs:
        """The open file's attributes."""

    async def close(self) -> None:
        """Close it."""


class ReadStream(io.RawIOBase):
    """A remote file as a sequential stream, read ahead by up to the window.

    :param start: its first byte.
    """

    def __init__(self, session: Session, handle: RemoteHandle, where: str, start: int = 0) -> None:
        self._session = session
        self._handle = handle
        self._where = where
        # A request larger than the server's limit would need a second one for its tail.
        self._block = min(BLOCK, session.client.limits.max_read_len or _SAFE_BLOCK)
        self._next = start
        self._in_flight: deque[Future[bytes]] = deque()
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest and not self._ended:
            self._fetch()
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _fetch(self) -> None:
        while len(self._in_flight) * self._block < _WINDOW:
            self._in_flight.append(self._session.submit(read_block(self._handle, self._next, self._block)))
            self._next += self._block
        block = self._session.wait(self._in_flight.popleft(), self._where)
        self._rest = memoryview(block)
        self._ended = len(block) < self._block

    def close(self) -> None:
        if not self.closed:
            for future in self._in_flight:
                future.cancel()
            self._in_flight.clear()
            with contextlib.suppress(StorageError):
                self._session.run(self._handle.close(), self._where)
        super().close()


async def open_handle(client: asyncssh.SFTPClient, path: str, mode: str) -> RemoteHandle:
    """A handle for bytes whose every read and write is one request: the pipelines here keep several under way."""
    return cast(RemoteHandle, await client.open(path, mode, encoding=None, block_size=0))


async def read_block(handle: RemoteHandle, offset: int, size: int) -> bytes:
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


def pipeline(
    session: Session, handle: RemoteHandle, chunks: Iterable[bytes], where: str, start: int = 0
) -> Iterator[int]:
    """Write chunks with several requests under way.

    :param start: the byte at which the first chunk belongs.
    :returns: again and again the byte up to which the server has acknowledged everything.
    """
    block = min(BLOCK, session.client.limits.max_write_len or _SAFE_BLOCK)
    in_flight: deque[tuple[Future[int], int]] = deque()
    offset = start
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            for at in range(0, len(view), block):
                piece = bytes(view[at : at + block])
                in_flight.append((session.submit(handle.write(piece, offset)), offset + len(piece)))
                offset += len(piece)
                if len(in_flight) * block >= _WINDOW:
                    future, done = in_flight.popleft()
                    session.wait(future, where)
                    yield done
        while in_flight:
            future, done = in_flight.popleft()
            session.wait(future, where)
            yield done
    finally:
        for future, _ in in_flight:
            future.cancel()
