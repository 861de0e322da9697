"""A TCP proxy on loopback that cuts connections at a chosen byte."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator


class CuttingProxy:
    """Passes bytes on to a server until it is told to cut.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._left: int | None = None
        self._dead_after = False
        self._dead = False
        self.cuts = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut_after(self, sent: int, *, then_dead: bool = False) -> None:
        """Cut all connections once ``sent`` more bytes have gone from client to server.

        :param then_dead: refuse every later connection, as a server that is gone; otherwise later ones pass.
        """
        with self._lock:
            self._left = sent
            self._dead_after = then_dead

    def revive(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self._left = None
            self._dead = False

    def close(self) -> None:
        """Stop listening and drop what is open."""
        self._listener.close()
        self._drop()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._dead:
                _reset(client)
                continue
            server = socket.create_connection(self._target)
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, upward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if upward and self._counts(len(data)):
                    with self._lock:
                        keep, self._left = max(0, (self._left or 0) + len(data)), None
                    sink.sendall(data[:keep])
                    self._cut()
                    return
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _counts(self, size: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            self._left -= size
            return self._left < 0

    def _cut(self) -> None:
        self.cuts += 1
        self._dead = self._dead_after
        self._drop()

    def _drop(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for one in pair:
                _reset(one)


def _reset(connection: socket.socket) -> None:
    """End a connection without a goodbye."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextlib.contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """A proxy in front of a server on 127.0.0.1."""
    proxy = CuttingProxy(("127.0.0.1", port))
    try:
        yield proxy
    finally:
        proxy.close()
