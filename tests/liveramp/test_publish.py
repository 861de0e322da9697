"""Delivering a feed file to a real SFTP server: once a day, once a content, whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import pysequoia
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FeedError,
    FileChangedError,
    HostKeyError,
    NameTakenError,
    PartialFileError,
    StorageDeniedError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.liveramp.encryption import load_recipient
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher, Published
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from tests.liveramp.rows import feed, row, source_of, text
from tests.servers.proxy import CuttingProxy, cutting_proxy
from tests.servers.sshd import Sshd, StaticConnections, sshd


class Desk:
    """Everything a delivery needs, with a file of so many rows."""

    def __init__(self, server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, inbox: Path) -> None:
        self.server, self.feed_state, self.clock, self.outbox, self.inbox = server, feed_state, clock, outbox, inbox
        self.connection: Connection = server.connection()
        self.destination = Destination(
            folder_uri=server.uri(outbox), template="{{ feed }}_{{ day }}.psv", feed="shop", delimiter="|"
        )
        self.made = 0

    def file(self, numbers: range = range(40)) -> FeedFile:
        self.made += 1
        return FeedFile(feed(), [source_of(self.inbox / f"{self.made}.psv", text(map(row, numbers)), validated=True)])

    def publisher(self, *, holder: str = "dag/one", **changes: Any) -> FeedPublisher:
        destination = replace(self.destination, **changes)
        return FeedPublisher(destination, self.feed_state, StaticConnections(self.connection), self.clock, holder)

    def publish(self, file: FeedFile, **changes: Any) -> Published:
        return self.publisher(**changes).publish(file, (f"d-{self.made}",))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.outbox.iterdir())


@pytest.fixture
def desk(server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, tmp_path: Path) -> Desk:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return Desk(server, feed_state, clock, outbox, inbox)


@pytest.fixture
def proxy(server: Sshd, desk: Desk) -> Iterator[CuttingProxy]:
    with cutting_proxy(server.port) as running:
        desk.connection = server.connection(port=running.port)
        yield running


def test_a_delivered_file_is_noted_with_its_figures(desk: Desk) -> None:
    """The file lies there under the day's name; rows, bytes and both digests are in the feed state."""
    file = desk.file()
    done = desk.publish(file)
    content = (desk.outbox / "shop_2026-11-22.psv").read_bytes()
    assert done.outcome == "delivered"
    assert done.record is not None
    assert content == text(map(row, range(40)))
    assert (done.record.rows, done.record.bytes) == (40, len(content))
    assert done.record.stored_sha256 == done.record.sha256 == file.sha256


@pytest.mark.parametrize("options", [{"staged": True}, {"temporary_name": True}, {"gzip": True, "staged": True}])
def test_staged_renamed_and_compressed_deliveries_hold_the_same_rows(desk: Desk, options: dict[str, Any]) -> None:
    """Every way ends in one file of the same content, and no temporary one anywhere."""
    desk.publish(desk.file(), **options)
    (path,) = desk.outbox.iterdir()
    content = path.read_bytes()
    assert (gzip.decompress(content) if path.suffix == ".gz" else content) == text(map(row, range(40)))


def test_the_same_content_again_writes_nothing(desk: Desk) -> None:
    """Today or any later day, compressed or not: nothing is written."""
    desk.publish(desk.file())
    assert desk.publish(desk.file()).outcome == "already_delivered"
    desk.clock.advance(timedelta(days=1))
    again = desk.publish(desk.file(), gzip=True, holder="dag/two")
    assert again.outcome == "already_delivered"
    assert desk.names() == ["shop_2026-11-22.psv"]


def test_a_second_file_waits_for_the_next_day(desk: Desk) -> None:
    """One file a real UTC day: other content is queued, and goes out tomorrow."""
    desk.publish(desk.file(range(40)))
    other = range(100, 150)
    assert desk.publish(desk.file(other)).outcome == "queued"
    desk.clock.advance(timedelta(days=1))
    assert desk.publish(desk.file(other)).outcome == "delivered"
    assert desk.names() == ["shop_2026-11-22.psv", "shop_2026-11-23.psv"]


def test_no_rows_make_no_file(desk: Desk) -> None:
    """Nothing left after dedupe: no file, and the day stays free."""
    assert desk.publish(desk.file(range(0))).outcome == "nothing_new"
    assert desk.names() == []
    assert desk.publish(desk.file()).outcome == "delivered"


def test_fewer_rows_than_liveramp_takes(desk: Desk) -> None:
    """Sent, carried over or refused, as configured."""
    few = range(10)
    assert desk.publish(desk.file(few), below_minimum="carry_over").outcome == "carried_over"
    with pytest.raises(FeedError, match="10 rows are fewer"):
        desk.publish(desk.file(few), below_minimum="fail")
    assert desk.names() == []
    assert desk.publish(desk.file(few), below_minimum="send").outcome == "delivered"


