"""The object store that state and staged parts lie in: a local directory, S3 or Google Cloud Storage.

All three give the same guarantees: an object is whole or absent, :meth:`ObjectStore.create` has one winner, and
:meth:`ObjectStore.replace` is a compare-and-swap. On S3 and GCS these are conditional puts; on a local directory a
hard link, and a rename under a lock file.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
)

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.backends.cloud_options import CloudOptions

_READ_BUFFER = 1 << 20


class ObjectStore(ABC):
    """Objects under one URI, named by relative paths with ``/``."""

    #: The URI without credentials, for messages and reports.
    uri: str
    #: What ``deltalake`` and Polars need to reach the same place; holds secrets, never to be logged.
    storage_options: dict[str, str]

    @abstractmethod
    def get(self, path: str) -> tuple[bytes, str] | None:
        """The object's bytes and its version, or None where there is no such object."""

    @abstractmethod
    def put(self, path: str, content: bytes) -> None:
        """Write the object, whatever was there."""

    @abstractmethod
    def create(self, path: str, content: bytes) -> bool:
        """Write the object if there is none; False if there is one already."""

    @abstractmethod
    def replace(self, path: str, content: bytes, version: str) -> bool:
        """Write the object if it still has the version that :meth:`get` gave; else False."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Remove the object; none there is no error."""

    @abstractmethod
    def list(self, prefix: str) -> list[str]:
        """The paths below the folder ``prefix`` (all for an empty one), at any depth, in order."""

    @abstractmethod
    def sizes(self, prefix: str) -> dict[str, int]:
        """Path -> bytes of every object below the folder ``prefix``."""

    @abstractmethod
    def open_read(self, path: str) -> BinaryIO:
        """The object as a seekable stream.

        :raises FileMissingError: if there is none.
        """

    @abstractmethod
    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A stream to write the object through; it appears when the block ends without an error, else not at all."""

    @abstractmethod
    def delta_uri(self, path: str) -> str:
        """Where ``deltalake`` finds the table at that path (with :attr:`storage_options`)."""

    def link(self, path: str, lifetime: timedelta) -> str | None:  # noqa: ARG002 - only some stores can
        """A URL by which a browser reads the object until ``lifetime`` has passed; None where there can be none."""
        return None

    def delete_all(self, prefix: str) -> int:
        """Remove everything below the folder ``prefix``; how many objects that were."""
        paths = self.list(prefix)
        for path in paths:
            self.delete(path)
        return len(paths)


def open_objects(uri: str, connections: Connections | None = None) -> ObjectStore:
    """Open the store at a URI; a local directory is made when first written to.

    :param uri: an absolute path, ``file:///path``, ``s3://conn_id@bucket/prefix`` or ``gs://conn_id@bucket/prefix``.
        Without ``conn_id`` the machine's own role or environment is used.
    :param connections: where ``conn_id`` is looked up.
    :raises ConfigError: if the URI or the connection can't be used.
    """
    if uri.startswith("/"):
        return _local(uri)
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return _local(unquote(parts.path))
    if parts.scheme not in ("s3", "gs"):
        raise ConfigError(
            f"{parts.scheme or 'a relative path'!r} is no place for state",
            todo="Use an absolute path, s3://conn_id@bucket/prefix or gs://conn_id@bucket/prefix.",
        )
    conn_id, _, bucket = parts.netloc.rpartition("@")
    if not bucket or ":" in conn_id:
        raise ConfigError(
            f"a {parts.scheme}:// URI needs a bucket, and credentials come from a connection, never from the URI",
            todo=f"Write {parts.scheme}://conn_id@bucket/prefix.",
        )
    from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options, s3_options

    if conn_id and connections is None:
        raise ConfigError(f"no connections were given to look up {conn_id!r} in")
    connection = connections.get(unquote(conn_id)) if conn_id and connections is not None else None
    options = (s3_options if parts.scheme == "s3" else gcs_options)(bucket, connection)
    return CloudObjects(options, unquote(parts.path).strip("/"))


def _attributes(path: str) -> dict[str, str]:
    """What a browser goes by that follows a link to an object; without it a page is saved, not shown."""
    return {"Content-Type": "text/html; charset=utf-8"} if path.endswith(".html") else {}


def _local(path: str) -> LocalObjects:
    from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects

    return LocalObjects(Path(path))


if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.backends.local_objects import LocalObjects


class CloudObjects(ObjectStore):
    """Objects in a bucket, through ``obstore``."""

    def __init__(self, options: CloudOptions, prefix: str) -> None:
        self._store = options.store(prefix)
        self._prefix = prefix
        self._root = f"{options.scheme}://{options.bucket}"
        self.uri = f"{self._root}/{prefix}".rstrip("/")
        self.storage_options = options.storage_options

    def get(self, path: str) -> tuple[bytes, str] | None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            answer = obstore.get(self._store, path)
            content = bytes(answer.bytes())
        except FileNotFoundError as error:
            self._check_bucket(error, path)
            return None
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None
        return content, _version(answer.meta)

    def put(self, path: str, content: bytes) -> None:
        self._put(path, content, "overwrite")

    def create(self, path: str, content: bytes) -> bool:
        return self._put(path, content, "create")

    def replace(self, path: str, content: bytes, version: str) -> bool:
        e_tag, _, generation = version.partition("\x1f")
        named = {"e_tag": e_tag, "version": generation}
        return self._put(path, content, {key: value for key, value in named.items() if value})

    def _put(self, path: str, content: bytes, mode: Any) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            obstore.put(self._store, path, content, attributes=_attributes(path), mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except (BaseError, OSError) as error:
            # S3 answers 409 where two conditional puts meet: nobody's fault, and not written.
            if mode != "overwrite" and "409 Conflict" in str(error):
                return False
            raise self._translated(error, path) from None
        return True

    def link(self, path: str, lifetime: timedelta) -> str | None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return str(obstore.sign(self._store, "GET", path, lifetime))
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None

    def delete(self, path: str) -> None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None

    def list(self, prefix: str) -> list[str]:
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return {
                entry["path"]: entry["size"]
                for page in obstore.list(self._store, prefix.strip("/") or None)
                for entry in page
            }
        except (BaseError, OSError) as error:
            raise self._translated(error, prefix) from None

    def open_read(self, path: str) -> BinaryIO:
        import obstore
        from obstore.exceptions import BaseError

        try:
            reader = obstore.open_reader(self._store, path, buffer_size=_READ_BUFFER)
        except FileNotFoundError as error:
            self._check_bucket(error, path)
            raise FileMissingError("the object is not there", where=f"{self.uri}/{path}") from None
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None
        return io.BufferedReader(_RawReader(self, reader, path), _READ_BUFFER)

    @contextmanager
    def open_write(self, path: str) -> Iterator[BinaryIO]:
        import obstore

        # A writer that is never closed leaves nothing behind but parts, which the bucket's lifecycle rule removes.
        writer = _RawWriter(self, obstore.open_writer(self._store, path), path)
        buffer = io.BufferedWriter(writer, _READ_BUFFER)
        try:
            yield cast(BinaryIO, buffer)
            buffer.flush()
            writer.finish()
        finally:
            writer.abandoned = True

    def delta_uri(self, path: str) -> str:
        return "/".join(piece for piece in (self._root, self._prefix, path) if piece)

    def _check_bucket(self, error: FileNotFoundError, path: str) -> None:
        if "NoSuchBucket" in str(error):
            raise self._translated(error, path) from None

    def _translated(self, error: Exception, path: str) -> StorageError:
        return translate(error, f"{self.uri}/{path}")


def translate(error: BaseException, where: str) -> StorageError:
    """The store's error as one of ours; its text is read but never repeated, since it may name keys."""
    text = str(error)
    kind = type(error).__name__
    if kind in ("PermissionDeniedError", "UnauthenticatedError") or any(
        sign in text for sign in ("401 Unauthorized", "403 Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch")
    ):
        return StorageDeniedError(
            "the object store refused these credentials",
            where=where,
            todo="Check the connection's keys, or the machine's role and its policy (docs/operations.md).",
        )
    if "NoSuchBucket" in text:
        return StorageDeniedError(
            "there is no such bucket", where=where, todo="Create it, or correct the URI in the configuration."
        )
    return StorageUnavailableError(
        f"the object store did not do what was asked ({kind})", where=where, todo="It is tried again."
    )


def _version(meta: Any) -> str:
    return f"{meta['e_tag'] or ''}\x1f{meta['version'] or ''}"


class _RawReader(io.RawIOBase):
    def __init__(self, objects: CloudObjects, reader: Any, path: str) -> None:
        self._objects = objects
        self._reader = reader
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from obstore.exceptions import BaseError

        view = memoryview(buffer).cast("B")
        try:
            content = bytes(self._reader.read(len(view)))
        except (BaseError, OSError) as error:
            raise self._objects._translated(error, self._path) from None
        view[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())


class _RawWriter(io.RawIOBase):
    abandoned = False

    def __init__(self, objects: CloudObjects, writer: Any, path: str) -> None:
        self._objects = objects
        self._writer = writer
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        from obstore.exceptions import BaseError

        if self.abandoned:
            return len(content)
        try:
            return int(self._writer.write(bytes(content)))
        except (BaseError, OSError) as error:
            raise self._objects._translated(error, self._path) from None

    def finish(self) -> None:
        from obstore.exceptions import BaseError

        try:
            self._writer.close()
        except (BaseError, OSError) as error:
            raise self._objects._translated(error, self._path) from None
