"""Reading and writing over a real S3 server, through boto3 and through obstore."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FileChangedError,
    FileMissingError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.backends import s3_files
from airflow_provider_tiktok_offline.storage.backends.cloud_options import s3_options
from airflow_provider_tiktok_offline.storage.backends.gcs_files import BucketFiles
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import StaticConnections

CONN_ID = "aws_shop"


@pytest.fixture(scope="module")
def s3_store() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def bucket(s3_store: S3Server) -> str:
    name = f"shop-{uuid.uuid4().hex[:12]}"
    s3_store.make_bucket(name)
    return name


@pytest.fixture(params=["boto3", "obstore"])
def files(request: pytest.FixtureRequest, s3_store: S3Server, bucket: str) -> Iterator[RemoteFiles]:
    """Both ways into a bucket; the second is what GCS goes through."""
    if request.param == "boto3":
        with open_files(_uri(bucket, ""), _connections(s3_store)) as opened:
            yield opened
    else:
        yield BucketFiles(lambda name: s3_options(name, s3_store.connection(CONN_ID)))


def _connections(server: S3Server) -> StaticConnections:
    return StaticConnections(server.connection(CONN_ID))


def _uri(bucket: str, key: str) -> str:
    return f"s3://{CONN_ID}@{bucket}/{key}"


def test_listing_shows_the_folder_only(files: RemoteFiles, s3_store: S3Server, bucket: str) -> None:
    """Deeper keys, folder markers and dot names are passed over; the etag is the version."""
    for key in ("in/a.csv", "in/b.csv", "in/deep/c.csv", "in/", "in/.hidden", "other.csv"):
        s3_store.write(bucket, key, key.encode())
    found = files.list(_uri(bucket, "in/"))
    assert [stamp.uri for stamp in found] == [_uri(bucket, "in/a.csv"), _uri(bucket, "in/b.csv")]
    assert found[0].size == 8
    assert abs(found[0].mtime - datetime.now(UTC)) < timedelta(minutes=5)
    assert found == [files.stat(stamp.uri) for stamp in found]
    assert found[0].version != found[1].version


def test_what_is_written_is_read_back_and_never_touched_again(
    files: RemoteFiles, s3_store: S3Server, bucket: str
) -> None:
    """A key holds what was streamed into it; a second write under the name is refused and changes nothing."""
    uri = _uri(bucket, "out/day.csv")
    seen: list[int] = []
    stamp = files.write(uri, [b"one,", b"two"], progress=seen.append)
    assert (stamp.size, seen[-1]) == (7, 7)
    with pytest.raises(StorageError, match="already"):
        files.write(uri, [b"other"])
    with files.open_read(uri) as stream:
        assert stream.read() == b"one,two"
    with files.open_read(uri, 4) as stream:
        assert stream.read() == b"two"
    assert files.stat(uri) == stamp


@pytest.mark.parametrize("size", [7, 17_000_000], ids=["one request", "parts"])
def test_a_writer_whose_name_is_anothers_puts_nothing_there(
    files: RemoteFiles, s3_store: S3Server, bucket: str, size: int
) -> None:
    """The fence is asked when all is sent and nothing is visible yet."""
    uri = _uri(bucket, "out/day.csv")
    s3_store.write(bucket, "out/day.csv", b"theirs")

    def fence() -> None:
        raise DeliveryHeldError("a later try writes the file")

    with pytest.raises(DeliveryHeldError):
        files.write(uri, [b"x" * size], replace=True, fence=fence)
    assert s3_store.read(bucket, "out/day.csv") == b"theirs"


def test_missing_key_and_bucket_are_named(files: RemoteFiles, bucket: str) -> None:
    """A key that is not there is a missing file; a bucket that is not there is a denied store."""
    with pytest.raises(FileMissingError):
        files.stat(_uri(bucket, "no.csv"))
    with pytest.raises(FileMissingError):
        files.open_read(_uri(bucket, "no.csv"))
    with pytest.raises((StorageDeniedError, ConfigError)):
        files.check_folder(_uri("no-such-bucket-anywhere", "out/"))
    files.check_folder(_uri(bucket, "out/"))


def test_move_keeps_an_existing_target(files: RemoteFiles, s3_store: S3Server, bucket: str) -> None:
    """Archiving moves the bytes and never replaces an older file of that name."""
    s3_store.write(bucket, "in/a.csv", b"1")
    files.move(_uri(bucket, "in/a.csv"), _uri(bucket, "done/a.csv"))
    s3_store.write(bucket, "in/a.csv", b"2")
    with pytest.raises(StorageError, match="already"):
        files.move(_uri(bucket, "in/a.csv"), _uri(bucket, "done/a.csv"))
    assert s3_store.read(bucket, "done/a.csv") == b"1"
    files.delete(_uri(bucket, "in/a.csv"))
    files.delete(_uri(bucket, "in/a.csv"))
    assert s3_store.keys(bucket) == ["done/a.csv"]


def test_a_file_of_several_parts(s3_store: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long file goes up in parts, with rising progress, under the same condition as a short one."""
    monkeypatch.setattr(s3_files, "PART_BYTES", 5 * 1024 * 1024)
    content = os.urandom(17_000_001)
    uri = _uri(bucket, "out/long.csv")
    seen: list[int] = []
    chunks = [content[start : start + 1_000_003] for start in range(0, len(content), 1_000_003)]
    with open_files(uri, _connections(s3_store)) as files:
        assert files.write(uri, chunks, progress=seen.append).size == len(content)
        with pytest.raises(StorageError, match="already"):
            files.write(uri, [b"x" * 1_000_000] * 12)
        with files.open_read(uri) as stream:
            assert stream.read() == content
    assert seen == sorted(seen)
    assert len(seen) == 4


