"""One SSH login with its SFTP channel, on an event loop in a thread of its own; seen from outside it is synchronous."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Never, TypeVar

import asyncssh

from airflow_provider_tiktok_offline.storage.backends.ssh_faults import is_cut, ssh_fault
from airflow_provider_tiktok_offline.storage.backends.ssh_options import SshOptions
from airflow_provider_tiktok_offline.storage.backends.ssh_probe import find_disagreement

_T = TypeVar("_T")


class LoopThread:
    """An event loop in a thread of its own."""

    def __enter__(self) -> LoopThread:
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

    def submit(self, work: Coroutine[object, Never, _T]) -> Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)


class Session:
    """One login: the connection, its SFTP channel, and the loop that they live on.

    Attributes:
        longest_exchange: seconds after which a server that does not answer one request is given up: a listing, a block.
    """

    longest_exchange = 300.0

    def __init__(self, loop: LoopThread, options: SshOptions, conn_id: str) -> None:
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
        """Close the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._loop.submit(close_connection(connection)).result()

    @property
    def _where(self) -> str:
        return f"{self._conn_id} ({self._options['host']}:{self._options['port']})"

    async def _connect(self) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
        try:
            connection = await asyncssh.connect(**self._options)
        except (ConnectionResetError, BrokenPipeError, asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed):
            # The server closed the connection before the login, or asyncssh did.
            found = await find_disagreement(self._options, self._where)
            if found is None:
                raise
            raise found from None
        try:
            return connection, await connection.start_sftp_client()
        except BaseException:
            await close_connection(connection)
            raise

    def submit(self, work: Coroutine[object, Never, _T]) -> Future[_T]:
        return self._loop.submit(work)

    def run(self, work: Coroutine[object, Never, _T], where: str, *, unsupported: bool = False) -> _T:
        """Wait for one piece of work."""
        return self.wait(self.submit(work), where, unsupported=unsupported)

    def wait(self, future: Future[_T], where: str, *, unsupported: bool = False) -> _T:
        """The result of work under way; its faults become the package's own errors."""
        try:
            return future.result(self.longest_exchange)
        except (OSError, asyncssh.Error, TimeoutError) as error:
            future.cancel()
            self.lost = self.lost or is_cut(error)
            if unsupported and isinstance(error, asyncssh.SFTPOpUnsupported):
                raise
            raise ssh_fault(error, where) from None


async def close_connection(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        await asyncio.wait_for(connection.wait_closed(), 5)
    connection.abort()
