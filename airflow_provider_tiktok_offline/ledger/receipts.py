"""Receipts: what became of each event, as small immutable objects that are durable while the upload goes.

An attempt is recorded before its request leaves; answers are buffered and flushed at most every five seconds. An
event without a definite answer is in doubt from its first attempt that was not taken back. Who has sent everything
writes its last answers in one object with all that was said before, so that one object is read of a part.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError, TikTokOfflineError
from airflow_provider_tiktok_offline.ledger.event_states import RETRY_WINDOW, may_be_retried
from airflow_provider_tiktok_offline.ledger.receipt_files import (
    Kind,
    Receipt,
    ReceiptHeader,
    fold,
    new_name,
    pack_receipt,
    read_receipts,
    sequence,
)
from airflow_provider_tiktok_offline.ledger.receipt_history import outcomes_of
from airflow_provider_tiktok_offline.ledger.senders import Sender
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: Answers are durable after so many seconds at the latest.
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRules:
    """What must hold when events of a part are about to leave.

    Attributes:
        fence: raises if the delivery's claims were taken over; called after each attempt was recorded.
        in_doubt: ``event_key`` and ``first_attempt_at`` of events that an earlier delivery or round left in doubt.
        retry_window: how long after its first attempt an event in doubt may be sent again.
        sender: this try's right to send the part.
    """

    fence: Callable[[], None]
    in_doubt: pl.DataFrame
    sender: Sender
    retry_window: timedelta = RETRY_WINDOW


@dataclass(frozen=True, slots=True)
class _Answer:
    kind: Kind
    keys: pl.Series
    code: int | None = None
    field: str | None = None
    request_id: str | None = None


@dataclass(slots=True)
class _Said:
    """Everything that receipts say of the part, as far as it is known here.

    Attributes:
        objects: the names of the objects that say it.
        receipts: what they say.
        more: whether this try has written one of them since they were last folded.
    """

    objects: list[str]
    receipts: list[Receipt]
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Doubts:
    """Events of the part that were in doubt when the receipts were read."""

    read_at: datetime
    events: pl.DataFrame


class PartReceipts:
    """The receipts of one part of a plan; implements the upload's receipt sink. Safe to call from several threads.

    :param folder: where the part's receipts lie.
    :param holder: who sends, noted in each receipt.
    """

    def __init__(self, objects: ObjectStore, folder: str, holder: str, clock: Clock, rules: AttemptRules) -> None:
        self._objects = objects
        self._folder = folder
        self._holder = holder
        self._clock = clock
        self._rules = rules
        self._doubts: _Doubts | None = None
        self._lock = threading.RLock()
        self._pending: list[_Answer] = []
        self._oldest_pending = 0.0
        #: The number of the next receipt; None until the folder was listed.
        self._next: int | None = None
        #: None until all receipts were read, or none was there.
        self._said: _Said | None = None
        self._stopped = threading.Event()
        self._flusher: threading.Thread | None = None
        self._failure: BaseException | None = None

    def take_over(self) -> bool:
        """Become the one try that sends this part: an earlier one may not go on.

        To be called before :meth:`settled` is asked what is left to send.

        :returns: whether there was an earlier try.
        """
        later = self._rules.sender.take()
        self._next = self._said = None
        return later

    def may_leave(self) -> None:
        """Check just before a request leaves that no later try sends the part. Cheap.

        :raises LedgerBusyError: if one does.
        """
        self._rules.sender.check()

    def attempted(self, keys: pl.Series) -> None:
        """Record that requests with these events are about to leave.

        :raises LedgerBusyError: if nothing may be sent: another delivery took the claims over, or one of the events is
            in doubt for too long to be sent again.
        """
        if self._any_too_old(keys):
            raise LedgerBusyError(
                "events in doubt have become too old to be tried again while this step went on",
                where=self._folder,
                todo="The step is tried again, without them.",
            )
        self.left_before(keys)

    def left_before(self, keys: pl.Series) -> None:
        """Record an attempt whose events are known to have arrived: in a file that lies at its destination.

        How long they have been in doubt does not matter: nothing is sent again.

        :raises LedgerBusyError: if another delivery took the claims over.
        """
        with self._lock:
            self.flush()
            self._write(ReceiptHeader(kind="attempted", at=self._clock.now()), keys)
        self.fence()

    def fence(self) -> None:
        """Check that what the plan claimed is still this delivery's, and this try its part's sender.

        :raises LedgerBusyError: if another delivery took the claims over, or a later try the part.
        """
        self._rules.sender.check()
        self._rules.fence()

    def accepted(self, keys: pl.Series, request_id: str | None) -> None:
        """Record that TikTok took these events."""
        self._add(_Answer("accepted", keys, request_id=request_id))

    def refused(self, keys: pl.Series, code: int | None, field: str | None, request_id: str | None) -> None:
        """Record that TikTok refused each of these events, with its return code and the field it named."""
        self._add(_Answer("refused", keys, code=code, field=field, request_id=request_id))

    def released(self, keys: pl.Series) -> None:
        """Record that the last attempt with these events was definitely not taken."""
        self._add(_Answer("released", keys))

    def flush(self) -> None:
        """Make every answer durable now."""
        with self._lock:
            self._raise_failure()
            for header, keys in self._answers():
                self._write(header, keys)
                # What was written is not written again if the next object fails.
                self._pending = [answer for answer in self._pending if answer.kind != header.kind]

    def finish(self) -> None:
        """Make every answer durable, in one object with all that the part's receipts said before.

        To be called when nothing more is sent. Where what was said before is not known, this is a :meth:`flush`.
        """
        with self._lock:
            said, answers = self._said, self._answers()
            if said is None or len(said.objects) + len(answers) < 2 or not (answers or said.more):
                self.flush()
                return
            self._raise_failure()
            number = self._next or 0
            receipts = [
                *said.receipts,
                *(
                    Receipt(new_name(seq, header.kind), seq, header, keys)
                    for seq, (header, keys) in enumerate(answers, number)
                ),
            ]
            name, content = fold(receipts, said.objects, at=self._clock.now(), holder=self._holder)
            try:
                self._objects.create(f"{self._folder}/{name}", content)
            except TikTokOfflineError:
                if answers:
                    raise
                # Everything stands elsewhere.
                return
            self._pending = []
            self._next = sequence(name) + 1
            self._said = _Said([*said.objects, name], receipts)

    def settled(self, listed: Sequence[str] | None = None) -> pl.DataFrame:
        """What is known of each event of the part: :data:`.OUTCOMES`, ``accepted``, ``refused`` or ``in_doubt``.

        :param listed: paths of receipts, those of this part among them, listed since :meth:`take_over`; None to list
            them now.
        """
        read_at = self._clock.now()
        with self._lock:
            paths = self._listed(listed)
            receipts = read_receipts(self._objects, paths)
            self._said = _Said([path.rpartition("/")[2] for path in paths], receipts)
        outcomes = outcomes_of(receipts, self._rules.in_doubt)
        self._doubts = _Doubts(
            read_at, outcomes.filter(pl.col("outcome") == "in_doubt").select("event_key", "first_attempt_at")
        )
        return outcomes

    def close(self) -> None:
        """Flush, and end the flushing in the background."""
        self._stopped.set()
        if self._flusher is not None:
            self._flusher.join()
        self.flush()
        self._rules.sender.end()

    def __enter__(self) -> PartReceipts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _any_too_old(self, keys: pl.Series) -> bool:
        """Whether one of the events has been in doubt for longer than the retry window."""
        now = self._clock.now()
        doubts = self._doubts
        # Doubts that began after the receipts were read can't be too old before a whole window has passed.
        if doubts is None or now - doubts.read_at >= self._rules.retry_window:
            self.flush()
            self.settled()
            doubts = self._doubts
        if doubts is None or doubts.events.is_empty():
            return False
        too_old = doubts.events.filter(~may_be_retried(now, self._rules.retry_window))
        return not too_old.is_empty() and bool(keys.is_in(too_old["event_key"].implode()).any())

    def _add(self, answer: _Answer) -> None:
        with self._lock:
            if not self._pending:
                self._oldest_pending = self._clock.monotonic()
            self._pending.append(answer)
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_when_due, name="receipts", daemon=True)
                self._flusher.start()
            if self._clock.monotonic() - self._oldest_pending >= FLUSH_SECONDS:
                self.flush()

    def _flush_when_due(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS / 4):
            with self._lock:
                if self._pending and self._clock.monotonic() - self._oldest_pending >= FLUSH_SECONDS / 2:
                    try:
                        self.flush()
                    except BaseException as error:
                        # Raised in the sending thread by its next call; the answers stay pending.
                        self._failure = error

    def _answers(self) -> list[tuple[ReceiptHeader, pl.Series]]:
        """What is to be written of the answers that wait: one receipt a kind."""
        found = []
        for kind in ("accepted", "refused", "released"):
            of_kind = [answer for answer in self._pending if answer.kind == kind]
            if of_kind:
                batches = [(len(answer.keys), answer.request_id, answer.code, answer.field) for answer in of_kind]
                keys = pl.concat([answer.keys.alias("event_key") for answer in of_kind])
                found.append((ReceiptHeader(kind=of_kind[0].kind, at=self._clock.now(), batches=batches), keys))
        return found

    def _raise_failure(self) -> None:
        """Raise what flushing in the background failed of."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _write(self, header: ReceiptHeader, keys: pl.Series) -> None:
        content = pack_receipt(header, keys, self._holder)
        if self._next is None and not self._listed(None):
            self._said = _Said([], [])
        number = self._next or 0
        name = new_name(number, header.kind)
        self._objects.create(f"{self._folder}/{name}", content)
        self._next = number + 1
        if self._said is not None:
            self._said.objects.append(name)
            self._said.receipts.append(Receipt(name, number, header, keys))
            self._said.more = True

    def _listed(self, listed: Sequence[str] | None) -> list[str]:
        """The part's receipts; a new one comes behind them."""
        every = self._objects.list(self._folder) if listed is None else listed
        paths = [path for path in every if path.startswith(f"{self._folder}/")]
        if self._next is None:
            self._next = 1 + max((sequence(path) for path in paths), default=-1)
        return paths
