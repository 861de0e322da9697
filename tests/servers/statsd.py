"""A StatsD server on loopback that keeps what it is sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Metrics:
    """What was sent.

    Attributes:
        port: where the server listens on 127.0.0.1.
        lines: the metrics, as ``name,tag=value:1|c``, oldest first.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []

    def about(self, *parts: str) -> list[str]:
        """The metrics that hold all of these."""
        return [line for line in self.lines if all(part in line for part in parts)]


@contextmanager
def statsd() -> Iterator[Metrics]:
    """Start a server on a free port and stop it at the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        found = Metrics(server.getsockname()[1])

        def listen() -> None:
            while packet := server.recv(65536):
                found.lines.extend(packet.decode().splitlines())

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.sendto(b"", ("127.0.0.1", found.port))
            thread.join()
