"""A peer that gives or takes a few bytes a second is given up, in the middle of a file as at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
