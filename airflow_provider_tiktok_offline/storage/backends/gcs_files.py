"""Conversion files in a Google Cloud Storage bucket, through ``obstore``, which the state uses too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    NameTakenError,
    StorageDeniedError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import cloud_fault
from airflow_provider_tiktok_offline.storage.backends.cloud_objects import CloudObjects
from airflow_provider_tiktok_offline.storage.backends.cloud_options import CloudOptions, gcs_options
from airflow_provider_tiktok_offline.storage.protocols import Fence, Progress
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import Location, parse

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import GCSStore, S3Store

#: A file up to this size is put in one request under a condition; a larger one in parts, after a look.
_ONE_REQUEST = 64 * 1024 * 1024
_READ_BYTES = 1024 * 1024


@contextmanager
def open_gcs(connection: Connection | None) -> Iterator[BucketFiles]:
    """The buckets that the connection, or the machine's default credentials, reach."""
    yield BucketFiles(lambda bucket: gcs_options(bucket, connection))


class BucketFiles:
    """:class:`~..protocols.RemoteFiles` over ``obstore``. A file appears when its last byte has arrived, or not at all.

    :param options: how a bucket is reached.
    """

    def __init__(self, options: Callable[[str], CloudOptions]) -> None:
        self._options = options
        self._stores: dict[str, tuple[GCSStore | S3Store, CloudObjects]] = {}

    def _store(self, location: Location) -> tuple[GCSStore | S3Store, CloudObjects]:
        if location.bucket not in self._stores:
            options = self._options(location.bucket)
            self._stores[location.bucket] = (options.store(""), CloudObjects(options, ""))
        return self._stores[location.bucket]

    def list(self, directory_uri: str) -> list[FileStamp]:
        import obstore

        folder = parse(directory_uri)
        store, _ = self._store(folder)
        with _faults(directory_uri):
            entries = obstore.list_with_delimiter(store, folder.path.strip("/") or None)["objects"]
        stamps = [
            _stamp(folder.child(entry["path"].rpartition("/")[2]), entry)
            for entry in entries
            if entry["path"] != folder.path.strip("/")
        ]
        return sorted((stamp for stamp in stamps if not stamp.name.startswith(".")), key=lambda stamp: stamp.uri)

    def stat(self, uri: str) -> FileStamp:
        import obstore

        location = parse(uri)
        with _faults(uri):
            return _stamp(location, obstore.head(self._store(location)[0], location.path))

    def open_read(self, uri: str, start: int = 0) -> BinaryIO:
        location = parse(uri)
        stream = self._store(location)[1].open_read(location.path)
        stream.seek(start)
        return stream

    def move(self, uri: str, to_uri: str) -> None:
        import obstore

        source, target = parse(uri), parse(to_uri)
        if source.store != target.store:
            raise ConfigError("a file can only be moved within its bucket.", where=f"{uri} to {to_uri}")
        self._refuse_existing(target)
        with _faults(uri):
            obstore.rename(self._store(source)[0], source.path, target.path)

    def delete(self, uri: str) -> None:
        location = parse(uri)
        self._store(location)[1].delete(location.path)

    def check_folder(self, directory_uri: str) -> None:
        self.list(directory_uri)

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,  # noqa: ARG002
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        target = parse(uri)
        objects = self._store(target)[1]
        source = iter(chunks)
        head: list[bytes] = []
        total = 0
        for chunk in source:
            head.append(chunk)
            total += len(chunk)
            if total > _ONE_REQUEST:
                break
        sent = _Sent()
        if total <= _ONE_REQUEST:
            content = sent.take(b"".join(head))
            if fence is not None:
                fence()
            if replace:
                objects.put(target.path, content)
            elif not objects.create(target.path, content) and not self._holds(uri, sent):
                # What is there with exactly these bytes is this put, whose answer got lost.
                raise NameTakenError(uri)
            if progress is not None:
                progress(total)
        else:
            if not replace:
                self._refuse_existing(target)
            with objects.open_write(target.path) as out:
                for chunk in chain(head, source):
                    out.write(sent.take(chunk))
                    if progress is not None:
                        progress(sent.bytes)
                if fence is not None:
                    fence()
        stamp = self.stat(uri)
        if stamp.size != sent.bytes:
            raise StorageUnavailableError(f"the bucket holds {stamp.size} bytes of {sent.bytes} sent.", where=uri)
        if stamp.version != sent.md5 and not self._holds(uri, sent):
            raise StorageUnavailableError("the bucket holds other bytes than were sent.", where=uri)
        return stamp

    def _holds(self, uri: str, sent: _Sent) -> bool:
        """Whether the object has exactly these bytes, by reading it back: not every object's ETag is its MD5."""
        if self.stat(uri).size != sent.bytes:
            return False
        there = _Sent()
        with self.open_read(uri) as stream:
            while chunk := stream.read(_READ_BYTES):
                there.take(chunk)
        return there.md5 == sent.md5

    def _refuse_existing(self, target: Location) -> None:
        try:
            self.stat(str(target))
        except FileMissingError:
            return
        raise NameTakenError(str(target))


class _Sent:
    """Counts and digests bytes on their way.

    Google gives the MD5 of what was put in one request as its ETag; of what went up in parts it knows none.
    """

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self.bytes = 0

    @property
    def md5(self) -> str:
        """In hex."""
        return self._digest.hexdigest()

    def take(self, content: bytes) -> bytes:
        """Count it; returns it."""
        self._digest.update(content)
        self.bytes += len(content)
        return content


def _stamp(location: Location, meta: ObjectMeta) -> FileStamp:
    version = (meta.get("e_tag") or "").strip('"') or None
    return FileStamp(str(location), int(meta["size"]), meta["last_modified"].astimezone(UTC), version)


@contextmanager
def _faults(where: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise StorageDeniedError("the bucket does not exist.", where=where) from None
        raise FileMissingError("no such object.", rule="missing", where=where) from None
    except (BaseError, OSError) as error:
        raise cloud_fault(error, where) from None
