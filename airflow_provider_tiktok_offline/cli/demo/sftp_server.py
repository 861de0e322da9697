"""An SFTP server on loopback for the demo: asyncssh's, with a host key made for the occasion."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncssh

USER = "shop"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DemoSftp:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        host_key: its public key, to be pinned.
        client_key: path of the private key that it lets in.
        listed: is set when somebody has looked into a folder to its end.
    """

    port: int
    host_key: str
    client_key: Path
    listed: threading.Event


@contextmanager
def sftp_server(root: Path, keys: Path) -> Iterator[DemoSftp]:
    """Serve the folder ``root`` until the context ends.

    :param keys: an empty folder for the client's key.
    """
    host_key, client_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    path = keys / "id_ed25519"
    client_key.write_private_key(str(path))
    path.chmod(0o600)
    listed = threading.Event()

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
            super().__init__(channel, chroot=str(root).encode())

        async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
            # Told at the listing's end: a file that is renamed while asyncssh lists is an error to its client.
            async for name in super().scandir(path):
                yield name
            listed.set()

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(client_key.export_public_key().decode()),
            sftp_factory=Files,
        )

    async def end(server: asyncssh.SSHAcceptor) -> None:
        # In the loop's own thread: closing is not safe from another one.
        server.close()
        await server.wait_closed()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="demo-sftp", daemon=True)
    thread.start()
    try:
        server = _wait(asyncio.run_coroutine_threadsafe(start(), loop))
        key = host_key.export_public_key().decode().split()
        yield DemoSftp(server.get_port(), " ".join(key[:2]), path, listed)
        _wait(asyncio.run_coroutine_threadsafe(end(server), loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait(future: Future[_T]) -> _T:
    return future.result(timeout=30)
