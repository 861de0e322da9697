"""Sends prepared events: several batches in flight, and a receipt for what became of each event.

The calling thread decides and records; worker threads send. The receipts are true at any moment: keys are recorded as
attempted before their request leaves, and only a definite answer makes them accepted, refused or released.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

import polars as pl

from airflow_provider_tiktok_offline.errors import (
    AnswerFacts,
    ApiError,
    BatchTooLargeError,
    CallerError,
    CircuitOpenError,
    ConfigError,
    OutcomeUnknownError,
    PartialOutcomeError,
    RejectedRowsError,
    StoppedError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.tiktok.attempts import Attempts, BatchAnswer
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.pacing import UploadLimits
from airflow_provider_tiktok_offline.tiktok.receipt_sink import NoReceipts, ReceiptSink
from airflow_provider_tiktok_offline.tiktok.requests import Envelope
from airflow_provider_tiktok_offline.tiktok.results import Refusal, UploadResult
from airflow_provider_tiktok_offline.tiktok.send_buffer import Batch, Items, SendBuffer, send_buffers
from airflow_provider_tiktok_offline.tiktok.shared_rate import SharedRate

#: Receipts are flushed when the oldest is this old, so that a kill loses less than 5 seconds of them.
_FLUSH_SECONDS = 4.0
#: Attempts recorded at once cover about so many seconds of requests, within these bounds of batches.
_ATTEMPT_SECONDS = 2.0
_LARGEST_ATTEMPT = 100
#: How often the calling thread looks whether to stop, while no answer comes.
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How an upload sends its events.

    Attributes:
        envelope: the event set, and the test code if the events are test events.
        limits: batch size, rate, requests in flight and tries of a request.
        may_leave: called by the sending threads just before each request leaves; an error that it raises stops the
            upload.
        progress: called with the events that are done and all events.
        accepted_before: TikTok has accepted an event of this delivery before, so a refused first batch does not mean
            that the configuration is wrong.
        shared: the rate of the advertiser, where other tasks send, too.
        stopping: once it is set no further batch leaves, and the upload ends with :class:`~..errors.StoppedError`.
    """

    envelope: Envelope
    limits: UploadLimits
    may_leave: Callable[[], None] | None = None
    progress: Callable[[int, int], None] | None = None
    accepted_before: bool = False
    shared: SharedRate | None = None
    stopping: threading.Event = field(default_factory=threading.Event)


def send(
    items: Iterable[Items], events: int, client: TikTokClient, receipts: ReceiptSink, options: SendOptions
) -> UploadResult:
    """Send events until each is accepted, refused or in doubt.

    A batch with a faulty event is split until the faulty events stand alone. Until the first event is accepted, only
    one batch is in flight: if no event of that batch is good, the configuration is wrong, not the rows.

    :param items: the events in groups that fit into memory; the next group is made while one is sent.
    :param events: how many they are in all.
    :param receipts: receives every attempt before it leaves, and every answer.
    :raises CredentialsError: the token is bad.
    :raises CallerError: the configuration is wrong; nothing was recorded as refused for it.
    :raises CircuitOpenError: the service kept failing, or kept throttling one request.
    :raises ConfigError: the envelope has a test code; test events leave no receipt.
    """
    if options.envelope.test_event_code is not None:
        raise ConfigError("test_event_code is set, and test events do not count.", todo="Use mode: test, or remove it.")
    upload = Upload(items, events, client, receipts, options)
    upload.run()
    return upload.result


def send_test(items: pl.Series, client: TikTokClient, options: SendOptions) -> UploadResult:
    """Send a few events with the envelope's ``test_event_code``.

    They show in Events Manager's Test Events, count nowhere and leave no receipt.

    :param items: one ``data[]`` item an event, as JSON text with a comma before it.
    :raises ConfigError: the envelope has no test code.
    """
    if options.envelope.test_event_code is None:
        raise ConfigError("a test needs test_event_code.", todo="Events Manager shows it under Test Events.")
    keys = pl.Series("key", range(len(items)), dtype=pl.Int64)
    upload = Upload([Items(items, keys)], len(items), client, NoReceipts(), options)
    upload.run()
    return upload.result


