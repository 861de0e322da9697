"""Two tries of one run's deliver at the same time, on a real SFTP server: the later one writes the file."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pysequoia
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import DeliveryHeldError, StorageUnavailableError
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.liveramp.encryption import Recipient, load_recipient
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher, Published
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from tests.liveramp.rows import feed, row, source_of, text
from tests.servers.proxy import cutting_proxy
from tests.servers.sshd import Sshd, StaticConnections

#: More bytes than may be under way at once, so that a try can be stopped in the middle of its file.
ROWS = 40_000
SECRET = pysequoia.Tsk.generate("Feed <feed@example.com>")


def recipient() -> Recipient:
    public = bytes(SECRET.extract_certificate())
    return load_recipient(public, fingerprint=None, now=datetime.now(UTC) + timedelta(days=1), where="key")


def plaintext(stored: bytes, name: str) -> bytes:
    """What a delivered file holds."""
    if name.endswith((".gpg", ".pgp")):
        opened = pysequoia.decrypt(stored, decryptor=SECRET.decryptor())
        stored = opened if isinstance(opened, bytes) else bytes(opened.bytes or b"")
    return gzip.decompress(stored) if stored[:2] == b"\x1f\x8b" else stored


class Tries:
    """One run's file, which both tries deliver."""

    def __init__(self, server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, inbox: Path) -> None:
        self.server, self.feed_state, self.clock, self.outbox = server, feed_state, clock, outbox
        self.content = text((*row(number)[:5], os.urandom(120).hex()) for number in range(ROWS))
        self.source = inbox / "day.psv"
        self.destination = Destination(
            folder_uri=server.uri(outbox), template="{{ feed }}_{{ day }}.psv", feed="shop", delimiter="|"
        )

    def publish(self, connection: Connection | None = None, *, stop: _Stop | None = None, **form: Any) -> Published:
        """One try."""
        publisher = FeedPublisher(
            replace(self.destination, **form), self.feed_state,
            StaticConnections(connection or self.server.connection()), self.clock, "dag/one",
        )  # fmt: skip
        file = FeedFile(feed(), [source_of(self.source, self.content, validated=True)])
        return publisher.publish(file, ("d-1",), None if stop is None else stop.here)

    @contextmanager
    def paused(self, connection: Connection | None = None, **form: Any) -> Iterator[tuple[Future[Published], _Stop]]:
        """A first try that has stopped in the middle of its file; the clock goes on."""
        stop = _Stop()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(self.publish, connection, stop=stop, **form)
            try:
                assert stop.reached.wait(60)
                self.clock.advance(timedelta(seconds=10))
                yield first, stop
            finally:
                stop.go_on.set()

    def check(self, done: Published) -> None:
        """One whole file lies there, and it is the one that is noted."""
        assert done.record is not None
        (path,) = self.outbox.iterdir()
        stored = path.read_bytes()
        assert plaintext(stored, path.name) == self.content
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (done.record.bytes, done.record.stored_sha256)
        assert self.feed_state.day(done.record.day) == done.record


class _Stop:
    """Holds a try at its first acknowledged bytes."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def here(self, _done: int, _total: int | None) -> None:
        self.reached.set()
        assert self.go_on.wait(60)


@pytest.fixture
def tries(server: Sshd, feed_state: FeedState, clock: ManualClock, outbox: Path, tmp_path: Path) -> Tries:
    return Tries(server, feed_state, clock, outbox, tmp_path)


FORMS: list[dict[str, Any]] = [
    {},
    {"staged": True},
    {"gzip": True},
    {"temporary_name": True},
    {"recipient": recipient()},
    {"recipient": recipient(), "staged": True},
    {"recipient": recipient(), "staged": True, "temporary_name": True},
]
NAMES = ["plain", "staged", "gzip", "renamed", "encrypted", "encrypted-staged", "encrypted-staged-renamed"]


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_a_paused_try_writes_nothing_into_the_next_ones_file(tries: Tries, form: dict[str, Any]) -> None:
    """It goes on after the later one has delivered, with an open file and bytes under way."""
    with tries.paused(**form) as (first, stop):
        done = tries.publish(**form)
        stop.go_on.set()
        with pytest.raises(DeliveryHeldError):
            first.result()
    tries.check(done)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_a_paused_try_ends_while_the_next_one_writes(tries: Tries, form: dict[str, Any]) -> None:
    """It goes on in the middle of the later one's file: it notices, and the later one's file is whole."""
    later = _Stop()
    with tries.paused(**form) as (first, stop), ThreadPoolExecutor(1) as pool:
        second = pool.submit(tries.publish, stop=later, **form)
        assert later.reached.wait(60)
        stop.go_on.set()
        with pytest.raises(DeliveryHeldError):
            first.result()
        later.go_on.set()
        tries.check(second.result())


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_a_try_whose_connection_was_cut_meanwhile_removes_nothing(tries: Tries, form: dict[str, Any]) -> None:
    """Its own upload has failed; the file under that name is the later try's."""
    with (
        cutting_proxy(tries.server.port) as proxy,
        tries.paused(tries.server.connection(port=proxy.port), **form) as (first, stop),
    ):
        done = tries.publish(**form)
        proxy.cut_after(0)
        stop.go_on.set()
        with pytest.raises((DeliveryHeldError, StorageUnavailableError)):
            first.result()
    tries.check(done)


def test_a_try_that_comes_late_to_the_day_queues_nothing(tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped before it took the day: its rows are out, and must not wait for tomorrow."""
    claim, delivered = FeedState.claim, []

    def claim_late(feed_state: FeedState, record: DayRecord) -> tuple[DayRecord, bool]:
        monkeypatch.setattr(FeedState, "claim", claim)
        delivered.append(tries.publish())
        return feed_state.claim(record)

    monkeypatch.setattr(FeedState, "claim", claim_late)
    with pytest.raises(DeliveryHeldError, match="has delivered"):
        tries.publish()
    (done,) = delivered
    tries.check(done)
