"""A server on 127.0.0.1 that receives TikTok's redirect after an authorisation."""

from __future__ import annotations

import threading
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

from airflow_provider_tiktok_offline.errors import ConfigError, GrantError
from airflow_provider_tiktok_offline.tiktok.api_address import PRODUCTION_URL
from airflow_provider_tiktok_offline.tiktok.oauth import Authorization, auth_code_of, authorization, belongs_to

PATH = "/callback"
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    "<body><h1>{title}</h1><p>{text}</p></body></html>"
)


class CallbackServer:
    """A context manager. While it is open, ``redirect_uri`` is served.

    :param port: 0 for any free port; an app with a registered redirect needs that redirect's port.
    :raises ConfigError: if the port is in use.
    """

    def __init__(self, port: int = 0) -> None:
        self._arrived = threading.Event()
        self._url = ""
        self._expected: Authorization | None = None
        try:
            self._http = _Silent(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise ConfigError(
                f"port {port} of 127.0.0.1 can't be used ({error.strerror}).",
                todo="Choose another, one that is registered with the app, or use --paste.",
            ) from None
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self.redirect_uri = f"http://127.0.0.1:{self._http.server_port}{PATH}"

    def __enter__(self) -> CallbackServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def authorization(self, app_id: str, *, base_url: str = PRODUCTION_URL) -> Authorization:
        """Begin a grant whose redirect comes here; requests that do not carry its ``state`` are ignored from now on."""
        self._expected = authorization(app_id, self.redirect_uri, base_url=base_url)
        return self._expected

    def wait(self, timeout: float) -> str:
        """The ``auth_code`` of the first redirect that belongs to the grant that was begun here.

        :param timeout: seconds to wait for it.
        :raises GrantError: if no redirect came, or the authorisation was refused.
        """
        if self._expected is None or not self._arrived.wait(timeout):
            raise GrantError(
                f"no admin confirmed within {timeout:.0f} seconds.",
                todo="Start again; if the browser runs on another machine, use --paste.",
            )
        return auth_code_of(self._url, self._expected.state)

    def take(self, path: str) -> bool:
        """Keep the first redirect of the grant that was begun; False for a request of anybody else."""
        if self._expected is None or not belongs_to(path, self._expected.state):
            return False
        if not self._arrived.is_set():
            self._url = path
            self._arrived.set()
        return True


class _Silent(ThreadingHTTPServer):
    """Says nothing of a connection that breaks: the request line, which Python would show, holds the code."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


def _path_of(address: str) -> str | None:
    """The path of a request; None if its address is none."""
    try:
        return urlsplit(address).path
    except ValueError:
        return None


def _handler(server: CallbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if _path_of(self.path) != PATH:
                self._show(404, "Not here", "This address serves TikTok's redirect only.")
                return
            if not server.take(self.path):
                self._show(400, "Not this one", "This address belongs to no authorisation that is under way.")
                return
            self._show(200, "Received", "Go back to the terminal: it says whether the authorisation was complete.")

        def _show(self, status: int, title: str, text: str) -> None:
            page = _PAGE.format(title=escape(title), text=escape(text)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the request line holds the code."""

    return Handler
