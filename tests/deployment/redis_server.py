"""Redis from Debian's package, on loopback, alone in a temporary directory; stopped and started again at will."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.processes import Process, free_port, listens, program
from tests.servers.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Redis:
    """A server.

    Attributes:
        port: on 127.0.0.1.
    """

    port: int
    process: Process

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process.start()
        wait_until(lambda: listens(self.port), "Redis listens", seconds=20)

    def stop(self) -> None:
        """Stop it; what is queued lies on its disk."""
        self.process.stop()

    def contents(self) -> bytes:
        """What it has written to its disk."""
        return b"".join(path.read_bytes() for path in sorted(self.process.folder.rglob("*")) if path.is_file())


@contextmanager
def redis(command: Sequence[str], folder: Path) -> Iterator[Redis]:
    """Start Redis and stop it at the end.

    :param command: as the compose file has it.
    :raises ProgramMissingError: if it is not installed.
    """
    port = free_port()
    server = program(command[0], "redis-server", Path("/usr/sbin"))
    native = [server, *command[1:], "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    running = Redis(port, Process("redis", native, folder, {"PATH": os.environ["PATH"]}))
    running.start()
    try:
        yield running
    finally:
        running.stop()
