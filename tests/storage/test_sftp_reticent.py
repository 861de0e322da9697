"""A server that tells neither types nor times in its listings, as some appliances do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncssh
import pytest

from airflow_provider_tiktok_offline.cli.demo.sftp_server import USER, DemoSftp, sftp_server
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.storage.files import open_files
from tests.servers.sshd import StaticConnections


@pytest.fixture(name="reticent")
def _reticent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoSftp]:
    async def scandir(server: asyncssh.SFTPServer, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for entry in Path(os.fsdecode(server.map_path(path))).iterdir():
            yield asyncssh.SFTPName(os.fsencode(entry.name), b"", asyncssh.SFTPAttrs())

    def stat(server: asyncssh.SFTPServer, path: bytes) -> asyncssh.SFTPAttrs:
        found = Path(os.fsdecode(server.map_path(path))).stat()
        return asyncssh.SFTPAttrs(size=found.st_size, permissions=found.st_mode)

    monkeypatch.setattr(asyncssh.SFTPServer, "scandir", scandir)
    monkeypatch.setattr(asyncssh.SFTPServer, "stat", stat)
    (tmp_path / "root" / "out").mkdir(parents=True)
    with sftp_server(tmp_path / "root", tmp_path) as server:
        yield server


def test_what_is_not_told_is_asked_for(reticent: DemoSftp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file is told from a folder and a link in a circle; a time that is unknown is the oldest there is."""
    folder = tmp_path / "root" / "out"
    (folder / "sales.csv").write_bytes(b"12345")
    (folder / "folder.csv").mkdir()
    (folder / "circle.csv").symlink_to("circle.csv")
    connection = Connection(
        conn_id="s",
        conn_type="sftp",
        host="127.0.0.1",
        port=reticent.port,
        login=USER,
        extra={"host_key": reticent.host_key, "key_file": str(reticent.client_key)},
    )
    with open_files("sftp://s@/out", StaticConnections(connection)) as files:
        [found] = files.list("sftp://s@/out")
    assert (found.name, found.size, found.mtime.timestamp()) == ("sales.csv", 5, 0)
    assert "1 names were passed over" in caplog.text
