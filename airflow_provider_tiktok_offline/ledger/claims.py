"""Claims: which open delivery may send which events. One document names them all, so that it has one next writer.

A claim is a list of event keys, written first and then entered in the document by compare-and-swap against the
version that the check was made on. Whoever reads must read the document before the keys table: a claim leaves the
document only after its outcome stands in the table.
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError, LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import key_files
from airflow_provider_tiktok_offline.ledger.key_probe import KeyProbe
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one delivery holds.

    Attributes:
        delivery_id: the delivery.
        round: its planning round.
        epoch: changes when the claim was taken over and made anew; a plan is good for one epoch.
        files: where the keys lie.
        claimed_at: when it claimed last.
        broken: another delivery is taking it over; its holder may not send any more.
        route: by which way it sends.
    """

    delivery_id: str
    round: int
    epoch: str
    files: tuple[str, ...]
    claimed_at: documents.Moment
    broken: bool
    route: str


@dataclass(frozen=True, slots=True)
class Entered:
    """What a delivery has just claimed.

    Attributes:
        epoch: its claim's.
        file: where the keys lie.
    """

    epoch: str
    file: str


@dataclass(frozen=True, slots=True)
class _ClaimsDocument:
    """The document as stored: delivery id -> its claim's other fields."""

    claims: dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """All claims at one version of the document.

    Attributes:
        claims: delivery id -> its claim.
        version: the document's version.
        document: the document itself.
    """

    claims: dict[str, Claim]
    version: str
    document: documents.Document


class Claims:
    """The claims of one event set.

    :param folder: the ledger's folder in the store.
    """

    def __init__(self, objects: ObjectStore, folder: str, clock: Clock) -> None:
        self._objects = objects
        self._folder = folder
        self._path = f"{folder}/claims.json"
        self._clock = clock

    @property
    def where(self) -> str:
        """The document's place, for messages."""
        return f"{self._objects.uri}/{self._path}"

    def make(self) -> None:
        """Make the empty document."""
        documents.create(self._objects, self._path, {"claims": {}})

    def read(self) -> ClaimSet:
        """The claims as they stand.

        :raises LedgerDamagedError: if the document is missing.
        """
        stored = documents.read(self._objects, self._path)
        if stored is None:
            raise LedgerDamagedError(
                "the claims are missing",
                where=self.where,
                todo="Nothing was sent. Restore the document, or rebuild the ledger (docs/operations.md).",
            )
        document, version = stored
        entries = documents.typed(document, _ClaimsDocument, self.where).claims
        claims = {
            delivery_id: documents.typed({**entry, "delivery_id": delivery_id}, Claim, self.where)
            for delivery_id, entry in entries.items()
        }
        return ClaimSet(claims, version, document)

    def keys_of(self, claim: Claim, among: KeyProbe | None = None, leave_out: Container[str] = ()) -> pl.Series:
        """The event keys that a claim holds.

        :param among: only those that begin as one of these keys; memory is then set by what one file holds.
        :param leave_out: files whose keys are not wanted.
        """
        parts = [pl.Series("event_key", [], dtype=pl.Binary)]
        for path in claim.files:
            if path in leave_out:
                continue
            stored = self._objects.get(path)
            if stored is None:
                raise LedgerDamagedError(
                    "a list of claimed events is missing", where=f"{self._objects.uri}/{path}", todo="Nothing was sent."
                )
            keys = key_files.unpack(stored[0], f"{self._objects.uri}/{path}")[1]
            parts.append(keys if among is None else among.keys_among(keys))
        return pl.concat(parts)

    def enter(
        self, claims: ClaimSet, delivery_id: str, round_: int, keys: pl.Series, *, route: str, epoch: str | None
    ) -> Entered | None:
        """Claim keys if no other writer came since ``claims`` was read.

        :param epoch: the claim's epoch so far; None for a first claim.
        :returns: None where another writer came first.
        """
        path = f"{self._folder}/claims/{delivery_id}/{round_:04d}-{secrets.token_hex(6)}"
        now = self._clock.now().isoformat()
        self._objects.create(path, key_files.pack(keys, {"delivery_id": delivery_id, "at": now}))
        epoch = epoch or secrets.token_hex(8)
        own = claims.claims.get(delivery_id)
        entry = {
            "round": round_,
            "epoch": epoch,
            "files": [*(own.files if own is not None else ()), path],
            "claimed_at": now,
            "broken": False,
            "route": route,
        }
        document = {**claims.document, "claims": {**claims.document["claims"], delivery_id: entry}}
        if documents.swap(self._objects, self._path, document, claims.version):
            return Entered(epoch, path)
        self._objects.delete(path)
        return None

    def revoke(self, claim: Claim) -> None:
        """Forbid the claim's holder to go on sending."""

        def edit(document: documents.Document) -> documents.Document | None:
            entry = document["claims"].get(claim.delivery_id)
            if entry is None or entry["round"] != claim.round or entry["broken"]:
                return None
            claims = {**document["claims"], claim.delivery_id: {**entry, "broken": True}}
            return {**document, "claims": claims}

        documents.change(self._objects, self._path, self._clock, edit)

    def remove(self, delivery_id: str, round_: int) -> None:
        """Take a claim out, once what became of its events stands in the keys table."""

        def edit(document: documents.Document) -> documents.Document | None:
            entry = document["claims"].get(delivery_id)
            if entry is None or entry["round"] > round_:
                return None
            return {**document, "claims": {key: e for key, e in document["claims"].items() if key != delivery_id}}

        documents.change(self._objects, self._path, self._clock, edit)

    def fence(self, delivery_id: str, epoch: str) -> None:
        """Check that the delivery still holds the claim that its plan was made under.

        :raises LedgerBusyError: if another delivery took it over.
        """
        claim = self.read().claims.get(delivery_id)
        if claim is None or claim.broken or claim.epoch != epoch:
            raise taken_over(delivery_id)


def taken_over(delivery_id: str) -> LedgerBusyError:
    """The error of a delivery that no longer holds its claims."""
    return LedgerBusyError(
        "another delivery took over what this one had claimed, after its heartbeat had expired",
        where=delivery_id,
        todo="Nothing more was sent; run the delivery again from its dedupe step.",
    )
