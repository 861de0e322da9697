"""The state of a feed: its contract, the file of each day, and the deliveries that wait for a day.

Everything lies under ``liveramp/<feed>/`` of the state. No customer's value is in it.

======================  =========================================================================================
``feed.json``           the contract; ``feed-<time>.json`` the ones before it
``days/<day>.json``     the one file of a UTC day: who writes it, or what was delivered (made by a conditional create)
``content/<n>/<sha256>`` the day on which that plaintext of ``n`` rows was delivered
``names/<name>``        the plaintext's digest that a file name stands for
``of/<delivery>``       the day under which a delivery went, or goes, out
``queue/<delivery>``    deliveries that wait for the next day or for more rows
======================  =========================================================================================
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, FeedError
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord, Status, day_in
from airflow_provider_tiktok_offline.liveramp.feed import Feed
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.lease_clock import LeaseClock
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore

#: A try writes at most so long after it was last seen to be the newest one.
FRESH_SECONDS = 1.0
#: How long a new try waits for the one before it to notice.
_HANDOVER_SECONDS = 2 * FRESH_SECONDS


class DayTakenError(FeedError):
    """Another file was delivered on this UTC day already."""


class FeedState:
    """The state of one feed.

    :param objects: the store at ``state_uri``.
    :param feed: the feed's name.
    :param lease_seconds: how long a writer counts as alive without renewing its lease.
    """

    def __init__(self, objects: ObjectStore, feed: str, clock: Clock, *, lease_seconds: float = 300) -> None:
        self._objects = objects
        self._feed = feed
        self._root = f"liveramp/{feed}"
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._lease_clock = LeaseClock(objects, clock)

    def contract(self, advertiser: str) -> Feed:
        """The feed's contract.

        :raises FeedError: if none was accepted yet, or the feed is another advertiser's.
        """
        stored = documents.read(self._objects, f"{self._root}/feed.json")
        if stored is None:
            raise FeedError(
                "the feed has no contract yet: nothing says what LiveRamp expects.",
                where=f"feed {self._feed}",
                todo="Make a sample (tiktok-offline liveramp sample), send it to LiveRamp, and accept it.",
            )
        feed = Feed.from_document(stored[0])
        if feed.advertiser != advertiser:
            raise FeedError(
                f"it is the feed of {feed.advertiser}.",
                where=f"feed {self._feed}, advertiser {advertiser}",
                todo="Give each advertiser a feed of its own.",
            )
        return feed

    def accept(self, feed: Feed, *, replace_existing: bool = False) -> None:
        """Make a contract the feed's.

        :param replace_existing: there may be one already; it is kept beside the new one.
        :raises FeedError: if there is another one and it may not be replaced.
        """
        path = f"{self._root}/feed.json"
        if documents.create(self._objects, path, feed.to_document()):
            return
        stored = documents.read(self._objects, path)
        before = stored[0] if stored is not None else {}
        if before.get("sample_sha256") == feed.sample_sha256:
            return
        if not replace_existing:
            raise FeedError(
                "the feed has a contract already.",
                where=f"feed {self._feed}",
                todo="Open a LiveRamp support case before the format changes, then accept the new sample as a change.",
            )
        stamp = str(before.get("accepted_at", "")).replace(":", "").replace("+", "")
        self._objects.create(f"{self._root}/feed-{stamp}.json", documents.encode(before))
        documents.change(self._objects, path, self._clock, lambda _: feed.to_document())

    def day(self, day: str) -> DayRecord | None:
        """The record of a day, or None."""
        stored = documents.read(self._objects, self._day(day))
        return None if stored is None else DayRecord.from_document(stored[0], f"{self._objects.uri}/{self._day(day)}")

    def delivered(self, rows: int, sha256: str) -> DayRecord | None:
        """The delivered file with that plaintext, or None."""
        return self._pointed(self._content(rows, sha256), "delivered")

    def delivered_any(self, rows: int) -> bool:
        """Whether any file of so many rows was delivered: if not, no content of so many rows can be the same."""
        return bool(self._objects.list(f"{self._root}/content/{rows}"))

    def of_delivery(self, delivery_id: str) -> DayRecord | None:
        """The file that a delivery went out in, or was being written for; None if neither."""
        record = self._pointed(f"{self._root}/of/{delivery_id}", "delivered", "writing")
        return record if record is not None and delivery_id in record.deliveries else None

    def _pointed(self, path: str, *statuses: str) -> DayRecord | None:
        pointer = self._objects.get(path)
        record = None if pointer is None else self.day(day_in(pointer[0], f"{self._objects.uri}/{path}"))
        return record if record is not None and record.status in statuses else None

    def writer_is_alive(self, record: DayRecord) -> bool:
        """Whether the lease of the file's writer has still to run."""
        return self._lease_clock.runs(self._day(record.day), record.lease_until, self._lease)

    def claim(self, record: DayRecord) -> tuple[DayRecord, bool]:
        """Take the record's day for its file.

        :returns: the record as stored, and whether the day had been taken before by a writer that did not finish:
            then something may lie at the destination already.
        :raises DayTakenError: if another file was delivered on that day.
        :raises DeliveryHeldError: while another writer is alive.
        :raises FeedError: if the file's name stands for other content.
        """
        record = replace(record, lease_until=self._clock.now() + self._lease, attempt=secrets.token_hex(8))
        path = self._day(record.day)
        there = self.day(record.day)
        if there is not None:
            self._refuse_taken(there)
        named = self._objects.get(f"{self._root}/names/{record.file_name}")
        if named is not None and named[0] != (record.sha256 or "").encode():
            raise FeedError(
                "a file of this name was delivered with other content.",
                where=record.file_name,
                todo="A name is used once; put the day into liveramp.file_name.",
            )
        for delivery in record.deliveries:
            self._objects.put(f"{self._root}/of/{delivery}", record.day.encode())
        if documents.create(self._objects, path, record.to_document()):
            return record, False
        former = record

        def take(document: documents.Document) -> documents.Document:
            nonlocal former
            former = DayRecord.from_document(document)
            self._refuse_taken(former)
            if former.status == "writing":
                self._refuse_alive(former, record.holder)
            return record.to_document()

        taken = DayRecord.from_document(documents.change(self._objects, path, self._clock, take)[0])
        if former.status == "writing":
            self._let_notice(former)
        return taken, former.status == "writing"

    def _refuse_alive(self, record: DayRecord, holder: str) -> None:
        if record.holder != holder and self.writer_is_alive(record):
            raise DeliveryHeldError(
                f"{record.holder} writes the file of {record.day}.",
                where=f"feed {self._feed}",
                todo="Wait for it to end; the step is tried again.",
            )

    def _let_notice(self, former: DayRecord) -> None:
        """Give the try before, which may be alive after all, the time to notice that it writes no more."""
        if former.attempt is not None:
            self._clock.sleep(_HANDOVER_SECONDS)

    def _refuse_taken(self, record: DayRecord) -> None:
        if record.status in ("delivered", "rejected"):
            raise DayTakenError(
                f"a file was delivered on {record.day} already; LiveRamp takes one a day.",
                where=f"feed {self._feed}",
                todo="The rows are sent with the next day's file.",
            )

    def take_over(self, record: DayRecord, holder: str) -> DayRecord:
        """Become the writer of a file whose writer has died.

        :raises DeliveryHeldError: if the writer is alive, or another run was faster.
        """
        self._refuse_alive(record, holder)
        lease_until, attempt = self._clock.now() + self._lease, secrets.token_hex(8)
        taken = self._write(
            record, lambda stored: replace(stored, holder=holder, lease_until=lease_until, attempt=attempt)
        )
        self._let_notice(record)
        return taken

    def check(self, record: DayRecord) -> None:
        """Make sure that no other try writes the day's file now.

        :raises DeliveryHeldError: if another one does, or has written it.
        """
        stored = self.day(record.day)
        if stored is None or stored.status != "writing" or not _is_same_try(stored, record):
            raise self._taken_over(record if stored is None else stored)

    def release(self, record: DayRecord) -> None:
        """Note that the try has ended without its file: the next one need not wait for it.

        :raises DeliveryHeldError: if another try writes the file.
        """
        self._write(record, lambda stored: replace(stored, attempt=None))

    def keep(self, record: DayRecord) -> None:
        """Renew the writer's lease.

        :raises DeliveryHeldError: if another writer took the day over.
        """
        lease_until = self._clock.now() + self._lease
        self._write(record, lambda stored: replace(stored, lease_until=lease_until))

    def seal(
        self, record: DayRecord, *, rows: int, sha256: str, plain_bytes: int, left_out: dict[str, list[int]]
    ) -> DayRecord:
        """Note what the whole file is, before its last bytes leave.

        :raises DeliveryHeldError: if another writer took the day over.
        """
        return self._write(
            record,
            lambda stored: replace(stored, rows=rows, sha256=sha256, plain_bytes=plain_bytes, left_out=left_out),
        )

    def finish(self, record: DayRecord, *, stored_bytes: int, stored_sha256: str | None) -> DayRecord:
        """Note that the file lies at the destination, whole."""
        now = self._clock.now()
        done = self._write(
            record,
            lambda stored: replace(
                stored, status="delivered", bytes=stored_bytes, stored_sha256=stored_sha256, delivered_at=now
            ),
        )
        self.index(done)
        return done

    def index(self, record: DayRecord) -> None:
        """Index a delivered file by its name and its content. Idempotent."""
        sha256 = _known(record)
        self._objects.create(f"{self._root}/names/{record.file_name}", sha256.encode())
        self._objects.put(self._content(record.rows, sha256), record.day.encode())

    def forget_suppressed(self, record: DayRecord) -> None:
        """Drop the lines of people who opted out, once the ledger knows what was in the file."""
        if record.suppressed:
            self._change(record, lambda stored: replace(stored, suppressed={}))

    def abandon(self, record: DayRecord) -> None:
        """Give up a file that never became complete."""
        self._write(record, lambda stored: replace(stored, status="abandoned"))

    def reject(self, day: str, reason: str) -> DayRecord:
        """Note that LiveRamp refused the day's file, so that its content may be delivered again on another day.

        :raises FeedError: if no file was delivered on that day.
        """
        record = self.day(day)
        if record is None or record.status != "delivered":
            raise FeedError("no file was delivered on that day.", where=f"feed {self._feed}, {day}")
        done = self._change(record, lambda stored: replace(stored, status="rejected", reason=reason))
        self._objects.delete(self._content(record.rows, _known(record)))
        return done

    def queue(self, delivery_id: str, why: str) -> None:
        """Let a delivery wait for the next file."""
        document = {"why": why, "queued_at": self._clock.now().isoformat()}
        self._objects.create(f"{self._root}/queue/{delivery_id}", documents.encode(document))

    def queued(self) -> list[str]:
        """The deliveries that wait, longest first."""
        waiting = []
        for path in self._objects.list(f"{self._root}/queue"):
            entry = documents.read(self._objects, path)
            if entry is not None:
                queued = documents.typed(entry[0], _Queued, f"{self._objects.uri}/{path}")
                waiting.append((queued.queued_at, path.rpartition("/")[2]))
        return [delivery_id for _, delivery_id in sorted(waiting)]

    def unqueue(self, delivery_ids: Sequence[str]) -> None:
        """Remove deliveries from the queue."""
        for delivery_id in delivery_ids:
            self._objects.delete(f"{self._root}/queue/{delivery_id}")

    def days(self, last: int | None = None) -> list[DayRecord]:
        """Each day's file, oldest first.

        :param last: only the newest so many.
        """
        paths = self._objects.list(f"{self._root}/days")
        names = sorted(path.rpartition("/")[2].removesuffix(".json") for path in paths)
        records = (self.day(name) for name in (names if last is None else names[-last:]))
        return [record for record in records if record is not None]

    def _write(self, record: DayRecord, edit: Callable[[DayRecord], DayRecord]) -> DayRecord:
        """Change the record of a file that is being written.

        :raises DeliveryHeldError: if another writer took the day over, or another try of the same run ended it.
        """
        return self._change(record, edit, status="writing")

    def _change(
        self, record: DayRecord, edit: Callable[[DayRecord], DayRecord], *, status: Status | None = None
    ) -> DayRecord:
        def edit_document(document: documents.Document) -> documents.Document:
            stored = DayRecord.from_document(document)
            other = stored.sha256 != record.sha256 or not _is_same_try(stored, record)
            if other or status not in (None, stored.status):
                raise self._taken_over(stored)
            return edit(stored).to_document()

        return DayRecord.from_document(
            documents.change(self._objects, self._day(record.day), self._clock, edit_document)[0]
        )

    def _taken_over(self, stored: DayRecord) -> DeliveryHeldError:
        return DeliveryHeldError(
            f"a later try of {stored.holder} took the file of {stored.day} over.",
            where=f"feed {self._feed}",
            todo="This try wrote nothing more. Wait for the later one; if none runs, run the delivery again.",
        )

    def _content(self, rows: int, sha256: str) -> str:
        return f"{self._root}/content/{rows}/{sha256}"

    def _day(self, day: str | date) -> str:
        return f"{self._root}/days/{day}.json"


@dataclass(frozen=True, slots=True)
class _Queued:
    """What is kept of a delivery that waits."""

    queued_at: documents.Moment


def _is_same_try(stored: DayRecord, record: DayRecord) -> bool:
    return (stored.holder, stored.attempt) == (record.holder, record.attempt)


def _known(record: DayRecord) -> str:
    """The digest of a file that was sealed."""
    if record.sha256 is None:
        raise ValueError(f"the file of {record.day} counts as delivered and was never sealed")
    return record.sha256
