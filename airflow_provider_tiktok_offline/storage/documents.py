"""Small JSON documents that are changed by compare-and-swap."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError, LedgerDamagedError, LedgerVersionError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: A document as JSON. :func:`typed` gives its fields types.
Document = dict[str, Any]
#: A time in a stored document: one without a zone is damage.
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_T = TypeVar("_T")

#: The layout of every document under the state: of ledgers, claims, deliveries and feeds. A document of a later layout
#: carries the number as ``schema``.
LAYOUT = 1
#: How often a writer that lost a race reads again before it gives up.
ATTEMPTS = 30
#: Field that tells whether a document is one's own, where the answer to a conditional put was lost.
_WRITER = "writer"


def encode(document: Mapping[str, object]) -> bytes:
    """The document as stored: JSON with sorted keys."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def decode(content: bytes, where: str) -> Document:
    """The stored document.

    :raises LedgerDamagedError: if it is no JSON object.
    :raises LedgerVersionError: if a newer package wrote it.
    """
    try:
        document = json.loads(content)
        if b"\\u" in content:
            # Half a surrogate pair is no text.
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise damaged(where)
    layout = document.get("schema", LAYOUT)
    if isinstance(layout, int) and layout > LAYOUT:
        raise LedgerVersionError(
            f"a newer package wrote this document (layout {layout}, this one reads up to {LAYOUT})",
            where=where,
            todo="Upgrade airflow-provider-tiktok-offline on every worker.",
        )
    return document


def typed(document: Mapping[str, object], kind: type[_T], where: str) -> _T:
    """The document, or a part of it, as a dataclass or ``TypedDict``. Fields of newer packages are passed over.

    :raises LedgerDamagedError: if a field is missing or has another type.
    """
    try:
        return typed_json.convert(document, kind, str_keys=True)
    except msgspec.ValidationError:
        raise damaged(where) from None


def decode_typed(content: bytes, kind: type[_T], where: str) -> _T:
    """A stored document that need not be a JSON object; see :func:`typed`."""
    try:
        return typed_json.decode(content, kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise damaged(where) from None


def read(objects: ObjectStore, path: str) -> tuple[Document, str] | None:
    """The document and its version, or None."""
    stored = objects.get(path)
    return None if stored is None else (decode(stored[0], f"{objects.uri}/{path}"), stored[1])


def read_typed(objects: ObjectStore, path: str, kind: type[_T]) -> _T | None:
    """The document as a dataclass or ``TypedDict``, or None; see :func:`typed`."""
    stored = read(objects, path)
    return None if stored is None else typed(stored[0], kind, f"{objects.uri}/{path}")


def create(objects: ObjectStore, path: str, document: Mapping[str, object]) -> bool:
    """Write a document that is not there yet; False if another writer's is there."""
    own = {**document, _WRITER: secrets.token_hex(8)}
    return objects.create(path, encode(own)) or _is_stored(objects, path, own)


def swap(objects: ObjectStore, path: str, document: Mapping[str, object], version: str) -> bool:
    """Replace the document if it still has that version; False if another writer came first."""
    own = {**document, _WRITER: secrets.token_hex(8)}
    return objects.replace(path, encode(own), version) or _is_stored(objects, path, own)


def change(
    objects: ObjectStore, path: str, clock: Clock, edit: Callable[[Document], Document | None]
) -> tuple[Document, bool]:
    """Read, edit and swap a document until no other writer comes between.

    :param edit: takes the document, returns the new one, or None to leave it; called again after a lost race.
    :returns: the document as it now stands, and whether it was changed.
    :raises LedgerDamagedError: if there is no such document.
    :raises LedgerBusyError: after too many lost races.
    """
    for _ in attempts(clock, f"{objects.uri}/{path}"):
        stored = read(objects, path)
        if stored is None:
            raise LedgerDamagedError(
                "a state document is missing", where=f"{objects.uri}/{path}", todo="Restore it; nothing was sent."
            )
        before, version = stored
        after = edit(dict(before))
        if after is None:
            return before, False
        if swap(objects, path, after, version):
            return after, True
    raise AssertionError("attempts() ends by raising")


def attempts(clock: Clock, where: str) -> Iterator[int]:
    """Count the tries of an optimistic writer, with a short random wait between them.

    :raises LedgerBusyError: after :data:`ATTEMPTS` tries.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            clock.sleep(random.uniform(0.01, min(0.05 * 2**attempt, 1.0)))  # noqa: S311 - no secret
        yield attempt
    raise LedgerBusyError(
        f"other writers came first {ATTEMPTS} times; nothing was written", where=where, todo="Run the step again."
    )


def _is_stored(objects: ObjectStore, path: str, own: Document) -> bool:
    """Whether a refused put was done after all: its answer got lost, and the client's own retry was refused."""
    stored = read(objects, path)
    return stored is not None and stored[0].get(_WRITER) == own[_WRITER]


def damaged(where: str) -> LedgerDamagedError:
    """The error for a document that can't be read."""
    return LedgerDamagedError(
        "a state document is damaged", where=where, todo="Restore it from a backup; nothing was sent."
    )
