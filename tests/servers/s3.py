"""A real S3 server on loopback: moto, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # moto needs it: a test that wants S3 fails here if moto is missing
import httpx
import moto.server  # noqa: F401

from airflow_provider_tiktok_offline.connections import Connection
from tests.servers.s3_process import WATCH

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        access_key, secret_key: credentials it takes (moto takes any).
        region: where buckets are made.
        tls_endpoint: the same over TLS, where it speaks that.
        authority: the certificate of the authority that vouches for it there.
    """

    endpoint: str
    access_key: str = "AKIATESTTESTTESTTEST"
    secret_key: str = "test-secret-key"
    region: str = "eu-west-1"
    tls_endpoint: str = ""
    authority: Path | None = None

    def connection(self, conn_id: str = "s3_state", **extra: object) -> Connection:
        """The Airflow connection of type ``aws`` that reaches this server."""
        return Connection(
            conn_id=conn_id,
            conn_type="aws",
            login=self.access_key,
            password=self.secret_key,
            extra={"endpoint_url": self.endpoint, "region_name": self.region, **extra},
        )

    def make_bucket(self, name: str) -> None:
        """Create an empty bucket."""
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})

    def keys(self, bucket: str) -> list[str]:
        """Every key in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def stored_bytes(self, bucket: str, prefix: str) -> int:
        """How many bytes the objects below a prefix have."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
        return sum(entry["Size"] for page in pages for entry in page.get("Contents", []))

    def read(self, bucket: str, key: str) -> bytes:
        """The bytes of one object."""
        return bytes(self.client().get_object(Bucket=bucket, Key=key)["Body"].read())

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Put one object."""
        self.client().put_object(Bucket=bucket, Key=key, Body=content)

    def delete(self, bucket: str, key: str) -> None:
        """Remove one object."""
        self.client().delete_object(Bucket=bucket, Key=key)

    def refuse(self, refused: bool) -> None:
        """From now on let in nobody, since it knows no user, or everybody again."""
        calls = "0" if refused else "inf"
        httpx.post(f"{self.endpoint}/moto-api/reset-auth", content=calls, trust_env=False).raise_for_status()

    def requests(self, *, delay: float | None = None) -> list[str]:
        """The requests since the last call, each as method, path and query.

        :param delay: seconds that each request to come waits for, as on a long line.
        """
        content = "" if delay is None else str(delay)
        answer = httpx.post(f"{self.endpoint}{WATCH}", content=content, trust_env=False)
        return [str(request) for request in answer.raise_for_status().json()]

    def client(self) -> Any:
        """boto3's client of this server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority of our own, a certificate of it for 127.0.0.1, and that one's key."""
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    certificate, key = folder / "server.pem", folder / "server.key"
    common = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for subject, made, its_key, more in (
        ("/CN=Test authority", authority, authority_key, ["-addext", "keyUsage=keyCertSign"]),
        (
            "/CN=127.0.0.1", certificate, key,
            ["-CA", str(authority), "-CAkey", str(authority_key), "-addext", "basicConstraints=critical,CA:FALSE",
             "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth"],
        ),
    ):  # fmt: skip
        command = [*common, "-days", "2", "-subj", subject, "-keyout", str(its_key), "-out", str(made), *more]
        subprocess.run(command, check=True, capture_output=True)
    return authority, certificate, key


@contextmanager
def s3_server(*, tls_folder: Path | None = None, switch: Path | None = None) -> Iterator[S3Server]:
    """Start moto's server on a free port of 127.0.0.1 and stop it at the end.

    :param tls_folder: also speak TLS, with a certificate made there.
    :param switch: a file; while it exists the server refuses writes.
    :raises RuntimeError: if it does not answer in time.
    """
    port = _free_port()
    authority = None
    tls_port = _free_port()
    options = [] if switch is None else [str(switch)]
    if tls_folder is not None:
        authority, certificate, key = _certificates(tls_folder)
        options += ["--tls", str(tls_port), str(certificate), str(key)]
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the process
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.s3_process", str(port), *options],
        cwd=Path(__file__).parents[2],
        stdout=log,
        stderr=log,
        env={**os.environ, "AWS_EC2_METADATA_DISABLED": "true"},
    )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                said = log.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"moto's server did not start (exit code {process.poll()}): {said}")
            time.sleep(0.05)
        yield S3Server(
            endpoint=f"http://127.0.0.1:{port}",
            tls_endpoint="" if authority is None else f"https://127.0.0.1:{tls_port}",
            authority=authority,
        )
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
