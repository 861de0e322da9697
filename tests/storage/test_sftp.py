"""Reading and writing over a real OpenSSH server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    FileMissingError,
    HostKeyError,
    StorageDeniedError,
    StorageError,
    StorageUnavailableError,
)
from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles
from airflow_provider_tiktok_offline.storage.backends.sftp_files import SftpFiles
from airflow_provider_tiktok_offline.storage.backends.ssh_options import ssh_options
from airflow_provider_tiktok_offline.storage.backends.ssh_session import LoopThread, Session
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.sshd import Sshd, StaticConnections, can_hide_shadow, sshd


def _files(server: Sshd, folder: Path, **options: Any) -> AbstractContextManager[RemoteFiles]:
    return open_files(server.uri(folder), StaticConnections(server.connection(**options)))


def test_listing_shows_regular_files_only_with_utc_times(server: Sshd, folder: Path) -> None:
    """Folders and dot files are passed over, a link to a file is that file; times are in UTC."""
    (folder / "b.csv").write_bytes(b"12345")
    (folder / "a.csv").write_bytes(b"1")
    (folder / ".a.csv.part").write_bytes(b"1")
    (folder / "sub").mkdir()
    (folder / "link.csv").symlink_to(folder / "a.csv")
    os.utime(folder / "b.csv", (1_700_000_000, 1_700_000_000))
    with _files(server, folder) as files:
        found = files.list(server.uri(folder))
    assert [stamp.name for stamp in found] == ["a.csv", "b.csv", "link.csv"]
    assert found[1].size == 5
    assert found[1].mtime == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert found[1].uri == server.uri(folder / "b.csv")


def test_a_name_that_can_not_be_read_costs_no_other(
    server: Sshd, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No UTF-8, a link in a circle, a link to nothing: passed over and counted, here and on a disk."""
    (folder / "a.csv").write_bytes(b"1")
    (folder / "circle.csv").symlink_to(folder / "circle.csv")
    (folder / "nothing.csv").symlink_to(folder / "none")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.csv")).write_bytes(b"1")
    with _files(server, folder) as files:
        assert [stamp.name for stamp in files.list(server.uri(folder))] == ["a.csv"]
    assert "3 names were passed over" in caplog.text
    assert [stamp.name for stamp in LocalFiles().list(str(folder))] == ["a.csv"]
    assert "2 names were passed over" in caplog.text


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing, or a block of a file, for which nothing comes."""
    monkeypatch.setattr(Session, "longest_exchange", 0.2)
    with LoopThread() as loop:
        session = Session(loop, ssh_options(Connection(conn_id="s", conn_type="sftp", host="127.0.0.1")), "s")
        with pytest.raises(StorageUnavailableError, match="in time"):
            session.run(asyncio.Event().wait(), "sftp://s@/in")
        assert session.lost


def test_times_do_not_depend_on_the_workers_time_zone(
    server: Sshd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same file has the same time under any TZ."""
    (folder / "a.csv").write_bytes(b"1")
    os.utime(folder / "a.csv", (1_700_000_000, 1_700_000_000))
    monkeypatch.setenv("TZ", "America/New_York")
    with _files(server, folder) as files:
        assert files.stat(server.uri(folder / "a.csv")).mtime.timestamp() == 1_700_000_000


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, 9_000_001])
def test_written_bytes_are_read_back(server: Sshd, folder: Path, size: int) -> None:
    """What write sends, open_read returns, at sizes around the block and beyond the window."""
    content = os.urandom(size)
    uri = server.uri(folder / "out.csv")
    seen: list[int] = []
    with _files(server, folder) as files:
        stamp = files.write(uri, [content[:100], content[100:]], progress=seen.append)
        with files.open_read(uri) as stream:
            assert stream.read() == content
        with files.open_read(uri, size // 2) as stream:
            assert stream.read() == content[size // 2 :]
    assert stamp.size == size
    assert (folder / "out.csv").read_bytes() == content
    assert seen == sorted(seen)
    assert (seen or [0])[-1] == size


def test_reading_can_stop_early(server: Sshd, folder: Path) -> None:
    """A stream closed in the middle leaves the session usable."""
    (folder / "big.csv").write_bytes(b"x" * 20_000_000)
    uri = server.uri(folder / "big.csv")
    with _files(server, folder) as files:
        with files.open_read(uri) as stream:
            assert stream.read(10) == b"x" * 10
        assert files.stat(uri).size == 20_000_000


def test_one_context_is_one_login(server: Sshd, folder: Path) -> None:
    """Listing, looking and reading share one session."""
    (folder / "a.csv").write_bytes(b"1")
    before = server.logins()
    with _files(server, folder) as files:
        files.list(server.uri(folder))
        files.stat(server.uri(folder / "a.csv"))
        files.open_read(server.uri(folder / "a.csv")).close()
    assert server.logins() - before == 1


def test_bytes_travel_under_aes_gcm(server: Sshd, folder: Path) -> None:
    """The cipher that is fastest by far is the one that is agreed on."""
    with open_files(server.uri(folder), StaticConnections(server.connection())) as files:
        assert isinstance(files, SftpFiles)
        connection = files._session._connection
        assert connection is not None
        assert connection.get_extra_info("send_cipher") == connection.get_extra_info("recv_cipher")
        assert connection.get_extra_info("send_cipher") == "aes128-gcm@openssh.com"


def test_missing_file_and_folder_are_named(server: Sshd, folder: Path) -> None:
    """A path that is not there raises FileMissingError, whatever is asked of it."""
    with _files(server, folder) as files:
        for ask in (files.stat, files.open_read):
            with pytest.raises(FileMissingError):
                ask(server.uri(folder / "no.csv"))
        with pytest.raises(FileMissingError):
            files.list(server.uri(folder / "no"))
        with pytest.raises(FileMissingError):
            files.stat(server.uri(folder))
        with pytest.raises(ConfigError, match="folder does not exist"):
            files.check_folder(server.uri(folder / "no"))


def test_move_makes_the_folder_and_replaces_nothing(server: Sshd, folder: Path) -> None:
    """An archive folder is made; a second file of that name stays where it is."""
    (folder / "a.csv").write_bytes(b"1")
    with _files(server, folder) as files:
        files.move(server.uri(folder / "a.csv"), server.uri(folder / "done" / "a.csv"))
        (folder / "a.csv").write_bytes(b"2")
        with pytest.raises(StorageError, match="already"):
            files.move(server.uri(folder / "a.csv"), server.uri(folder / "done" / "a.csv"))
    assert (folder / "done" / "a.csv").read_bytes() == b"1"
    assert (folder / "a.csv").read_bytes() == b"2"


def test_delete_twice_is_no_error(server: Sshd, folder: Path) -> None:
    """Deleting what is gone already succeeds."""
    (folder / "a.csv").write_bytes(b"1")
    with _files(server, folder) as files:
        files.delete(server.uri(folder / "a.csv"))
        files.delete(server.uri(folder / "a.csv"))
    assert not (folder / "a.csv").exists()


def test_existing_file_is_not_overwritten_unless_asked(server: Sshd, folder: Path) -> None:
    """Without replace an existing file stays as it is."""
    (folder / "a.csv").write_bytes(b"old")
    with _files(server, folder) as files:
        with pytest.raises(StorageError, match="already"):
            files.write(server.uri(folder / "a.csv"), [b"new"])
        assert (folder / "a.csv").read_bytes() == b"old"
        files.write(server.uri(folder / "a.csv"), [b"new"], replace=True)
    assert (folder / "a.csv").read_bytes() == b"new"


def test_temporary_name_is_gone_after_the_write(server: Sshd, folder: Path) -> None:
    """With a temporary name the final one appears by a rename, over an old file too."""
    uri = server.uri(folder / "a.csv")
    with _files(server, folder) as files:
        files.write(uri, [b"one"], temporary=True)
        files.write(uri, [b"two"], temporary=True, replace=True)
    assert [path.name for path in folder.iterdir()] == ["a.csv"]
    assert (folder / "a.csv").read_bytes() == b"two"


def test_failing_source_leaves_nothing(server: Sshd, folder: Path) -> None:
    """If the stream that is written breaks, the part that was sent is removed."""

    def chunks() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        raise FileMissingError("gone")

    with _files(server, folder) as files, pytest.raises(FileMissingError):
        files.write(server.uri(folder / "a.csv"), chunks())
    assert list(folder.iterdir()) == []


def test_a_file_shorter_than_what_was_sent_is_noticed(server: Sshd, folder: Path) -> None:
    """The size is verified after the put: what lost bytes at the far side is an error, and is removed."""
    content = os.urandom(700_000)

    def lose(sent: int) -> None:
        if sent == len(content):
            os.truncate(folder / "feed.csv", 10)

    uri = server.uri(folder / "feed.csv")
    with _files(server, folder) as files:
        with pytest.raises(StorageUnavailableError, match="holds 10 bytes of 700000"):
            files.write(uri, [content], progress=lose)
        assert list(folder.iterdir()) == []
        assert files.write(uri, [content]).size == len(content)


def test_wrong_host_key_is_refused_at_once(server: Sshd, folder: Path) -> None:
    """A server with another key than the pinned one gets no login."""
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode()
    extra = {"host_key": other, "key_file": str(server.client_key)}
    with pytest.raises(HostKeyError) as caught, _files(server, folder, extra=extra):
        pass
    assert not caught.value.retryable


def test_host_key_of_another_kind_is_refused(server: Sshd, folder: Path) -> None:
    """A pinned RSA key is a host key fault too where the server only has Ed25519."""
    other = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key("openssh").decode()
    extra = {"host_key": other.split()[1], "key_file": str(server.client_key)}
    with pytest.raises(HostKeyError), _files(server, folder, extra=extra):
        pass


def test_unknown_host_is_refused_without_any_setting(
    server: Sshd, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No host key and no known_hosts means no trust."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(HostKeyError), _files(server, folder, extra={"key_file": str(server.client_key)}):
        pass


def test_known_hosts_file_is_enough(server: Sshd, folder: Path, tmp_path: Path) -> None:
    """A known_hosts file as OpenSSH writes it is understood."""
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    with _files(server, folder, extra={"known_hosts": str(known), "key_file": str(server.client_key)}) as files:
        assert files.list(server.uri(folder / ".")) != []


def test_host_key_check_can_be_switched_off_only_on_its_own(server: Sshd, folder: Path) -> None:
    """no_host_key_check works as in the sftp provider, and contradicts a pinned key."""
    extra = {"no_host_key_check": "true", "key_file": str(server.client_key)}
    with _files(server, folder, extra=extra) as files:
        assert files.list(server.uri(folder)) == []
    with (
        pytest.raises(ConfigError, match="contradict"),
        _files(server, folder, extra={**extra, "host_key": server.host_key}),
    ):
        pass


def test_private_key_as_text_with_a_passphrase(server: Sshd, folder: Path) -> None:
    """An encrypted key in the connection's extra opens with its passphrase and fails clearly without."""
    key = asyncssh.read_private_key(str(server.client_key)).export_private_key(passphrase="secret", rounds=50).decode()
    extra = {"host_key": server.host_key, "private_key": key, "private_key_passphrase": "secret"}
    with _files(server, folder, extra=extra) as files:
        assert files.list(server.uri(folder)) == []
    for wrong in ({"private_key_passphrase": "wrong"}, {"private_key_passphrase": None}):
        with pytest.raises(ConfigError, match="passphrase"), _files(server, folder, extra={**extra, **wrong}):
            pass


def test_unknown_client_key_is_denied_at_once(server: Sshd, folder: Path) -> None:
    """A key that the server does not know is a permanent fault."""
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    extra = {"host_key": server.host_key, "private_key": key}
    with pytest.raises(StorageDeniedError) as caught, _files(server, folder, extra=extra):
        pass
    assert not caught.value.retryable
    assert not isinstance(caught.value, HostKeyError)


@pytest.mark.root
@pytest.mark.skipif(not can_hide_shadow(), reason="the root directory is no mount point: this is a bare chroot")
def test_password_login(folder: Path) -> None:
    """The right password gets in, a wrong one is denied at once and not shown."""
    with sshd(password="correct horse") as server:
        (folder / "a.csv").write_bytes(b"1")
        with _files(server, folder, password="correct horse") as files:
            assert len(files.list(server.uri(folder))) == 1
        with pytest.raises(StorageDeniedError) as caught, _files(server, folder, password="battery staple"):
            pass
    assert "battery" not in str(caught.value)


def test_refused_connection_may_be_tried_again(server: Sshd, folder: Path) -> None:
    """Nobody listening is a retryable fault."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(StorageUnavailableError) as caught, _files(server, folder, port=unused.getsockname()[1]):
            pass
    assert caught.value.retryable


def test_silent_server_times_out(server: Sshd, folder: Path) -> None:
    """A server that accepts and says nothing is given up after conn_timeout."""
    extra = {"host_key": server.host_key, "key_file": str(server.client_key), "conn_timeout": 0.3}
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(StorageUnavailableError), _files(server, folder, port=mute.getsockname()[1], extra=extra):
            pass


def test_session_lost_while_reading_is_retryable(server: Sshd, folder: Path) -> None:
    """A session that dies in the middle of a file is StorageUnavailableError, and a new one reads it all."""
    content = os.urandom(30_000_000)
    (folder / "big.csv").write_bytes(content)
    uri = server.uri(folder / "big.csv")
    with _files(server, folder) as files, files.open_read(uri) as stream:
        stream.read(1000)
        server.drop_connections()
        with pytest.raises(StorageUnavailableError):
            stream.read()
    with _files(server, folder) as files, files.open_read(uri) as stream:
        assert stream.read() == content
