"""The plan of a delivery: which events of which prepared part are sent, fixed before the first one leaves."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field

import polars as pl

from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.ledger.event_states import SENT_VERDICTS, VERDICTS
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

PLAN_COLUMNS = pl.Schema(
    {
        "row": pl.UInt32(),
        "event_key": pl.Binary(),
        "content": pl.Int64(),
        "verdict": pl.String(),
        "first_attempt_at": pl.Datetime("us", "UTC"),
    }
)


@dataclass(frozen=True, slots=True)
class VerdictSum:
    """The events of a part that have one verdict and one currency.

    Attributes:
        verdict: theirs.
        currency: of their values; None where they have none.
        events: how many.
        value: the sum of their values, a decimal as text.
    """

    verdict: str
    currency: str | None
    events: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An immutable plan.

    Attributes:
        delivery_id: the delivery.
        round: which planning round; a new one takes up what was held.
        epoch: the claim's, that the plan is good for.
        route: by which way it goes.
        counts: verdict -> events, of all events of the file.
        parts: index of each prepared part that has something to send, in order.
        events: part index -> events to send.
        fingerprints: part index -> :func:`.event_keys.fingerprint` of the events that the part held, where it was
            taken.
        sums: part index -> its events and their values by verdict, where they were counted.
        is_new: it was made by this very call, not by an earlier one or another try.
    """

    delivery_id: str
    round: int
    epoch: str
    route: str
    counts: dict[str, int]
    parts: tuple[int, ...]
    events: dict[int, int]
    fingerprints: dict[int, str]
    sums: dict[int, list[VerdictSum]]
    _files: dict[int, str]
    _objects: ObjectStore
    is_new: bool = False
    #: The part that was read last: each is asked for its verdicts, then for its doubts and what is sent of it.
    _last: list[tuple[int, pl.DataFrame]] = field(default_factory=list, repr=False, compare=False)

    @property
    def to_send(self) -> int:
        """Events that the plan sends."""
        return sum(self.events.values())

    def part(self, index: int) -> pl.DataFrame:
        """What is sent of a prepared part: ``row`` (its index in the part), ``event_key``, ``first_attempt_at``."""
        return (
            self.verdicts(index)
            .filter(pl.col("verdict").is_in(SENT_VERDICTS))
            .select("row", "event_key", "content", "first_attempt_at")
        )

    def in_doubt(self, index: int) -> pl.DataFrame:
        """The events of a part that an earlier delivery or round left in doubt, with their first attempt."""
        doubtful = self.part(index).filter(pl.col("first_attempt_at").is_not_null())
        return doubtful.select("event_key", "first_attempt_at")

    def verdicts(self, index: int) -> pl.DataFrame:
        """Every event of a prepared part with its verdict, in the part's order: :data:`PLAN_COLUMNS`."""
        for last, frame in self._last:
            if last == index:
                return frame
        frame = self._read(index)
        self._last[:] = [(index, frame)]
        return frame

    def _read(self, index: int) -> pl.DataFrame:
        path = self._files[index]
        try:
            with self._objects.open_read(path) as stream:
                frame = pl.read_parquet(stream)
        except (pl.exceptions.PolarsError, OSError) as error:
            fault = type(error).__name__
        except BaseException as error:
            # A panic in the Rust library is no Exception; an interrupt or a kill is passed on.
            if type(error).__name__ != "PanicException":
                raise
            fault = "PanicException"
        else:
            if frame.schema == PLAN_COLUMNS:
                return frame
            fault = "other columns"
        raise LedgerDamagedError(
            f"a part of the plan can't be read ({fault})",
            where=f"{self._objects.uri}/{path}",
            todo="Nothing was sent of it. Restore the object.",
        )


@dataclass(frozen=True, slots=True)
class _PlanDocument:
    """A plan as stored."""

    epoch: str
    route: str
    counts: dict[str, int]
    events: dict[int, int]
    files: dict[int, str]
    fingerprints: dict[int, str] = field(default_factory=dict)
    sums: dict[int, list[VerdictSum]] = field(default_factory=dict)

    def plan(self, objects: ObjectStore, delivery_id: str, round_: int, *, is_new: bool = False) -> Plan:
        """As it is worked with."""
        return Plan(
            delivery_id=delivery_id,
            round=round_,
            epoch=self.epoch,
            route=self.route,
            counts=self.counts,
            parts=tuple(index for index in sorted(self.events) if self.events[index]),
            events=self.events,
            fingerprints=self.fingerprints,
            sums=self.sums,
            is_new=is_new,
            _files=self.files,
            _objects=objects,
        )


