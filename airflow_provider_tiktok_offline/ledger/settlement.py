"""Settling: receipts are folded into the keys table, once each, whoever does it and wherever it broke off.

What a settlement folds is written down first (a conditional create: the first list for a number wins), then committed
as the application transaction of that number. So a settlement that broke off is completed exactly as it was begun,
and one that is done is seen to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.keys_table import ARROW_SCHEMA, key_rows
from airflow_provider_tiktok_offline.ledger.plan import Plan, plan_folder, receipts_folder
from airflow_provider_tiktok_offline.ledger.receipt_history import read_outcomes, read_request_ids
from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot
from airflow_provider_tiktok_offline.ledger.table import WitnessedTable
from airflow_provider_tiktok_offline.ledger.table_faults import CommitConflict
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: Part index as text -> names of its receipts.
ReceiptNames = dict[str, list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of a delivery's plan.

    Attributes:
        delivery_id, round: the plan.
        planned: events that it sends; the sum of the next four.
        accepted, refused: with a definite answer.
        in_doubt: sent without a definite answer.
        not_sent: never left, or definitely not taken.
        verdicts: verdict -> events, of all events of the file, as of planning.
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


@dataclass(frozen=True, slots=True)
class _Intent:
    """The receipts that one settlement folds, as stored before it commits."""

    receipts: ReceiptNames


class Settler:
    """Folds the receipts of planning rounds into the keys table.

    :param root: the ledger's folder.
    """

    def __init__(self, objects: ObjectStore, root: str, table: WitnessedTable, clock: Clock) -> None:
        self._objects = objects
        self._root = root
        self._table = table
        self._clock = clock

    def fold(self, plan: Plan) -> Snapshot:
        """Bring the keys table up to the round's receipts."""
        app_id = f"settle:{plan.delivery_id}:{plan.round}"
        for _ in documents.attempts(self._clock, f"{self._objects.uri}/{self._table.path}"):
            with suppress(CommitConflict):
                while (snapshot := self._fold_once(plan, app_id)) is None:
                    pass
                # The last commit may be that of a process that died before it advanced the witness.
                self._table.advance(snapshot)
                return snapshot
        raise AssertionError("attempts() ends by raising")

    def summary(self, plan: Plan) -> Settlement:
        """Count what became of the plan."""
        counts = {"accepted": 0, "refused": 0, "in_doubt": 0}
        request_ids: list[str] = []
        for part in plan.parts:
            paths = self._objects.list(receipts_folder(self._root, plan, part))
            outcomes = read_outcomes(self._objects, paths, plan.in_doubt(part))
            for outcome, count in outcomes["outcome"].value_counts().iter_rows():
                counts[outcome] += count
            request_ids.extend(read_request_ids(self._objects, paths))
        return Settlement(
            delivery_id=plan.delivery_id,
            round=plan.round,
            planned=plan.to_send,
            not_sent=plan.to_send - sum(counts.values()),
            verdicts=plan.counts,
            request_ids=tuple(request_ids),
            **counts,
        )

    def _fold_once(self, plan: Plan, app_id: str) -> Snapshot | None:
        """Commit what is not folded yet; the table's snapshot once there is nothing left to fold."""
        snapshot = self._table.snapshot()
        done = snapshot.transaction(app_id)
        folded = self._intent(plan, done) if done >= 0 else {str(part): [] for part in plan.parts}
        if self._present(plan) == folded:
            return snapshot
        intent = self._begin(plan, done + 1)
        failures: list[TikTokOfflineError] = []
        rows = self._changed_rows(plan, folded, intent, snapshot, failures)
        try:
            self._table.append(rows, snapshot, app_id=app_id, transaction=done + 1)
        except TikTokOfflineError:
            # The writer reads the rows as a stream and wraps what happens in it.
            if failures:
                raise failures[0] from None
            raise
        return None

    def _present(self, plan: Plan) -> ReceiptNames:
        """The receipts that are there now."""
        return {
            str(part): [path.rpartition("/")[2] for path in self._objects.list(receipts_folder(self._root, plan, part))]
            for part in plan.parts
        }

    def _begin(self, plan: Plan, number: int) -> ReceiptNames:
        """Fix what settlement ``number`` folds; the first list for a number wins."""
        documents.create(self._objects, self._intent_path(plan, number), {"receipts": self._present(plan)})
        return self._intent(plan, number)

    def _intent(self, plan: Plan, number: int) -> ReceiptNames:
        intent = documents.read_typed(self._objects, self._intent_path(plan, number), _Intent)
        return {} if intent is None else intent.receipts

    def _intent_path(self, plan: Plan, number: int) -> str:
        return f"{plan_folder(self._root, plan.delivery_id)}/{plan.round:04d}/settle-{number:06d}.json"

    def _changed_rows(
        self,
        plan: Plan,
        folded: ReceiptNames,
        intent: ReceiptNames,
        snapshot: Snapshot,
        failures: list[TikTokOfflineError],
    ) -> pa.RecordBatchReader:
        """The rows to append, as a stream; a fault while they are made is kept in ``failures``."""
        now = self._clock.now()

        def rows() -> Iterator[pa.RecordBatch]:
            for part in plan.parts:
                try:
                    changed = self._changed(plan, part, folded.get(str(part), []), intent.get(str(part), []))
                except TikTokOfflineError as error:
                    failures.append(error)
                    raise
                if changed.height:
                    yield from key_rows(
                        changed, now=now, delivery_id=plan.delivery_id, route=plan.route, seq=snapshot.version + 1
                    )

        return pa.RecordBatchReader.from_batches(ARROW_SCHEMA, rows())

    def _changed(self, plan: Plan, part: int, folded: list[str], intent: list[str]) -> pl.DataFrame:
        """The events of a part whose outcome by the receipts ``intent`` is another than by ``folded``."""
        folder = receipts_folder(self._root, plan, part)
        in_doubt = plan.in_doubt(part)
        before, after = (
            read_outcomes(self._objects, [f"{folder}/{name}" for name in names], in_doubt) for names in (folded, intent)
        )
        changed = after.join(before, on=["event_key", "outcome"], how="anti", nulls_equal=True)
        return changed.join(plan.part(part).select("event_key", "content"), on="event_key", how="left")
