"""Conversion files in an S3 bucket: streamed in, and put once under a condition."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NotRequired, TypedDict

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileChangedError,
    FileMissingError,
    NameTakenError,
    StorageDeniedError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.backends.bounded_calls import (
    CALL_SECONDS,
    BoundedClient,
    each_within,
    within,
)
from airflow_provider_tiktok_offline.storage.backends.s3_access import ConditionError, S3Client, s3_access, s3_faults
from airflow_provider_tiktok_offline.storage.protocols import Fence, Progress
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import Location, parse

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Bytes of one part; S3 takes 10,000 of them, so 160 GB.
PART_BYTES = 16 * 1024 * 1024
_PARTS_UNDER_WAY = 3
#: Bytes that are read at once.
_READ_BYTES = 1024 * 1024
_CONFIG: dict[str, object] = {
    "retries": {"mode": "standard", "max_attempts": 4},
    "connect_timeout": 15,
    "read_timeout": 60,
    "max_pool_connections": 8,
}


@contextmanager
def open_s3(connection: Connection | None) -> Iterator[S3Files]:
    """A client for as long as the context lasts."""
    client = s3_client(connection)
    try:
        yield S3Files(BoundedClient(client))
    finally:
        client.close()


def s3_client(connection: Connection | None) -> S3Client:
    """boto3's client; nothing is sent yet.

    :raises ConfigError: if boto3 is not installed, or the connection or the AWS configuration can't be used.
    """
    access = s3_access(connection)
    session = access.session()
    from botocore.config import Config

    config = Config(**{**_CONFIG, **dict(access.setting("config_kwargs") or {})})
    return access.client(session, config=config)


class _Part(TypedDict):
    """One part of an upload, as named in requests to S3."""

    PartNumber: int
    ChecksumSHA256: str
    ETag: NotRequired[str]


class S3Files:
    """:class:`~..protocols.RemoteFiles` in S3. A file appears when its last byte has arrived, or not at all."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def list(self, directory_uri: str) -> list[FileStamp]:
        folder = parse(directory_uri)
        prefix = f"{folder.path.rstrip('/')}/" if folder.path.strip("/") else ""
        stamps = []
        with s3_faults(directory_uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=folder.bucket, Prefix=prefix, Delimiter="/"
            )
            try:
                for page in each_within(CALL_SECONDS, pages):
                    for entry in page.get("Contents", []):
                        name = entry["Key"][len(prefix) :]
                        if name and not name.startswith("."):
                            stamps.append(_stamp(folder.child(name), entry["Size"], entry))
            except (KeyError, ValueError, TypeError, AttributeError):
                raise StorageUnavailableError(
                    "the store's listing has another shape than S3's.",
                    where=directory_uri,
                    todo="It is asked again. Check endpoint_url of the connection, or a proxy in between.",
                ) from None
        return sorted(stamps, key=lambda stamp: stamp.uri)

    def stat(self, uri: str) -> FileStamp:
        location = parse(uri)
        with s3_faults(uri):
            head = self._client.head_object(Bucket=location.bucket, Key=location.path)
        return _stamp(location, head["ContentLength"], head)

    def open_read(self, uri: str, start: int = 0) -> BinaryIO:
        stream = _ReadStream(self._client, parse(uri), start)
        stream.start()
        return io.BufferedReader(stream, 1024 * 1024)

    def move(self, uri: str, to_uri: str) -> None:
        source, target = parse(uri), parse(to_uri)
        if source.scheme != target.scheme or source.conn_id != target.conn_id:
            raise ConfigError("a file can only be moved within one S3 connection.", where=f"{uri} to {to_uri}")
        if self._exists(target):
            raise NameTakenError(to_uri)
        with s3_faults(uri):
            self._client.copy({"Bucket": source.bucket, "Key": source.path}, target.bucket, target.path)
            self._client.delete_object(Bucket=source.bucket, Key=source.path)

    def delete(self, uri: str) -> None:
        location = parse(uri)
        with s3_faults(uri):
            self._client.delete_object(Bucket=location.bucket, Key=location.path)

    def check_folder(self, directory_uri: str) -> None:
        bucket = parse(directory_uri).bucket
        try:
            with s3_faults(directory_uri):
                self._client.head_bucket(Bucket=bucket)
        except FileMissingError:
            raise ConfigError(
                "the bucket does not exist.", where=directory_uri, todo="Have it made, or correct the URI."
            ) from None
        except StorageDeniedError:
            # A right to put needs no right to look; the put itself will tell.
            return

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,  # noqa: ARG002
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        target = parse(uri)
        condition = {} if replace else {"IfNoneMatch": "*"}
        parts = _parts(chunks)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            if fence is not None:
                fence()
            self._put(target, first, condition)
            total = len(first)
            if progress is not None:
                progress(total)
        else:
            total = self._put_parts(target, _chain(first, second, parts), condition, progress, fence)
        stamp = self.stat(uri)
        if stamp.size != total:
            raise StorageUnavailableError(f"the bucket holds {stamp.size} bytes of {total} sent.", where=uri)
        return stamp

    def _put(self, target: Location, content: bytes, condition: dict[str, str]) -> None:
        checksum = _sha256(content)
        try:
            with s3_faults(str(target)):
                self._client.put_object(
                    Bucket=target.bucket, Key=target.path, Body=content, ChecksumSHA256=checksum, **condition
                )
        except ConditionError:
            self._accept_own(target, checksum, _md5(content).hex())

    def _put_parts(
        self, target: Location, parts: Iterator[bytes], condition: dict[str, str], progress: Progress | None,
        fence: Fence | None,
    ) -> int:  # fmt: skip
        where = {"Bucket": target.bucket, "Key": target.path}
        with s3_faults(str(target)):
            upload = self._client.create_multipart_upload(ChecksumAlgorithm="SHA256", **where)["UploadId"]
        done: list[_Part] = []
        digests = b""
        total = 0
        in_flight: deque[tuple[Future[S3Client], _Part, int]] = deque()

        def settle() -> None:
            nonlocal total
            future, part, size = in_flight.popleft()
            part["ETag"] = future.result()["ETag"]
            done.append(part)
            total += size
            if progress is not None:
                progress(total)

        pool = ThreadPoolExecutor(_PARTS_UNDER_WAY, thread_name_prefix="s3-part")
        try:
            with s3_faults(str(target)):
                for number, content in enumerate(parts, 1):
                    digest = hashlib.sha256(content).digest()
                    digests += digest
                    part: _Part = {"PartNumber": number, "ChecksumSHA256": base64.b64encode(digest).decode()}
                    send = partial(self._client.upload_part, UploadId=upload, Body=content, **part, **where)
                    in_flight.append((pool.submit(send), part, len(content)))
                    if len(in_flight) >= _PARTS_UNDER_WAY:
                        settle()
                while in_flight:
                    settle()
                if fence is not None:
                    fence()
                try:
                    with s3_faults(str(target)):
                        self._client.complete_multipart_upload(
                            UploadId=upload, MultipartUpload={"Parts": done}, **where, **condition
                        )
                except ConditionError:
                    etags = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in done)
                    checksum, etag = f"{_sha256(digests)}-{len(done)}", f"{_md5(etags).hex()}-{len(done)}"
                    self._accept_own(target, checksum, etag)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            # What can't be aborted now is removed by the bucket's lifecycle rule; nothing of it is visible.
            with contextlib.suppress(TikTokOfflineError), s3_faults(str(target)):
                self._client.abort_multipart_upload(UploadId=upload, **where)
            raise
        finally:
            pool.shutdown()
        return total

    def _accept_own(self, target: Location, checksum: str, etag: str) -> None:
        """A key that exists with exactly these bytes is this put, whose answer got lost; any other stays untouched."""
        with s3_faults(str(target)):
            head = self._client.head_object(Bucket=target.bucket, Key=target.path, ChecksumMode="ENABLED")
        if head.get("ChecksumSHA256") != checksum and head["ETag"].strip('"') != etag:
            raise NameTakenError(str(target)) from None

    def _exists(self, target: Location) -> bool:
        try:
            self.stat(str(target))
        except FileMissingError:
            return False
        return True


