"""``python -m tests.servers.s3_process PORT [SWITCH] [--tls PORT CERTIFICATE KEY]``: moto's S3 server.

At :data:`WATCH` it tells which requests it was sent since it was last asked, and takes a delay for those to come.

While the file SWITCH exists it refuses writes. As on S3 itself, of two conditional writes at once one is refused: moto
looks, and then writes, in threads. Buckets with a name of :data:`ODD` answer as other stores do. With ``--tls`` it also
answers on another port, with that certificate.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Where the server tells of the requests it was sent. No bucket has such a name.
WATCH = "/-/requests"

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


def watched(application: Application) -> Application:
    """The application, with a list of its requests and a delay before each."""
    lock = threading.Lock()
    seen: list[str] = []
    delay = 0.0

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal delay
        if environ["PATH_INFO"] == WATCH:
            with lock:
                delay = float(_body(environ) or delay)
                content = json.dumps(seen).encode()
                seen.clear()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
            return [content]
        with lock:
            seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        time.sleep(delay)
        return application(environ, start_response)

    return answer


def _body(environ: dict[str, Any]) -> bytes:
    content: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return content


def odd(application: Application) -> Application:
    """The application, some of whose buckets are not as Amazon's."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        bucket = environ["PATH_INFO"].strip("/").partition("/")[0]
        conditions = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & environ.keys()
        if bucket == "ignores-conditions" and environ["REQUEST_METHOD"] == "PUT":
            for name in conditions:
                del environ[name]
        if bucket == "refuses-conditions" and environ["REQUEST_METHOD"] == "PUT" and conditions:
            return _refuse(environ, start_response, "501 Not Implemented", "NotImplemented")
        if bucket == "lies-elsewhere" and "/eu-south-1/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return _refuse(environ, start_response, "400 Bad Request", "AuthorizationHeaderMalformed")
        if bucket == "denies-all":
            return _refuse(environ, start_response, "403 Forbidden", "AccessDenied")
        return application(environ, start_response)

    return answer


def _refuse(environ: dict[str, Any], start_response: Callable[..., Any], status: str, code: str) -> Iterable[bytes]:
    _body(environ)
    text = f"<Error><Code>{code}</Code><Message>text of the server</Message></Error>".encode()
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
    return [text]


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("switch", type=Path, nargs="?")
    parser.add_argument("--tls", nargs=3)
    args = parser.parse_args()
    application = watched(odd(one_by_one(DomainDispatcherApplication(create_backend_app))))
    if args.switch is not None:
        application = refusing(application, args.switch)
    if args.tls is not None:
        port, certificate, key = args.tls
        serve = partial(run_simple, "127.0.0.1", int(port), application, threaded=True, ssl_context=(certificate, key))
        threading.Thread(target=serve, daemon=True).start()
    run_simple("127.0.0.1", args.port, application, threaded=True)


if __name__ == "__main__":
    main()
