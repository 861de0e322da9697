"""Objects in a bucket of S3 or Google Cloud Storage, through ``obstore``."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, cast

from airflow_provider_tiktok_offline.errors import FileMissingError, StorageError
from airflow_provider_tiktok_offline.storage.backends.cloud_faults import cloud_fault
from airflow_provider_tiktok_offline.storage.backends.cloud_options import CloudOptions
from airflow_provider_tiktok_offline.storage.backends.trusted_authorities import trusting
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from obstore import ObjectMeta, PutMode, ReadableFile, UpdateVersion, WritableFile

_READ_BUFFER = 1 << 20
#: An object of at most so many bytes is read with one request, into memory: a part of a plan or of prepared events.
_READ_WHOLE = 64 << 20
#: An object of at most so many bytes is written with one request.
_WRITE_WHOLE = 32 << 20


class CloudObjects(ObjectStore):
    """Objects in a bucket, through ``obstore``."""

    def __init__(self, options: CloudOptions, prefix: str) -> None:
        self._store = options.store(prefix)
        self._prefix = prefix
        self._root = f"{options.scheme}://{options.bucket}"
        self.uri = f"{self._root}/{prefix}".rstrip("/")
        self._options = options

    @property
    def storage_options(self) -> dict[str, str]:
        return self._options.storage_options

    def table_access(self) -> AbstractContextManager[None]:
        verify = self._options.verify
        return trusting(verify) if isinstance(verify, str) else nullcontext()

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
        stored: UpdateVersion = {}
        if e_tag:
            stored["e_tag"] = e_tag
        if generation:
            stored["version"] = generation
        return self._put(path, content, stored)

    def _put(self, path: str, content: bytes, mode: PutMode) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            obstore.put(self._store, path, content, attributes=_attributes(path), mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except (BaseError, OSError) as error:
            # S3 answers 409 where two conditional puts meet; this one was not written.
            if mode != "overwrite" and "409 Conflict" in str(error):
                return False
            raise self._translated(error, path) from None
        return True

    has_own_clock = True

    def written_at(self, path: str) -> datetime | None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return obstore.head(self._store, path)["last_modified"]
        except FileNotFoundError as error:
            self._check_bucket(error, path)
            return None
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None

    def link(self, path: str, lifetime: timedelta) -> str | None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            url = str(obstore.sign(self._store, "GET", path, lifetime))
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None
        # The token of a role's session would ride along, and opens more than this object.
        return None if "security-token" in url.lower() else url

    def delete(self, path: str) -> None:
        import obstore
        from obstore.exceptions import BaseError

        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise self._translated(error, path) from None

    def delete_each(self, paths: Sequence[str]) -> None:
        import obstore
        from obstore.exceptions import BaseError

        if not paths:
            return
        try:
            # S3 takes up to a thousand with one request.
            obstore.delete(self._store, paths)
        except FileNotFoundError:
            super().delete_each(paths)
        except (BaseError, OSError) as error:
            raise self._translated(error, paths[0]) from None

    def list(self, prefix: str) -> list[str]:
        return sorted(self.sizes(prefix))

    def sizes(self, prefix: str) -> dict[str, int]:
        return {entry["path"]: entry["size"] for entry in self._below(prefix)}

    def written(self, prefix: str) -> dict[str, datetime]:
        return {entry["path"]: entry["last_modified"] for entry in self._below(prefix)}

    def _below(self, prefix: str) -> Iterator[ObjectMeta]:
        import obstore
        from obstore.exceptions import BaseError

        try:
            for page in obstore.list(self._store, prefix.strip("/") or None):
                yield from page
        except (BaseError, OSError) as error:
            raise self._translated(error, prefix) from None

    def open_read(self, path: str) -> BinaryIO:
        import obstore
        from obstore.exceptions import BaseError

        try:
            answer = obstore.get(self._store, path)
            if answer.meta["size"] <= _READ_WHOLE:
                return io.BytesIO(answer.bytes())
            # The answer's body is not read; a reader asks for pieces of the object.
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
        writer = _RawWriter(self, obstore.open_writer(self._store, path, buffer_size=_WRITE_WHOLE), path)
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
        return cloud_fault(error, f"{self.uri}/{path}")


def _attributes(path: str) -> dict[str, str]:
    """What a browser goes by that follows a link to an object; without it a page is saved, not shown."""
    return {"Content-Type": "text/html; charset=utf-8"} if path.endswith(".html") else {}


def _version(meta: ObjectMeta) -> str:
    return f"{meta['e_tag'] or ''}\x1f{meta['version'] or ''}"


class _RawReader(io.RawIOBase):
    def __init__(self, objects: CloudObjects, reader: ReadableFile, path: str) -> None:
        self._objects = objects
        self._reader = reader
        self._path = path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
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

    def __init__(self, objects: CloudObjects, writer: WritableFile, path: str) -> None:
        self._objects = objects
        self._writer = writer
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer) -> int:
        from obstore.exceptions import BaseError

        if self.abandoned:
            return memoryview(content).nbytes
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