def test_a_file_that_someone_else_put_there_is_not_replaced(desk: Desk) -> None:
    """A name that is taken at the destination stops the delivery, at every try; once it is free the file goes out."""
    path = desk.outbox / "shop_2026-11-22.psv"
    path.write_bytes(b"theirs")
    for _ in range(2):
        with pytest.raises(NameTakenError):
            desk.publish(desk.file())
        assert path.read_bytes() == b"theirs"
    path.unlink()
    assert desk.publish(desk.file()).outcome == "delivered"


class _Counted(LocalFile):
    """A source that counts the bytes read from it."""

    read = 0

    def open(self) -> BinaryIO:
        counted = self

        class Stream(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                found = super().read(-1 if size is None else size)
                counted.read += len(found)
                return found

        return cast("BinaryIO", Stream(self.path))


def test_a_source_is_read_once_unless_its_content_may_have_been_delivered(desk: Desk) -> None:
    """The digest is only needed beforehand where a file of as many rows went out; it is checked then as before."""
    numbers = iter((range(40_000), range(40_001), range(1, 40_001)))
    read = []
    for _ in range(3):
        desk.file(next(numbers))
        path = desk.inbox / f"{desk.made}.psv"
        counted = _Counted(path)
        source = replace(source_of(path, path.read_bytes(), validated=True), source=counted)
        assert desk.publish(FeedFile(feed(), [source])).outcome == "delivered"
        read.append(counted.read / path.stat().st_size)
        desk.clock.advance(timedelta(days=1))
    # The header is looked at before anything is written.
    assert [round(times) for times in read] == [1, 1, 2]


@pytest.mark.parametrize("temporary", [False, True], ids=["direct", "renamed"])
def test_a_part_of_a_dead_writer_is_removed_on_another_day(desk: Desk, proxy: CuttingProxy, temporary: bool) -> None:
    """Its digest was never noted, so it can't be whole: nothing of it stays, and its day is given up."""
    many = range(120_000)
    proxy.cut_after(60_000, then_dead=True)
    with pytest.raises(PartialFileError):
        desk.publish(desk.file(many), temporary_name=temporary)
    assert len(desk.names()) == 1
    record = desk.feed_state.of_delivery("d-1")
    assert record is not None
    assert record.sha256 is None
    proxy.revive()
    desk.clock.advance(timedelta(days=1))
    assert desk.publisher(temporary_name=temporary).settle_earlier(record) is None
    assert desk.names() == []
    assert desk.publish(desk.file(many), temporary_name=temporary).outcome == "delivered"


def test_wrong_host_key_password_and_folder_are_clear_and_the_next_try_succeeds(desk: Desk) -> None:
    """One clear error each; corrected, the same delivery goes through."""
    right = desk.connection
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIIII"
    desk.connection = replace(right, extra={**right.extra, "host_key": other})
    with pytest.raises(HostKeyError):
        desk.publish(desk.file())
    desk.connection = replace(right, password="wrong", extra={"host_key": desk.server.host_key})
    with pytest.raises(StorageDeniedError):
        desk.publish(desk.file())
    desk.connection = right
    with pytest.raises(ConfigError, match="folder does not exist"):
        desk.publish(desk.file(), folder_uri=desk.server.uri(desk.outbox / "missing"))
    assert desk.publish(desk.file()).outcome == "delivered"


@pytest.mark.root
def test_a_full_disk_is_clear_and_the_next_try_succeeds(desk: Desk) -> None:
    """The part is removed at once; with room the same file goes out. Mounting a small file system needs root."""
    mount = desk.outbox / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
    try:
        uri = desk.server.uri(mount)
        with pytest.raises(StorageUnavailableError, match="disk is full"):
            desk.publish(desk.file(range(40_000)), folder_uri=uri)
        assert list(mount.iterdir()) == []
        subprocess.run(["mount", "-o", "remount,size=16m", str(mount)], check=True)
        assert desk.publish(desk.file(range(40_000)), folder_uri=uri).outcome == "delivered"
        assert (mount / "shop_2026-11-22.psv").read_bytes() == text(map(row, range(40_000)))
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.parametrize("options", [{"temporary_name": True}, {"temporary_name": True, "gzip": True, "staged": True}])
def test_with_rename_the_name_appears_with_its_last_byte(
    desk: Desk, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whenever bytes have arrived only the dot name is there; and a staged file has no name on this machine at all."""
    staging = tmp_path / "staging"
    staging.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(staging))
    seen: list[tuple[str, ...]] = []

    def look(_sent: int, _total: int | None) -> None:
        seen.append((*desk.names(), *(path.name for path in staging.iterdir())))

    content = text((*row(number)[:5], os.urandom(100).hex()) for number in range(30_000))
    source = source_of(desk.inbox / "long.psv", content, validated=True)
    desk.publisher(**options).publish(FeedFile(feed(), [source]), ("d-1",), progress=look)
    (name,) = desk.names()
    assert len(seen) > 5
    assert set(seen) == {(f".{name}.part",)}


def test_a_server_without_rename_is_clear_and_the_next_try_succeeds(desk: Desk) -> None:
    """The setting to change is named and neither name is left; without a temporary name the same file goes out."""
    with sshd(subsystem="internal-sftp -P rename,posix-rename") as strict:
        desk.connection = strict.connection()
        with pytest.raises(ConfigError, match="temporary_name: false"):
            desk.publish(desk.file(), temporary_name=True)
        assert desk.names() == []
        assert desk.publish(desk.file()).outcome == "delivered"
    assert desk.names() == ["shop_2026-11-22.psv"]


def test_a_file_that_changes_while_it_is_read_leaves_nothing(desk: Desk) -> None:
    """The source changes between two looks: an error, no file; restored, the next try succeeds."""
    file = desk.file(range(4000))
    path = desk.inbox / f"{desk.made}.psv"
    before = path.read_bytes()
    check_form = file.check_form

    def check_then_change() -> int | None:
        rows = check_form()
        path.write_bytes(before.replace(b"person3999@", b"person3998@"))
        return rows

    file.check_form = check_then_change  # type: ignore[method-assign]
    with pytest.raises(FileChangedError):
        desk.publish(file)
    assert desk.names() == []
    path.write_bytes(before)
    assert desk.publish(desk.file(range(4000))).outcome == "delivered"


def test_a_cut_upload_is_retried_to_one_whole_file(desk: Desk, proxy: CuttingProxy) -> None:
    """The partial file is removed at once; the next try delivers under the same name."""
    proxy.cut_after(60_000)
    with pytest.raises(StorageUnavailableError):
        desk.publish(desk.file(range(4000)))
    assert desk.names() == []
    assert desk.publish(desk.file(range(4000))).outcome == "delivered"
    assert (desk.outbox / "shop_2026-11-22.psv").read_bytes() == text(map(row, range(4000)))


def test_a_partial_file_is_reported_then_replaced(desk: Desk, proxy: CuttingProxy) -> None:
    """With the server gone the part stays and is said; the next try replaces it."""
    proxy.cut_after(60_000, then_dead=True)
    with pytest.raises(PartialFileError):
        desk.publish(desk.file(range(4000)))
    assert desk.names() == ["shop_2026-11-22.psv"]
    proxy.revive()
    assert desk.publish(desk.file(range(4000))).outcome == "delivered"
    assert (desk.outbox / "shop_2026-11-22.psv").read_bytes() == text(map(row, range(4000)))


def test_a_writer_that_died_after_its_last_byte_is_not_repeated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole file lies there but nobody noted it: the next try notes it and leaves it untouched."""
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.publish(desk.file())
    path = desk.outbox / "shop_2026-11-22.psv"
    os.utime(path, (1, 1))
    assert desk.publish(desk.file()).outcome == "delivered"
    assert path.stat().st_mtime == 1


@pytest.mark.parametrize("wrapping", ["gzip", "pgp"])
def test_a_wrapped_upload_goes_on_where_it_was_cut(desk: Desk, proxy: CuttingProxy, wrapping: str) -> None:
    """Compressed or encrypted bytes can't be made twice alike; staged, the same ones go on after a cut, at once."""
    secret = pysequoia.Tsk.generate("Feed <feed@example.com>")
    public = bytes(secret.extract_certificate())
    recipient = load_recipient(public, fingerprint=None, now=datetime.now(UTC) + timedelta(days=1), where="key")
    content = text((*row(number)[:5], os.urandom(200).hex()) for number in range(60_000))
    source = source_of(desk.inbox / "long.psv", content, validated=True)
    wrapped: dict[str, Any] = {"gzip": True} if wrapping == "gzip" else {"recipient": recipient}
    told: list[int] = []
    proxy.cut_after(9_000_000)
    done = desk.publisher(staged=True, **wrapped).publish(
        FeedFile(feed(), [source]), ("d-1",), progress=lambda sent, _total: told.append(sent)
    )
    (path,) = desk.outbox.iterdir()
    stored = path.read_bytes()
    assert (done.outcome, proxy.cuts) == ("delivered", 1)
    # It went on: what was acknowledged is not sent again.
    assert told == sorted(told)
    assert done.record is not None
    assert done.record.stored_sha256 == hashlib.sha256(stored).hexdigest()
    opened = gzip.decompress(stored) if wrapping == "gzip" else pysequoia.decrypt(stored, decryptor=secret.decryptor())
    assert (opened if isinstance(opened, bytes) else opened.bytes) == content


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_earlier_days_writer_is_settled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past midnight: a whole file counts for its day, a part is removed and its day given up."""
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.publish(desk.file())
    record = desk.feed_state.of_delivery("d-1")
    assert record is not None
    desk.clock.advance(timedelta(days=1))
    done = desk.publisher().settle_earlier(record)
    assert done is not None
    assert done.status == "delivered"

    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.publish(desk.file(range(200, 300)))
    record = desk.feed_state.of_delivery("d-2")
    assert record is not None
    (desk.outbox / record.file_name).write_bytes(b"a part")
    assert desk.publisher().settle_earlier(record) is None
    assert desk.names() == ["shop_2026-11-22.psv"]
    assert desk.feed_state.of_delivery("d-2") is None


@pytest.mark.parametrize("options", [{}, {"temporary_name": True}, {"gzip": True}])
def test_two_runs_at_once_write_one_file(desk: Desk, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    """While a writer is alive another waits; a dead one's whole file counts, and the other's goes out tomorrow."""
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.publish(desk.file(), **options)
    (path,) = desk.outbox.iterdir()
    before = path.read_bytes()
    other = range(500, 600)
    with pytest.raises(DeliveryHeldError):
        desk.publish(desk.file(other), holder="dag/two", **options)
    desk.clock.advance(timedelta(minutes=10))
    assert desk.publish(desk.file(other), holder="dag/two", **options).outcome == "queued"
    assert path.read_bytes() == before


@pytest.mark.parametrize("options", [{}, {"gzip": True}])
def test_a_dead_writers_part_is_replaced_by_another_runs_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """What is not whole does not count: the day goes to the other file."""
    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", _die)
        with pytest.raises(KeyboardInterrupt):
            desk.publish(desk.file(), **options)
    (path,) = desk.outbox.iterdir()
    path.write_bytes(path.read_bytes()[:-20])
    desk.clock.advance(timedelta(minutes=10))
    other = range(500, 600)
    assert desk.publish(desk.file(other), holder="dag/two", **options).outcome == "delivered"
    content = path.read_bytes()
    assert (gzip.decompress(content) if options else content) == text(map(row, other))


def test_a_file_that_liveramp_rejected_goes_out_again_on_another_day(desk: Desk) -> None:
    """Its day stays used; its content may be delivered again."""
    desk.publish(desk.file())
    desk.feed_state.reject("2026-11-22", "wrong time zone")
    assert desk.publish(desk.file()).outcome == "queued"
    desk.clock.advance(timedelta(days=1))
    assert desk.publish(desk.file()).outcome == "delivered"
    assert desk.names() == ["shop_2026-11-22.psv", "shop_2026-11-23.psv"]
    assert [record.status for record in desk.feed_state.days()] == ["rejected", "delivered"]


def test_a_name_is_never_used_for_other_content(desk: Desk) -> None:
    """Nor for content that is not known yet: refused before the day is claimed."""
    record = desk.publish(desk.file()).record
    assert record is not None
    for sha256 in ("0" * 64, None):
        later = replace(record, day="2026-11-23", sha256=sha256, status="writing")
        with pytest.raises(FeedError, match="delivered with other content"):
            desk.feed_state.claim(later)
    assert desk.feed_state.day("2026-11-23") is None


def test_the_queue_keeps_its_order(desk: Desk) -> None:
    """First in, first out; asking twice changes nothing."""
    for name in ("d-b", "d-a", "d-b"):
        desk.feed_state.queue(name, "another file went out today")
        desk.clock.advance(timedelta(minutes=1))
    assert desk.feed_state.queued() == ["d-b", "d-a"]
    desk.feed_state.unqueue(["d-b"])
    assert desk.feed_state.queued() == ["d-a"]


def test_a_try_that_was_paused_undoes_nothing_of_the_next_one(desk: Desk) -> None:
    """Both are of one run: what the second has delivered stays delivered when the first goes on."""
    done = desk.publish(desk.file())
    assert done.record is not None
    first = replace(done.record, status="writing")
    for go_on in (
        desk.feed_state.keep,
        desk.feed_state.abandon,
        lambda record: desk.feed_state.finish(record, stored_bytes=1, stored_sha256=None),
    ):
        with pytest.raises(DeliveryHeldError):
            go_on(first)
    assert desk.feed_state.day(first.day) == done.record
