"""Files in a Google Cloud Storage bucket: put once, whole or not at all, with their checksum verified."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FileMissingError,
    NameTakenError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.backends import gcs_files
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.gcs import GcsServer, running_gcs
from tests.servers.sshd import StaticConnections

FOLDER = "gs://gcs_feed@feed/drop"
URI = f"{FOLDER}/day.csv"


@pytest.fixture
def server() -> Iterator[GcsServer]:
    with running_gcs("gcs_feed") as running:
        yield running


@pytest.fixture
def files(server: GcsServer) -> Iterator[RemoteFiles]:
    with open_files(FOLDER, StaticConnections(server.connection)) as opened:
        yield opened


@pytest.mark.parametrize("size", [7, 12_000_000], ids=["one request", "stream"])
def test_a_writer_whose_name_is_anothers_puts_nothing_there(server: GcsServer, files: RemoteFiles, size: int) -> None:
    """The fence is asked when all is sent and nothing is visible yet."""
    files.write(URI, [b"theirs"])

    def fence() -> None:
        raise DeliveryHeldError("a later try writes the file")

    with pytest.raises(DeliveryHeldError):
        files.write(URI, [b"x" * size], replace=True, fence=fence)
    assert server.read("drop/day.csv") == b"theirs"


def test_a_file_is_written_listed_read_moved_and_deleted(server: GcsServer, files: RemoteFiles) -> None:
    """The same as on any other store."""
    content = os.urandom(300_000)
    told: list[int] = []
    stamp = files.write(URI, [content[:100_000], content[100_000:]], progress=told.append)
    assert (stamp.size, told) == (300_000, [300_000])
    files.write(f"{FOLDER}/deeper/other.csv", [b"x"])
    assert [one.uri for one in files.list(FOLDER)] == [URI]
    with files.open_read(URI) as stream:
        assert stream.read() == content
    with files.open_read(URI, 250_001) as stream:
        assert stream.read() == content[250_001:]
    files.move(URI, f"{FOLDER}/done/day.csv")
    assert server.read("drop/done/day.csv") == content
    files.delete(f"{FOLDER}/done/day.csv")
    files.delete(f"{FOLDER}/done/day.csv")
    with pytest.raises(FileMissingError):
        files.stat(URI)
    with pytest.raises(ConfigError, match="within its bucket"):
        files.move(f"{FOLDER}/deeper/other.csv", "gs://gcs_feed@elsewhere/other.csv")


def test_a_name_that_is_taken_stays_as_it_is(server: GcsServer, files: RemoteFiles) -> None:
    """The put is conditional: other content is refused and the object keeps its generation."""
    files.write(URI, [b"theirs"])
    before = server.generation("drop/day.csv")
    with pytest.raises(NameTakenError):
        files.write(URI, [b"ours"])
    assert server.generation("drop/day.csv") == before
    files.write(URI, [b"ours"], replace=True)
    assert server.read("drop/day.csv") == b"ours"


def test_a_put_whose_answer_was_lost_is_recognised(server: GcsServer, files: RemoteFiles) -> None:
    """The client asks again, is told that the name is taken, and finds its own bytes there."""
    server.lose_next_answer()
    assert files.write(URI, [b"once"]).size == 4
    assert server.read("drop/day.csv") == b"once"


def test_bytes_that_changed_on_their_way_are_noticed(server: GcsServer, files: RemoteFiles) -> None:
    """The checksum that the bucket tells is held against what was sent; the next try succeeds."""
    server.spoil(True)
    with pytest.raises(StorageUnavailableError, match="other bytes"):
        files.write(URI, [b"some content"])
    server.spoil(False)
    assert files.write(URI, [b"some content"], replace=True).size == 12


def test_a_long_file_goes_up_in_parts(server: GcsServer, files: RemoteFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for first, read back at the end since parts leave no checksum, and nothing is seen if the source fails."""
    monkeypatch.setattr(gcs_files, "_ONE_REQUEST", 1_000_000)
    content = os.urandom(12_000_000)
    pieces = [content[at : at + 500_000] for at in range(0, len(content), 500_000)]

    def broken() -> Iterator[bytes]:
        yield from pieces[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write(URI, broken())
    assert server.names() == []
    told: list[int] = []
    assert files.write(URI, pieces, progress=told.append).size == len(content)
    assert told == sorted(told)
    assert server.read("drop/day.csv") == content
    with pytest.raises(NameTakenError):
        files.write(URI, pieces)
