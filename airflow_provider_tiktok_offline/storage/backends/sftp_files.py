"""Conversion files on an SFTP server, at the speed of OpenSSH's own client, through asyncssh."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import asyncssh

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FileMissingError,
    NameTakenError,
    PartialFileError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.plain_text import plain_logger
from airflow_provider_tiktok_offline.storage.backends.sftp_streams import (
    BLOCK,
    ReadStream,
    RemoteHandle,
    open_handle,
    pipeline,
    read_block,
)
from airflow_provider_tiktok_offline.storage.backends.ssh_faults import UnexplainedFailureError
from airflow_provider_tiktok_offline.storage.backends.ssh_options import ssh_options
from airflow_provider_tiktok_offline.storage.backends.ssh_session import LoopThread, Session
from airflow_provider_tiktok_offline.storage.protocols import Fence, Progress
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from airflow_provider_tiktok_offline.storage.uris import Location, parse

log = plain_logger(__name__)

_TO_BE_ASKED = (asyncssh.FILEXFER_TYPE_SYMLINK, asyncssh.FILEXFER_TYPE_UNKNOWN)
#: How often a cut upload goes on before it counts as failed.
_RESUMES = 3
#: Bytes before the point of resumption that must be the same on both sides.
_COMPARED = 1024 * 1024


@contextmanager
def open_sftp(connection: Connection) -> Iterator[SftpFiles]:
    """Log in once and keep the session for as long as the context lasts.

    :raises HostKeyError: if the server is unknown or not the one that was pinned.
    :raises StorageDeniedError: if password or key is refused.
    :raises StorageUnavailableError: if the server does not answer.
    """
    options = ssh_options(connection)
    with LoopThread() as loop:
        session = Session(loop, options, connection.conn_id)
        session.connect()
        try:
            yield SftpFiles(session)
        finally:
            session.disconnect()


class SftpFiles:
    """:class:`~..protocols.RemoteFiles` on an SFTP server."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def list(self, directory_uri: str) -> list[FileStamp]:
        folder = parse(directory_uri)
        # As bytes: one name that is no UTF-8 would end the whole listing.
        names = self._session.run(self._session.client.readdir(folder.path.encode()), directory_uri)
        stamps = []
        skipped = 0
        for name in names:
            raw, attrs = name.filename, name.attrs
            if raw[:1] in (b".", "."):
                continue
            try:
                text = raw.decode() if isinstance(raw, bytes) else raw
                if attrs.type in _TO_BE_ASKED:
                    # A link is the file that it leads to; a server may tell no type in a listing.
                    attrs = self._session.run(self._session.client.stat(folder.child(text).path), directory_uri)
            except (UnicodeDecodeError, StorageError, FileMissingError):
                if self._session.lost:
                    raise
                skipped += 1
                continue
            if attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
                stamps.append(_stamp(folder.child(text), attrs))
        if skipped:
            log.warning(
                "%s: %d names were passed over: no UTF-8, or links that lead to nothing.", directory_uri, skipped
            )
        return sorted(stamps, key=lambda stamp: stamp.uri)

    def stat(self, uri: str) -> FileStamp:
        location = parse(uri)
        attrs = self._session.run(self._session.client.stat(location.path), uri)
        if attrs.type != asyncssh.FILEXFER_TYPE_REGULAR:
            raise FileMissingError("is a folder or device, not a file.", rule="not_a_file", where=uri)
        return _stamp(location, attrs)

    def open_read(self, uri: str, start: int = 0) -> BinaryIO:
        path = parse(uri).path
        handle = self._session.run(open_handle(self._session.client, path, "rb"), uri)
        return io.BufferedReader(ReadStream(self._session, handle, uri, start), BLOCK)

    def move(self, uri: str, to_uri: str) -> None:
        source, target = parse(uri), parse(to_uri)
        if source.store != target.store:
            raise ConfigError("a file can only be moved within its server.", where=f"{uri} to {to_uri}")
        client = self._session.client
        self._session.run(client.makedirs(target.directory.path, exist_ok=True), to_uri)
        self._refuse_existing(to_uri)
        self._session.run(client.rename(source.path, target.path), uri)

    def delete(self, uri: str) -> None:
        with contextlib.suppress(FileMissingError):
            self._session.run(self._session.client.remove(parse(uri).path), uri)

    def check_folder(self, directory_uri: str) -> None:
        path = parse(directory_uri).path
        if not self._session.run(self._session.client.isdir(path), directory_uri):
            raise ConfigError(
                "the folder does not exist on the server.",
                where=directory_uri,
                todo="Have it made, or correct the path; folders are never made at a destination.",
            )

    def write(
        self, uri: str, chunks: Iterable[bytes], *, replace: bool = False, temporary: bool = False,
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        return self._write(uri, _Upload(lambda _: chunks, None, replace, temporary, progress, fence))

    def write_resumable(
        self, uri: str, source: BinaryIO, *, replace: bool = False, temporary: bool = False,
        progress: Progress | None = None, fence: Fence | None = None,
    ) -> FileStamp:  # fmt: skip
        """Write a file from one that can be read again, going on where a cut connection stopped.

        What the server acknowledged stays if its last part is still the same; else the upload starts over.

        :param source: an open, seekable file, at its start.
        """

        def read_from(offset: int) -> Iterator[bytes]:
            source.seek(offset)
            return iter(lambda: source.read(1024 * 1024), b"")

        return self._write(uri, _Upload(read_from, source, replace, temporary, progress, fence))

    def _write(self, uri: str, upload: _Upload) -> FileStamp:
        target, source = parse(uri), upload.source
        if not upload.replace:
            self._refuse_existing(uri)
        path = part_of(target).path if upload.temporary else target.path
        ours = upload.replace or upload.temporary
        if ours:
            self._remove_former(path, uri)
        mode = "wb" if ours else "xb"
        written = 0
        resumes = _RESUMES if source is not None else 0
        handle: RemoteHandle | None = None
        while True:
            try:
                handle = self._session.run(open_handle(self._session.client, path, mode), uri)
                ours = True
                start = written
                for written in pipeline(self._session, handle, upload.read_from(start), uri, start):
                    if upload.progress is not None:
                        upload.progress(written)
                attrs = self._session.run(handle.stat(), uri)
                self._session.run(handle.close(), uri)
                if attrs.size != written:
                    raise StorageUnavailableError(f"the server holds {attrs.size} bytes of {written} sent.", where=uri)
                if upload.temporary:
                    upload.ask()
                    self._publish(path, target, upload.replace)
                return self._verified(target, attrs, written)
            except DeliveryHeldError:
                # Another writer owns this name now: what lies there is no longer this one's to remove.
                raise
            except BaseException as fault:
                upload.ask_before_removing(uri)
                cut = self._session.lost
                if source is not None and cut and ours and resumes and isinstance(fault, StorageUnavailableError):
                    resumes -= 1
                    kept = self._kept(path, uri, source, written)
                    if kept is not None:
                        written, mode = kept, "r+b" if kept else "wb"
                        continue
                full = isinstance(fault, UnexplainedFailureError) and self._free_bytes(target) == 0
                if ours or cut:
                    self._clean_up(path, uri, handle)
                if full:
                    raise StorageUnavailableError(
                        "the server's disk is full.", where=uri, todo="Have space freed, run again."
                    ) from None
                raise

    def _remove_former(self, path: str, uri: str) -> None:
        """Remove what an earlier try left, so that one which still has it open can't write into the new file."""
        # A server that lets nothing be removed may let it be overwritten.
        with contextlib.suppress(FileMissingError, StorageDeniedError):
            self._session.run(self._session.client.remove(path), uri)

    def _kept(self, path: str, uri: str, source: BinaryIO, acknowledged: int) -> int | None:
        """From which byte an upload can go on, over a new session: 0 to start over, None if the server is gone."""
        try:
            self._session.connect()
            client = self._session.client
            try:
                size = int(self._session.run(client.stat(path), uri).size or 0)
            except FileMissingError:
                return 0
            start = max(0, acknowledged - _COMPARED)
            if size < acknowledged or acknowledged == 0:
                return 0
            handle = self._session.run(open_handle(client, path, "rb"), uri)
            there = self._session.run(read_block(handle, start, acknowledged - start), uri)
            self._session.run(handle.close(), uri)
        except TikTokOfflineError:
            return None
        source.seek(start)
        return acknowledged if source.read(acknowledged - start) == there else 0

    def _free_bytes(self, target: Location) -> int | None:
        """Free bytes where the file should lie; None if the server does not say."""
        try:
            volume = self._session.run(self._session.client.statvfs(target.directory.path), str(target))
        except TikTokOfflineError:
            return None
        return int(volume.bavail * volume.frsize)

    def _refuse_existing(self, uri: str) -> None:
        if self._session.run(self._session.client.exists(parse(uri).path), uri):
            raise NameTakenError(uri)

    def _publish(self, path: str, target: Location, replace: bool) -> None:
        """Give the complete file its final name: at once where the server can, else after removing the old one."""
        client = self._session.client
        try:
            if not replace:
                self._session.run(client.rename(path, target.path), str(target))
                return
            try:
                self._session.run(client.posix_rename(path, target.path), str(target), unsupported=True)
            except asyncssh.SFTPOpUnsupported:
                with contextlib.suppress(FileMissingError):
                    self._session.run(client.remove(target.path), str(target))
                self._session.run(client.rename(path, target.path), str(target))
        except StorageUnavailableError:
            raise
        except TikTokOfflineError:
            raise ConfigError(
                "the server does not let a file be renamed.", where=str(target), todo="Set temporary_name: false."
            ) from None

    def _verified(self, target: Location, attrs: asyncssh.SFTPAttrs, written: int) -> FileStamp:
        """The file under its final name; as it was last seen, if the server took it away as soon as it was closed."""
        try:
            stamp = self.stat(str(target))
        except FileMissingError:
            return _stamp(target, attrs)
        if stamp.size != written:
            raise StorageUnavailableError(f"the server holds {stamp.size} bytes of {written} sent.", where=stamp.uri)
        return stamp

    def _clean_up(self, path: str, uri: str, handle: RemoteHandle | None) -> None:
        """Remove what a failed write left, over a new session if the old one is lost."""
        try:
            if handle is not None and not self._session.lost:
                # A file that is still open goes on filling the disk after it was removed.
                with contextlib.suppress(StorageError):
                    self._session.run(handle.close(), uri)
            if self._session.lost:
                self._session.connect()
            with contextlib.suppress(FileMissingError):
                self._session.run(self._session.client.remove(path), uri)
        except TikTokOfflineError:
            raise PartialFileError(
                "the upload was cut and the server does not answer any more.",
                where=uri,
                todo=f"A part of the file may lie there as {path}; the next try replaces it.",
            ) from None


@dataclass(frozen=True, slots=True)
class _Upload:
    """What is written, and how.

    Attributes:
        read_from: the content from a byte on.
        source: what the content can be read from again; None for a stream.
        replace, temporary, progress, fence: as :meth:`~..protocols.RemoteFiles.write` takes them.
    """

    read_from: Callable[[int], Iterable[bytes]]
    source: BinaryIO | None
    replace: bool
    temporary: bool
    progress: Progress | None
    fence: Fence | None

    def ask(self) -> None:
        """Make sure that the file's name is still this writer's.

        :raises DeliveryHeldError: if it is another's.
        """
        if self.fence is not None:
            self.fence()

    def ask_before_removing(self, uri: str) -> None:
        """As :meth:`ask`, after the upload has failed.

        :raises PartialFileError: if nobody can say whose the name is.
        """
        try:
            self.ask()
        except DeliveryHeldError:
            raise
        except TikTokOfflineError:
            raise PartialFileError(
                "the upload was cut, and the state does not answer either.",
                where=uri,
                todo="A part of the file may lie there; the next try replaces it.",
            ) from None


def part_of(target: Location) -> Location:
    """Where a file lies under its temporary name."""
    return target.directory.child(f".{target.name}.part")


def _stamp(location: Location, attrs: asyncssh.SFTPAttrs) -> FileStamp:
    return FileStamp(str(location), int(attrs.size or 0), from_epoch(float(attrs.mtime or 0)))
