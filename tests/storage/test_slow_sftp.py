"""A peer that gives or takes a few bytes a second is given up, in the middle of a file as at its start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncssh
import pytest

from airflow_provider_tiktok_offline.cli.demo.sftp_server import USER, sftp_server
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import StorageUnavailableError
from airflow_provider_tiktok_offline.storage.backends.ssh_session import Session
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.sshd import StaticConnections


async def _one_byte(_server: asyncssh.SFTPServer, _file: object, _offset: int, _size: int) -> bytes:
    await asyncio.sleep(0.02)
    return b"x"


async def _never(_server: asyncssh.SFTPServer, _file: object, _offset: int, _data: bytes) -> int:
    await asyncio.Event().wait()
    return 0


def _read(files: RemoteFiles) -> None:
    with files.open_read("sftp://slow@/a.csv") as stream:
        stream.read(10)


def _write(files: RemoteFiles) -> None:
    files.write("sftp://slow@/b.csv", [b"x" * 1_000_000])


_STEPS: dict[str, Callable[[RemoteFiles], None]] = {"read": _read, "write": _write}


@pytest.mark.parametrize("direction", _STEPS)
def test_a_dripping_transfer_is_given_up(tmp_path: Path, direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the block that was asked for never does."""
    root, keys = tmp_path / "root", tmp_path / "keys"
    root.mkdir()
    keys.mkdir()
    (root / "a.csv").write_bytes(b"x" * 1_000_000)
    monkeypatch.setattr(Session, "longest_exchange", 1.0)
    with sftp_server(root, keys) as server:
        extra = {"host_key": server.host_key, "key_file": str(server.client_key)}
        slow = Connection(conn_id="slow", conn_type="sftp", host="127.0.0.1", port=server.port, login=USER, extra=extra)
        monkeypatch.setattr(asyncssh.SFTPServer, direction, _one_byte if direction == "read" else _never)
        with (
            open_files("sftp://slow@/", StaticConnections(slow)) as files,
            pytest.raises(StorageUnavailableError, match="in time"),
        ):
            _STEPS[direction](files)


async def _no_answer(*_: object) -> None:
    await asyncio.Event().wait()


async def _no_names(*_: object) -> AsyncIterator[asyncssh.SFTPName]:
    await asyncio.Event().wait()
    yield asyncssh.SFTPName(b"")


#: What a server may leave without an answer -> what asks for it.
_CALLS: dict[str, Callable[[RemoteFiles], object]] = {
    "scandir": lambda files: files.list("sftp://slow@/"),
    "stat": lambda files: files.stat("sftp://slow@/a.csv"),
    "open": lambda files: files.open_read("sftp://slow@/a.csv"),
    "fstat": lambda files: files.write("sftp://slow@/b.csv", [b"x"]),
    "close": lambda files: files.write("sftp://slow@/b.csv", [b"x"]),
    "remove": lambda files: files.delete("sftp://slow@/a.csv"),
    "mkdir": lambda files: files.move("sftp://slow@/a.csv", "sftp://slow@/new/a.csv"),
    "rename": lambda files: files.move("sftp://slow@/a.csv", "sftp://slow@/b.csv"),
    "posix_rename": lambda files: files.write("sftp://slow@/a.csv", [b"x"], replace=True, temporary=True),
}


@pytest.mark.parametrize("call", [*_CALLS, "login", "session"])
def test_a_server_that_leaves_one_call_unanswered_is_given_up(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever it is, it is a fault that may pass, and closing the session waits for nothing either."""
    root, keys = tmp_path / "root", tmp_path / "keys"
    root.mkdir()
    keys.mkdir()
    (root / "a.csv").write_bytes(b"x")
    with sftp_server(root, keys) as server:
        extra = {"host_key": server.host_key, "key_file": str(server.client_key)}
        slow = Connection(conn_id="slow", conn_type="sftp", host="127.0.0.1", port=server.port, login=USER, extra=extra)
        monkeypatch.setattr(Session, "longest_exchange", 2.0)
        if call == "login":
            monkeypatch.setattr(asyncssh.SSHServer, "begin_auth", _no_answer)
        elif call == "session":
            monkeypatch.setattr("asyncssh.sftp.SFTPServerHandler.run", _no_answer)
        else:
            monkeypatch.setattr(asyncssh.SFTPServer, call, _no_names if call == "scandir" else _no_answer)
        started = time.monotonic()
        with (
            pytest.raises(StorageUnavailableError) as caught,
            open_files("sftp://slow@/", StaticConnections(slow)) as files,
        ):
            _CALLS[call](files)
        assert caught.value.retryable
        assert time.monotonic() - started < 60
