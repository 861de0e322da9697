"""What a ledger is: its schema, its secret, the settings that its event ids were made with, its one live route."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.conversions.events.identity_settings import IdentitySettings, Kept, KeptValue
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    LedgerDamagedError,
    LedgerMissingError,
)
from airflow_provider_tiktok_offline.ledger import event_keys
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: The secret lies beside the ledger, or a connection holds it.
BESIDE, FROM_CONNECTION = "ledger", "connection"


def fingerprint(identity: Mapping[str, KeptValue]) -> str:
    """Sixteen hex digits that change with any of the settings."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The ledger's own document.

    Attributes:
        event_set_id: whose it is.
        generation: folder of its tables; a rebuilt ledger has a new one.
        recipe: version of the event id's recipe.
        identity_settings: the settings that enter an event id and that all its advertisers share.
        identity_sources: advertiser -> those that belong to its own files.
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
    identity_settings: Kept
    identity_sources: dict[str, Kept]
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
    event_set_id: str, generation: str, identity: IdentitySettings, secret: bytes, secret_from: str, clock: Clock
) -> documents.Document:
    """The document of a new ledger."""
    return {
        "schema": documents.LAYOUT,
        "event_set_id": event_set_id,
        "generation": generation,
        **kept_identity(identity.event_set, {identity.advertiser: identity.source}),
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
    return from_document(document)


def from_document(document: documents.Document) -> Meta:
    """The ledger's own document, read."""
    send_from = document["send_from"]
    return Meta(
        event_set_id=document["event_set_id"],
        generation=document["generation"],
        recipe=document["recipe"],
        identity_settings=document["identity_settings"],
        identity_sources=document.get("identity_sources", {}),
        secret_check=document["secret_check"],
        secret_from=document["secret_from"],
        route=document["route"],
        send_from=None if send_from is None else datetime.fromisoformat(send_from),
        rebuilding=document["rebuilding"],
        created_at=datetime.fromisoformat(document["created_at"]),
    )


def kept_identity(event_set: Kept, sources: Mapping[str, Kept]) -> documents.Document:
    """The part of the document that says how event ids are made.

    :param sources: advertiser -> settings of its own files.
    """
    return {
        "recipe": event_set["recipe"],
        "identity": fingerprint(event_set),
        "identity_settings": dict(event_set),
        "identity_sources": {advertiser: dict(source) for advertiser, source in sources.items()},
    }


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
