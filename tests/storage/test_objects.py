"""The object store keeps the same promises on a directory and on S3."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    LedgerDamagedError,
    StorageDeniedError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage import documents
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.servers.gcs import gcs_server
from tests.servers.s3 import S3Server, s3_server


class _OneConnection:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, conn_id: str) -> Connection:
        assert conn_id == self._connection.conn_id
        return self._connection


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        running.make_bucket("state")
        yield running


@pytest.fixture(scope="module")
def google() -> Iterator[Connection]:
    with gcs_server() as connection:
        yield connection


@pytest.fixture(params=["local", "s3", "gcs"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return open_objects(str(tmp_path / "state"))
    if request.param == "gcs":
        connection: Connection = request.getfixturevalue("google")
        return open_objects(f"gs://gcs_state@state/{tmp_path.name}", _OneConnection(connection))
    running: S3Server = request.getfixturevalue("server")
    return open_objects(f"s3://s3_state@state/{tmp_path.name}", _OneConnection(running.connection()))


def test_put_is_read_back(objects: ObjectStore) -> None:
    """What was put is got, at any depth of folders."""
    objects.put("a/b/c.json", b"one")
    found = objects.get("a/b/c.json")
    assert found is not None
    assert found[0] == b"one"


def test_absent_object_is_none(objects: ObjectStore) -> None:
    """An object that was never written is None, not an error."""
    assert objects.get("nothing/here") is None


def test_create_has_one_winner(objects: ObjectStore) -> None:
    """Of many creators at once exactly one wins, and its bytes stay."""
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: objects.create("secret", b"%d" % n), range(16)))
    assert sum(won) == 1
    found = objects.get("secret")
    assert found is not None
    assert found[0] == b"%d" % won.index(True)


def test_replace_needs_the_version_that_was_read(objects: ObjectStore) -> None:
    """A second writer that read the same version does not overwrite the first."""
    objects.put("state.json", b"1")
    found = objects.get("state.json")
    assert found is not None
    assert objects.replace("state.json", b"2", found[1])
    assert not objects.replace("state.json", b"3", found[1])
    after = objects.get("state.json")
    assert after is not None
    assert after[0] == b"2"


def test_replace_of_absent_object_does_nothing(objects: ObjectStore) -> None:
    """Compare-and-swap does not bring a deleted object back."""
    objects.put("state.json", b"1")
    found = objects.get("state.json")
    assert found is not None
    objects.delete("state.json")
    assert not objects.replace("state.json", b"2", found[1])
    assert objects.get("state.json") is None


def test_concurrent_increments_are_all_counted(objects: ObjectStore) -> None:
    """Four writers that count up by compare-and-swap lose no step."""
    objects.put("counter", b"0")

    def count_up(_: int) -> None:
        for _ in range(10):
            while True:
                found = objects.get("counter")
                assert found is not None
                if objects.replace("counter", b"%d" % (int(found[0]) + 1), found[1]):
                    break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count_up, range(4)))
    found = objects.get("counter")
    assert found is not None
    assert found[0] == b"40"


def test_a_listing_says_when_each_object_was_written(objects: ObjectStore) -> None:
    """By the store's clock, which on this machine is that of the test; what is below another folder is left out."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    for path in ("notes/one", "notes/below/two", "notes_of_others"):
        objects.put(path, b"x")
    written = objects.written("notes")
    assert sorted(written) == ["notes/below/two", "notes/one"]
    assert all(before <= at <= datetime.now(UTC) + timedelta(seconds=2) for at in written.values())
    assert objects.written("nothing") == {}


def test_open_write_appears_only_when_closed_without_error(objects: ObjectStore) -> None:
    """A stream that broke off in the middle leaves no object."""

    def break_off() -> None:
        with objects.open_write("part.parquet") as stream:
            stream.write(b"x" * 13_000_000)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_off()
    assert objects.get("part.parquet") is None
    with objects.open_write("part.parquet") as stream:
        stream.write(b"x" * 13_000_000)
        assert objects.get("part.parquet") is None
    assert objects.sizes("") == {"part.parquet": 13_000_000}


def test_open_read_carries_a_parquet_file(objects: ObjectStore) -> None:
    """The stream seeks well enough for Parquet's footer."""
    frame = pl.DataFrame({"key": [bytes([n]) * 16 for n in range(100)], "n": range(100)})
    with objects.open_write("keys.parquet") as stream:
        frame.write_parquet(stream)
    with objects.open_read("keys.parquet") as stream:
        assert pl.read_parquet(stream, columns=["n"])["n"].to_list() == list(range(100))


