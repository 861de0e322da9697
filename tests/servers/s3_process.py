"""``python -m tests.servers.s3_process PORT [SWITCH]``: moto's S3 server.

While the file SWITCH exists it refuses writes. As on S3 itself, of two conditional writes at once one is refused: moto
looks, and then writes, in threads.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def refusing(application: Application, switch: Path) -> Application:
    """The application, whose writes S3's 503 SlowDown answers while a file exists."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") and switch.exists():
            _body(environ)
            length = str(len(_REFUSAL))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", length)])
            return [_REFUSAL]
        return application(environ, start_response)

    return answer


def one_by_one(application: Application) -> Application:
    """The application, whose conditional writes follow each other; a client that stalls holds nobody up."""
    lock = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        conditional = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & environ.keys()
        if environ["REQUEST_METHOD"] != "PUT" or not conditional:
            return application(environ, start_response)
        environ["wsgi.input"] = BytesIO(_body(environ))
        with lock:
            return application(environ, start_response)

    return answer


def _body(environ: dict[str, Any]) -> bytes:
    content: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return content


def main() -> None:
    """Serve until told to end."""
    application = one_by_one(DomainDispatcherApplication(create_backend_app))
    if len(sys.argv) > 2:
        application = refusing(application, Path(sys.argv[2]))
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)


if __name__ == "__main__":
    main()
