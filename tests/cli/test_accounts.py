"""``auth`` and ``event-sets`` against the simulator."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.cli.grants import TokenStoreAt, keep
from airflow_provider_tiktok_offline.simulator.defaults import ANALYST_TOKEN, EVENTS_TOKEN
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.tiktok.grant_connection import GrantConnection
from airflow_provider_tiktok_offline.tiktok.oauth import SCOPES, SEND_EVENTS, Grant, scopes_of
from airflow_provider_tiktok_offline.tiktok.token_store import ObjectTokenStore
from tests.cli.conftest import Cli
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, APP_ID, APP_SECRET, EVENT_SET_ID, RunningSimulator


def test_event_sets_are_made_renamed_tracked_and_deleted(cli: Cli, tiktok: RunningSimulator) -> None:
    """One command each; making one that is there returns its id."""
    account = ("--advertiser-id", ADVERTISER_ID, "--api-url", tiktok.url)
    made = cli.done("event-sets", "create", "Shop sales", *account).strip()
    assert cli.done("event-sets", "create", "Shop sales", *account).strip() == made
    cli.done("event-sets", "rename", made, "All shops", *account)
    cli.done("event-sets", "auto-tracking", made, "--on", *account)
    found = {one["event_set_id"]: one for one in json.loads(cli.done("event-sets", "list", "--json", *account))}
    assert (found[made]["name"], found[made]["auto_tracking"]) == ("All shops", True)
    assert "nothing was deleted" in cli.error("event-sets", "delete", made, *account, typed="Shop sales\n")
    cli.done("event-sets", "delete", made, *account, typed="All shops\n")
    assert made not in cli.done("event-sets", "list", *account)


def test_an_expiring_grant_is_taken_from_its_token_store(
    cli: Cli, tiktok: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands find the token where the tasks do."""
    grant = Grant(access_token=ACCESS_TOKEN, refresh_token="r1", expires_at=datetime.now(UTC) + timedelta(days=1))
    ObjectTokenStore(open_objects(str(tmp_path)), "grant").save(grant, None)
    extra = {"token_store": f"{tmp_path}/grant", "app_id": APP_ID, "app_secret": APP_SECRET}
    monkeypatch.delenv("TIKTOK_ACCESS_TOKEN", raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_TIKTOK_DEFAULT", json.dumps({"conn_type": "tiktok", "extra": extra}))
    listed = cli.done("event-sets", "list", "--json", "--advertiser-id", ADVERTISER_ID, "--api-url", tiktok.url)
    assert EVENT_SET_ID in {one["event_set_id"] for one in json.loads(listed)}
    assert ACCESS_TOKEN not in listed


def test_an_account_must_be_named(cli: Cli, tiktok: RunningSimulator) -> None:
    """Neither an id nor a configuration is one clear error."""
    assert "--advertiser-id" in cli.error("event-sets", "list", "--api-url", tiktok.url)


def test_a_missing_token_is_one_error(cli: Cli) -> None:
    """The variable to set is named."""
    assert "TIKTOK_ACCESS_TOKEN" in cli.error("event-sets", "list", "--advertiser-id", "1")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Stops where a browser would go on, to somebody else's server."""

    def redirect_request(self, *args: object) -> None:
        return None


def _confirm(address: str, *handlers: urllib.request.BaseHandler) -> str:
    """Do what an admin's browser does, and return the address it was sent to."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    try:
        with opener.open(f"{address}&auto_confirm=1", timeout=100) as answer:
            return str(answer.url)
    except urllib.error.HTTPError as error:
        return str(error.headers["Location"])


def _login(cli: Cli, tiktok: RunningSimulator, *args: str, confirm: Callable[[str], str]) -> tuple[str, str, int]:
    """Run ``auth login`` to its end; ``confirm(address)`` gives what is typed."""
    process = cli.start("auth", "login", "--app-id", APP_ID, "--api-url", tiktok.url, *args, PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    deadline = threading.Timer(200, process.kill)
    deadline.start()
    try:
        lines = iter(process.stdout.readline, "")
        address = next(line.strip() for line in lines if line.startswith(tiktok.url))
        return *process.communicate(confirm(address), timeout=200), process.returncode
    finally:
        deadline.cancel()
        process.kill()


def test_login_runs_the_whole_grant_in_a_browser(cli: Cli, tiktok: RunningSimulator) -> None:
    """The redirect is taken on loopback; token and secret are in a file for its owner alone, and not on the screen."""
    output, errors, code = _login(cli, tiktok, "--port", "0", "--no-browser", confirm=lambda it: _confirm(it) and "")
    assert code == 0, errors
    assert f"  {ADVERTISER_ID}  Corner Shop" in output
    said = output.partition("airflow connections import ")[2].split()[0]
    file = Path(said)
    assert file.stat().st_mode & 0o777 == 0o600
    connection = json.loads(file.read_text())["tiktok_default"]
    file.unlink()
    assert connection["extra"]["app_secret"] == APP_SECRET
    assert scopes_of(connection["extra"]) == set(SCOPES)
    assert not [secret for secret in (APP_SECRET, connection["password"]) if secret in output + errors]


def test_a_grant_is_kept_whatever_fails_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Airflow, a full disk under the token store, a folder that is gone: the admin is not asked again."""
    grant = Grant(access_token="the-t0ken", refresh_token="the-refr3sh")
    connection = GrantConnection(access_token=grant.access_token)
    (tmp_path / "here").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    store = TokenStoreAt(f"{tmp_path}/tokens/shop")
    (tmp_path / "tokens").write_text("no folder")
    keep(grant, connection, store, add=True, show_secrets=False)
    kept = {file.name: file.read_text() for file in (tmp_path / "here").iterdir()}
    assert "the-t0ken" in kept["tiktok_default.connection.json"]
    assert "the-refr3sh" in kept["tiktok_default.grant.json"]
    keep(grant, connection, None, add=False, show_secrets=False)
    assert (tmp_path / "here" / "tiktok_default-2.connection.json").stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr()
    assert "the-t0ken" not in said.out + said.err
    shutil.rmtree(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "tokens"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tokens"))
    keep(grant, connection, None, add=False, show_secrets=False)
    assert "the-t0ken" in capsys.readouterr().err


def test_an_impatient_user_does_not_lose_the_grant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while ``airflow connections import`` runs, which takes many seconds, ends in a file."""
    # Whoever runs the tests in the background has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    airflow = tmp_path / "bin" / "airflow"
    airflow.parent.mkdir()
    airflow.write_text("#!/bin/sh\nkill -INT $PPID\nsleep 30\n")
    airflow.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{airflow.parent}:/bin:/usr/bin")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    try:
        keep(
            Grant(access_token="the-t0ken"),
            GrantConnection(access_token="the-t0ken"),
            None,
            add=True,
            show_secrets=False,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert "the-t0ken" in (tmp_path / "tiktok_default.connection.json").read_text()
    assert "KeyboardInterrupt" in capsys.readouterr().err


def test_login_takes_the_address_of_somebody_elses_browser(cli: Cli, tiktok: RunningSimulator) -> None:
    """With --paste the admin may sit elsewhere; --show-secrets prints a connection that works."""
    args = ("--paste", "--redirect-uri", "https://example.com/done", "--show-secrets")
    output, errors, code = _login(cli, tiktok, *args, confirm=lambda address: _confirm(address, _Stay()) + "\n")
    assert code == 0, errors
    connection = next(line for line in output.splitlines() if line.startswith("{"))
    account = ("--advertiser-id", ADVERTISER_ID)
    assert EVENT_SET_ID in cli.done(
        "event-sets", "list", *account, TIKTOK_ACCESS_TOKEN="", AIRFLOW_CONN_TIKTOK_DEFAULT=connection
    )


def test_login_names_the_permissions_that_were_not_granted(cli: Cli, tiktok: RunningSimulator) -> None:
    """The admin may grant less than the app asks for: sign-in goes through and says what is missing."""
    args = ("--port", "0", "--no-browser")
    _, errors, code = _login(cli, tiktok, *args, confirm=lambda it: _confirm(f"{it}&scope={SEND_EVENTS}") and "")
    assert code == 0, errors
    said = " ".join(errors.split())
    assert "lacks the permission to create, update and delete offline event sets (7050363942434095105)" in said
    assert "read reports (44)" in said
    assert "send events" not in said


def test_login_refuses_a_redirect_of_another_try(cli: Cli, tiktok: RunningSimulator) -> None:
    """The state says which authorisation an address belongs to."""
    args = ("auth", "login", "--app-id", APP_ID, "--paste", "--redirect-uri", "https://example.com/done")
    typed = "https://example.com/done?auth_code=abc&state=other\n"
    assert "does not belong to this authorisation" in cli.error(*args, "--api-url", tiktok.url, typed=typed)


def test_check_says_what_the_token_reaches(cli: Cli, tiktok: RunningSimulator) -> None:
    """One line a finding; a token that may only send is no bad token."""
    args = ("auth", "check", "--advertiser-id", ADVERTISER_ID, "--app-id", APP_ID, "--api-url", tiktok.url)
    assert "reaches 2 ad account(s)" in cli.done(*args)
    assert "is not reached" in cli(*args[:3], "7999", *args[4:]).stdout
    assert "may only send" in cli.done(*args, TIKTOK_ACCESS_TOKEN=EVENTS_TOKEN)
    assert cli(*args, TIKTOK_ACCESS_TOKEN="none").returncode == 2


def test_check_proves_the_role_of_an_entry(cli: Cli, tiktok: RunningSimulator) -> None:
    """Reading does not show the role, writing the event set's own name back does."""
    config = cli.home / "advertisers.yaml"
    config.write_text(
        f'advertisers: [{{name: a, advertiser_id: "{ADVERTISER_ID}", event_set_id: "{EVENT_SET_ID}", '
        "state_uri: /nowhere, source: {path: /x.csv}}]"
    )
    args = ("auth", "check", "--config", config, "--prove-role", "--api-url", tiktok.url)
    assert "role: Admin or Operator" in cli.done(*args)
    refused = cli(*args, TIKTOK_ACCESS_TOKEN=ANALYST_TOKEN)
    assert refused.returncode == 2
    assert "must be Admin or Operator" in refused.stdout


def test_revoke_lists_what_hangs_on_the_token_and_asks(cli: Cli, tiktok: RunningSimulator) -> None:
    """Nothing happens on no; afterwards the token is bad."""
    args = ("auth", "revoke", "--app-id", APP_ID, "--api-url", tiktok.url)
    refused = cli(*args, typed="n\n")
    assert refused.returncode == 2
    assert "reaches 2 ad account(s)" in refused.stdout
    assert "revoked" in cli.done(*args, typed="y\n")
    assert "40105" in cli.error("event-sets", "list", "--advertiser-id", ADVERTISER_ID, "--api-url", tiktok.url)


@pytest.mark.parametrize("secret", [ACCESS_TOKEN, APP_SECRET])
def test_no_secret_is_printed_by_an_error(cli: Cli, tiktok: RunningSimulator, secret: str) -> None:
    """Neither token nor secret is part of a message, also with --debug."""
    tiktok.control.revoke(ACCESS_TOKEN)
    result = cli("--debug", "auth", "revoke", "--app-id", APP_ID, "--yes", "--api-url", tiktok.url)
    assert result.returncode != 0
    assert secret not in result.stdout + result.stderr


def test_a_report_is_shown_and_kept(cli: Cli, tiktok: RunningSimulator, tmp_path: Path) -> None:
    """As a table, as JSON, and into the advertiser's state as the task does."""
    account = ("--advertiser-id", ADVERTISER_ID, "--api-url", tiktok.url)
    shown = cli.done("report", *account, "--start", "2026-11-01", "--end", "2026-11-03")
    assert [line.split()[1] for line in shown.splitlines()[1:4]] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    lines = json.loads(cli.done("report", *account, "--level", "ad", "--total", "--event", "Schedule", "--json"))
    assert {line["currency"] for line in lines} == {"USD"}
    assert all("offline_total_schedule" in line for line in lines)
    assert "StartTrial" in cli.error("report", *account, "--event", "StartTrial")
    assert "is no day" in cli.error("report", *account, "--start", "yesterday")
    config = tmp_path / "advertisers.yaml"
    config.write_text(
        f"advertisers: [{{name: shop, advertiser_id: '{ADVERTISER_ID}', event_set_id: '{EVENT_SET_ID}',"
        f" state_uri: '{tmp_path}/state', source: {{path: /drop/x.csv}}}}]"
    )
    assert "numbers kept" in cli.done("report", "--config", str(config), "--keep", "--api-url", tiktok.url)
    assert (tmp_path / "state" / "advertisers" / "shop" / "attribution" / "_delta_log").is_dir()
