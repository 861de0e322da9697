"""Google Cloud Storage's XML API on loopback: generations, preconditions, ranges, multipart uploads, copies.

No emulator that is to be had by a package manager knows the preconditions of this API.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_tiktok_offline.connections import Connection

# Preconditions, generations and listings follow https://cloud.google.com/storage/docs/xml-api/reference-headers


class _Bucket:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.tags: dict[int, str] = {}
        self.lose_answer = False
        self.spoil = False
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.generation = 1_700_000_000_000_000
        self.written: dict[int, datetime] = {}

    def next_generation(self) -> int:
        """A number for the next object, and the moment that it is written at."""
        self.generation += 1
        self.written[self.generation] = datetime.now(UTC)
        return self.generation


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bucket: _Bucket

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        query = parse_qs(urlsplit(self.path).query)
        if "uploadId" in query:
            number = int(query["partNumber"][0])
            self.bucket.uploads[query["uploadId"][0]][number] = content
            self._answer(200, generation=number)
            return
        wanted = self.headers.get("x-goog-if-generation-match")
        with self.bucket.lock:
            current = self.bucket.objects.get(self._name, (b"", 0))[1]
            if wanted is not None and int(wanted) != current:
                self._answer(412)
                return
            copied = self.headers.get("x-goog-copy-source")
            if copied is not None:
                content = self.bucket.objects[unquote(copied).lstrip("/").partition("/")[2]][0]
            if self.bucket.spoil:
                content = content[:-1] + b"?"
            generation = self.bucket.next_generation()
            self.bucket.objects[self._name] = (content, generation)
            self.bucket.tags[generation] = hashlib.md5(content, usedforsecurity=False).hexdigest()
            if self.bucket.lose_answer:
                self.bucket.lose_answer = False
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(200, b"<CopyObjectResult/>" if copied is not None else b"", generation=generation)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        with self.bucket.lock:
            self.bucket.next_generation()
            if "uploads" in query:
                name = f"upload-{self.bucket.generation}"
                self.bucket.uploads[name] = {}
                body = f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>"
            else:
                parts = self.bucket.uploads.pop(query["uploadId"][0])
                whole = b"".join(content for _, content in sorted(parts.items()))
                self.bucket.objects[self._name] = (whole, self.bucket.generation)
                tag = f'<ETag>"{self.bucket.generation}"</ETag>'
                body = f"<CompleteMultipartUploadResult>{tag}</CompleteMultipartUploadResult>"
        self._answer(200, body.encode(), generation=self.bucket.generation)

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            prefix = query.get("prefix", [""])[0]
            after = query.get("start-after", [""])[0]
            mark = query.get("delimiter", [""])[0]
            below = {name for name in self.bucket.objects if mark and mark in name.removeprefix(prefix)}
            entries = "".join(
                f"<Contents><Key>{escape(name)}</Key><LastModified>"
                f"{self.bucket.written[generation]:%Y-%m-%dT%H:%M:%S.%fZ}</LastModified>"
                f'<ETag>"{self._tag(generation)}"</ETag><Size>{len(content)}</Size></Contents>'
                for name, (content, generation) in sorted(self.bucket.objects.items())
                if name.startswith(prefix) and name > after and name not in below
            )
            self._answer(200, f"<ListBucketResult>{entries}</ListBucketResult>".encode())
            return
        found = self.bucket.objects.get(self._name)
        if found is None:
            self._answer(404)
        elif (wanted := self.headers.get("Range")) is not None:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            size = len(found[0])
            start = int(first) if first else max(0, size - int(last))
            end = min(int(last) + 1, size) if first and last else size
            span = f"bytes {start}-{end - 1}/{size}"
            self._answer(206, found[0][start:end], generation=found[1], span=span)
        else:
            self._answer(200, found[0], generation=found[1])

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        self._answer(204 if self.bucket.objects.pop(self._name, None) else 404)

    def _tag(self, generation: int) -> str:
        """The MD5 of what was put in one request; of what went up in parts none."""
        return self.bucket.tags.get(generation, str(generation))

    @property
    def _name(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def _answer(
        self, status: int, body: bytes = b"", *, generation: int | None = None, span: str | None = None
    ) -> None:
        self.send_response(status)
        if span is not None:
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        if generation is not None:
            self.send_header("ETag", f'"{self._tag(generation)}"')
            self.send_header("x-goog-generation", str(generation))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@dataclass
class GcsServer:
    """A running server.

    Attributes:
        connection: reaches it.
    """

    connection: Connection
    _bucket: _Bucket

    def read(self, name: str) -> bytes:
        """An object's bytes."""
        return self._bucket.objects[name][0]

    def names(self) -> list[str]:
        """Every object."""
        return sorted(self._bucket.objects)

    def generation(self, name: str) -> int:
        """Rises with every write."""
        return self._bucket.objects[name][1]

    def lose_next_answer(self) -> None:
        """Store what is put next, and close the connection without a word."""
        self._bucket.lose_answer = True

    def spoil(self, spoiled: bool) -> None:
        """From now on what is put is stored with its last byte changed."""
        self._bucket.spoil = spoiled


@contextmanager
def gcs_server() -> Iterator[Connection]:
    """Serve an empty bucket of any name; gives the connection that reaches it."""
    with running_gcs("gcs_state") as server:
        yield server.connection


@contextmanager
def running_gcs(conn_id: str) -> Iterator[GcsServer]:
    """Serve an empty bucket of any name."""
    bucket = _Bucket()
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "private_key": key.decode(),
        "private_key_id": "test",
        "client_email": "test@example.iam.gserviceaccount.com",
        "gs_base_url": f"http://127.0.0.1:{server.server_address[1]}",
        "disable_oauth": True,
    }
    try:
        connection = Connection(
            conn_id=conn_id, conn_type="google_cloud_platform", extra={"keyfile_dict": json.dumps(account)}
        )
        yield GcsServer(connection, bucket)
    finally:
        server.shutdown()
        server.server_close()
