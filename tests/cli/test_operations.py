"""``doctor`` and ``offboard``: before the first delivery, and after the last."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.tiktok.grant_connection import GrantConnection
from airflow_provider_tiktok_offline.tiktok.oauth import (
    READ_EVENT_SETS,
    READ_REPORTS,
    SCOPES,
    SEND_EVENTS,
    WRITE_EVENT_SETS,
)
from tests.cli.conftest import Cli
from tests.cli.sales import AS_OF, rows
from tests.servers.moving import moved
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator

ENTRY = ("--config", "advertisers.yaml")


def _change(cli: Cli, **settings: object) -> None:
    file = cli.home / "advertisers.yaml"
    content = json.loads(file.read_text())
    content["advertisers"][0] |= settings
    file.write_text(json.dumps(content))


def test_a_healthy_advertiser_passes(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Every line says ok, or what is worth a thought; nothing is sent."""
    (cli.home / "in").mkdir()
    _change(cli, source={"path": str(cli.home / "in" / "sales.csv")})
    shown = cli.done("doctor", *ENTRY, "--prove-role", *shop[4:])
    for subject in (
        "connections",
        "access token",
        "event set",
        "role",
        "source",
        "state",
        "clock",
        "staging",
        "ledger",
    ):
        assert any(line.startswith("ok") and subject in line for line in shown.splitlines()), subject
    assert tiktok.control.summary().events_received == 0


@pytest.mark.parametrize(
    ("settings", "environ", "said"),
    [
        ({"event_set_id": "7000000000000000999"}, {}, "has no offline event set 7000000000000000999"),
        ({"source": {"path": "/none/there.csv"}}, {}, "failed  source"),
        ({"source": {"conn_id": "sftp_shop", "path": "/x.csv"}}, {}, "sftp_shop is missing"),
        ({"state_uri": "/proc/none"}, {}, "failed  state"),
        ({}, {"TIKTOK_ACCESS_TOKEN": "wrong"}, "failed  access token"),
        ({}, moved(timedelta(hours=1)), "differ by 3600 seconds"),
        ({"event_identity": ["order_id"]}, {}, "failed  ledger"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    cli: Cli,
    tiktok: RunningSimulator,
    shop: tuple[str, ...],
    settings: dict[str, object],
    environ: dict[str, str],
    said: str,
) -> None:
    """With what to do, and exit code 2."""
    _change(cli, **settings)
    result = cli("doctor", *ENTRY, *shop[4:], **environ)
    assert result.returncode == 2
    assert said in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("granted", "status", "lacking"),
    [
        ({READ_EVENT_SETS, WRITE_EVENT_SETS, READ_REPORTS}, "failed", f"send events ({SEND_EVENTS})"),
        ({SEND_EVENTS, READ_EVENT_SETS, WRITE_EVENT_SETS}, "warning", f"read reports ({READ_REPORTS})"),
        (set(SCOPES), "", ""),
        (set(), "", ""),
    ],
)
def test_a_permission_that_was_not_granted_is_named(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...], granted: set[int], status: str, lacking: str
) -> None:
    """Also the one to send, which no call shows that only reads: sign-in has noted it in the connection."""
    connection = GrantConnection(access_token=ACCESS_TOKEN, base_url=tiktok.url, scope=tuple(granted))
    noted = {"TIKTOK_ACCESS_TOKEN": "", "AIRFLOW_CONN_TIKTOK_DEFAULT": connection.to_json(show_secrets=True)}
    shown = " ".join(cli("doctor", *ENTRY, **noted).stdout.split())
    assert (f"{status} scopes: at sign-in the grant lacked the permission to {lacking}." in shown) is bool(lacking)
    assert ("at sign-in" in shown) is bool(lacking)


def test_a_connection_that_takes_any_server_is_warned_of(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """The switch is named, and what it gives away."""
    _change(cli, source={"conn_id": "sftp_shop", "path": "/x.csv"})
    connection = json.dumps({"conn_type": "sftp", "host": "127.0.0.1", "port": 9, "extra": {"known_hosts": "none"}})
    said = " ".join(cli("doctor", *ENTRY, *shop[4:], AIRFLOW_CONN_SFTP_SHOP=connection).stdout.split())
    assert "warning connections: sftp_shop: known_hosts takes any server for the right one" in said


def test_offboarding_removes_an_advertisers_state_and_leaves_the_record(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """The name must be typed; afterwards nothing of it can be sent without a new ledger."""
    cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    args = ("offboard", "shop", *ENTRY, "--reason", "contract ended")
    assert "nothing was removed" in cli.error(*args, typed="shopp\n")
    assert "1 deliveries" in cli.done(*args, typed="shop\n")
    left = [str(file) for file in (cli.home / "state").rglob("*") if file.is_file() and file.name != ".lock"]
    assert all("/records" in name or "/audit/" in name for name in left), left
    assert any("/records/" in name and name.endswith(".parquet") for name in left)
    (cli.home / "more.csv").write_text(rows(40))
    cli.error("upload", "more.csv", *shop, "--as-of", AS_OF)


def test_the_status_shows_what_was_delivered(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """The counts of the ledger and the simulator, as a table and as JSON, and doctor's last look."""
    cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    cli("doctor", *ENTRY, *shop[4:])
    [shown] = json.loads(cli.done("status", *ENTRY, "--json"))["advertisers"]
    [delivery] = shown["deliveries"]
    assert delivery["events"] == {"accepted": len(tiktok.event_ids())} == {"accepted": 30}
    assert delivery["state"] == "closed"
    assert {finding["status"] for finding in shown["doctor"]["findings"]} >= {"ok", "failed"}
    table = cli.done("status", *ENTRY)
    assert "closed" in table
    assert "doctor" in table
