"""Local files, URIs and stamps."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    DeliveryHeldError,
    FileMissingError,
    StorageError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import parse
from tests.servers.sshd import StaticConnections


def test_a_stamp_survives_json(tmp_path: Path) -> None:
    """to_dict and from_dict are each other's inverse."""
    (tmp_path / "a.csv").write_bytes(b"12")
    stamp = LocalFiles().stat(str(tmp_path / "a.csv"))
    assert FileStamp.from_dict(stamp.to_dict()) == stamp
    assert (stamp.name, stamp.size) == ("a.csv", 2)


def test_written_file_is_private_and_whole(tmp_path: Path) -> None:
    """A local file has mode 0600 and no temporary sibling is left."""
    uri = f"file://{tmp_path}/a.csv"
    with open_files(uri, StaticConnections()) as files:
        files.write(uri, [b"1", b"2"])
        with pytest.raises(StorageError, match="already"):
            files.write(uri, [b"3"])
        files.write(uri, [b"3"], replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600
    assert (tmp_path / "a.csv").read_bytes() == b"3"


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A stream that breaks leaves neither a partial file nor a changed one."""

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise StorageUnavailableError("gone")

    (tmp_path / "a.csv").write_bytes(b"old")
    with pytest.raises(StorageUnavailableError):
        LocalFiles().write(str(tmp_path / "a.csv"), broken(), replace=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_writer_whose_name_is_anothers_puts_nothing_there(tmp_path: Path) -> None:
    """Nor does it remove what the other one is writing."""
    (tmp_path / "a.csv").write_bytes(b"theirs")

    def fence() -> None:
        (tmp_path / ".a.csv.part").write_bytes(b"their next")
        raise DeliveryHeldError("a later try writes the file")

    with pytest.raises(DeliveryHeldError):
        LocalFiles().write(str(tmp_path / "a.csv"), [b"ours"], replace=True, fence=fence)
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == [b"their next", b"theirs"]


def test_reading_from_a_place_on(tmp_path: Path) -> None:
    """What lies before it is not read."""
    (tmp_path / "a.csv").write_bytes(b"one,two")
    with LocalFiles().open_read(str(tmp_path / "a.csv"), 4) as stream:
        assert stream.read() == b"two"


def test_missing_paths_are_named(tmp_path: Path) -> None:
    """No file, no folder, and a folder in a file's place."""
    files = LocalFiles()
    for ask in (files.stat, files.open_read, files.list):
        with pytest.raises(FileMissingError):
            ask(str(tmp_path / "no"))
    with pytest.raises(FileMissingError):
        files.stat(str(tmp_path))
    with pytest.raises(ConfigError):
        files.check_folder(str(tmp_path / "no"))


def test_moving_and_deleting(tmp_path: Path) -> None:
    """A move makes the folder and replaces nothing; deleting twice is fine."""
    files = LocalFiles()
    (tmp_path / "a.csv").write_bytes(b"1")
    files.move(str(tmp_path / "a.csv"), str(tmp_path / "done" / "a.csv"))
    (tmp_path / "a.csv").write_bytes(b"2")
    with pytest.raises(StorageError):
        files.move(str(tmp_path / "a.csv"), str(tmp_path / "done" / "a.csv"))
    files.delete(str(tmp_path / "a.csv"))
    files.delete(str(tmp_path / "a.csv"))
    assert files.list(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("/in/a b#1.csv", ("file", None, "", "/in/a b#1.csv")),
        ("/in/a%20b.csv", ("file", None, "", "/in/a%20b.csv")),
        ("file:///in/a.csv", ("file", None, "", "/in/a.csv")),
        ("file:///in/a%20b.csv", ("file", None, "", "/in/a b.csv")),
        ("file://localhost/in/50%25.csv", ("file", None, "", "/in/50%.csv")),
        ("file:///in/%FF.csv", ("file", None, "", "/in/\udcff.csv")),
        ("sftp://shop@/in/a.csv", ("sftp", "shop", "", "/in/a.csv")),
        ("sftp://shop/in/a.csv", ("sftp", "shop", "", "/in/a.csv")),
        ("sftp://shop@/in/a%20b.csv", ("sftp", "shop", "", "/in/a%20b.csv")),
        ("s3://aws_1@bucket/in/a?b.csv", ("s3", "aws_1", "bucket", "in/a?b.csv")),
        ("s3://bucket/in/a%20b#1.csv", ("s3", None, "bucket", "in/a%20b#1.csv")),
        ("gs://bucket/a.csv", ("gs", None, "bucket", "a.csv")),
    ],
)
def test_uris_are_taken_apart(uri: str, parts: tuple[str, str | None, str, str]) -> None:
    """Scheme, connection, bucket and path, of which only a file URI's path is percent-decoded."""
    found = parse(uri)
    assert (found.scheme, found.conn_id, found.bucket, found.path) == parts
    assert parse(str(found)) == found


def test_a_file_uri_is_one_place_for_files_and_for_objects(tmp_path: Path) -> None:
    """Files and state under what ``Path.as_uri`` makes of a path with a space lie in the same directory."""
    uri = (tmp_path / "a b").as_uri()
    open_objects(uri).put("day.csv", b"1")
    with open_files(uri, StaticConnections()) as files:
        assert [stamp.uri for stamp in files.list(uri)] == [f"{tmp_path}/a b/day.csv"]
        assert files.stat(f"{uri}/day.csv").uri == f"{tmp_path}/a b/day.csv"


@pytest.mark.parametrize("uri", ["/state/a%20b", "file:///state/a%2520b", "s3://bucket/a%20b", "s3://bucket/a#b"])
def test_state_lies_in_no_place_that_the_table_library_would_read_otherwise(uri: str) -> None:
    """It decodes paths by itself, so objects and tables would lie in two places."""
    with pytest.raises(ConfigError, match="escape"):
        open_objects(uri)


def test_state_on_an_sftp_server_is_refused() -> None:
    """It has no compare-and-swap."""
    with pytest.raises(ConfigError, match="SFTP"):
        open_objects("sftp://shop@/state")


def test_folder_and_name_of_a_location() -> None:
    """The folder of a file and the file of a folder."""
    assert str(parse("sftp://shop@/in/a.csv").directory) == "sftp://shop@/in"
    assert str(parse("sftp://shop@/in/").child("a.csv")) == "sftp://shop@/in/a.csv"
    assert str(parse("s3://bucket/a.csv").directory.child("b.csv")) == "s3://bucket/b.csv"
    assert parse("/a.csv").directory.path == "/"


@pytest.mark.parametrize(
    "uri",
    ["in/a.csv", "ftp://x/y", "sftp:///in/a.csv", "s3:///key", "file://host/a", "sftp://me@host/a", "file:///a%00"],
)
def test_unusable_uris_are_refused(uri: str) -> None:
    """Relative paths, unknown stores and missing parts are configuration errors."""
    with pytest.raises(ConfigError):
        parse(uri)


def test_a_password_in_a_uri_is_refused_and_not_shown() -> None:
    """Credentials belong into a connection."""
    with pytest.raises(ConfigError) as caught:
        parse("sftp://user:secret@host/in/a.csv")
    assert "secret" not in str(caught.value)
