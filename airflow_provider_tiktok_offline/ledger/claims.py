"""Claims: which open delivery may send which events. One document names them all, so that it has one next writer.

A claim is a list of event keys, written first and then entered in the document by compare-and-swap against the
version that the check was made on. Whoever checks reads the document before the keys table: a claim leaves the
document only after its outcome stands in the table.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import FileMissingError, LedgerBusyError, LedgerDamagedError
from airflow_provider_tiktok_offline.ledger import documents
from airflow_provider_tiktok_offline.storage.objects import ObjectStore

#: What a claim holds of an event; the first attempt only of one that an earlier delivery left in doubt.
COLUMNS = pl.Schema({"event_key": pl.Binary(), "first_attempt_at": pl.Datetime("us", "UTC")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one delivery holds.

    Attributes:
        delivery_id: the delivery.
        epoch: changes when the claim was taken over and made anew; who sends must still hold the epoch it began with.
        files: where the keys lie.
        claimed_at: when it claimed last.
        broken: somebody is taking it over; its holder may not send any more.
    """

    delivery_id: str
    epoch: str
    files: tuple[str, ...]
    claimed_at: datetime
    broken: bool


@dataclass(frozen=True, slots=True)
class ClaimBook:
    """All claims at one version of the document."""

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
        self.path = f"{folder}/claims.json"
        self._clock = clock

    def make(self) -> None:
        """Make the empty document."""
        documents.create(self._objects, self.path, {"claims": {}})

    def read(self) -> ClaimBook:
        """The claims as they stand.

        :raises LedgerDamagedError: if the document is missing.
        """
        found = documents.read(self._objects, self.path)
        if found is None:
            raise LedgerDamagedError(
                "the claims are missing",
                where=f"{self._objects.uri}/{self.path}",
                todo="Nothing was sent. Restore the document, or rebuild the ledger (docs/operations.md).",
            )
        document, version = found
        claims = {
            key: Claim(
                delivery_id=key,
                epoch=entry["epoch"],
                files=tuple(entry["files"]),
                claimed_at=datetime.fromisoformat(entry["claimed_at"]),
                broken=entry["broken"],
            )
            for key, entry in document["claims"].items()
        }
        return ClaimBook(claims, version, document)

    def events_of(self, claim: Claim | None) -> pl.DataFrame:
        """Every event that a claim holds: :data:`COLUMNS`.

        :raises LedgerDamagedError: if a list of them is missing or cut off.
        """
        return self._read(claim.files if claim is not None else ())

    def doubts_of(self, delivery_id: str) -> pl.DataFrame:
        """The events that an earlier delivery left in doubt and this one has claimed, with their first attempt."""
        paths = self._objects.list(self._claims_of(delivery_id))
        found = self._read(path for path in paths if path.endswith("-doubt.parquet"))
        return found.drop_nulls().group_by("event_key").agg(pl.col("first_attempt_at").min())

    def _claims_of(self, delivery_id: str) -> str:
        return f"{self._folder}/claims/{delivery_id}"

    def _read(self, paths: Iterable[str]) -> pl.DataFrame:
        parts = [pl.DataFrame(schema=COLUMNS)]
        for path in paths:
            try:
                with self._objects.open_read(path) as stream:
                    parts.append(pl.read_parquet(stream))
            except (pl.exceptions.PolarsError, OSError, FileMissingError) as error:
                raise LedgerDamagedError(
                    f"a list of claimed events can't be read ({type(error).__name__})",
                    where=f"{self._objects.uri}/{path}",
                    todo="Nothing was sent. Restore the object.",
                ) from None
        return pl.concat(parts)

    def enter(self, book: ClaimBook, delivery_id: str, events: pl.DataFrame) -> str | None:
        """Claim events (:data:`COLUMNS`) if nobody has written since ``book`` was read.

        :returns: the claim's epoch, or None where somebody else has written.
        """
        doubt = "-doubt" if events["first_attempt_at"].null_count() < events.height else ""
        path = f"{self._claims_of(delivery_id)}/{secrets.token_hex(8)}{doubt}.parquet"
        with self._objects.open_write(path) as stream:
            events.select(COLUMNS.keys()).write_parquet(stream)
        own = book.claims.get(delivery_id)
        entry = {
            "epoch": own.epoch if own is not None else secrets.token_hex(8),
            "files": [*(own.files if own is not None else ()), path],
            "claimed_at": self._clock.now().isoformat(),
            "broken": False,
        }
        claims = {**book.document["claims"], delivery_id: entry}
        if documents.swap(self._objects, self.path, {**book.document, "claims": claims}, book.version):
            return str(entry["epoch"])
        self._objects.delete(path)
        return None

    def break_(self, claim: Claim) -> None:
        """Forbid the claim's holder to go on sending."""

        def edit(document: documents.Document) -> documents.Document | None:
            entry = document["claims"].get(claim.delivery_id)
            if entry is None or entry["epoch"] != claim.epoch or entry["broken"]:
                return None
            return {**document, "claims": {**document["claims"], claim.delivery_id: {**entry, "broken": True}}}

        documents.change(self._objects, self.path, self._clock, edit)

    def remove(self, claim: Claim) -> None:
        """Take a claim out, once what became of its events stands in the keys table."""

        def edit(document: documents.Document) -> documents.Document | None:
            entry = document["claims"].get(claim.delivery_id)
            if entry is None or entry["epoch"] != claim.epoch:
                return None
            return {**document, "claims": {key: e for key, e in document["claims"].items() if key != claim.delivery_id}}

        documents.change(self._objects, self.path, self._clock, edit)

    def fence(self, delivery_id: str, epoch: str | None) -> None:
        """Prove that the delivery still holds what it began with.

        :raises LedgerBusyError: if another delivery took it over.
        """
        claim = self.read().claims.get(delivery_id)
        if claim is None or claim.broken or claim.epoch != epoch:
            raise LedgerBusyError(
                "another delivery took over what this one had claimed, after its heartbeat had expired",
                where=delivery_id,
                todo="Nothing more was sent; the step is tried again and claims what is still free.",
            )
