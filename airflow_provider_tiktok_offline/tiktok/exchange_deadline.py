"""A deadline for a whole exchange with a server, however it drips: headers, interim answers, bodies.

The timeouts of HTTP libraries count from byte to byte, so that a server that sends one byte now and then is waited for
without end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import TYPE_CHECKING

import httpcore

from airflow_provider_tiktok_offline.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable


class Deadline:
    """The deadline of the exchange that the calling thread is in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of_thread = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """All reads and writes of the block end after so many seconds."""
        self._of_thread.end = self._clock.monotonic() + seconds
        try:
            yield
        finally:
            self._of_thread.end = None

    def left(self, timeout: float | None) -> float | None:
        """The time-out of the next read or write.

        :raises httpcore.ReadTimeout: if the deadline has passed.
        """
        end: float | None = getattr(self._of_thread, "end", None)
        if end is None:
            return timeout
        left = end - self._clock.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)


class DeadlineNetwork(httpcore.SyncBackend):
    """Connections whose reads and writes keep a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(host, port, self._deadline.left(timeout), local_address, socket_options)
        return _Stream(stream, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(
            self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline
        )

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
