"""Authorities of one's own for ``deltalake`` and Polars, which take them from the environment alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "SSL_CERT_FILE"
_lock = threading.RLock()


@contextmanager
def trusting(path: str) -> Iterator[None]:
    """In this block the libraries' clients trust the authorities of that file, as boto3 does with ``verify``.

    A client reads the variable when it is made; the block is held by one thread at a time and puts back what was there.
    """
    with _lock:
        before = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = path
        try:
            yield
        finally:
            if before is None:
                del os.environ[_VARIABLE]
            else:
                os.environ[_VARIABLE] = before
