"""The state of each delivery: one small document a delivery, changed by compare-and-swap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, LedgerDamagedError, LedgerMissingError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.lease_clock import LeaseClock
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

Status = Literal["open", "closed", "failed", "reopened"]

#: The step of a delivery whose events wait, and the one that ends its waiting.
WAIT_STEP = "wait"
_PLANNED_STEP = "dedupe"
#: States that are fetched at once.
_AT_ONCE = 16


def delivery_id(advertiser: str, digest: str) -> str:
    """The id of the delivery of one file (its SHA-256, hex) for one advertiser (by name)."""
    return "d-" + hashlib.sha256(f"{advertiser}\x1f{digest.lower()}".encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredFile:
    """The file of a delivery, and for whom and by which way it is delivered.

    Attributes:
        advertiser: the config entry's name.
        route: ``tiktok`` or ``liveramp``.
        digest: SHA-256 of the file's stored bytes, hex.
        uri, file_name, size: the file.
        shared: only some of its rows are this advertiser's (``where:``).
        content: SHA-256 of its data rows, unpacked and as UTF-8, hex; None if that is not known.
        day: the day that the file is for; None if that is not known.
    """

    advertiser: str
    route: str
    digest: str
    uri: str
    file_name: str
    size: int
    shared: bool = False
    content: str | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryState:
    """One delivery as stored.

    Attributes:
        id: see :func:`delivery_id`.
        advertiser: the config entry's name.
        route: ``tiktok`` or ``liveramp``.
        status: open (a run works on it), failed (its run ended unsettled), closed, reopened.
        holder: dag and run that works on it; None where none does.
        lease_until: when the holder counts as dead unless it sends a heartbeat; None without a holder.
        as_of: the clock at its first validate.
        digest: SHA-256 of the file's stored bytes, hex.
        uri, file_name, size: the file.
        steps: step name -> its result, small JSON.
        opened_at, updated_at: first and last change.
        reason: why it was reopened.
        shared: only some of the file's rows are this advertiser's (``where:``).
        content: SHA-256 of the file's data rows, unpacked and as UTF-8, hex; None if that is not known.
        day: the day that the file is for; None if that is not known.
    """

    id: str
    advertiser: str
    route: str
    status: Status
    holder: str | None
    lease_until: documents.Moment | None
    as_of: documents.Moment
    digest: str
    uri: str
    file_name: str
    size: int
    opened_at: documents.Moment
    updated_at: documents.Moment
    steps: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    shared: bool = False
    content: str | None = None
    day: date | None = None

    @property
    def file(self) -> DeliveredFile:
        """The file, and for whom and by which way it is delivered."""
        return DeliveredFile(**{one.name: getattr(self, one.name) for one in fields(DeliveredFile)})

    @property
    def waits(self) -> bool:
        """Whether its events wait for returns, or are due and not planned yet."""
        return self.status != "closed" and WAIT_STEP in self.steps and _PLANNED_STEP not in self.steps

    @property
    def handled(self) -> bool:
        """Whether its file is delivered, or is by itself as time goes on."""
        return self.status == "closed" or self.waits

    @property
    def counts(self) -> bool:
        """Whether it is a live delivery; dry runs and test runs have ids of their own."""
        return _is_live(self.file, self.id)

    def to_dict(self) -> documents.Document:
        """As JSON."""
        return {key: value.isoformat() if isinstance(value, date) else value for key, value in asdict(self).items()}


class Beat(NamedTuple):
    """A heartbeat.

    Attributes:
        holder: whose; None after the delivery was given up.
        monotonic: by the stop watch, before it was written.
        at: by the wall clock.
    """

    holder: str | None
    monotonic: float
    at: datetime


class Deliveries:
    """The deliveries under one ``state_uri``.

    :param lease_seconds: how long a holder counts as alive after its last heartbeat.
    """

    def __init__(self, objects: ObjectStore, clock: Clock, lease_seconds: float = 300) -> None:
        self._objects = objects
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._lease_clock = LeaseClock(objects, clock)
        self._beats: dict[str, Beat] = {}

    @property
    def lease(self) -> timedelta:
        """How long a holder without a heartbeat still holds."""
        return self._lease

    def alive(self, state: DeliveryState) -> bool:
        """Whether a run holds the delivery and its heartbeat has not expired, by the store's time where it has one."""
        if state.holder is None or state.lease_until is None:
            return False
        return self._lease_clock.runs(_path(state.id), state.lease_until, state.lease_until - state.updated_at)

    def enter(self, delivery_id: str, holder: str, file: DeliveredFile, *, as_of: datetime) -> DeliveryState:
        """Open the delivery, come back to one's own, or take over one whose holder's heartbeat has expired.

        A closed delivery is returned as it is.

        :param as_of: counts only where the delivery is new.
        :raises DeliveryHeldError: while another holder is alive.
        """
        if file.content is not None and _is_live(file, delivery_id):
            # Before the state: a closed delivery is always found by what its file holds.
            self._objects.create(f"{_contents(file.advertiser, file.content)}{delivery_id}", b"")
        if self._objects.get(_path(delivery_id)) is None:
            state = self._open(delivery_id, holder, file, as_of)
            if state is not None:
                return state

        return self._take(delivery_id, holder, file)

    def resume(self, delivery_id: str, holder: str) -> DeliveryState:
        """Come back to a delivery as :meth:`enter` does, with what is known of its file.

        :raises LedgerMissingError: if there is no such delivery.
        :raises DeliveryHeldError: while another holder is alive.
        """
        try:
            return self._take(delivery_id, holder, None)
        except LedgerDamagedError:
            self.get(delivery_id)
            raise

    def _take(self, delivery_id: str, holder: str, file: DeliveredFile | None) -> DeliveryState:
        def take(document: documents.Document) -> documents.Document | None:
            state = self._state(document, delivery_id)
            if state.status == "closed":
                return None
            now = self._clock.now()
            if state.holder != holder and self.alive(state):
                raise DeliveryHeldError(
                    f"{state.holder} works on this delivery until {state.lease_until:%Y-%m-%dT%H:%M:%SZ} or longer",
                    where=delivery_id,
                    todo="Wait for it to end, or for its heartbeat to expire; the step is tried again.",
                    retry_after=(state.lease_until - now).total_seconds() if state.lease_until else None,
                )
            taken = replace(state, status="open", holder=holder, lease_until=now + self._lease, updated_at=now)
            if file is not None:
                taken = replace(
                    taken, uri=file.uri, file_name=file.file_name, route=file.route, shared=file.shared,
                    content=file.content or state.content, day=file.day or state.day,
                )  # fmt: skip
            return {**document, **taken.to_dict()}

        return self._change(delivery_id, take)

    def last_beat(self, state: DeliveryState) -> Beat | None:
        """When this process last wrote that its run holds the delivery; None if it has not."""
        beat = self._beats.get(state.id)
        return beat if beat is not None and beat.holder == state.holder else None

    def heartbeat(self, state: DeliveryState) -> DeliveryState:
        """Say that the holder is alive.

        :raises DeliveryHeldError: if another run took the delivery over.
        """
        return self.save(state)

    def save(
        self, state: DeliveryState, *, status: Status | None = None, steps: Mapping[str, object] | None = None
    ) -> DeliveryState:
        """Store a new status, or results of steps.

        :param status: another one than *open* gives the delivery up: it has no holder then.
        :param steps: merged by step, so that parallel tasks of one run may save theirs.
        :raises DeliveryHeldError: if another run took the delivery over since ``state`` was read.
        """

        def edit(document: documents.Document) -> documents.Document:
            stored = self._state(document, state.id)
            if stored.holder != state.holder:
                raise DeliveryHeldError(
                    f"this run no longer holds the delivery ({stored.holder or 'nobody'} does)", where=state.id,
                    todo="Nothing was changed; run the delivery again.",
                )  # fmt: skip
            now = self._clock.now()
            after = replace(
                stored,
                status=status or stored.status,
                steps={**stored.steps, **(steps or {})},
                updated_at=now,
                lease_until=now + self._lease,
            )
            if after.status != "open":
                after = replace(after, holder=None, lease_until=None)
            return {**document, **after.to_dict()}

        return self._change(state.id, edit)

    def get(self, delivery_id: str) -> DeliveryState:
        """The delivery of that id.

        :raises LedgerMissingError: if there is none.
        """
        state = self.find(delivery_id)
        if state is None:
            raise LedgerMissingError(
                "there is no such delivery", where=f"{self._objects.uri}/{_path(delivery_id)}",
                todo="Run prepare (or validate) first.",
            )  # fmt: skip
        return state

    def find(self, delivery_id: str) -> DeliveryState | None:
        """The delivery of that id, or None."""
        return documents.read_typed(self._objects, _path(delivery_id), DeliveryState)

    def by_digest(self, advertiser: str, digest: str) -> DeliveryState | None:
        """The advertiser's delivery of the file with that SHA-256, or None."""
        return self.find(delivery_id(advertiser, digest))

    def advertisers_of(self, digest: str) -> list[str]:
        """Every advertiser that a file of that SHA-256 was opened for."""
        return [path.rpartition("/")[2] for path in self._objects.list(f"digests/{digest.lower()}")]

    def delivered_content(self, advertiser: str, content: str) -> list[DeliveryState]:
        """The advertiser's live deliveries, closed or waiting, of files with the same data rows, oldest first.

        :param content: SHA-256 of the data rows, hex.
        """
        return [state for state in self._listed(_contents(advertiser, content)) if state.handled]

    def _listed(self, folder: str) -> list[DeliveryState]:
        ids = [path.rpartition("/")[2] for path in self._objects.list(folder)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            states = [state for state in pool.map(self.find, ids) if state is not None]
        return sorted(states, key=lambda state: (state.opened_at, state.id))

    def opened_before(self, advertiser: str, moment: datetime) -> list[str]:
        """Ids of the advertiser's deliveries that were opened before then, by the store's dates."""
        written = self._objects.written(f"deliveries_of/{advertiser}")
        return [path.rpartition("/")[2] for path, at in written.items() if at < moment]

    def list(self, advertiser: str) -> list[DeliveryState]:
        """The advertiser's deliveries, oldest first."""
        return self._listed(f"deliveries_of/{advertiser}")

    def reopen(self, delivery_id: str, reason: str) -> DeliveryState:
        """Let a closed delivery be worked on again, its steps forgotten.

        :raises DeliveryHeldError: while a run holds it.
        """

        def edit(document: documents.Document) -> documents.Document | None:
            state = self._state(document, delivery_id)
            now = self._clock.now()
            if state.status == "open" and self.alive(state):
                raise DeliveryHeldError(
                    f"{state.holder} works on this delivery", where=delivery_id, todo="Wait for it to end."
                )
            if state.status == "reopened":
                return None
            after = replace(
                state, status="reopened", holder=None, lease_until=None, steps={}, reason=reason, updated_at=now
            )
            return {**document, **after.to_dict()}

        return self._change(delivery_id, edit)

    def break_lease(self, delivery_id: str, reason: str) -> DeliveryState:
        """Take the delivery from whoever holds it, alive or not; that run sends nothing more."""

        def edit(document: documents.Document) -> documents.Document | None:
            state = self._state(document, delivery_id)
            if state.status != "open":
                return None
            now = self._clock.now()
            after = replace(state, status="failed", holder=None, lease_until=None, reason=reason, updated_at=now)
            return {**document, **after.to_dict()}

        return self._change(delivery_id, edit)

    def forget(self, state: DeliveryState) -> None:
        """Remove an old delivery's state; its record stays in the ledger's records."""
        self._objects.delete(_path(state.id))
        if self.by_digest(state.advertiser, state.digest) is None:
            # Else it is a dry run of a file that was delivered live, too.
            self._objects.delete(f"digests/{state.digest}/{state.advertiser}")
        self._objects.delete(f"deliveries_of/{state.advertiser}/{state.id}")
        if state.content is not None:
            self._objects.delete(f"{_contents(state.advertiser, state.content)}{state.id}")

    def _open(self, delivery_id: str, holder: str, file: DeliveredFile, as_of: datetime) -> DeliveryState | None:
        """Make a new delivery; None if another run has just made it."""
        now = self._clock.now()
        digest = file.digest.lower()
        state = DeliveryState(
            id=delivery_id,
            advertiser=file.advertiser,
            route=file.route,
            status="open",
            holder=holder,
            lease_until=now + self._lease,
            as_of=as_of,
            digest=digest,
            uri=file.uri,
            file_name=file.file_name,
            size=file.size,
            shared=file.shared,
            content=file.content,
            day=file.day,
            opened_at=now,
            updated_at=now,
        )
        # Markers come first: a delivery is never there without being listed.
        self._objects.create(f"deliveries_of/{file.advertiser}/{delivery_id}", b"")
        self._objects.create(f"digests/{digest}/{file.advertiser}", b"")
        return state if documents.create(self._objects, _path(delivery_id), state.to_dict()) else None

    def _change(
        self, delivery_id: str, edit: Callable[[documents.Document], documents.Document | None]
    ) -> DeliveryState:
        beat = self._clock.monotonic(), self._clock.now()
        document, changed = documents.change(self._objects, _path(delivery_id), self._clock, edit)
        state = self._state(document, delivery_id)
        if changed:
            self._beats[delivery_id] = Beat(state.holder, *beat)
        return state

    def _state(self, document: documents.Document, delivery_id: str) -> DeliveryState:
        return documents.typed(document, DeliveryState, f"{self._objects.uri}/{_path(delivery_id)}")


def _path(delivery_id: str) -> str:
    return f"deliveries/{delivery_id}.json"


def _contents(advertiser: str, content: str) -> str:
    return f"advertisers/{advertiser}/contents/{content}/"


def _is_live(file: DeliveredFile, known_as: str) -> bool:
    return known_as == delivery_id(file.advertiser, file.digest)