def test_open_read_of_absent_object_says_so(objects: ObjectStore) -> None:
    """Reading what is not there is a FileMissingError that names the place."""
    with pytest.raises(FileMissingError, match="nothing"):
        objects.open_read("nothing")


def test_list_names_what_is_below_a_folder(objects: ObjectStore) -> None:
    """A folder's listing holds its own objects at any depth and no neighbour's."""
    for path in ("a/1", "a/b/2", "ab/3", "c"):
        objects.put(path, b"x")
    assert objects.list("a") == ["a/1", "a/b/2"]
    assert objects.list("") == ["a/1", "a/b/2", "ab/3", "c"]


def test_several_objects_are_removed_together(objects: ObjectStore) -> None:
    """What is named goes, whether it was there or not; nothing else does."""
    for name in ("kept/1", "parts/1", "parts/2", "parts/3"):
        objects.put(name, b"x")
    objects.delete_each([])
    objects.delete_each(["parts/2", "parts/never", "parts/1", "parts/3"])
    assert objects.list("") == ["kept/1"]


def test_delete_is_repeatable(objects: ObjectStore) -> None:
    """Deleting what is gone is no error."""
    objects.put("a", b"x")
    objects.delete("a")
    objects.delete("a")
    assert objects.get("a") is None


def test_delta_table_lives_beside_the_objects(objects: ObjectStore) -> None:
    """deltalake reaches the store with the options it is given."""
    from deltalake import DeltaTable, write_deltalake

    uri = objects.delta_uri("tables/keys")
    write_deltalake(uri, pl.DataFrame({"a": [1, 2]}), storage_options=objects.storage_options)
    assert DeltaTable(uri, storage_options=objects.storage_options).version() == 0
    assert any("_delta_log" in path for path in objects.list("tables/keys"))


def test_local_files_are_the_owners_alone(tmp_path: Path) -> None:
    """Directories are 0700 and files 0600 whatever the umask says."""
    objects = open_objects(str(tmp_path / "state"))
    objects.create("a/b", b"x")
    objects.put("a/c", b"x")
    objects.delta_uri("t")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "state").rglob("*")}
    assert modes == {"a": 0o700, "b": 0o600, "c": 0o600, "t": 0o700}


@pytest.mark.parametrize("uri", ["relative/path", "ftp://host/dir", "s3://", "s3://user:secret@bucket/x"])
def test_unusable_uri_is_a_config_error_without_the_secret(uri: str) -> None:
    """A URI that is no place for state is refused, and a password in it is not repeated."""
    with pytest.raises(ConfigError) as caught:
        open_objects(uri)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_down_is_unavailable_without_credentials_in_the_message() -> None:
    """A refused connection is retryable and shows neither key nor URL."""
    connection = Connection(
        conn_id="down",
        login="AKIAHIDDEN",
        password="hidden-secret",
        extra={"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-west-1"},
    )
    with pytest.raises(StorageUnavailableError) as caught:
        open_objects("s3://down@bucket/x", _OneConnection(connection)).get("a")
    text = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.__dict__}"
    assert "HIDDEN" not in text.upper()
    assert "127.0.0.1" not in text


def test_a_missing_bucket_is_denied_not_empty(server: S3Server) -> None:
    """A bucket that is not there is never taken for an empty store."""
    objects = open_objects("s3://s3_state@nosuchbucket/x", _OneConnection(server.connection()))
    with pytest.raises(StorageDeniedError, match="no such bucket"):
        objects.get("a")
    with pytest.raises(StorageDeniedError, match="no such bucket"):
        objects.list("")


def test_options_show_no_secret_in_their_repr() -> None:
    """Neither the secret key nor a service account is in the repr of the options."""
    from airflow_provider_tiktok_offline.storage.backends.cloud_options import gcs_options, s3_options

    aws = Connection(conn_id="c", login="AKIAHIDDEN", password="hidden", extra={"aws_session_token": "hidden-too"})
    google = Connection(conn_id="g", extra={"keyfile_dict": '{"private_key": "hidden"}'})
    assert "idden" not in repr(s3_options("bucket", aws)) + repr(gcs_options("bucket", google))
    assert s3_options("bucket", aws).storage_options["aws_session_token"] == "hidden-too"


@pytest.mark.parametrize(
    "content", [b'{"a": "\\ud800"}', b"[" * 5000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff", b"[]", b""]
)
def test_a_document_that_is_none_is_damage(content: bytes) -> None:
    """Half a surrogate pair, endless depth, a number of 5,000 digits: one error of the package."""
    with pytest.raises(LedgerDamagedError):
        documents.decode(content, "claims.json")
