"""The hooks against OpenSSH's own server and against the simulator."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

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
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.hooks.sftp import ConversionFileSFTPHook
from airflow_provider_tiktok_offline.hooks.tiktok import TikTokHook
from airflow_provider_tiktok_offline.operators.tiktok import TikTokOfflineEventSetOperator
from airflow_provider_tiktok_offline.storage.files import open_files
from airflow_provider_tiktok_offline.tiktok.reports import ReportQuery
from tests.glue.conftest import Inbox, Run
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, APP_ID, APP_SECRET, RunningSimulator, simulator

AddConnection = Callable[[Connection], None]


@pytest.fixture(scope="module", name="api")
def _api() -> Iterator[RunningSimulator]:
    with simulator() as api:
        yield api


class TestConversionFileSFTPHook:
    """One listing, streams, moves, and errors that say whether trying again helps."""

    @pytest.fixture(name="hook")
    def _hook(self, inbox: Inbox) -> ConversionFileSFTPHook:
        return ConversionFileSFTPHook("sftp_shop")

    def test_lists_regular_files_by_name(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """Folders and dot files are left out; times are UTC."""
        inbox.put("b.csv", b"12")
        inbox.put("a.csv", b"1")
        inbox.put(".hidden.csv")
        (inbox.folder / "folder.csv").mkdir()
        listed = hook.list_files(str(inbox.folder))
        assert [(stamp.name, stamp.size) for stamp in listed] == [("a.csv", 1), ("b.csv", 2)]
        assert listed[0].mtime.timestamp() == int((inbox.folder / "a.csv").stat().st_mtime)

    def test_a_managed_connection_is_one_login(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """Everything in one ``with`` block goes over one session."""
        path = inbox.put("a.csv", b"abc")
        before = inbox.server.logins()
        with hook.get_managed_conn():
            hook.list_files(str(inbox.folder))
            hook.check_size(str(path), 3)
            with hook.open_read(str(path)) as stream:
                assert stream.read() == b"abc"
        assert inbox.server.logins() - before == 1

    def test_reads_a_large_file_as_a_stream(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """Reading in blocks gives the file's bytes."""
        content = bytes(range(256)) * 40_000
        path = inbox.put("a.csv", content)
        with hook.open_read(str(path)) as stream:
            assert b"".join(iter(lambda: stream.read(1 << 16), b"")) == content

    def test_moves_and_never_replaces(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """A file can be renamed, but not over another one."""
        first, second = inbox.put("a.csv", b"1"), inbox.put("b.csv", b"2")
        with pytest.raises(StorageError):
            hook.move(str(first), str(second))
        assert second.read_bytes() == b"2"
        hook.move(str(first), str(inbox.folder / "c.csv"))
        assert (inbox.folder / "c.csv").read_bytes() == b"1"

    def test_wrong_size_is_an_error(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """A size check says how many bytes there are."""
        path = inbox.put("a.csv", b"abc")
        with pytest.raises(StorageError, match="3 bytes, not 4"):
            hook.check_size(str(path), 4)

    def test_missing_file_and_folder(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """What isn't there is said with its place."""
        with pytest.raises(FileMissingError):
            hook.stat_file(str(inbox.folder / "nothing.csv"))
        with pytest.raises(FileMissingError):
            hook.list_files(str(inbox.folder / "nowhere"))

    def test_a_relative_path_is_refused(self, hook: ConversionFileSFTPHook, inbox: Inbox) -> None:
        """Files are named by URIs, which have no login folder."""
        before = inbox.server.logins()
        with pytest.raises(ConfigError, match="absolute"):
            hook.list_files("outgoing")
        assert inbox.server.logins() == before

    def test_reads_the_connection_as_operators_do(self, inbox: Inbox, add_connection: AddConnection) -> None:
        """A connection that the operators refuse is refused here, in the same words."""
        real = inbox.server.connection("sftp_shop")
        both = replace(real, extra={**real.extra, "no_host_key_check": "true"})
        add_connection(both)
        with pytest.raises(ConfigError) as by_operators, open_files("sftp://sftp_shop@/", AirflowConnections()):
            pass
        with pytest.raises(ConfigError) as by_hook:
            ConversionFileSFTPHook("sftp_shop").list_files(str(inbox.folder))
        assert str(by_hook.value) == str(by_operators.value)

    def test_wrong_host_key_fails_at_once(
        self, hook: ConversionFileSFTPHook, inbox: Inbox, add_connection: AddConnection, tmp_path: Path
    ) -> None:
        """Another server than the pinned one is refused without a second try."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
        other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
        real = inbox.server.connection("sftp_shop")
        add_connection(replace(real, extra={**real.extra, "host_key": other}))
        started = time.monotonic()
        with pytest.raises(HostKeyError):
            ConversionFileSFTPHook("sftp_shop").list_files(str(inbox.folder))
        assert time.monotonic() - started < 2

    def test_unknown_host_key_is_refused(
        self, inbox: Inbox, add_connection: AddConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A server that nothing vouches for is not trusted."""
        monkeypatch.setenv("HOME", str(tmp_path))
        real = inbox.server.connection("sftp_shop")
        add_connection(replace(real, extra={"key_file": str(inbox.server.client_key)}))
        with pytest.raises(HostKeyError, match="unknown"):
            ConversionFileSFTPHook("sftp_shop").list_files(str(inbox.folder))

    def test_refused_login_is_permanent(self, inbox: Inbox, add_connection: AddConnection, tmp_path: Path) -> None:
        """A key that the server doesn't know is no reason to try again."""
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)
        real = inbox.server.connection("sftp_shop")
        add_connection(replace(real, extra={**real.extra, "key_file": str(tmp_path / "stranger")}))
        with pytest.raises(StorageDeniedError):
            ConversionFileSFTPHook("sftp_shop").list_files(str(inbox.folder))

    def test_refused_connection_may_pass(self, inbox: Inbox, add_connection: AddConnection) -> None:
        """A server that is down is worth another try later."""
        add_connection(inbox.server.connection("sftp_shop", port=1))
        with pytest.raises(StorageUnavailableError) as caught:
            ConversionFileSFTPHook("sftp_shop").list_files(str(inbox.folder))
        assert caught.value.retryable


class TestTikTokHook:
    """The connection form's *Test*, and the client behind it."""

    @pytest.fixture(name="connection")
    def _connection(self, api: RunningSimulator) -> Connection:
        return Connection(
            conn_id="tiktok_shop",
            conn_type="tiktok",
            host=api.url,
            password=ACCESS_TOKEN,
            extra={"app_id": APP_ID, "app_secret": APP_SECRET, "advertiser_id": ADVERTISER_ID},
        )

    def test_says_what_the_token_reaches(self, connection: Connection, add_connection: AddConnection) -> None:
        """A good connection passes and names what was seen."""
        add_connection(connection)
        works, text = TikTokHook("tiktok_shop").test_connection()
        assert works, text
        assert "2 ad account(s)" in text

    def test_a_token_that_nobody_looked_at_is_no_success(
        self, connection: Connection, add_connection: AddConnection
    ) -> None:
        """Without an ad account and without the app there is nothing to ask TikTok for; the form asks for one."""
        add_connection(replace(connection, extra={}))
        works, text = TikTokHook("tiktok_shop").test_connection()
        assert not works
        assert "advertiser id" in text

    def test_bad_token(self, connection: Connection, add_connection: AddConnection) -> None:
        """A token that TikTok doesn't know fails the test, and isn't repeated."""
        add_connection(replace(connection, password="not-a-token-of-anybody"))
        works, text = TikTokHook("tiktok_shop").test_connection()
        assert not works
        assert "not-a-token-of-anybody" not in text

    def test_no_token_and_no_connection(self, connection: Connection, add_connection: AddConnection) -> None:
        """What is missing is named."""
        add_connection(replace(connection, password=None))
        works, text = TikTokHook("tiktok_shop").test_connection()
        assert not works
        assert "no access token" in text
        with pytest.raises(ConfigError, match="tiktok_nowhere"):
            TikTokHook("tiktok_nowhere").get_conn()

    def test_event_set_operator_makes_one_and_finds_it_again(
        self, connection: Connection, add_connection: AddConnection
    ) -> None:
        """Running it twice makes one event set."""
        add_connection(connection)
        ids = {
            TikTokOfflineEventSetOperator(
                task_id="event_set", advertiser_id=ADVERTISER_ID, name="In-store 2026", tiktok_conn_id="tiktok_shop"
            ).execute(Run().context())
            for _ in range(2)
        }
        assert len(ids) == 1
        assert ids.pop().isdigit()


def test_the_hook_reports_what_was_attributed(api: RunningSimulator, add_connection: AddConnection) -> None:
    """As Arrow, Polars and pandas, with the account's currency and time zone beside each line."""
    add_connection(Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password=ACCESS_TOKEN))
    query = ReportQuery(start=date(2026, 11, 1), end=date(2026, 11, 3), level="campaign", by_day=True)
    report = TikTokHook().offline_report(ADVERTISER_ID, query)
    arrow, polars, pandas = report.to_arrow(), report.to_polars(), report.to_pandas()
    assert arrow.num_rows == polars.height == len(pandas) == 3
    assert polars["spend"].to_list() == pandas["spend"].tolist() == arrow["spend"].to_pylist() == [50.0] * 3
    assert set(polars["currency"]) == {"USD"}
