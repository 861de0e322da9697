"""What a ledger is: its layout, its secret, the settings that its event ids were made with, its one live route."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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
SecretFrom = Literal["ledger", "connection"]


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where the ledger of one event set lies, and the time it goes by.

    Attributes:
        objects: the store at ``state_uri``.
        event_set_id: whose ledger it is.
        clock: the source of the time.
    """

    objects: ObjectStore
    event_set_id: str
    clock: Clock

    @property
    def root(self) -> str:
        """The event set's folder under ``state_uri``."""
        return f"event_sets/{self.event_set_id}"

    @property
    def meta_path(self) -> str:
        """The ledger's own document."""
        return f"{self.root}/meta.json"

    @property
    def secret_path(self) -> str:
        """Where the secret lies unless a connection holds it."""
        return f"{self.root}/secret"

    def uri(self, path: str) -> str:
        """An object's full URI, for messages."""
        return f"{self.objects.uri}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """The ledger's own document.

    Attributes:
        schema: layout of the ledger.
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

    schema: int
    event_set_id: str
    generation: str
    recipe: str
    secret_check: str
    secret_from: SecretFrom
    route: str | None
    send_from: documents.Moment | None
    rebuilding: bool
    created_at: documents.Moment
    identity_settings: Kept
    identity_sources: dict[str, Kept] = field(default_factory=dict)


def fingerprint(identity: Mapping[str, KeptValue]) -> str:
    """Sixteen hex digits that change with any of the settings."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def new_meta(
    place: LedgerPlace, generation: str, identity: IdentitySettings, secret: bytes, secret_from: SecretFrom
) -> documents.Document:
    """The document of a new ledger."""
    return {
        "schema": documents.LAYOUT,
        "event_set_id": place.event_set_id,
        "generation": generation,
        **kept_identity(identity.event_set, {identity.advertiser: identity.source}),
        "secret_check": event_keys.check_of(secret),
        "secret_from": secret_from,
        "route": None,
        "send_from": None,
        "rebuilding": False,
        "created_at": place.clock.now().isoformat(),
    }


def read_meta(place: LedgerPlace) -> Meta:
    """The ledger's own document, if this package understands it.

    :raises LedgerMissingError: if no ledger was made.
    :raises LedgerVersionError: if a newer package wrote it.
    """
    stored = documents.read(place.objects, place.meta_path)
    if stored is None:
        raise LedgerMissingError(
            f"there is no ledger for event set {place.event_set_id}; an empty one would send everything again",
            where=place.uri(place.meta_path),
            todo="For a new event set run: tiktok-offline ledger init. A lost one is rebuilt (docs/operations.md).",
        )
    return parse(place, stored[0])


def parse(place: LedgerPlace, document: documents.Document) -> Meta:
    """The ledger's own document, with types.

    :raises LedgerDamagedError: if a field is missing or has another type.
    """
    return documents.typed(document, Meta, place.uri(place.meta_path))


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


def read_secret(place: LedgerPlace, meta: Meta, given: bytes | None) -> bytes:
    """The ledger's secret.

    :param given: from a connection; None where it lies beside the ledger.
    :raises LedgerDamagedError: if it is missing or is not the one that the keys were made with.
    """
    where = place.uri(place.secret_path)
    secret = given
    if secret is None:
        if meta.secret_from == "connection":  # noqa: S105 - where it lies
            raise LedgerDamagedError(
                "this ledger's secret comes from a connection, and none was given",
                where=where,
                todo="Set ledger.secret_conn_id; nothing was sent.",
            )
        stored = place.objects.get(place.secret_path)
        secret = None if stored is None else stored[0]
    if secret is None:
        raise LedgerDamagedError(
            "the ledger's secret is missing", where=where, todo="Restore it from a backup; nothing was sent."
        )
    if event_keys.check_of(secret) != meta.secret_check:
        raise LedgerDamagedError(
            "the ledger's secret is not the one that its keys were made with",
            where=where,
            todo="Restore the former secret; nothing was sent.",
        )
    return secret


def claim_route(place: LedgerPlace, route: str) -> None:
    """Make ``route`` the event set's one live route, if none is yet.

    :raises ConfigError: if it has another one.
    """

    def edit(document: documents.Document) -> documents.Document | None:
        if document["route"] == route:
            return None
        if document["route"] is not None:
            raise ConfigError(
                f"the event set is delivered by route {document['route']}: one event set has one live route at a time",
                where=f"event set {place.event_set_id}",
                todo=f"Stop that route's DAG, then run: tiktok-offline ledger switch-route --to {route}.",
            )
        return {**document, "route": route}

    documents.change(place.objects, place.meta_path, place.clock, edit)
