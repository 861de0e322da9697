"""Bring one feed file to its destination: counted, claimed for its day, streamed, verified, noted."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

from airflow_provider_tiktok_offline.clock import Clock
from airflow_provider_tiktok_offline.connections import Connection, Connections
from airflow_provider_tiktok_offline.errors import FeedError, FileMissingError, NameTakenError
from airflow_provider_tiktok_offline.liveramp.compression import digest_inside, gzipped
from airflow_provider_tiktok_offline.liveramp.encryption import Recipient, encrypted
from airflow_provider_tiktok_offline.liveramp.feed import LEAST_ROWS
from airflow_provider_tiktok_offline.liveramp.feed_state import DayRecord, DayTakenError, FeedBook
from airflow_provider_tiktok_offline.liveramp.names import check_name, render_name, stored_name
from airflow_provider_tiktok_offline.liveramp.regions import with_region
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import parse

Outcome = Literal["delivered", "already_delivered", "nothing_new", "queued", "carried_over"]

#: Seconds between two signs of life while a file is written.
_SIGN_OF_LIFE = 30.0


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
    """What became of a feed file.

    Attributes:
        outcome: ``delivered``; ``already_delivered`` (the same content lies there: nothing was written);
            ``nothing_new`` (no row is left); ``queued`` (another file went out today) or ``carried_over`` (too few
            rows): it goes out
            with the next file.
        record: the day's file, where there is one.
    """

    outcome: Outcome
    record: DayRecord | None


def publish(
    file: FeedFile,
    destination: Destination,
    deliveries: tuple[str, ...],
    *,
    book: FeedBook,
    connections: Connections,
    clock: Clock,
    holder: str,
    progress: Callable[[int, int | None], None] | None = None,
) -> Published:
    """Deliver a feed file, once.

    The same content is a no-op before anything is written. That needs the digest, so a run through the file, only where
    it can be the same: where a file of as many rows was delivered, or one was begun today.

    :param deliveries: ids of the deliveries whose rows it holds.
    :param holder: who does it.
    :param progress: called with bytes delivered and bytes in all (None where that is not known before).
    :raises FeedError: if the name, the form or the number of rows is not what LiveRamp takes.
    :raises PartialFileError: if the connection was cut and a part of the file lies at the destination.
    :raises NameTakenError: if another file has the name; it stays as it is.
    :raises StorageError: if the destination refuses or can't be reached.
    """
    day = clock.now().date()
    inner = check_name(render_name(destination.template, feed=destination.feed, day=day), destination.delimiter)
    name = check_name(
        stored_name(inner, gzip=destination.gzip, pgp=destination.recipient is not None), destination.delimiter
    )
    rows = file.check_form()
    begun = book.day(day.isoformat())
    if rows is None or (begun is not None and begun.status == "writing") or book.delivered_any(rows):
        file.measure()
        rows = file.rows
        known = book.delivered(rows, file.sha256)
        if known is not None:
            return Published("already_delivered", known)
    if not rows:
        return Published("nothing_new", None)
    if rows < LEAST_ROWS and destination.below_minimum != "send":
        if destination.below_minimum == "carry_over":
            return Published("carried_over", None)
        raise FeedError(
            f"{rows} rows are fewer than the {LEAST_ROWS} that LiveRamp takes.",
            where=name,
            todo="Set below_minimum: carry_over to send them with the next file.",
        )
    uri = str(parse(destination.folder_uri).child(name))
    record = DayRecord(
        day=day.isoformat(), file_name=name, uri=uri, rows=rows, sha256=file.sha256 or None,
        plain_bytes=file.bytes if file.sha256 else None, deliveries=deliveries, status="writing", holder=holder,
        lease_until=clock.now(), left_out=left_out(file, deliveries),
    )  # fmt: skip
    with open_files(destination.folder_uri, _Regional(connections)) as files:
        files.check_folder(destination.folder_uri)
        if begun is not None and begun.status == "writing" and begun.sha256 != record.sha256:
            # A writer of other content did not say how it ended; once it is dead, what lies there decides.
            settle_earlier(book.take_over(begun, holder), destination, book=book, connections=connections)
        try:
            record, resumed = book.claim(record)
        except DayTakenError:
            return Published("queued", book.day(record.day))
        landed = _landed(files, record, destination) if resumed else None
        if landed is not None:
            return Published("delivered", book.finish(record, stored_bytes=landed.size, stored_sha256=None))
        writing = _Writing(file, record, book, clock)
        try:
            with _stored(writing, destination) as stored:

                def tell(done: int) -> None:
                    writing.alive()
                    if progress is not None:
                        progress(done, stored.size)

                stamp = stored.send(files, uri, replace=resumed, temporary=destination.temporary_name, progress=tell)
        except NameTakenError:
            # Nothing of this file lies there: a later try must not take the other one for its own.
            book.abandon(writing.record)
            raise
        done = book.finish(writing.record, stored_bytes=stamp.size, stored_sha256=stored.sha256)
    return Published("delivered", done)


def left_out(file: FeedFile, deliveries: tuple[str, ...]) -> dict[str, list[int]]:
    """Delivery id -> lines that could not be written, of a file that was run through."""
    pairs = zip(deliveries, file.unwritable, strict=True)
    return {delivery: faults.lines.tolist() for delivery, faults in pairs if len(faults.lines)}


def settle_earlier(
    record: DayRecord, destination: Destination, *, book: FeedBook, connections: Connections
) -> DayRecord | None:
    """Look at a file of an earlier day whose writer did not say how it ended.

    :returns: the record, now delivered, if the file lies at its destination whole; else None, and what lay there of
        it is removed.
    """
    from airflow_provider_tiktok_offline.storage.backends.sftp_files import part_of

    with open_files(record.uri, _Regional(connections)) as files:
        stamp = _landed(files, record, destination)
        if stamp is not None:
            return book.finish(record, stored_bytes=stamp.size, stored_sha256=None)
        # Elsewhere nothing of an unfinished file is seen; what has its name there is another's.
        place = parse(record.uri)
        if place.scheme == "sftp":
            files.delete(str(part_of(place)) if destination.temporary_name else record.uri)
    book.abandon(record)
    return None


def _landed(files: RemoteFiles, record: DayRecord, destination: Destination) -> FileStamp | None:
    """The file at the destination if an earlier try of it is whole there: its answer was lost, not the file.

    Of an encrypted file that was written under its final name bit by bit this can't be told: then None. Nor is a file
    whole whose digest was never noted.
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


