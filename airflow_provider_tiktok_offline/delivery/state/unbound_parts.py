"""Parts of a file that is read for the first time: staged under its stamp, bound to its delivery when the pass ends.

The id of a delivery is made of the file's digest, which only the end of the pass tells. The parts are not moved then:
the delivery's manifest, written last and at once, names them where they lie. Each run has a folder of its own, so that
one that comes to the same file never touches what another one sends from.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.staged_parts import (
    PARTS_MANIFEST,
    STAGED_BY,
    StagedParts,
    delete_folder,
)
from airflow_provider_tiktok_offline.errors import LedgerBusyError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.stamps import FileStamp


@dataclass(frozen=True, slots=True)
class PassNote:
    """What is noted beside the parts of a pass.

    Attributes:
        advertiser: whose they are.
        at: when the pass began.
        token: of the try that reads the file.
        delivery: the delivery that they are bound to; None while the file is read.
    """

    advertiser: str
    at: documents.Moment
    token: str
    delivery: str | None = None


class UnboundParts:
    """The parts of one pass over a file; a store as :func:`.prepare.prepare` writes to.

    :param stamp: of the file as it stands now.
    """

    def __init__(self, ctx: DeliveryContext, stamp: FileStamp) -> None:
        known = stamp.to_dict()
        text = "\x1f".join([ctx.config.mode, ctx.run_key, *(str(known[key]) for key in sorted(known))])
        self._ctx = ctx
        self._objects = ctx.staging
        self._folder = f"{_own_prefix(ctx)}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._note = f"{self._folder}/{STAGED_BY}"
        self._token = secrets.token_hex(8)
        self._small: dict[str, bytes] = {}

    def begin(self) -> None:
        """Remove what a try before has left, and say whose parts come."""
        before = documents.read_typed(self._objects, self._note, PassNote)
        if before is not None and before.delivery is not None:
            StagedParts(self._objects, before.delivery).unbind(self._folder)
        delete_folder(self._objects, self._folder)
        self._objects.put(self._note, documents.encode(self._noted(self._ctx.clock.now())))

    @property
    def token(self) -> str:
        """Of the try whose parts they are."""
        return self._token

    def resume(self) -> bool:
        """Go on with the parts of the last try that began, if they are bound to no delivery yet."""
        note = documents.read_typed(self._objects, self._note, PassNote)
        if note is None or note.delivery is not None:
            return False
        self._token = note.token
        return True

    @property
    def shared(self) -> StagedParts:
        """The folder itself, for the tasks that read a shard of the file each."""
        return StagedParts(self._objects, self._folder)

    def names(self) -> set[str]:
        """The objects in the folder."""
        return {path.removeprefix(f"{self._folder}/") for path in self._objects.list(f"{self._folder}/")}

    def drop_shards(self) -> None:
        """Delete what the tasks of a sharded pass left each other, and nothing is sent from."""
        from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import is_between_tasks

        self._objects.delete_each([f"{self._folder}/{name}" for name in self.names() if is_between_tasks(name)])

    def open_write(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream into a new part, visible only when closed without an error."""
        return self._objects.open_write(f"{self._folder}/{name}")

    def open_read(self, name: str) -> BinaryIO:
        """A seekable stream over a part."""
        return self._objects.open_read(f"{self._folder}/{name}")

    def put(self, name: str, data: bytes) -> None:
        """Keep a small object until the parts are bound."""
        self._small[name] = data

    def get(self, name: str) -> bytes:
        """A small object."""
        return self._small[name]

    def bind(self, delivery_id: str) -> StagedParts:
        """Make them the parts of a delivery, which this run holds; what was staged for it before goes.

        :raises LedgerBusyError: if a later try of this step reads the file.
        """
        stored = documents.read(self._objects, self._note)
        note = None if stored is None else documents.typed(stored[0], PassNote, self._note)
        if (
            stored is None
            or note is None
            or note.token != self._token
            or not documents.swap(self._objects, self._note, self._noted(note.at, delivery_id), stored[1])
        ):
            raise LedgerBusyError(
                "a later try of this step reads the file now.",
                where=f"{self._objects.uri}/{self._folder}",
                todo="This try goes no further. Wait for the later one.",
            )
        parts = StagedParts(self._objects, delivery_id)
        parts.clear(keep=self._folder)
        manifest = json.loads(self._small.pop(PARTS_MANIFEST))
        for part in manifest["parts"]:
            part["name"] = f"{self._folder}/{part['name']}"
            if part["leave_out"] is not None:
                part["leave_out"] = f"{self._folder}/{part['leave_out']}"
        for name, content in self._small.items():
            parts.put(name, content)
        parts.put(PARTS_MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        return parts

    def throw_away(self) -> None:
        """Delete the parts, unless a later try has begun to stage them again."""
        note = documents.read_typed(self._objects, self._note, PassNote)
        if note is not None and note.token == self._token:
            delete_folder(self._objects, self._folder)

    def _noted(self, at: datetime, delivery_id: str | None = None) -> documents.Document:
        name = self._ctx.config.name
        return {"advertiser": name, "at": at.isoformat(), "token": self._token, "delivery": delivery_id}


def passes(ctx: DeliveryContext, folders: Iterable[str]) -> Iterator[tuple[str, PassNote]]:
    """The folders of parts that the advertiser's passes have staged, each with its note.

    :param folders: at ``staging_uri``.
    """
    for folder in folders:
        if folder.startswith(_own_prefix(ctx)):
            note = documents.read_typed(ctx.staging, f"{folder}/{STAGED_BY}", PassNote)
            if note is not None and note.advertiser == ctx.config.name:
                yield folder, note


def _own_prefix(ctx: DeliveryContext) -> str:
    """Of the folders of an advertiser's passes; others' need not be looked into."""
    return f"pass-{hashlib.sha256(ctx.config.name.encode()).hexdigest()[:8]}"
