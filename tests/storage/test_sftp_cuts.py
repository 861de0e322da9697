"""Uploads over connections that are cut, to servers that are full or forbid something."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.errors import (
    ConfigError,
    PartialFileError,
    StorageDeniedError,
    StorageUnavailableError,
    TikTokOfflineError,
)
from airflow_provider_tiktok_offline.storage.backends.sftp_files import SftpFiles
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles
from tests.servers.proxy import CuttingProxy, cutting_proxy
from tests.servers.sshd import Sshd, StaticConnections, sshd

CONTENT = os.urandom(3_000_000)


@pytest.fixture
def proxy(server: Sshd) -> Iterator[CuttingProxy]:
    with cutting_proxy(server.port) as running:
        yield running


def _open(server: Sshd, proxy: CuttingProxy, folder: Path) -> AbstractContextManager[RemoteFiles]:
    return open_files(server.uri(folder), StaticConnections(server.connection(port=proxy.port)))


def _chunks() -> Iterator[bytes]:
    return iter([CONTENT[start : start + 100_000] for start in range(0, len(CONTENT), 100_000)])


def test_a_partial_file_is_removed_at_once_if_the_server_still_answers(
    server: Sshd, proxy: CuttingProxy, folder: Path
) -> None:
    """A cut in the middle leaves nothing under the name, and the next try succeeds."""
    uri = server.uri(folder / "feed.csv")
    with _open(server, proxy, folder) as files:
        proxy.cut_after(1_000_000)
        with pytest.raises(StorageUnavailableError) as caught:
            files.write(uri, _chunks())
        assert not isinstance(caught.value, PartialFileError)
        assert list(folder.iterdir()) == []
        files.write(uri, _chunks())
    assert (folder / "feed.csv").read_bytes() == CONTENT


def test_a_partial_file_is_reported_if_the_server_is_gone_and_replaced_by_the_next_try(
    server: Sshd, proxy: CuttingProxy, folder: Path
) -> None:
    """What can't be removed is said, by its name; replacing it works once the server is back."""
    uri = server.uri(folder / "feed.csv")
    with _open(server, proxy, folder) as files:
        proxy.cut_after(1_000_000, then_dead=True)
        with pytest.raises(PartialFileError, match=r"feed\.csv"):
            files.write(uri, _chunks())
    assert (folder / "feed.csv").stat().st_size < len(CONTENT)
    proxy.revive()
    with _open(server, proxy, folder) as files:
        files.write(uri, _chunks(), replace=True)
    assert (folder / "feed.csv").read_bytes() == CONTENT


def test_with_a_temporary_name_the_final_one_never_holds_a_part(
    server: Sshd, proxy: CuttingProxy, folder: Path
) -> None:
    """A cut leaves at most a dot file, which the next try replaces."""
    uri = server.uri(folder / "feed.csv")
    with _open(server, proxy, folder) as files:
        proxy.cut_after(2_000_000, then_dead=True)
        with pytest.raises(PartialFileError, match=r"\.feed\.csv\.part"):
            files.write(uri, _chunks(), temporary=True)
    assert not (folder / "feed.csv").exists()
    proxy.revive()
    with _open(server, proxy, folder) as files:
        files.write(uri, _chunks(), temporary=True)
    assert [path.name for path in folder.iterdir()] == ["feed.csv"]


def test_a_staged_upload_goes_on_where_it_was_cut(
    server: Sshd, proxy: CuttingProxy, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With a file that can be read again the upload goes on: the acknowledged part is not sent twice."""
    staged = tmp_path_factory.mktemp("staged") / "feed.csv"
    content = os.urandom(20_000_000)
    staged.write_bytes(content)
    seen: list[int] = []
    with _open(server, proxy, folder) as files, staged.open("rb") as source:
        assert isinstance(files, SftpFiles)
        proxy.cut_after(12_000_000)
        files.write_resumable(server.uri(folder / "feed.csv"), source, progress=seen.append)
    assert (folder / "feed.csv").read_bytes() == content
    assert proxy.cuts == 1
    assert seen == sorted(seen)


def test_a_staged_upload_starts_over_if_the_part_there_is_another(
    server: Sshd, proxy: CuttingProxy, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """If what lies there is not the prefix that was sent, nothing of it is kept."""
    staged = tmp_path_factory.mktemp("staged") / "feed.csv"
    content = os.urandom(20_000_000)
    staged.write_bytes(content)
    spoiled: list[bool] = []

    def spoil(done: int) -> None:
        if proxy.cuts and done and not spoiled:
            spoiled.append(True)

    with _open(server, proxy, folder) as files, staged.open("rb") as source:
        assert isinstance(files, SftpFiles)
        proxy.cut_after(12_000_000)
        connect = files._session.connect

        def connect_after_spoiling() -> None:
            (folder / "feed.csv").write_bytes(b"\0" * 12_000_000)
            connect()

        files._session.connect = connect_after_spoiling  # type: ignore[method-assign]
        files.write_resumable(server.uri(folder / "feed.csv"), source, progress=spoil)
    assert (folder / "feed.csv").read_bytes() == content


def test_no_right_to_write_is_denied(server: Sshd) -> None:
    """A folder that takes no files is a permanent fault, and nothing is left."""
    with (
        open_files(server.uri("/proc/sys"), StaticConnections(server.connection())) as files,
        pytest.raises((StorageDeniedError, TikTokOfflineError)),
    ):
        files.write(server.uri("/proc/sys/feed.csv"), _chunks())


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of one megabyte; mounting it needs root."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.root
def test_a_full_disk_is_named_and_the_part_removed(server: Sshd, full_disk: Path) -> None:
    """The far disk is full: said so, may be tried again, nothing left; and it works once there is room."""
    uri = server.uri(full_disk / "feed.csv")
    with open_files(uri, StaticConnections(server.connection())) as files:
        with pytest.raises(StorageUnavailableError, match="disk is full"):
            files.write(uri, _chunks())
        assert list(full_disk.iterdir()) == []
        files.write(uri, [CONTENT[:500_000]])
    assert (full_disk / "feed.csv").stat().st_size == 500_000


def test_a_server_that_forbids_renaming_says_so(folder: Path) -> None:
    """With a temporary name and no rename: a clear setting to change, and no file of either name."""
    with sshd(subsystem="internal-sftp -P rename,posix-rename") as strict:
        uri = strict.uri(folder / "feed.csv")
        with open_files(uri, StaticConnections(strict.connection())) as files:
            with pytest.raises(ConfigError, match="temporary_name: false"):
                files.write(uri, _chunks(), temporary=True)
            assert list(folder.iterdir()) == []
            files.write(uri, _chunks())
    assert (folder / "feed.csv").read_bytes() == CONTENT
