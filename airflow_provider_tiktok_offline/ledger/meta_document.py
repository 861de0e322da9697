"""What a ledger is: its schema, its secret, the settings that its event ids were made with, its one live route."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    LedgerDamagedError,
    LedgerMissingError,
    LedgerVersionError,
)
from airflow_provider_tiktok_offline.ledger import event_keys
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: The newest layout this package reads and writes.
#: The secret lies beside the ledger, or a connection holds it.
BESIDE, FROM_CONNECTION = "ledger", "connection"


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Sixteen hex digits that change with any setting that enters an event id."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The ledger's own document.

    Attributes:
        event_set_id: whose it is.
        generation: folder of its tables; a rebuilt ledger has a new one.
        recipe: version of the event id's recipe.
        identity: fingerprint of the settings that enter an event id.
        secret_check: tells whether a secret is the one the keys were made with.
        secret_from: ``ledger`` (kept beside it) or ``connection``.
        route: the event set's one live route; None until the first live delivery.
        send_from: transactions before it count as sent; set by an acknowledged change of identity.
        rebuilding: a rebuild was begun and not finished.
        created_at: when it was made.
    """

    event_set_id: str
    generation: str
    recipe: str
    identity: str
    secret_check: str
    secret_from: str
    route: str | None
    send_from: datetime | None
    rebuilding: bool
    created_at: datetime


def root_of(event_set_id: str) -> str:
    """The event set's folder under ``state_uri``."""
    return f"event_sets/{event_set_id}"


def meta_path(event_set_id: str) -> str:
    """The ledger's own document."""
    return f"{root_of(event_set_id)}/meta.json"


def new_meta(
    event_set_id: str, generation: str, identity: Mapping[str, Any], secret: bytes, secret_from: str, clock: Clock
) -> documents.Document:
    """The document of a new ledger."""
    return {
        "schema": documents.LAYOUT,
        "event_set_id": event_set_id,
        "generation": generation,
        "recipe": str(identity.get("recipe", "v1")),
        "identity": fingerprint(identity),
        "identity_settings": dict(identity),
        "secret_check": event_keys.check_of(secret),
        "secret_from": secret_from,
        "route": None,
        "send_from": None,
        "rebuilding": False,
        "created_at": clock.now().isoformat(),
    }


def read_meta(objects: ObjectStore, event_set_id: str) -> Meta:
    """The ledger's own document, if this package understands it.

    :raises LedgerMissingError: if no ledger was made.
    :raises LedgerVersionError: if a newer package wrote it.
    """
    path = meta_path(event_set_id)
    where = f"{objects.uri}/{path}"
    found = documents.read(objects, path)
    if found is None:
        raise LedgerMissingError(
            f"there is no ledger for event set {event_set_id}; an empty one would send everything again",
            where=where,
            todo="For a new event set run: tiktok-offline ledger init. A lost one is rebuilt (docs/operations.md).",
        )
    document = found[0]
    schema = document.get("schema")
    if not isinstance(schema, int):
        raise LedgerDamagedError("the ledger's own document is damaged", where=where, todo="Restore it.")
    send_from = document["send_from"]
    return Meta(
        event_set_id=document["event_set_id"],
        generation=document["generation"],
        recipe=document["recipe"],
        identity=document["identity"],
        secret_check=document["secret_check"],
        secret_from=document["secret_from"],
        route=document["route"],
        send_from=None if send_from is None else datetime.fromisoformat(send_from),
        rebuilding=document["rebuilding"],
        created_at=datetime.fromisoformat(document["created_at"]),
    )


def check_identity(objects: ObjectStore, meta: Meta, identity: Mapping[str, Any]) -> None:
    """Prove that event ids are still made as they were.

    :raises LedgerVersionError: if a setting that enters them was changed and nobody acknowledged it.
    """
    if fingerprint(identity) == meta.identity:
        return
    found = documents.read(objects, meta_path(meta.event_set_id))
    before: Mapping[str, Any] = {} if found is None else found[0].get("identity_settings", {})
    changed = sorted(key for key in {*before, *identity} if before.get(key) != identity.get(key))
    raise LedgerVersionError(
        f"settings that enter the event id were changed ({', '.join(changed)}): what was sent before would not be "
        "recognised and be sent again",
        where=f"event set {meta.event_set_id}",
        todo="Change them back, or acknowledge the change with a cut-over: tiktok-offline ledger acknowledge.",
    )


def read_secret(objects: ObjectStore, meta: Meta, given: bytes | None) -> bytes:
    """The ledger's secret.

    :param given: from a connection; None where it lies beside the ledger.
    :raises LedgerDamagedError: if it is missing or is not the one that the keys were made with.
    """
    where = f"{objects.uri}/{secret_path(meta.event_set_id)}"
    if given is None:
        if meta.secret_from == FROM_CONNECTION:
            raise LedgerDamagedError(
                "this ledger's secret comes from a connection, and none was given",
                where=where, todo="Set ledger.secret_conn_id; nothing was sent.",
            )  # fmt: skip
        found = objects.get(secret_path(meta.event_set_id))
        given = None if found is None else found[0]
    if given is None:
        raise LedgerDamagedError(
            "the ledger's secret is missing", where=where, todo="Restore it from a backup; nothing was sent."
        )
    if event_keys.check_of(given) != meta.secret_check:
        raise LedgerDamagedError(
            "the ledger's secret is not the one that its keys were made with",
            where=where, todo="Restore the former secret; nothing was sent.",
        )  # fmt: skip
    return given


def secret_path(event_set_id: str) -> str:
    """Where the secret lies unless a connection holds it."""
    return f"{root_of(event_set_id)}/secret"


def claim_route(objects: ObjectStore, event_set_id: str, route: str, clock: Clock) -> None:
    """Make ``route`` the event set's one live route, if none is yet.

    :raises ConfigError: if it has another one.
    """

    def edit(document: documents.Document) -> documents.Document | None:
        if document["route"] == route:
            return None
        if document["route"] is not None:
            raise ConfigError(
                f"the event set is delivered by route {document['route']}: one event set has one live route at a time",
                where=f"event set {event_set_id}",
                todo=f"Stop that route's DAG, then run: tiktok-offline ledger switch-route --to {route}.",
            )
        return {**document, "route": route}

    documents.change(objects, meta_path(event_set_id), clock, edit)
