"""Delivering to a bucket that LiveRamp pulls from: a real S3 server, and OpenPGP on the way."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pysequoia
import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    NameTakenError,
    StorageDeniedError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.liveramp.encryption import Recipient, load_recipient
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher, Published
from airflow_provider_tiktok_offline.liveramp.writer import FeedFile
from airflow_provider_tiktok_offline.storage.files import open_files
from tests.liveramp.conftest import NOW
from tests.liveramp.rows import feed, row, source_of, text
from tests.servers.gcs import running_gcs
from tests.servers.s3 import S3Server, s3_server
from tests.servers.sshd import StaticConnections

KEY = "drop/shop_2026-11-22.psv"


@pytest.fixture(scope="module")
def s3_store() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


class Depot:
    """A bucket, a feed state and a file."""

    def __init__(self, server: S3Server, feed_state: FeedState, clock: ManualClock, folder: Path) -> None:
        self.server, self.feed_state, self.clock, self.folder = server, feed_state, clock, folder
        self.bucket = f"feed-{uuid.uuid4().hex[:12]}"
        server.make_bucket(self.bucket)
        self.connection = server.connection("aws_feed")
        self.destination = Destination(
            folder_uri=f"s3://aws_feed@{self.bucket}/drop/", template="{{ feed }}_{{ day }}.psv", feed="shop",
            delimiter="|",
        )  # fmt: skip

    def publish(self, numbers: range = range(40)) -> Published:
        file = FeedFile(feed(), [source_of(self.folder / "day.psv", text(map(row, numbers)))])
        connections = StaticConnections(self.connection)
        publisher = FeedPublisher(self.destination, self.feed_state, connections, self.clock, "dag/one")
        return publisher.publish(file, (f"d-{numbers.start}",))


@pytest.fixture
def depot(s3_store: S3Server, feed_state: FeedState, clock: ManualClock, tmp_path: Path) -> Depot:
    return Depot(s3_store, feed_state, clock, tmp_path)


def test_a_key_is_written_once_and_never_touched_again(depot: Depot) -> None:
    """Rewriting a key makes LiveRamp ingest it again: the same content, or other content, leaves it as it is."""
    done = depot.publish()
    assert done.record is not None
    before = depot.server.client().head_object(Bucket=depot.bucket, Key=KEY)
    assert depot.publish().outcome == "already_delivered"
    assert depot.publish(range(90, 140)).outcome == "queued"
    after = depot.server.client().head_object(Bucket=depot.bucket, Key=KEY)
    assert (before["ETag"], before["LastModified"]) == (after["ETag"], after["LastModified"])
    assert depot.server.read(depot.bucket, KEY) == text(map(row, range(40)))


def test_a_key_that_somebody_else_wrote_stays(depot: Depot) -> None:
    """The put is conditional, at every try."""
    depot.server.write(depot.bucket, KEY, b"theirs")
    for _ in range(2):
        with pytest.raises(NameTakenError):
            depot.publish()
    assert depot.server.read(depot.bucket, KEY) == b"theirs"


def test_a_bucket_that_is_missing_or_down_is_clear_and_the_next_try_succeeds(depot: Depot) -> None:
    """One clear error each; corrected, the same delivery goes through."""
    right = depot.destination
    depot.destination = replace(right, folder_uri="s3://aws_feed@no-such-bucket-here/drop/")
    with pytest.raises((ConfigError, StorageDeniedError)):
        depot.publish()
    depot.destination = right
    good = depot.connection
    down = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    depot.connection = replace(good, extra={**good.extra, **down})
    with pytest.raises(StorageUnavailableError):
        depot.publish()
    depot.connection = good
    assert depot.publish().outcome == "delivered"


def test_a_bucket_that_refuses_is_clear_and_the_next_try_succeeds(depot: Depot) -> None:
    """Refused credentials are a permanent fault that names the place and no key; let in, the same file goes out."""
    depot.server.refuse(True)
    try:
        with pytest.raises(StorageDeniedError) as caught:
            depot.publish()
    finally:
        depot.server.refuse(False)
    assert depot.bucket in str(caught.value)
    assert depot.server.access_key not in str(caught.value)
    assert depot.server.keys(depot.bucket) == []
    assert depot.publish().outcome == "delivered"


def test_a_put_whose_note_was_lost_is_noted_not_repeated(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run died after the put: the next try sees the key and leaves it."""

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FeedState, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            depot.publish()
    before = depot.server.client().head_object(Bucket=depot.bucket, Key=KEY)["LastModified"]
    assert depot.publish().outcome == "delivered"
    assert depot.server.client().head_object(Bucket=depot.bucket, Key=KEY)["LastModified"] == before


def test_a_google_bucket_gets_each_key_once(feed_state: FeedState, clock: ManualClock, tmp_path: Path) -> None:
    """Delivered, again a no-op, another file queued; a key that is not in the feed state is not touched at any try."""
    with running_gcs("gcs_feed") as google:
        destination = Destination(
            folder_uri="gs://gcs_feed@feed/drop/", template="{{ feed }}_{{ day }}.psv", feed="shop", delimiter="|"
        )

        def deliver(numbers: range) -> Published:
            content = text(map(row, numbers))
            publisher = FeedPublisher(destination, feed_state, StaticConnections(google.connection), clock, "dag/one")
            file = FeedFile(feed(), [source_of(tmp_path / "day.psv", content, validated=True)])
            return publisher.publish(file, (f"d-{numbers.start}",))

        assert deliver(range(40)).outcome == "delivered"
        before = google.generation(KEY)
        assert [deliver(range(40)).outcome, deliver(range(40, 90)).outcome] == ["already_delivered", "queued"]
        assert (google.read(KEY), google.generation(KEY)) == (text(map(row, range(40))), before)
        clock.advance(timedelta(days=1))
        with open_files(destination.folder_uri, StaticConnections(google.connection)) as files:
            files.write("gs://gcs_feed@feed/drop/shop_2026-11-23.psv", [b"theirs"])
        for _ in range(2):
            with pytest.raises(NameTakenError):
                deliver(range(40, 90))
        assert google.read("drop/shop_2026-11-23.psv") == b"theirs"


def test_the_file_is_encrypted_on_its_way(depot: Depot) -> None:
    """What lies in the bucket opens with the private key only, and is compressed inside; a later run sends nothing."""
    secret = pysequoia.Tsk.generate("Feed <feed@example.com>")
    public = bytes(secret.extract_certificate())
    recipient: Recipient = load_recipient(public, fingerprint=None, now=NOW + timedelta(days=1), where="key")
    depot.destination = replace(depot.destination, gzip=True, recipient=recipient)
    assert depot.publish().outcome == "delivered"
    (key,) = depot.server.keys(depot.bucket)
    assert key == f"{KEY}.gz.pgp"
    content = pysequoia.decrypt(depot.server.read(depot.bucket, key), decryptor=secret.decryptor()).bytes

    assert content is not None
    assert gzip.decompress(content) == text(map(row, range(40)))
    assert depot.publish().outcome == "already_delivered"
