"""Settling: receipts are folded into the keys table, once each, whoever does it and wherever it broke off.

What a settlement folds is written down first (a conditional create: the first list for a number wins), then committed
as the application transaction of that number. So a settlement that broke off is completed exactly as it was begun,
and one that is done is seen to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.ledger import plan, receipts
from airflow_provider_tiktok_offline.ledger.dedupe import KEYS_SCHEMA
from airflow_provider_tiktok_offline.ledger.plan import Plan
from airflow_provider_tiktok_offline.ledger.table import CommitConflict, Snapshot, WitnessedTable
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of a delivery's plan.

    Attributes:
        delivery_id, round: the plan.
        planned: events that it sends; the sum of the next four.
        accepted, refused: with a definite answer.
        in_doubt: sent without a definite answer.
        not_sent: never left, or definitely not taken.
        verdicts: verdict -> events, of all events of the file, as the plan found them.
        request_ids: TikTok's ids of the answered requests.
    """

    delivery_id: str
    round: int
    planned: int
    accepted: int
    refused: int
    in_doubt: int
    not_sent: int
    verdicts: dict[str, int] = field(default_factory=dict)
    request_ids: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether every planned event has a definite answer."""
        return self.in_doubt == 0 and self.not_sent == 0


class Settler:
    """Folds the receipts of one planning round.

    :param root: the ledger's folder; ``generation`` that of its tables.
    """

    def __init__(self, objects: ObjectStore, root: str, table: WitnessedTable, clock: Clock) -> None:
        self._objects = objects
        self._root = root
        self._table = table
        self._clock = clock

    def fold(self, found: Plan) -> Snapshot:
        """Bring the keys table up to the round's receipts."""
        app_id = f"settle:{found.delivery_id}:{found.round}"
        for _ in documents.attempts(self._clock, f"{self._objects.uri}/{self._table.path}"):
            with suppress(CommitConflict):
                while (snapshot := self._folded(found, app_id)) is None:
                    pass
                # The last commit may be that of a process that died before it advanced the witness.
                self._table.advance(snapshot)
                return snapshot
        raise AssertionError("attempts() ends by raising")

    def _folded(self, found: Plan, app_id: str) -> Snapshot | None:
        """One commit nearer to the present receipts; the table's state once there is nothing left to fold."""
        snapshot = self._table.snapshot()
        done = snapshot.transaction(app_id)
        folded = self._intent(found, done) if done >= 0 else {str(part): [] for part in found.parts}
        if self._present(found) == folded:
            return snapshot
        intent = self._begin(found, done + 1)
        failures: list[TikTokOfflineError] = []
        rows = self._changes(found, folded, intent, snapshot, failures)
        try:
            self._table.append(rows, snapshot, app_id=app_id, transaction=done + 1)
        except TikTokOfflineError:
            # The writer reads the rows as a stream and wraps what happens in it.
            if failures:
                raise failures[0] from None
            raise
        return None

    def summary(self, found: Plan) -> Settlement:
        """Count what became of the plan."""
        counts = {"accepted": 0, "refused": 0, "in_doubt": 0}
        request_ids: list[str] = []
        for part in found.parts:
            paths = self._objects.list(receipts_folder(self._root, found, part))
            for outcome, count in outcomes_of(self._objects, found, part, paths)["outcome"].value_counts().iter_rows():
                counts[outcome] += count
            request_ids.extend(receipts.read_request_ids(self._objects, paths))
        return Settlement(
            delivery_id=found.delivery_id,
            round=found.round,
            planned=found.to_send,
            not_sent=found.to_send - sum(counts.values()),
            verdicts=found.counts,
            request_ids=tuple(request_ids),
            **counts,
        )

    def _present(self, found: Plan) -> dict[str, list[str]]:
        return {
            str(part): [
                path.rpartition("/")[2] for path in self._objects.list(receipts_folder(self._root, found, part))
            ]
            for part in found.parts
        }

    def _path(self, found: Plan, number: int) -> str:
        return f"{plan.folder(self._root, found.delivery_id)}/{found.round:04d}/settle-{number:06d}.json"

    def _begin(self, found: Plan, number: int) -> dict[str, list[str]]:
        documents.create(self._objects, self._path(found, number), {"receipts": self._present(found)})
        return self._intent(found, number)

    def _intent(self, found: Plan, number: int) -> dict[str, list[str]]:
        document = documents.read(self._objects, self._path(found, number))
        return {} if document is None else document[0]["receipts"]

    def _changes(
        self,
        found: Plan,
        folded: dict[str, list[str]],
        intent: dict[str, list[str]],
        snapshot: Snapshot,
        failures: list[TikTokOfflineError],
    ) -> Any:
        now = self._clock.now()

        def rows() -> Iterator[pa.RecordBatch]:
            for part in found.parts:
                try:
                    changed = self._changed(found, part, folded.get(str(part), []), intent.get(str(part), []))
                except TikTokOfflineError as error:
                    failures.append(error)
                    raise
                if changed.height:
                    yield from rows_of(
                        changed, now=now, delivery_id=found.delivery_id, route=found.route, seq=snapshot.version + 1
                    )

        return pa.RecordBatchReader.from_batches(ARROW_SCHEMA, rows())

    def _changed(self, found: Plan, part: int, folded: list[str], intent: list[str]) -> pl.DataFrame:
        """The events of a part that stand otherwise after the receipts ``intent`` than after ``folded``."""
        folder = receipts_folder(self._root, found, part)
        before, after = (
            outcomes_of(self._objects, found, part, [f"{folder}/{name}" for name in names])
            for names in (folded, intent)
        )
        changed = after.join(before, on=["event_key", "outcome"], how="anti", nulls_equal=True)
        return changed.join(found.part(part).select("event_key", "content"), on="event_key", how="left")


def receipts_folder(root: str, found: Plan, part: int) -> str:
    """Where the receipts of one part of a plan lie."""
    return f"{root}/receipts/{found.delivery_id}/{found.round:04d}/{part:06d}"


def outcomes_of(objects: ObjectStore, found: Plan, part: int, paths: list[str]) -> pl.DataFrame:
    """What receipts say of the events of one part, those in doubt from before included."""
    return receipts.read_outcomes(objects, paths, carried(found, part))


def carried(found: Plan, part: int) -> pl.DataFrame:
    """The events of a part that an earlier delivery or round left in doubt."""
    return found.part(part).filter(pl.col("first_attempt_at").is_not_null()).select("event_key", "first_attempt_at")


def rows_of(frame: pl.DataFrame, *, now: Any, delivery_id: str, route: str, seq: int) -> list[pa.RecordBatch]:
    """Outcomes as rows of the keys table."""
    full = frame.with_columns(
        recorded_at=pl.lit(now).cast(pl.Datetime("us", "UTC")),
        delivery_id=pl.lit(delivery_id),
        route=pl.lit(route),
        seq=pl.lit(seq, pl.Int64),
        day=pl.lit(now.date()),
    ).select(KEYS_SCHEMA.keys())
    batches: list[pa.RecordBatch] = full.to_arrow().cast(ARROW_SCHEMA).to_batches()
    return batches


ARROW_SCHEMA = pa.schema(
    [
        ("event_key", pa.binary()),
        ("content", pa.int64()),
        ("outcome", pa.string()),
        ("first_attempt_at", pa.timestamp("us", "UTC")),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("delivery_id", pa.string()),
        ("route", pa.string()),
        ("code", pa.int32()),
        ("field", pa.string()),
        ("seq", pa.int64()),
        ("day", pa.date32()),
    ]
)
