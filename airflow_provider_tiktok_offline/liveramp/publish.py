"""Deliver one feed file: count its rows, claim its day, stream it, verify it and record it."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Literal

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.connections import Connection, Connections
from airflow_provider_tiktok_offline.errors import (
    DeliveryHeldError,
    FeedError,
    FileMissingError,
    NameTakenError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.liveramp.attempt import Attempt, left_out
from airflow_provider_tiktok_offline.liveramp.compression import digest_inside, gzipped
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.liveramp.encryption import Recipient, encrypted
from airflow_provider_tiktok_offline.liveramp.feed import LEAST_ROWS
from airflow_provider_tiktok_offline.liveramp.feed_state import DayTakenError, FeedState
from airflow_provider_tiktok_offline.liveramp.names import check_name, render_name, stored_name
from airflow_provider_tiktok_offline.liveramp.regions import with_region
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import Fence, Progress, RemoteFiles
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import parse

PublishOutcome = Literal["delivered", "already_delivered", "nothing_new", "queued", "carried_over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where the feed file goes and how it is wrapped.

    Attributes:
        folder_uri: the folder or prefix, which must exist.
        template: the file name's template.
        feed: the feed's name, for the template.
        delimiter: the feed's.
        gzip: compress it.
        recipient: encrypt it to this key.
        staged: write it to a private temporary file first, so that a cut upload can go on where it stopped.
        temporary_name: on SFTP, write under another name and rename at the end.
        below_minimum: what to do with fewer rows than LiveRamp takes.
    """

    folder_uri: str
    template: str
    feed: str
    delimiter: str
    gzip: bool = False
    recipient: Recipient | None = None
    staged: bool = False
    temporary_name: bool = False
    below_minimum: Literal["send", "carry_over", "fail"] = "send"

    def wrap(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """The plaintext as it is stored."""
        if self.gzip:
            chunks = gzipped(chunks)
        return chunks if self.recipient is None else encrypted(chunks, self.recipient)


@dataclass(frozen=True, slots=True)
class Published:
    """The result for a feed file.

    Attributes:
        outcome: ``delivered``; ``already_delivered`` (the same content lies there: nothing was written);
            ``nothing_new`` (no row is left); ``queued`` (another file was delivered today) or ``carried_over`` (too few
            rows): the rows are delivered with the next file.
        record: the day's file, where there is one.
    """

    outcome: PublishOutcome
    record: DayRecord | None


@dataclass(frozen=True, slots=True)
class FeedPublisher:
    """Delivers feed files to one destination.

    Attributes:
        destination: the folder and the form of the file.
        feed_state: what was delivered to the feed.
        connections: where the destination's connection is looked up.
        clock: says which UTC day it is.
        holder: the run that delivers; it holds the lease of the day's file.
    """

    destination: Destination
    feed_state: FeedState
    connections: Connections
    clock: Clock
    holder: str

    def publish(
        self, file: FeedFile, deliveries: tuple[str, ...], progress: Callable[[int, int | None], None] | None = None
    ) -> Published:
        """Deliver a feed file, once.

        Content that was delivered before is not written again. To find it, the file's digest is needed, and so one run
        through the file. That run is made only where the content can be the same: where a file of as many rows was
        delivered, or a file was begun today.

        :param deliveries: ids of the deliveries whose rows the file holds.
        :param progress: called with bytes delivered and bytes in all (None where that is not known before).
        :raises FeedError: if the name, the form or the number of rows is not what LiveRamp takes.
        :raises PartialFileError: if the connection was cut and a part of the file lies at the destination.
        :raises NameTakenError: if another file has the name; the other file stays as it is.
        :raises StorageError: if the destination refuses or can't be reached.
        """
        day = self.clock.now().date()
        name = self._file_name(day)
        begun = self.feed_state.day(day.isoformat())
        if begun is not None and begun.status != "writing":
            begun = None
        rows = file.check_form()
        if rows is None or begun is not None or self.feed_state.delivered_any(rows):
            file.measure()
            rows = file.rows
            delivered = self.feed_state.delivered(rows, file.sha256)
            if delivered is not None:
                return Published("already_delivered", delivered)
        if not rows:
            return Published("nothing_new", None)
        if rows < LEAST_ROWS and self.destination.below_minimum == "carry_over":
            return Published("carried_over", None)
        self._check_least_rows(rows, name)
        record = DayRecord(
            day=day.isoformat(), file_name=name, uri=str(parse(self.destination.folder_uri).child(name)), rows=rows,
            sha256=file.sha256 or None, plain_bytes=file.bytes if file.sha256 else None, deliveries=deliveries,
            status="writing", holder=self.holder, lease_until=self.clock.now(), left_out=left_out(file, deliveries),
            suppressed={one: list(lines) for one, lines in zip(deliveries, file.suppressed, strict=True) if lines},
        )  # fmt: skip
        with open_files(self.destination.folder_uri, _Regional(self.connections)) as files:
            files.check_folder(self.destination.folder_uri)
            settled = None
            if begun is not None and begun.sha256 != record.sha256:
                # The writer of other content did not say how it ended. Once its lease has expired, the destination
                # decides.
                settled = self.settle_earlier(self.feed_state.take_over(begun, self.holder))
            try:
                record, resumed = self.feed_state.claim(record)
            except DayTakenError:
                taken = self.feed_state.day(record.day)
                if settled is None and taken is not None:
                    _refuse_own(taken, deliveries)
                return Published("queued", taken)
            landed = _landed(files, record, self.destination) if resumed else None
            if landed is not None:
                done = self.feed_state.finish(record, stored_bytes=landed.size, stored_sha256=None)
            else:
                done = self._write(files, Attempt(file, record, self.feed_state, self.clock), resumed, progress)
        return Published("delivered", done)

    def settle_earlier(self, record: DayRecord) -> DayRecord | None:
        """Look at a file of an earlier day whose writer did not say how it ended.

        :returns: the record, now delivered, if the whole file lies at its destination. Else None: what lay there of
            the file is removed.
        """
        from airflow_provider_tiktok_offline.storage.backends.sftp_files import part_of

        with open_files(record.uri, _Regional(self.connections)) as files:
            stamp = _landed(files, record, self.destination)
            if stamp is not None:
                return self.feed_state.finish(record, stored_bytes=stamp.size, stored_sha256=None)
            # Only SFTP shows an unfinished file; on other backends a file of that name belongs to somebody else.
            place = parse(record.uri)
            if place.scheme == "sftp":
                self.feed_state.check(record)
                files.delete(str(part_of(place)) if self.destination.temporary_name else record.uri)
        self.feed_state.abandon(record)
        return None

    def _file_name(self, day: date) -> str:
        """The file's name at the destination, checked."""
        destination = self.destination
        inner = render_name(destination.template, feed=destination.feed, day=day)
        check_name(inner, destination.delimiter)
        name = stored_name(inner, gzip=destination.gzip, pgp=destination.recipient is not None)
        return check_name(name, destination.delimiter)

    def _check_least_rows(self, rows: int, name: str) -> None:
        if rows < LEAST_ROWS and self.destination.below_minimum == "fail":
            raise FeedError(
                f"{rows} rows are fewer than the {LEAST_ROWS} that LiveRamp takes.",
                where=name,
                todo="Set below_minimum: carry_over to send them with the next file.",
            )

    def _write(
        self,
        files: RemoteFiles,
        attempt: Attempt,
        resumed: bool,
        progress: Callable[[int, int | None], None] | None,
    ) -> DayRecord:
        """Write the claimed file.

        :param resumed: an earlier try may have left a part of the file at the destination: replace it.
        """
        uri, temporary = attempt.record.uri, self.destination.temporary_name
        try:
            with _stored(attempt, self.destination) as stored:

                def tell(done: int) -> None:
                    attempt.alive()
                    if progress is not None:
                        progress(done, stored.size)

                stamp = stored.send(
                    files, uri, replace=resumed, temporary=temporary, progress=tell, fence=attempt.fence
                )
        except NameTakenError:
            # No byte of this file lies there. Without this, a later try would take the other file for its own.
            self.feed_state.abandon(attempt.record)
            raise
        except TikTokOfflineError:
            with suppress(TikTokOfflineError):
                self.feed_state.release(attempt.record)
            raise
        return self.feed_state.finish(attempt.record, stored_bytes=stamp.size, stored_sha256=stored.sha256)


def _refuse_own(taken: DayRecord, deliveries: tuple[str, ...]) -> None:
    """Refuse to queue rows that another try has delivered in the meantime.

    :raises DeliveryHeldError: if the delivered file holds the deliveries.
    """
    if taken.status == "delivered" and set(deliveries) & set(taken.deliveries):
        raise DeliveryHeldError(
            f"a later try of {taken.holder} has delivered the file of {taken.day}.",
            where=taken.file_name,
            todo="This try wrote nothing. The step's next try notes what became of the file.",
        ) from None


def _landed(files: RemoteFiles, record: DayRecord, destination: Destination) -> FileStamp | None:
    """The file at the destination, if an earlier try left all of it there and only the answer was lost.

    None for an encrypted file that was written in pieces under its final name, since that can't be told; and for a file
    whose digest was never recorded.
    """
    if record.sha256 is None:
        return None
    try:
        stamp = files.stat(record.uri)
    except FileMissingError:
        return None
    if not destination.gzip and destination.recipient is None:
        return stamp if stamp.size == record.plain_bytes else None
    if parse(record.uri).scheme != "sftp" or destination.temporary_name:
        return stamp
    if destination.recipient is not None:
        return None
    with files.open_read(record.uri) as stream:
        return stamp if digest_inside(stream) == record.sha256 else None


class _Stored:
    """The feed file as it is stored: a stream, or a private temporary file.

    Its digest is known after it was sent; for a plain file it is the digest of the plaintext.
    """

    def __init__(self, attempt: Attempt, destination: Destination, staged: BinaryIO | None = None) -> None:
        self._file = attempt.file
        self._chunks = destination.wrap(attempt.chunks())
        self._staged = staged
        self._plain = not destination.gzip and destination.recipient is None
        self._digest = hashlib.sha256()
        self.size = (attempt.record.plain_bytes or None) if self._plain else None
        if staged is not None:
            self.size = sum(staged.write(chunk) for chunk in self._counted())
            staged.seek(0)

    @property
    def sha256(self) -> str:
        """The digest of the stored bytes, in hex."""
        return self._file.sha256 if self._plain else self._digest.hexdigest()

    def send(
        self, files: RemoteFiles, uri: str, *, replace: bool, temporary: bool, progress: Progress, fence: Fence
    ) -> FileStamp:
        """Write it."""
        from airflow_provider_tiktok_offline.storage.backends.sftp_files import SftpFiles

        staged = self._staged
        if staged is None:
            return files.write(
                uri, self._counted(), replace=replace, temporary=temporary, progress=progress, fence=fence
            )
        if isinstance(files, SftpFiles):
            return files.write_resumable(
                uri, staged, replace=replace, temporary=temporary, progress=progress, fence=fence
            )
        pieces = iter(lambda: staged.read(1024 * 1024), b"")
        return files.write(uri, pieces, replace=replace, temporary=temporary, progress=progress, fence=fence)

    def _counted(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if not self._plain:
                self._digest.update(chunk)
            yield chunk


@contextmanager
def _stored(attempt: Attempt, destination: Destination) -> Iterator[_Stored]:
    """The stream, or a private temporary file that is deleted afterwards in any case."""
    if destination.staged:
        with tempfile.TemporaryFile(prefix="tiktok-offline-feed-") as staged:
            yield _Stored(attempt, destination, staged)
    else:
        yield _Stored(attempt, destination)


class _Regional:
    """Connections that take host and port from LiveRamp's region."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, conn_id: str) -> Connection:
        return with_region(self._connections.get(conn_id))
