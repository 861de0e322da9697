"""Where a delivery's prepared events lie between two steps: below ``staging_uri``, one folder a delivery."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import BinaryIO

from airflow_provider_tiktok_offline.errors import StorageError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: Lists a delivery's staged parts.
PARTS_MANIFEST = "manifest.json"


class StagedParts:
    """The parts of one delivery in an object store; the manifest of the parts, written last, makes them complete.

    :param objects: the store at ``staging_uri``.
    :param delivery_id: whose parts.
    """

    def __init__(self, objects: ObjectStore, delivery_id: str) -> None:
        self._objects = objects
        self._folder = delivery_id

    @property
    def manifest_uri(self) -> str:
        """The full URI of the manifest of the parts."""
        return f"{self._objects.uri.rstrip('/')}/{self._folder}/{PARTS_MANIFEST}"

    def open_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream into a new part, visible only when closed without an error."""
        return self._objects.open_write(f"{self._folder}/{name}")

    def open_read(self, name: str) -> BinaryIO:
        """A seekable stream over a part."""
        return self._objects.open_read(f"{self._folder}/{name}")

    def put(self, name: str, content: bytes) -> None:
        """Write a small object at once."""
        self._objects.put(f"{self._folder}/{name}", content)

    def get(self, name: str) -> bytes:
        """Read a small object.

        :raises StorageError: if it is gone.
        """
        stored = self._objects.get(f"{self._folder}/{name}")
        if stored is None:
            raise StorageError(
                f"the staged object {name} is gone.",
                where=f"{self._objects.uri}/{self._folder}",
                todo="Run normalize_hash again; it makes the same parts from the same file.",
            )
        return stored[0]

    def find(self, name: str) -> bytes | None:
        """Read a small object; None if it is not there."""
        found = self._objects.get(f"{self._folder}/{name}")
        return None if found is None else found[0]

    def complete(self) -> bool:
        """Whether all parts are staged."""
        return self._objects.get(f"{self._folder}/{PARTS_MANIFEST}") is not None

    def clear(self) -> bool:
        """Delete everything staged for this delivery, the manifest first; whether there was anything."""
        paths = self._objects.list(f"{self._folder}/")
        for path in sorted(paths, key=lambda path: not path.endswith(f"/{PARTS_MANIFEST}")):
            self._objects.delete(path)
        return bool(paths)
