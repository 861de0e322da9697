"""Receipts: what became of each event, as small immutable objects that are durable while the upload goes.

An attempt is recorded before its request leaves; answers are buffered and flushed at most every five seconds. An
event without a definite answer is in doubt from its first attempt that nobody took back.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Literal

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import LedgerBusyError
from airflow_provider_tiktok_offline.ledger import key_files
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

Kind = Literal["attempted", "accepted", "refused", "released"]

#: Answers are durable after so many seconds at the latest.
FLUSH_SECONDS = 5.0

#: One row an event that something is known of.
OUTCOMES = pl.Schema(
    {
        "event_key": pl.Binary(),
        "outcome": pl.String(),
        "first_attempt_at": pl.Datetime("us", "UTC"),
        "code": pl.Int32(),
        "field": pl.String(),
    }
)
_ENTRIES = pl.Schema(
    {
        "event_key": pl.Binary(),
        "seq": pl.Int64(),
        "kind": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "code": pl.Int32(),
        "field": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class _Answer:
    kind: Kind
    keys: pl.Series
    code: int | None = None
    field: str | None = None
    request_id: str | None = None


class PartReceipts:
    """The receipts of one part of a plan; implements the upload's receipt sink. Safe to call from several threads.

    :param folder: where the part's receipts lie.
    :param fence: raises if the delivery's claims were taken over; asked after each attempt was recorded.
    :param retry_window: how long after its first attempt an event in doubt may be tried again.
    :param carried: events of the part that an earlier delivery left in doubt, with their first attempt.
    """

    def __init__(
        self,
        objects: ObjectStore,
        folder: str,
        holder: str,
        *,
        clock: Clock,
        fence: Callable[[], None],
        carried: pl.DataFrame,
        retry_window: timedelta,
    ) -> None:
        self._objects = objects
        self._folder = folder
        self._holder = holder
        self._clock = clock
        self._fence = fence
        self._carried = carried
        self._retry_window = retry_window
        self._oldest_doubt: datetime | None = None
        self._lock = threading.RLock()
        self._pending: list[_Answer] = []
        self._oldest = 0.0
        self._next = 1 + max((_sequence(path) for path in objects.list(folder)), default=-1)
        self._stopped = threading.Event()
        self._flusher: threading.Thread | None = None
        self._failure: BaseException | None = None

    def attempted(self, keys: pl.Series) -> None:
        """Record that requests with these events are about to leave.

        :raises LedgerBusyError: if nothing may be sent: another delivery took the claims over, or this try slept until
            what it took for young enough to be tried again no longer is.
        """
        if self._oldest_doubt is not None and self._clock.now() - self._oldest_doubt >= self._retry_window:
            raise LedgerBusyError(
                "events in doubt have become too old to be tried again while this step went on",
                where=self._folder,
                todo="The step is tried again, without them.",
            )
        with self._lock:
            self.flush()
            self._write("attempted", keys, {})
        self._fence()

    def fence(self) -> None:
        """Make sure that what the plan claimed is still this delivery's.

        :raises LedgerBusyError: if another delivery took the claims over: nothing may be sent.
        """
        self._fence()

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
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            pending = self._pending
            for kind in ("accepted", "refused", "released"):
                of_kind = [answer for answer in pending if answer.kind == kind]
                if of_kind:
                    self._write(
                        kind,
                        pl.concat([answer.keys.alias("event_key") for answer in of_kind]),
                        {
                            "batches": [
                                [len(answer.keys), answer.request_id, answer.code, answer.field] for answer in of_kind
                            ]
                        },
                    )
                    # What was written is not written again if the next object fails.
                    self._pending = [answer for answer in self._pending if answer.kind != kind]

    def settled(self) -> pl.DataFrame:
        """What is known of each event of the part: :data:`OUTCOMES`, ``accepted``, ``refused`` or ``in_doubt``."""
        found = read_outcomes(self._objects, self._objects.list(self._folder), self._carried)
        young = found.filter(
            (pl.col("outcome") == "in_doubt") & (pl.col("first_attempt_at") > self._clock.now() - self._retry_window)
        )
        self._oldest_doubt = young.select(pl.col("first_attempt_at").min()).item()
        return found

    def any_accepted(self) -> bool:
        """Whether TikTok has taken some event of the part."""
        return any(
            key_files.read_header(content[0], f"{self._objects.uri}/{path}")["kind"] == "accepted"
            for path in self._objects.list(self._folder)
            if (content := self._objects.get(path)) is not None
        )

    def close(self) -> None:
        """Flush, and end the flushing in the background."""
        self._stopped.set()
        if self._flusher is not None:
            self._flusher.join()
        self.flush()

    def __enter__(self) -> PartReceipts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, answer: _Answer) -> None:
        with self._lock:
            if not self._pending:
                self._oldest = self._clock.monotonic()
            self._pending.append(answer)
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_when_due, name="receipts", daemon=True)
                self._flusher.start()
            if self._clock.monotonic() - self._oldest >= FLUSH_SECONDS:
                self.flush()

    def _flush_when_due(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS / 4):
            with self._lock:
                if self._pending and self._clock.monotonic() - self._oldest >= FLUSH_SECONDS / 2:
                    try:
                        self.flush()
                    except BaseException as error:
                        # Told to the sending thread by its next call; the answers stay pending.
                        self._failure = error

    def _write(self, kind: Kind, keys: pl.Series, header: dict[str, Any]) -> None:
        content = key_files.pack(
            keys, {**header, "kind": kind, "at": self._clock.now().isoformat(), "holder": self._holder}
        )
        self._objects.create(f"{self._folder}/{self._next:08d}-{secrets.token_hex(4)}", content)
        self._next += 1


def read_outcomes(objects: ObjectStore, paths: Iterable[str], carried: pl.DataFrame) -> pl.DataFrame:
    """What the named receipts say of each event; see :meth:`PartReceipts.settled`."""
    entries = [pl.DataFrame(schema=_ENTRIES)]
    if carried.height:
        entries.append(
            carried.select(
                "event_key",
                seq=pl.lit(-1, pl.Int64),
                kind=pl.lit("attempted"),
                at=pl.col("first_attempt_at"),
                code=pl.lit(None, pl.Int32),
                field=pl.lit(None, pl.String),
            )
        )
    entries.extend(_entries(objects, path) for path in paths)
    history = pl.concat(entries)
    # Nearly all were accepted, whatever else happened to them: no order of entries matters for these.
    accepted = history.filter(pl.col("kind") == "accepted").select("event_key").unique()
    attempts = history.filter(pl.col("kind") == "attempted").join(accepted, on="event_key", how="semi")
    settled = accepted.join(
        attempts.group_by("event_key").agg(first_attempt_at=pl.col("at").min()), on="event_key", how="left"
    ).select(
        "event_key",
        "first_attempt_at",
        outcome=pl.lit("accepted"),
        code=pl.lit(None, pl.Int32),
        field=pl.lit(None, pl.String),
    )
    others = _without_acceptance(history.join(accepted, on="event_key", how="anti"))
    return pl.concat([settled.select(OUTCOMES.keys()), others]).sort("event_key")


def _without_acceptance(history: pl.DataFrame) -> pl.DataFrame:
    """What became of events that were never accepted: refused, in doubt, or taken back and so nothing."""
    history = history.sort("event_key", "seq", maintain_order=True)
    kind = pl.col("kind")
    last_refusal = pl.col("seq").filter(kind == "refused").max()
    history = history.with_columns(
        # An attempt that was at once taken back, or that a refusal answered, leaves no doubt.
        open=(kind == "attempted") & (kind.shift(-1).over("event_key").fill_null("") != "released"),
    )
    unresolved = pl.col("open") & (pl.col("seq") > last_refusal.fill_null(-2))
    return (
        history.group_by("event_key", maintain_order=True)
        .agg(
            refused=(kind == "refused").any(),
            doubt=unresolved.any(),
            doubt_since=pl.col("at").filter(unresolved).min(),
            first=pl.col("at").filter(kind == "attempted").min(),
            code=pl.col("code").filter(kind == "refused").last(),
            field=pl.col("field").filter(kind == "refused").last(),
        )
        .with_columns(outcome=pl.when("doubt").then(pl.lit("in_doubt")).when("refused").then(pl.lit("refused")))
        .filter(pl.col("outcome").is_not_null())
        .select(
            "event_key",
            "outcome",
            first_attempt_at=pl.when(pl.col("outcome") == "in_doubt").then("doubt_since").otherwise("first"),
            code=pl.when(pl.col("outcome") == "refused").then("code"),
            field=pl.when(pl.col("outcome") == "refused").then("field"),
        )
    )


def read_request_ids(objects: ObjectStore, paths: Iterable[str]) -> list[str]:
    """TikTok's ids of the requests that were answered, in order."""
    found: dict[str, None] = {}
    for path in paths:
        content = objects.get(path)
        if content is not None:
            header, _ = key_files.unpack(content[0], f"{objects.uri}/{path}")
            found.update((batch[1], None) for batch in header.get("batches", []) if batch[1])
    return list(found)


def _entries(objects: ObjectStore, path: str) -> pl.DataFrame:
    content = objects.get(path)
    if content is None:
        return pl.DataFrame(schema=_ENTRIES)
    header, keys = key_files.unpack(content[0], f"{objects.uri}/{path}")
    batches = pl.DataFrame(
        header.get("batches", [[len(keys), None, None, None]]),
        schema={"n": pl.Int64(), "request_id": pl.String, "code": pl.Int32, "field": pl.String},
        orient="row",
    )
    return (
        batches.select(pl.col("code", "field").repeat_by("n").explode())
        .with_columns(
            event_key=keys,
            seq=pl.lit(_sequence(path), pl.Int64),
            kind=pl.lit(header["kind"]),
            at=pl.lit(datetime.fromisoformat(header["at"])).cast(pl.Datetime("us", "UTC")),
        )
        .select(_ENTRIES.keys())
    )


def _sequence(path: str) -> int:
    return int(path.rpartition("/")[2].partition("-")[0])
