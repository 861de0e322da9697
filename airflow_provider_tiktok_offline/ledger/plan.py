"""The plan of a delivery: which events of which prepared part are sent, fixed before the first one leaves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import polars as pl

from airflow_provider_tiktok_offline.errors import LedgerDamagedError
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: The verdicts of an event that no delivery has tried to send: nobody else has claimed it.
UNTRIED_VERDICTS = ("new", "own")
#: The verdicts under which an event is sent.
SENT_VERDICTS = (*UNTRIED_VERDICTS, "in_doubt")
#: All verdicts, in the order they are looked at.
VERDICTS = (
    "accepted", "refused", "already_sent", "changed_after_sent", "expired", "held", "in_doubt_old", *SENT_VERDICTS,
)  # fmt: skip

PLAN_COLUMNS = pl.Schema(
    {
        "row": pl.UInt32(),
        "event_key": pl.Binary(),
        "content": pl.Int64(),
        "verdict": pl.String(),
        "first_attempt_at": pl.Datetime("us", "UTC"),
    }
)


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
        fingerprints: part index -> :func:`.keying.fingerprint` of the events the part held, where it was taken.
    """

    delivery_id: str
    round: int
    epoch: str
    route: str
    counts: dict[str, int]
    parts: tuple[int, ...]
    events: dict[int, int]
    fingerprints: dict[int, str]
    _files: dict[int, str]
    _objects: ObjectStore

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

    def verdicts(self, index: int) -> pl.DataFrame:
        """Every event of a prepared part with its verdict, in the part's order: :data:`PLAN_COLUMNS`."""
        path = self._files[index]
        try:
            with self._objects.open_read(path) as stream:
                return pl.read_parquet(stream)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise LedgerDamagedError(
                f"a part of the plan can't be read ({type(error).__name__})",
                where=f"{self._objects.uri}/{path}",
                todo="Nothing was sent of it. Restore the object.",
            ) from None


def folder(root: str, delivery_id: str) -> str:
    """Where the plans of a delivery lie."""
    return f"{root}/plans/{delivery_id}"


def rounds(objects: ObjectStore, root: str, delivery_id: str) -> list[int]:
    """The planning rounds that have a plan, in order."""
    paths = objects.list(folder(root, delivery_id))
    return sorted(int(path.split("/")[-2]) for path in paths if path.endswith("/manifest.json"))


@dataclass(slots=True)
class Draft:
    """A plan in the making: its parts are written under names of its own, then the manifest is created, once."""

    objects: ObjectStore
    root: str
    delivery_id: str
    round: int
    _token: str = field(default_factory=lambda: secrets.token_hex(6))
    _files: dict[int, str] = field(default_factory=dict)
    _events: dict[int, int] = field(default_factory=dict)
    _fingerprints: dict[int, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))

    def add(self, index: int, judged: pl.DataFrame, fingerprint: str | None) -> None:
        """Write the verdicts of one prepared part, in its order."""
        path = f"{folder(self.root, self.delivery_id)}/{self.round:04d}/{self._token}-{index:06d}.parquet"
        with self.objects.open_write(path) as stream:
            judged.with_row_index("row").select(PLAN_COLUMNS.keys()).write_parquet(stream)
        self._files[index] = path
        if fingerprint is not None:
            self._fingerprints[index] = fingerprint
        self._events[index] = judged.filter(pl.col("verdict").is_in(SENT_VERDICTS)).height
        for verdict, count in judged["verdict"].value_counts().iter_rows():
            self._counts[verdict] += count

    def close(self, *, epoch: str, route: str) -> Plan:
        """Fix the plan; if another try of the same delivery has fixed one first, it is that one."""
        documents.create(
            self.objects,
            f"{folder(self.root, self.delivery_id)}/{self.round:04d}/manifest.json",
            {
                "epoch": epoch,
                "route": route,
                "counts": self._counts,
                "events": {str(index): count for index, count in self._events.items()},
                "files": {str(index): path for index, path in self._files.items()},
                "fingerprints": {str(index): found for index, found in self._fingerprints.items()},
            },
        )
        return read(self.objects, self.root, self.delivery_id, self.round)


def read(objects: ObjectStore, root: str, delivery_id: str, round_: int) -> Plan:
    """The plan of one round.

    :raises LedgerDamagedError: if there is none.
    """
    path = f"{folder(root, delivery_id)}/{round_:04d}/manifest.json"
    found = documents.read(objects, path)
    if found is None:
        raise LedgerDamagedError("there is no plan", where=f"{objects.uri}/{path}", todo="Run the dedupe step first.")
    manifest = found[0]
    events = {int(index): count for index, count in manifest["events"].items()}
    return Plan(
        delivery_id=delivery_id,
        round=round_,
        epoch=manifest["epoch"],
        route=manifest["route"],
        counts=manifest["counts"],
        parts=tuple(index for index in sorted(events) if events[index]),
        events=events,
        fingerprints={int(index): found for index, found in manifest.get("fingerprints", {}).items()},
        _files={int(index): path for index, path in manifest["files"].items()},
        _objects=objects,
    )
