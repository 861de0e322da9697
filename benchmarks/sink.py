"""A server that answers every request at once with success and looks at nothing: what it costs is the same for all.

``python -m benchmarks.sink`` prints its port.
"""

from __future__ import annotations

import re
import socket
import threading

_BODY = b'{"code":0,"message":"OK","request_id":"sink","data":{}}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _serve(connection: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    view = memoryview(buffer)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        held = 0
        while (end := buffer.find(b"\r\n\r\n", 0, held)) < 0:
            got = connection.recv_into(view[held:])
            if not got:
                return
            held += got
        length = _LENGTH.search(buffer, 0, end)
        left = end + 4 + int(length.group(1) if length else 0) - held
        while left > 0:
            got = connection.recv_into(buffer, min(left, len(buffer)))
            if not got:
                return
            left -= got
        connection.sendall(_ANSWER)


def main() -> None:
    """Serve until killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=_serve, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
