"""Google Cloud Storage's XML API on loopback: generations, preconditions, ranges, multipart uploads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.generation = 1_700_000_000_000_000


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
            self.bucket.generation += 1
            self.bucket.objects[self._name] = (content, self.bucket.generation)
            self._answer(200, generation=self.bucket.generation)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        with self.bucket.lock:
            self.bucket.generation += 1
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
            entries = "".join(
                f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>"
                f'<ETag>"{generation}"</ETag><Size>{len(content)}</Size></Contents>'
                for name, (content, generation) in sorted(self.bucket.objects.items())
                if name.startswith(prefix) and name > after
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
            self.send_header("ETag", f'"{generation}"')
            self.send_header("x-goog-generation", str(generation))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@contextmanager
def gcs_server() -> Iterator[Connection]:
    """Serve an empty bucket of any name; gives the connection that reaches it."""
    handler = type("Handler", (_Handler,), {"bucket": _Bucket()})
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
        yield Connection(
            conn_id="gcs_state", conn_type="google_cloud_platform", extra={"keyfile_dict": json.dumps(account)}
        )
    finally:
        server.shutdown()
        server.server_close()
