"""A bucket whose server drips is given up, in headers and in bodies, for files and for the state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import polars as pl
import pytest
from deltalake import DeltaTable

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import StorageUnavailableError
from airflow_provider_tiktok_offline.storage.backends import bounded_calls, cloud_options
from airflow_provider_tiktok_offline.storage.backends.cloud_options import s3_options
from airflow_provider_tiktok_offline.storage.backends.s3_files import S3Files, _ReadStream, open_s3
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.servers.dripping import drip, raw_server
from tests.servers.sshd import StaticConnections

_BODY = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: "a"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n'
)
_STEPS: dict[str, Callable[[S3Files], object]] = {
    "stat": lambda files: files.stat("s3://b/in/a.csv"),
    "list": lambda files: files.list("s3://b/in"),
    "read": lambda files: files.open_read("s3://b/in/a.csv").read(10),
    "write": lambda files: files.write("s3://b/in/a.csv", [b"1"]),
    "write parts": lambda files: files.write("s3://b/in/a.csv", [b"1" * 17_000_000]),
    "delete": lambda files: files.delete("s3://b/in/a.csv"),
}


def connection(url: str) -> Connection:
    """To the slow server; botocore asks once."""
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": {"retries": {"max_attempts": 1}}}
    return Connection(conn_id="slow", conn_type="aws", login="key", password="secret", extra=extra)


@contextmanager
def given_up_in_time(seconds: float = 8) -> Iterator[None]:
    """The block ends with the error of a store that may answer later."""
    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        yield
    assert time.monotonic() - begun < seconds


@pytest.mark.parametrize("step", _STEPS)
def test_headers_that_drip(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call on files waits for a status line that never ends."""
    monkeypatch.setattr(bounded_calls, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(bounded_calls, "_LONGER", {})
    monkeypatch.setattr("airflow_provider_tiktok_offline.storage.backends.s3_files.CALL_SECONDS", 0.3)
    with raw_server(drip(b"H")) as url, open_s3(connection(url)) as files, given_up_in_time():
        _STEPS[step](files)


def test_a_body_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that gives a few bytes now and then is ended, after it was asked again."""
    monkeypatch.setattr(_ReadStream, "longest_read", 0.3)
    with (
        raw_server(drip(b"x"), greeting=_BODY) as url,
        open_s3(connection(url)) as files,
        given_up_in_time(),
        files.open_read("s3://b/in/a.csv") as stream,
    ):
        stream.read(100_000)


@pytest.mark.parametrize(("greeting", "text"), [(b"", b"H"), (_BODY, b"x")], ids=["headers", "body"])
def test_the_state_in_a_slow_bucket(greeting: bytes, text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading and writing a document: the whole exchange has its time."""
    monkeypatch.setattr(cloud_options, "_REQUEST", timedelta(seconds=0.3))
    monkeypatch.setattr(cloud_options, "_RETRY", {"max_retries": 1, "retry_timeout": timedelta(seconds=1)})
    with raw_server(drip(text), greeting=greeting) as url:
        objects = open_objects("s3://slow@b/state", StaticConnections(connection(url)))
        with given_up_in_time():
            objects.get("a.json")
        if not greeting:
            with given_up_in_time():
                objects.create("a.json", b"{}")


@pytest.mark.parametrize(
    ("greeting", "text"), [(b"", b""), (b"", b"H"), (_BODY, b"x")], ids=["silence", "headers", "body"]
)
def test_a_table_in_a_slow_bucket(greeting: bytes, text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of deltalake and of Polars has its time; how often they ask again is their own."""
    monkeypatch.setattr(cloud_options, "_REQUEST", timedelta(seconds=0.3))
    with raw_server(drip(text), greeting=greeting) as url:
        options = s3_options("b", connection(url)).storage_options
        once = {**options, "max_retries": "0", "retry_timeout": "1s"}
        for read in (
            lambda: DeltaTable("s3://b/table", storage_options=once),
            lambda: pl.read_parquet("s3://b/a.parquet", storage_options={**options, "max_retries": 0}),
        ):
            begun = time.monotonic()
            with pytest.raises(OSError, match=r"(?i)time|non-partial"):
                read()
            assert time.monotonic() - begun < 8
