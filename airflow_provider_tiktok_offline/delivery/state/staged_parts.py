"""Where a delivery's prepared events lie between two steps: below ``staging_uri``, one folder a delivery.

Parts that were staged before the file's digest was known lie in a folder of the file's stamp (see
:mod:`.unbound_parts`); the delivery's manifest names them with that folder.
"""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from typing import BinaryIO

from airflow_provider_tiktok_offline.errors import StorageError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: Lists a delivery's staged parts.
PARTS_MANIFEST = "manifest.json"
#: Says whose parts they are that were staged before their delivery was known.
STAGED_BY = "staged-by.json"
#: A part that was staged before its delivery was known: folder and name.
_BEFORE = re.compile(r"(pass-[0-9a-f]{24})/[^/]+")


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
        """A seekable stream over a part, named as the manifest names it."""
        return self._objects.open_read(name if _BEFORE.fullmatch(name) else f"{self._folder}/{name}")

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
                todo="Run prepare (or normalize_hash) again; it makes the same parts from the same file.",
            )
        return stored[0]

    def find(self, name: str) -> bytes | None:
        """Read a small object; None if it is not there."""
        found = self._objects.get(f"{self._folder}/{name}")
        return None if found is None else found[0]

    def complete(self) -> bool:
        """Whether all parts are staged."""
        return self._objects.get(f"{self._folder}/{PARTS_MANIFEST}") is not None

    def whole(self) -> bool:
        """Whether all parts are staged and none was lost since."""
        names = self._names()
        places = [name if _BEFORE.fullmatch(name) else f"{self._folder}/{name}" for name in names or ()]
        there = {path for folder in {self._folder, *self.folders()} for path in self._objects.list(f"{folder}/")}
        return names is not None and there.issuperset(places)

    def folders(self) -> set[str]:
        """The folders of parts that were staged before the delivery was known."""
        found = [_BEFORE.fullmatch(name) for name in self._names() or ()]
        return {one[1] for one in found if one is not None}

    def _names(self) -> list[str] | None:
        """The objects that the manifest names; None if there is none, or it is damaged."""
        manifest = self.find(PARTS_MANIFEST)
        try:
            listed = {"parts": []} if manifest is None else json.loads(manifest)
            names = [name for part in listed["parts"] for name in (part["name"], part["leave_out"]) if name is not None]
            names += [listed["returns"]] if "returns" in listed else []
        except (ValueError, TypeError, KeyError):
            return None
        return None if manifest is None or not all(isinstance(name, str) for name in names) else names

    def unbind(self, folder: str) -> None:
        """Delete the manifest if it names parts of that folder, which is about to be filled again."""
        if folder in self.folders():
            self._objects.delete(f"{self._folder}/{PARTS_MANIFEST}")

    def clear(self, *, keep: str | None = None, keep_object: str | None = None) -> bool:
        """Delete everything staged for this delivery, the manifest first; whether there was anything.

        :param keep: a folder of parts that stays: the delivery is about to get these.
        :param keep_object: the name of an object of the delivery's own that stays.
        """
        folders = self.folders() - {keep}
        paths = [path for path in self._objects.list(f"{self._folder}/") if path != f"{self._folder}/{keep_object}"]
        manifest = f"{self._folder}/{PARTS_MANIFEST}"
        if manifest in paths:
            self._objects.delete(manifest)
        self._objects.delete_each([path for path in paths if path != manifest])
        for folder in folders:
            delete_folder(self._objects, folder)
        return bool(paths)


def delete_folder(objects: ObjectStore, folder: str) -> None:
    """Delete a folder of parts, the note in it last: what a killed sweep leaves is found again."""
    paths = objects.list(f"{folder}/")
    note = f"{folder}/{STAGED_BY}"
    objects.delete_each([path for path in paths if path != note])
    if note in paths:
        objects.delete(note)
