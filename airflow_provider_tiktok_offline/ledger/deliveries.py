"""Which file stands where: one small state document per delivery, changed by compare-and-swap."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerMissingError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

Status = Literal["open", "closed", "failed", "reopened"]

#: States that are fetched at once.
_AT_ONCE = 16
_TIMES = ("as_of", "opened_at", "updated_at", "lease_until")


def delivery_id(advertiser: str, digest: str) -> str:
    """The id of the delivery of one file (its SHA-256, hex) for one advertiser (by name)."""
    return "d-" + hashlib.sha256(f"{advertiser}\x1f{digest.lower()}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryState:
    """One delivery as stored.

    Attributes:
        id: see :func:`delivery_id`.
        advertiser: the config entry's name.
        route: ``tiktok`` or ``liveramp``.
        status: open (somebody works on it), failed (its run ended unsettled), closed, reopened.
        holder: dag and run that works on it; None where nobody does.
        lease_until: when the holder counts as dead unless it sends a heartbeat; None without a holder.
        as_of: the clock at its first validate.
        digest: SHA-256 of the file's stored bytes, hex.
        uri, file_name, size: the file.
        steps: step name -> its result, small JSON.
        opened_at, updated_at: first and last change.
        reason: why it was reopened.
    """

    id: str
    advertiser: str
    route: str
    status: Status
    holder: str | None
    lease_until: datetime | None
    as_of: datetime
    digest: str
    uri: str
    file_name: str
    size: int
    opened_at: datetime
    updated_at: datetime
    steps: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DeliveryState:
        """From JSON; fields of newer packages are passed over."""
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in document.items() if key in known}
        for name in _TIMES:
            if values.get(name) is not None:
                values[name] = datetime.fromisoformat(values[name])
        return cls(**values)


class Deliveries:
    """The deliveries under one ``state_uri``.

    :param lease_seconds: how long a holder without a heartbeat still holds.
    """

    def __init__(self, objects: ObjectStore, clock: Clock, lease_seconds: float = 300) -> None:
        self._objects = objects
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)

    @property
    def lease(self) -> timedelta:
        """How long a holder without a heartbeat still holds."""
        return self._lease

    def enter(
        self,
        delivery_id: str,
        holder: str,
        *,
        advertiser: str,
        route: str,
        digest: str,
        uri: str,
        file_name: str,
        size: int,
        as_of: datetime,
    ) -> DeliveryState:
        """Open the delivery, come back to one's own, or take over one whose holder's heartbeat has expired.

        A closed delivery is returned as it is. ``as_of`` counts only where the delivery is new.

        :raises DeliveryHeldError: while another holder is alive.
        """
        now = self._clock.now()
        state = DeliveryState(
            id=delivery_id,
            advertiser=advertiser,
            route=route,
            status="open",
            holder=holder,
            lease_until=now + self._lease,
            as_of=as_of,
            digest=digest.lower(),
            uri=uri,
            file_name=file_name,
            size=size,
            opened_at=now,
            updated_at=now,
        )
        if self._objects.get(_path(delivery_id)) is None:
            # Markers come first: a delivery is never there without being listed.
            self._objects.create(f"deliveries_of/{advertiser}/{delivery_id}", b"")
            self._objects.create(f"digests/{digest.lower()}/{advertiser}", b"")
            if documents.create(self._objects, _path(delivery_id), state.to_dict()):
                return state

        def take(document: documents.Document) -> documents.Document | None:
            found = DeliveryState.from_dict(document)
            if found.status == "closed":
                return None
            moment = self._clock.now()
            if alive(found, moment) and found.holder != holder:
                raise DeliveryHeldError(
                    f"{found.holder} works on this delivery until {found.lease_until:%Y-%m-%dT%H:%M:%SZ} or longer",
                    where=delivery_id,
                    todo="Wait for it to end, or for its heartbeat to expire; the step is tried again.",
                    retry_after=(found.lease_until - moment).total_seconds() if found.lease_until else None,
                )
            taken = replace(
                found, status="open", holder=holder, lease_until=moment + self._lease, uri=uri, file_name=file_name,
                route=route, updated_at=moment,
            )  # fmt: skip
            return {**document, **taken.to_dict()}

        return DeliveryState.from_dict(documents.change(self._objects, _path(delivery_id), self._clock, take)[0])

    def heartbeat(self, state: DeliveryState) -> DeliveryState:
        """Say that the holder is alive.

        :raises DeliveryHeldError: if another run took the delivery over.
        """
        return self.save(state)

    def save(self, state: DeliveryState, **changes: Any) -> DeliveryState:
        """Store changes of fields; ``steps`` is merged by step, so that parallel tasks of one run may save theirs.

        Leaving *open* gives the delivery up: it has no holder then.

        :raises DeliveryHeldError: if another run took the delivery over since ``state`` was read.
        """

        def edit(document: documents.Document) -> documents.Document:
            found = DeliveryState.from_dict(document)
            if found.holder != state.holder:
                raise DeliveryHeldError(
                    f"this run no longer holds the delivery ({found.holder or 'nobody'} does)",
                    where=state.id,
                    todo="Nothing was changed; run the delivery again.",
                )
            moment = self._clock.now()
            merged = dict(changes)
            if "steps" in changes:
                merged["steps"] = {**found.steps, **changes["steps"]}
            after = replace(found, updated_at=moment, lease_until=moment + self._lease, **merged)
            if after.status != "open":
                after = replace(after, holder=None, lease_until=None)
            return {**document, **after.to_dict()}

        return DeliveryState.from_dict(documents.change(self._objects, _path(state.id), self._clock, edit)[0])

    def get(self, delivery_id: str) -> DeliveryState:
        """The delivery of that id.

        :raises LedgerMissingError: if there is none.
        """
        state = self.find(delivery_id)
        if state is None:
            raise LedgerMissingError(
                "there is no such delivery",
                where=f"{self._objects.uri}/{_path(delivery_id)}",
                todo="Run validate first.",
            )
        return state

    def find(self, delivery_id: str) -> DeliveryState | None:
        """The delivery of that id, or None."""
        found = documents.read(self._objects, _path(delivery_id))
        return None if found is None else DeliveryState.from_dict(found[0])

    def by_digest(self, advertiser: str, digest: str) -> DeliveryState | None:
        """The advertiser's delivery of the file with that SHA-256, or None."""
        return self.find(delivery_id(advertiser, digest))

    def advertisers_of(self, digest: str) -> list[str]:
        """Every advertiser that a file of that SHA-256 was opened for."""
        return [path.rpartition("/")[2] for path in self._objects.list(f"digests/{digest.lower()}")]

    def list(self, advertiser: str) -> list[DeliveryState]:
        """The advertiser's deliveries, oldest first."""
        ids = [path.rpartition("/")[2] for path in self._objects.list(f"deliveries_of/{advertiser}")]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            states = [state for state in pool.map(self.find, ids) if state is not None]
        return sorted(states, key=lambda state: (state.opened_at, state.id))

    def reopen(self, delivery_id: str, reason: str) -> DeliveryState:
        """Let a closed delivery be worked on again, its steps forgotten.

        :raises DeliveryHeldError: while a run holds it.
        """

        def edit(document: documents.Document) -> documents.Document | None:
            found = DeliveryState.from_dict(document)
            moment = self._clock.now()
            if found.status == "open" and alive(found, moment):
                raise DeliveryHeldError(
                    f"{found.holder} works on this delivery", where=delivery_id, todo="Wait for it to end."
                )
            if found.status == "reopened":
                return None
            after = replace(
                found, status="reopened", holder=None, lease_until=None, steps={}, reason=reason,
                updated_at=moment,
            )  # fmt: skip
            return {**document, **after.to_dict()}

        return DeliveryState.from_dict(documents.change(self._objects, _path(delivery_id), self._clock, edit)[0])

    def forget(self, state: DeliveryState) -> None:
        """Remove an old delivery's state; its record stays in the ledger's records."""
        self._objects.delete(_path(state.id))
        self._objects.delete(f"digests/{state.digest}/{state.advertiser}")
        self._objects.delete(f"deliveries_of/{state.advertiser}/{state.id}")


def alive(state: DeliveryState, now: datetime) -> bool:
    """Whether somebody holds the delivery and its heartbeat has not expired."""
    return state.holder is not None and state.lease_until is not None and now < state.lease_until


def _path(delivery_id: str) -> str:
    return f"deliveries/{delivery_id}.json"
