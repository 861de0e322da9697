"""An HTTP server on loopback that takes every POST and keeps its body."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sink:
    """What was posted.

    Attributes:
        url: the server's.
        posted: path and body of each request, oldest first.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.posted: list[tuple[str, Any]] = []

    def at(self, path: str) -> list[Any]:
        """The bodies posted to that path."""
        return [body for where, body in self.posted if where == path]


@contextmanager
def sink() -> Iterator[Sink]:
    """Start a server on a free port and stop it at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            found.posted.append((self.path, json.loads(content)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Sink(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
