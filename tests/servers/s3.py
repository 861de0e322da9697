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

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        access_key, secret_key: credentials it takes (moto takes any).
        region: where buckets are made.
    """

    endpoint: str
    access_key: str = "AKIATESTTESTTESTTEST"
    secret_key: str = "test-secret-key"
    region: str = "eu-west-1"

    def connection(self, conn_id: str = "s3_state") -> Connection:
        """The Airflow connection of type ``aws`` that reaches this server."""
        return Connection(
            conn_id=conn_id,
            conn_type="aws",
            login=self.access_key,
            password=self.secret_key,
            extra={"endpoint_url": self.endpoint, "region_name": self.region},
        )

    def make_bucket(self, name: str) -> None:
        """Create an empty bucket."""
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})

    def keys(self, bucket: str) -> list[str]:
        """Every key in the bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

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


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start moto's server on a free port of 127.0.0.1 and stop it at the end.

    :raises RuntimeError: if it does not answer in time.
    """
    port = _free_port()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the process
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.s3_process", str(port)],
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
        yield S3Server(endpoint=f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
