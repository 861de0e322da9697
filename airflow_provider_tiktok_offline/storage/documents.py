"""Small JSON documents that are changed by compare-and-swap."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError, LedgerDamagedError, LedgerVersionError
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

Document = dict[str, Any]

#: Of every document under the state: of ledgers, claims, deliveries and feeds. A later layout names itself ``schema``.
LAYOUT = 1
#: How often a writer that lost a race reads again before it gives up.
ATTEMPTS = 30
#: Field that tells whether a document is one's own, where the answer to a conditional put was lost.
_WRITER = "writer"


def encode(document: Document) -> bytes:
    """The document as stored: JSON with sorted keys."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def decode(content: bytes, where: str) -> Document:
    """The stored document.

    :raises LedgerDamagedError: if it is no JSON object.
    :raises LedgerVersionError: if a newer package wrote it.
    """
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise LedgerDamagedError(
            "a state document is damaged", where=where, todo="Restore it from a backup; nothing was sent."
        )
    layout = document.get("schema", LAYOUT)
    if isinstance(layout, int) and layout > LAYOUT:
        raise LedgerVersionError(
            f"a newer package wrote this document (layout {layout}, this one reads up to {LAYOUT})",
            where=where,
            todo="Upgrade airflow-provider-tiktok-offline on every worker.",
        )
    return document


def read(objects: ObjectStore, path: str) -> tuple[Document, str] | None:
    """The document and its version, or None."""
    found = objects.get(path)
    return None if found is None else (decode(found[0], f"{objects.uri}/{path}"), found[1])


def create(objects: ObjectStore, path: str, document: Document) -> bool:
    """Write a document that is not there yet; False if somebody else's is."""
    mine = {**document, _WRITER: secrets.token_hex(8)}
    if objects.create(path, encode(mine)):
        return True
    found = read(objects, path)
    return found is not None and found[0].get(_WRITER) == mine[_WRITER]


def swap(objects: ObjectStore, path: str, document: Document, version: str) -> bool:
    """Replace the document if it still has that version; False if another writer came first."""
    mine = {**document, _WRITER: secrets.token_hex(8)}
    if objects.replace(path, encode(mine), version):
        return True
    # The answer to a swap that was done may have been lost, and the client's own retry refused.
    found = read(objects, path)
    return found is not None and found[0].get(_WRITER) == mine[_WRITER]


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
        found = read(objects, path)
        if found is None:
            raise LedgerDamagedError(
                "a state document is missing", where=f"{objects.uri}/{path}", todo="Restore it; nothing was sent."
            )
        before, version = found
        after = edit(dict(before))
        if after is None:
            return before, False
        if swap(objects, path, after, version):
            return after, True
    raise AssertionError("attempts() ends by raising")


def attempts(clock: Clock, where: str) -> Iterator[int]:
    """Count the tries of an optimistic writer, with a short random wait between them.

    :raises LedgerBusyError: when they are used up.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            clock.sleep(random.uniform(0.01, min(0.05 * 2**attempt, 1.0)))  # noqa: S311 - no secret
        yield attempt
    raise LedgerBusyError(
        f"other writers came first {ATTEMPTS} times; nothing was written", where=where, todo="Run the step again."
    )