def test_a_put_whose_answer_was_lost_is_recognised(
    s3_store: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes under the same name again are the same put, short or in parts."""
    monkeypatch.setattr(s3_files, "PART_BYTES", 5 * 1024 * 1024)
    for key, content in (("short.csv", b"abc"), ("long.csv", os.urandom(11_000_000))):
        uri = _uri(bucket, key)
        with open_files(uri, _connections(s3_store)) as files:
            first = files.write(uri, [content])
            assert files.write(uri, [content]) == first


def test_failing_source_leaves_no_key_and_no_parts(
    s3_store: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the stream that is written breaks, nothing appears, and the parts that were sent are dropped."""
    monkeypatch.setattr(s3_files, "PART_BYTES", 5 * 1024 * 1024)

    def chunks() -> Iterator[bytes]:
        yield b"x" * 12_000_000
        raise FileMissingError("gone")

    with open_files(_uri(bucket, ""), _connections(s3_store)) as files, pytest.raises(FileMissingError):
        files.write(_uri(bucket, "a.csv"), chunks())
    assert s3_store.keys(bucket) == []
    assert "Uploads" not in s3_store.client().list_multipart_uploads(Bucket=bucket)


def test_an_object_replaced_while_read_is_noticed(
    s3_store: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken read goes on with the same version only."""
    s3_store.write(bucket, "a.csv", b"x" * 3_000_000)
    with open_files(_uri(bucket, ""), _connections(s3_store)) as files:
        stream = files.open_read(_uri(bucket, "a.csv"))
        stream.read(10)
        s3_store.write(bucket, "a.csv", b"y" * 3_000_000)
        stream.raw._body.close()  # type: ignore[attr-defined]
        with pytest.raises(FileChangedError):
            stream.read()


def test_a_broken_read_goes_on_where_it_stopped(s3_store: S3Server, bucket: str) -> None:
    """A connection lost in the middle is opened again from that byte."""
    content = os.urandom(3_000_000)
    s3_store.write(bucket, "a.csv", content)
    with (
        open_files(_uri(bucket, ""), _connections(s3_store)) as files,
        files.open_read(_uri(bucket, "a.csv")) as stream,
    ):
        head = stream.read(10)
        stream.raw._body.close()  # type: ignore[attr-defined]
        assert head + stream.read() == content


def test_nobody_answering_may_be_tried_again(bucket: str) -> None:
    """A server that is down is a retryable fault."""
    down = Connection(
        conn_id=CONN_ID,
        conn_type="aws",
        login="a",
        password="b",
        extra={"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}},
    )
    with open_files(_uri(bucket, ""), StaticConnections(down)) as files, pytest.raises(StorageUnavailableError):
        files.stat(_uri(bucket, "a.csv"))


def test_no_credentials_are_a_denied_store(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without connection and role the message says what to do."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    uri = f"s3://{bucket}/a.csv"
    with open_files(uri, StaticConnections()) as files, pytest.raises(StorageDeniedError, match="credentials"):
        files.stat(uri)


def test_a_role_is_assumed(s3_store: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With role_arn the requests are signed with the role's temporary credentials."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_store.endpoint)
    plain = s3_store.connection(CONN_ID)
    role = Connection(
        conn_id=CONN_ID,
        conn_type="aws",
        login=plain.login,
        password=plain.password,
        extra={**plain.extra, "role_arn": "arn:aws:iam::123456789012:role/feed"},
    )
    with open_files(_uri(bucket, ""), StaticConnections(role)) as files:
        files.write(_uri(bucket, "a.csv"), [b"1"])
    assert s3_store.keys(bucket) == ["a.csv"]