class _Writing:
    """One attempt at the day's file: notes that its writer is alive, and what the file is as soon as that is known.

    Attributes:
        record: as last noted.
    """

    def __init__(self, file: FeedFile, record: DayRecord, book: FeedBook, clock: Clock) -> None:
        self.file = file
        self.record = record
        self._book = book
        self._clock = clock
        self._last = clock.monotonic()
        # Encrypting takes the chunks in a thread of its own.
        self._lock = threading.Lock()

    def chunks(self) -> Iterator[bytes]:
        """The plaintext; before its last bytes the record holds its digest."""
        for chunk in self.file.chunks():
            self.alive()
            if self.file.sha256 and self.record.sha256 is None:
                with self._lock:
                    self.record = self._book.seal(
                        self.record,
                        rows=self.file.rows,
                        sha256=self.file.sha256,
                        plain_bytes=self.file.bytes,
                        left_out=left_out(self.file, self.record.deliveries),
                    )
            yield chunk
        if (self.file.sha256, self.file.bytes) != (self.record.sha256, self.record.plain_bytes):
            raise RuntimeError("the feed file changed between two runs through it")

    def alive(self) -> None:
        """Called often; tells the book now and then."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._last >= _SIGN_OF_LIFE:
                self._last = now
                self._book.keep(self.record)


class _Stored:
    """The feed file as it is stored: a stream, or a private temporary file.

    Its digest is known once it was sent; of a plain file it is the plaintext's.
    """

    def __init__(self, writing: _Writing, destination: Destination, staged: BinaryIO | None = None) -> None:
        self._file = writing.file
        self._chunks = destination.wrap(writing.chunks())
        self._staged = staged
        self._plain = not destination.gzip and destination.recipient is None
        self._digest = hashlib.sha256()
        self.size = (writing.record.plain_bytes or None) if self._plain else None
        if staged is not None:
            self.size = sum(staged.write(chunk) for chunk in self._counted())
            staged.seek(0)

    @property
    def sha256(self) -> str:
        """The digest of the stored bytes, in hex."""
        return self._file.sha256 if self._plain else self._digest.hexdigest()

    def send(
        self, files: RemoteFiles, uri: str, *, replace: bool, temporary: bool, progress: Callable[[int], None]
    ) -> FileStamp:
        """Write it."""
        from airflow_provider_tiktok_offline.storage.backends.sftp_files import SftpFiles

        staged = self._staged
        if staged is None:
            return files.write(uri, self._counted(), replace=replace, temporary=temporary, progress=progress)
        if isinstance(files, SftpFiles):
            return files.write_resumable(uri, staged, replace=replace, temporary=temporary, progress=progress)
        pieces = iter(lambda: staged.read(1024 * 1024), b"")
        return files.write(uri, pieces, replace=replace, temporary=temporary, progress=progress)

    def _counted(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if not self._plain:
                self._digest.update(chunk)
            yield chunk


@contextmanager
def _stored(writing: _Writing, destination: Destination) -> Iterator[_Stored]:
    """The stream; or, where asked for, a private temporary file that is gone afterwards, whatever happens."""
    if destination.staged:
        with tempfile.TemporaryFile(prefix="tiktok-offline-feed-") as staged:
            yield _Stored(writing, destination, staged)
    else:
        yield _Stored(writing, destination)


class _Regional:
    """Connections whose host and port may come from LiveRamp's region."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, conn_id: str) -> Connection:
        return with_region(self._connections.get(conn_id))
