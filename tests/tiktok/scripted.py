"""A small HTTP server on loopback that answers as it is told, for faults of the transport and answers made up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.body)
        return body

    @property
    def event_ids(self) -> list[str]:
        return [item["event_id"] for item in self.json["data"]]


@dataclass(frozen=True)
class Reply:
    """What is answered.

    ``cut`` ends the connection: ``before`` any byte of the answer, or in the ``middle`` of its body.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: str | None = None


def code(number: int, message: str = "", *, data: object = None, request_id: str = "r1", **headers: str) -> Reply:
    """An answer in the shape of TikTok's API."""
    body = {"code": number, "message": message, "request_id": request_id, "data": {} if data is None else data}
    return Reply(json.dumps(body).encode(), headers={name.replace("_", "-"): value for name, value in headers.items()})


OK = code(0, "OK")
LOST = Reply(cut="before")


class ScriptedServer:
    """Answers with what ``answer`` returns for a request; keeps what came."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        self.connections = 0
        self.one_at_a_time = True
        self._lock = threading.Lock()
        handler = _handler(self)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def take(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            if self.one_at_a_time:
                return self.answer(request)
        return self.answer(request)

    def serve(self) -> None:
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def in_turn(*replies: Reply) -> Callable[[Request], Reply]:
    """Answer with each reply once, then with the last."""
    left = list(replies)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def scripted(answer: Callable[[Request], Reply]) -> Iterator[ScriptedServer]:
    """A server that runs while the block does."""
    server = ScriptedServer(answer)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def unused_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = server.take(Request(self.command, self.path, dict(self.headers), body))
            if reply.cut == "before":
                self._hang_up()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.cut == "middle":
                self.wfile.write(reply.body[: len(reply.body) // 2])
                self._hang_up()
                return
            self.wfile.write(reply.body)

        do_GET = do_POST = _answer

        def _hang_up(self) -> None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on stderr."""

    return Handler
