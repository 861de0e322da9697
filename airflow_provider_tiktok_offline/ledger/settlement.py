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
from airflow_provider_tiktok_offline.ledger.part_answers import PartAnswers, PartTally, read_answers
from airflow_provider_tiktok_offline.ledger.plan import Plan, plan_folder, receipts_folder, receipts_round
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
        answers: part -> outcome -> planned events that have it, of the parts that have something to send.
        standing: part -> how each of its events stands (:data:`.part_answers.STANDING`), in the part's order; for
            the parts that have something to send.
        plan: the plan itself, where it was just settled.
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
    answers: dict[int, dict[str, int]] = field(default_factory=dict, compare=False, repr=False)
    standing: dict[int, pl.Series] = field(default_factory=dict, compare=False, repr=False)
    plan: Plan | None = field(default=None, compare=False, repr=False)

    @property
    def finished(self) -> bool:
        """Whether every planned event has a definite answer."""
        return self.in_doubt == 0 and self.not_sent == 0


@dataclass(frozen=True, slots=True)
class _Intent:
    """The receipts that one settlement folds, as stored before it commits."""

    receipts: ReceiptNames


@dataclass(frozen=True, slots=True)
class Folded:
    """What the keys table holds of one round.

    Attributes:
        snapshot: of the table, once the round's receipts are in it.
        receipts: those receipts.
        answers: part -> what they say, of the parts that were read.
    """

    snapshot: Snapshot
    receipts: ReceiptNames
    answers: dict[int, PartTally]


@dataclass(frozen=True, slots=True)
class _Fold:
    """One settlement in the making: the receipts folded before, those to fold, and what they are found to say."""

    folded: ReceiptNames
    intent: ReceiptNames
    answers: dict[int, PartTally]


class Settler:
    """Folds the receipts of planning rounds into the keys table.

    :param root: the ledger's folder.
    """

    def __init__(self, objects: ObjectStore, root: str, table: WitnessedTable, clock: Clock) -> None:
        self._objects = objects
        self._root = root
        self._table = table
        self._clock = clock

    def fold(self, plan: Plan) -> Folded:
        """Bring the keys table up to the round's receipts."""
        app_id = f"settle:{plan.delivery_id}:{plan.round}"
        answers: dict[int, PartTally] = {}
        for _ in documents.attempts(self._clock, f"{self._objects.uri}/{self._table.path}"):
            with suppress(CommitConflict):
                while (folded := self._fold_once(plan, app_id, answers)) is None:
                    pass
                return folded
        raise AssertionError("attempts() ends by raising")

    def summary(self, plan: Plan, folded: Folded) -> Settlement:
        """Count what became of the plan, by the receipts that were folded."""
        counts = {"accepted": 0, "refused": 0, "in_doubt": 0}
        request_ids: list[str] = []
        standing: dict[int, pl.Series] = {}
        by_part: dict[int, dict[str, int]] = {}
        for part in plan.parts:
            names = folded.receipts[str(part)]
            answers = folded.answers.get(part)
            if answers is None or answers.receipts != tuple(names):
                answers = self._answers(plan, part, names, plan.verdicts(part)).tally()
            for outcome, count in answers.counts.items():
                counts[outcome] += count
            request_ids.extend(answers.request_ids)
            standing[part] = answers.standing
            by_part[part] = answers.counts
        return Settlement(
            delivery_id=plan.delivery_id,
            round=plan.round,
            planned=plan.to_send,
            not_sent=plan.to_send - sum(counts.values()),
            verdicts=plan.counts,
            request_ids=tuple(request_ids),
            answers=by_part,
            standing=standing,
            plan=plan,
            **counts,
        )

    def _fold_once(self, plan: Plan, app_id: str, answers: dict[int, PartTally]) -> Folded | None:
        """Commit what is not folded yet; what is folded once there is nothing left to fold, None if there is."""
        snapshot = self._table.snapshot()
        done = snapshot.transaction(app_id)
        folded = self._intent(plan, done) if done >= 0 else {str(part): [] for part in plan.parts}
        present = self._present(plan)
        if present == folded:
            # The last commit may be that of a process that died before it advanced the witness.
            self._table.advance(snapshot)
            return Folded(snapshot, present, answers)
        intent = self._begin(plan, done + 1, present)
        failures: list[TikTokOfflineError] = []
        rows = self._changed_rows(plan, _Fold(folded, intent, answers), snapshot, failures)
        try:
            newest = self._table.append(rows, snapshot, app_id=app_id, transaction=done + 1)
        except TikTokOfflineError:
            # The writer reads the rows as a stream and wraps what happens in it.
            if failures:
                raise failures[0] from None
            raise
        # Receipts may have come since.
        return Folded(newest, intent, answers) if self._present(plan) == intent else None

    def _present(self, plan: Plan) -> ReceiptNames:
        """The receipts that are there now."""
        names: ReceiptNames = {str(part): [] for part in plan.parts}
        for path in self._objects.list(receipts_round(self._root, plan)):
            part, name = path.split("/")[-2:]
            if (number := str(int(part))) in names:
                names[number].append(name)
        return names

    def _begin(self, plan: Plan, number: int, present: ReceiptNames) -> ReceiptNames:
        """Fix what settlement ``number`` folds; the first list for a number wins."""
        if documents.create(self._objects, self._intent_path(plan, number), {"receipts": present}):
            return present
        return self._intent(plan, number)

    def _intent(self, plan: Plan, number: int) -> ReceiptNames:
        intent = documents.read_typed(self._objects, self._intent_path(plan, number), _Intent)
        return {} if intent is None else intent.receipts

    def _intent_path(self, plan: Plan, number: int) -> str:
        return f"{plan_folder(self._root, plan.delivery_id)}/{plan.round:04d}/settle-{number:06d}.json"

    def _changed_rows(
        self, plan: Plan, work: _Fold, snapshot: Snapshot, failures: list[TikTokOfflineError]
    ) -> pa.RecordBatchReader:
        """The rows to append, as a stream; a fault while they are made is kept in ``failures``."""
        now = self._clock.now()

        def rows() -> Iterator[pa.RecordBatch]:
            for part in plan.parts:
                try:
                    changed = self._changed(plan, part, work)
                except TikTokOfflineError as error:
                    failures.append(error)
                    raise
                if changed.height:
                    yield from key_rows(
                        changed, now=now, delivery_id=plan.delivery_id, route=plan.route, seq=snapshot.version + 1
                    )

        return pa.RecordBatchReader.from_batches(ARROW_SCHEMA, rows())

    def _changed(self, plan: Plan, part: int, work: _Fold) -> pl.DataFrame:
        """The events of a part whose outcome by the receipts to fold is another than by those folded before."""
        verdicts = plan.verdicts(part)
        answers = self._answers(plan, part, work.intent.get(str(part), []), verdicts)
        work.answers[part] = answers.tally()
        # Also without a receipt: events that an earlier round left in doubt are known already.
        before = self._answers(plan, part, work.folded.get(str(part), []), verdicts).outcomes
        if before.is_empty():
            return answers.outcomes
        return answers.outcomes.join(before, on=["event_key", "outcome"], how="anti", maintain_order="left")

    def _answers(self, plan: Plan, part: int, names: list[str], verdicts: pl.DataFrame) -> PartAnswers:
        return read_answers(self._objects, receipts_folder(self._root, plan, part), names, verdicts)
