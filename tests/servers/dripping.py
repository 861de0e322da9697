"""Servers on loopback that answer very slowly, for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def raw_server(talk: Callable[[socket.socket], None], *, greeting: bytes = b"") -> Iterator[str]:
    """A server that reads a request and then talks as it is told, for as long as the connection lasts.

    :param greeting: what it says at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = threading.Event()

        def answer(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(greeting)
                    while not done.is_set():
                        talk(connection)
                except OSError:
                    return

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            done.set()
            listening.close()
            thread.join(5)


def drip(text: bytes) -> Callable[[socket.socket], None]:
    """Say the same again and again, every fiftieth of a second."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(text)
        threading.Event().wait(0.02)

    return talk