def _stamp(location: Location, size: object, entry: Mapping[str, Any]) -> FileStamp:
    """The stamp of an object, from a listing's entry or from the answer about the object."""
    return FileStamp(str(location), int(str(size)), entry["LastModified"].astimezone(UTC), entry["ETag"].strip('"'))


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of :data:`PART_BYTES`, the last one shorter."""
    buffer = bytearray()
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            space = PART_BYTES - len(buffer)
            buffer += view[:space]
            view = view[space:]
            if len(buffer) == PART_BYTES:
                yield bytes(buffer)
                buffer.clear()
    if buffer:
        yield bytes(buffer)


def _chain(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


class _ReadStream(io.RawIOBase):
    """One object as a stream; a broken connection goes on where it stopped, with the same version only.

    :param start: its first byte.

    Attributes:
        longest_read: seconds for :data:`_READ_BYTES`; a server that is slower counts as broken.
    """

    longest_read = 300.0

    def __init__(self, client: S3Client, location: Location, start: int = 0) -> None:
        self._client = client
        self._location = location
        self._version: str | None = None
        self._done = start
        self._size = 0
        self._tries = 3
        self._body: S3Client = None

    def start(self) -> None:
        """Ask for the rest of the object."""
        asked = {"Range": f"bytes={self._done}-"} if self._done else {}
        if self._version is not None:
            asked["IfMatch"] = self._version
        try:
            with s3_faults(str(self._location)):
                answer = self._client.get_object(Bucket=self._location.bucket, Key=self._location.path, **asked)
        except ConditionError:
            raise FileChangedError(
                "the object was replaced while it was read.", rule="file_changed", where=str(self._location)
            ) from None
        if self._version is None:
            self._version, self._size = answer["ETag"], self._done + int(answer["ContentLength"])
        self._body = answer["Body"]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        from botocore.exceptions import BotoCoreError

        view = memoryview(buffer).cast("B")
        while self._done < self._size:
            try:
                wanted = min(len(view), _READ_BYTES)
                content = within(self.longest_read, partial(self._body.read, wanted))
            except TimeoutError:
                # The thread that still reads it holds its lock: closing it would wait for that thread.
                self._body, content = None, b""
            except (BotoCoreError, OSError):
                content = b""
            if content:
                view[: len(content)] = content
                self._done += len(content)
                return len(content)
            self._tries -= 1
            if self._tries < 0:
                raise StorageUnavailableError("the connection was lost.", where=str(self._location))
            self.start()
        return 0

    def close(self) -> None:
        if not self.closed and self._body is not None:
            self._body.close()
        super().close()