class Upload:
    """One upload; :func:`send` describes its parameters. ``result`` is right at any moment, after an error too."""

    def __init__(
        self, items: Iterable[Items], events: int, client: TikTokClient, receipts: ReceiptSink, options: SendOptions
    ) -> None:
        self._buffers = send_buffers(items, options.envelope)
        self._buffer: SendBuffer | None = None
        self._events = events
        self._limits = limits = options.limits
        self._receipts = receipts
        self._clock = client.clock
        self._progress = options.progress
        self._any_accepted = options.accepted_before
        self._stopping = options.stopping
        self._attempts = Attempts(client, limits, options.may_leave, options.shared)
        self._batch_events = limits.batch_events
        self._batches_at_once = min(
            _LARGEST_ATTEMPT, max(2 * limits.in_flight, math.ceil(_ATTEMPT_SECONDS * limits.requests_per_second))
        )
        self._opened = 0
        self._ready: deque[Batch] = deque()
        self._out: dict[Future[BatchAnswer], Batch] = {}
        #: Refusals that wait for an event to be accepted; they still count as unconfirmed.
        self._held: list[tuple[Batch, RejectedRowsError]] = []
        self._before_first_batch = (0, 0)
        self._stopped_by: Exception | None = None
        self._unflushed_since: float | None = None
        self._accepted = self._unconfirmed = self._requests = 0
        self._refusals: Counter[tuple[int, str | None]] = Counter()

    @property
    def result(self) -> UploadResult:
        """The counts so far."""
        refused = sum(self._refusals.values())
        return UploadResult(
            accepted=self._accepted,
            refused=refused,
            unconfirmed=self._unconfirmed,
            not_attempted=self._events - self._accepted - refused - self._unconfirmed,
            requests=self._requests,
            refusals=tuple(
                Refusal(code, field, events)
                for (code, field), events in sorted(
                    self._refusals.items(), key=lambda entry: (entry[0][0], entry[0][1] or "")
                )
            ),
        )

    def run(self) -> None:
        """Send everything. If it is interrupted, it waits for the answers that are still to come and records them.

        :raises Exception: what stopped it, see :func:`send`.
        """
        with ThreadPoolExecutor(self._limits.in_flight, thread_name_prefix="tiktok-upload") as pool:
            try:
                while self._submit(pool):
                    done, _ = wait(self._out, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                    self._settle(done)
                    self._flush_if_due()
                    if self._stopping.is_set():
                        self._stop(StoppedError("the upload was stopped.", todo="The next try goes on from here."))
            except BaseException:
                self._attempts.stop()
                self._wind_down()
                raise
            finally:
                self._buffers.close()
            self._wind_down()
        if self._stopped_by is not None:
            raise self._stopped_by

    def _submit(self, pool: ThreadPoolExecutor) -> bool:
        """Keep the workers busy; whether there is anything to wait for."""
        while self._stopped_by is None and len(self._out) < 2 * self._limits.in_flight:
            if not self._ready and not self._fill():
                break
            batch = self._ready.popleft()
            self._out[pool.submit(self._attempts.send, batch)] = batch
        return bool(self._out) and self._stopped_by is None

    def _fill(self) -> bool:
        """Record the next batches as attempted; whether there were any."""
        if not self._any_accepted:
            if self._out:
                return False
            self._check_first_batch()
            self._before_first_batch = (self._unconfirmed, len(self._held))
        buffer = self._current_buffer() if self._stopped_by is None else None
        if buffer is None:
            return False
        ranges = buffer.bodies.cut(buffer.opened, events=self._batch_events, size=self._limits.batch_bytes)
        at_once = self._batches_at_once if self._any_accepted else 1
        batches = [Batch(buffer, first, count) for first, count in islice(ranges, at_once)]
        events = sum(batch.count for batch in batches)
        self._receipts.attempted(buffer.keys.slice(buffer.opened, events))
        buffer.opened += events
        self._opened += events
        self._unconfirmed += events
        self._ready.extend(batches)
        return True

    def _current_buffer(self) -> SendBuffer | None:
        """The send buffer with events that are in no batch yet; None if none is left."""
        while self._buffer is None or self._buffer.opened == len(self._buffer.keys):
            self._buffer = next(self._buffers, None)
            if self._buffer is None:
                return None
            self._buffer.start = self._opened
        return self._buffer

    def _settle(self, futures: Iterable[Future[BatchAnswer]]) -> None:
        if self._attempts.circuit_open:
            self._stop(
                CircuitOpenError(
                    "TikTok's API kept failing or throttling: the upload stopped.",
                    todo="Nothing is lost: the next try continues from here. See TikTok's status page if it recurs.",
                )
            )
        for future in futures:
            batch = self._out.pop(future)
            try:
                answer = future.result()
            except Exception as failure:  # whatever it was, the batch may have been taken
                self._stop(failure)
                continue
            self._requests += answer.requests
            batch.in_doubt |= answer.in_doubt
            if answer.error is None:
                self._accept(batch, answer.request_id)
            else:
                self._deal_with(batch, answer.error)

    def _accept(self, batch: Batch, request_id: str | None) -> None:
        self._receipts.accepted(batch.keys, request_id)
        self._accepted += batch.count
        self._settled(batch)
        if not self._any_accepted:
            self._any_accepted = True
            for refused, error in self._held:
                self._refuse(refused, error)
            self._held.clear()

    def _deal_with(self, batch: Batch, error: TikTokOfflineError) -> None:
        if isinstance(error, PartialOutcomeError):
            batch.in_doubt = True
        if isinstance(error, BatchTooLargeError) and batch.count > 1:
            self._batch_events = min(self._batch_events, math.ceil(batch.count / 2))
            self._split(batch)
        elif isinstance(error, RejectedRowsError | PartialOutcomeError) and batch.count > 1:
            self._split(batch)
        elif isinstance(error, RejectedRowsError):
            if self._any_accepted:
                self._refuse(batch, error)
            else:
                self._held.append((batch, error))
        elif isinstance(error, OutcomeUnknownError | PartialOutcomeError):
            self._report_progress()
        else:
            self._release(batch)
            gave_up = isinstance(error, ApiError) and error.retryable
            self._stop(_gave_up(error, self._limits.max_attempts) if gave_up else error)

    def _split(self, batch: Batch) -> None:
        if self._stopped_by is not None:
            self._release(batch)
        else:
            self._ready.extendleft(reversed(batch.halves()))

    def _refuse(self, batch: Batch, error: RejectedRowsError) -> None:
        code = error.code if error.code is not None else 0
        self._receipts.refused(batch.keys, code, error.field, error.request_id)
        self._refusals[code, error.field] += batch.count
        self._settled(batch)

    def _release(self, batch: Batch) -> None:
        """Definitely not taken, unless an earlier request with these events got no answer."""
        if not batch.in_doubt:
            self._receipts.released(batch.keys)
            self._settled(batch)

    def _settled(self, batch: Batch) -> None:
        self._unconfirmed -= batch.count
        if self._unflushed_since is None:
            self._unflushed_since = self._clock.monotonic()
        self._report_progress()

    def _check_first_batch(self) -> None:
        """Stop if a batch was split into single events and none was good."""
        doubtful, held = (
            now - before
            for now, before in zip((self._unconfirmed, len(self._held)), self._before_first_batch, strict=True)
        )
        if not held or doubtful > held:
            return
        error = self._held[0][1]
        self._stop(
            CallerError(
                f"TikTok refused every event of the first batch, with code {error.code}"
                f"{f' about {error.field}' if error.field else ''}: the configuration is wrong, not the rows.",
                answer=AnswerFacts(code=error.code, request_id=error.request_id, field=error.field),
                batch=(self._held[0][0].place[0], len(self._held)),
                where=error.where,
                todo="Nothing was recorded as refused. Check event_map, currency, send_fields and the event set.",
            )
        )

    def _stop(self, error: Exception) -> None:
        if self._stopped_by is None:
            self._stopped_by = error
        self._attempts.stop()

    def _wind_down(self) -> None:
        """Record the answers that are still to come, release what was not sent, and flush the receipts.

        Who stopped the upload may not wait for the slowest answer, so each is recorded when it comes.
        """
        if self._out:
            self._receipts.flush()
        while self._out:
            done, _ = wait(self._out, timeout=1.0, return_when=FIRST_COMPLETED)
            self._settle(done)
            if done:
                self._receipts.flush()
        for batch in [*self._ready, *(batch for batch, _ in self._held)]:
            self._release(batch)
        self._ready.clear()
        self._held.clear()
        self._receipts.finish()

    def _flush_if_due(self) -> None:
        if self._unflushed_since is not None and self._clock.monotonic() - self._unflushed_since >= _FLUSH_SECONDS:
            self._receipts.flush()
            self._unflushed_since = None

    def _report_progress(self) -> None:
        if self._progress is not None:
            # What was released, as nobody took it, is not done.
            self._progress(self._accepted + self._refusals.total(), self._events)


def _gave_up(error: TikTokOfflineError, attempts: int) -> CircuitOpenError:
    return CircuitOpenError(
        f"one request was refused {attempts} times ({type(error).__name__}): the upload stopped.",
        where=error.where,
        todo="Nothing is lost: the next try continues from here. If throttled, lower upload.requests_per_second.",
    )