def plan_folder(root: str, delivery_id: str) -> str:
    """Where the plans of a delivery lie."""
    return f"{root}/plans/{delivery_id}"


def receipts_folder(root: str, plan: Plan, part: int) -> str:
    """Where the receipts of one part of a plan lie."""
    return f"{receipts_round(root, plan)}/{part:06d}"


def receipts_round(root: str, plan: Plan) -> str:
    """Where the receipts of all parts of a plan lie."""
    return f"{root}/receipts/{plan.delivery_id}/{plan.round:04d}"


def sender_path(root: str, plan: Plan, part: int) -> str:
    """Where it stands which try sends one part of a plan."""
    return f"{plan_folder(root, plan.delivery_id)}/{plan.round:04d}/sender-{part:06d}.json"


def plan_rounds(objects: ObjectStore, root: str, delivery_id: str) -> list[int]:
    """The planning rounds that have a plan, in order."""
    paths = objects.list(plan_folder(root, delivery_id))
    return sorted(int(path.split("/")[-2]) for path in paths if path.endswith("/manifest.json"))


@dataclass(slots=True)
class PlanDraft:
    """A plan in the making: its parts are written under names of its own, then its document is created, once."""

    objects: ObjectStore
    root: str
    delivery_id: str
    round: int
    #: The claim's epoch so far, and the lists of keys that this call has claimed.
    epoch: str | None = None
    claimed: set[str] = field(default_factory=set)
    _token: str = field(default_factory=lambda: secrets.token_hex(6))
    _files: dict[int, str] = field(default_factory=dict)
    _events: dict[int, int] = field(default_factory=dict)
    _fingerprints: dict[int, str] = field(default_factory=dict)
    _sums: dict[int, list[VerdictSum]] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))

    def add(
        self, index: int, judged: pl.DataFrame, fingerprint: str | None, sums: list[VerdictSum] | None = None
    ) -> None:
        """Write the verdicts of one prepared part, in its order."""
        path = f"{plan_folder(self.root, self.delivery_id)}/{self.round:04d}/{self._token}-{index:06d}.parquet"
        with self.objects.open_write(path) as stream:
            # Keys are random: to compress them takes five times as long, and saves a sixth.
            rows = judged.with_row_index("row").select(PLAN_COLUMNS.keys())
            rows.write_parquet(stream, compression="uncompressed", statistics=False)
        self._files[index] = path
        if fingerprint is not None:
            self._fingerprints[index] = fingerprint
        if sums is not None:
            self._sums[index] = sums
        self._events[index] = judged.filter(pl.col("verdict").is_in(SENT_VERDICTS)).height
        for verdict, count in judged["verdict"].value_counts().iter_rows():
            self._counts[verdict] += count

    def close(self, *, route: str) -> Plan:
        """Fix the plan; if another try of the same delivery has fixed one first, that one is returned."""
        own = _PlanDocument(
            self.epoch or "", route, self._counts, self._events, self._files, self._fingerprints, self._sums
        )
        if documents.create(self.objects, _path(self.root, self.delivery_id, self.round), asdict(own)):
            return own.plan(self.objects, self.delivery_id, self.round, is_new=True)
        return read_plan(self.objects, self.root, self.delivery_id, self.round)


def read_plan(objects: ObjectStore, root: str, delivery_id: str, round_: int) -> Plan:
    """The plan of one round.

    :raises LedgerDamagedError: if there is none.
    """
    path = _path(root, delivery_id, round_)
    document = documents.read_typed(objects, path, _PlanDocument)
    if document is None:
        raise LedgerDamagedError("there is no plan", where=f"{objects.uri}/{path}", todo="Run the dedupe step first.")
    return document.plan(objects, delivery_id, round_)


def _path(root: str, delivery_id: str, round_: int) -> str:
    """The plan's document. Its name in the store is that of the first release."""
    return f"{plan_folder(root, delivery_id)}/{round_:04d}/manifest.json"
