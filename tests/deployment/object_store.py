"""``python -m tests.deployment.object_store PORT SWITCH``: moto's S3 server, refusing writes while SWITCH exists."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

_REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def refusing(application: Callable[..., Iterable[bytes]], switch: Path) -> Callable[..., Iterable[bytes]]:
    """The application, whose writes S3's 503 SlowDown answers while a file exists."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") and switch.exists():
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            length = str(len(_REFUSAL))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", length)])
            return [_REFUSAL]
        return application(environ, start_response)

    return answer


def main() -> None:
    """Serve until told to end."""
    application = refusing(DomainDispatcherApplication(create_backend_app), Path(sys.argv[2]))
    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)


if __name__ == "__main__":
    main()
