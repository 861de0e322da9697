"""From a till's own file to events that TikTok has taken, with what ``config from-file`` proposed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_tiktok_offline.cli.app import app
from tests.onboarding.exports import EXPORTS, GERMAN_TILL, SHOP_ORDERS, TERMINAL_TRANSACTIONS, Export
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator, simulator

AS_OF = "2026-11-22"

#: What a person would say of each sale: (first identifier, value, currency, seconds since 1970, order).
SALES = {
    GERMAN_TILL.name: {
        ("anna.müller@example.de", 1299.0, "EUR", 1795165269, "4711"),
        ("+491712345678", 12.5, "EUR", 1795165530, "4712"),
        ("carla@example.de", 89.95, "EUR", 1795170600, "4715"),
    },
    SHOP_ORDERS.name: {
        ("anna@example.com", 45.9, "USD", 1795186860, "#1001"),
        ("bob@example.com", 19.99, "USD", 1795186930, "#1002"),
        ("+12133734254", 120.0, "USD", 1795237199, "#1003"),
    },
    TERMINAL_TRANSACTIONS.name: {
        ("anna@example.co.uk", 1299.0, "GBP", 1795179900, "TX-9001"),
        ("bob@example.co.uk", 8.5, "GBP", 1795180500, "TX-9002"),
    },
}


@pytest.fixture(scope="module")
def tiktok() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


def run(*arguments: str) -> str:
    """One command, in this process; what it printed."""
    done = CliRunner().invoke(app, list(arguments), env={"TIKTOK_ACCESS_TOKEN": ACCESS_TOKEN, "COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.name)
def test_an_export_becomes_accepted_events(
    export: Export, tiktok: RunningSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four commands; nothing is written by hand but account, currency, region, time zone and ``mode: live``."""
    tiktok.control.reset()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIKTOK_OFFLINE_STATE", str(tmp_path / "state"))
    Path(export.name).write_bytes(export.content)
    account = ("--advertiser-id", ADVERTISER_ID, "--event-set-id", EVENT_SET_ID)
    run("config", "from-file", export.name, "-o", "advertisers.yaml", "--as-of", AS_OF, *account, *export.options)
    config = Path("advertisers.yaml")
    config.write_text(config.read_text().replace("mode: dry_run", "mode: live"))
    run("ledger", "init", "--config", "advertisers.yaml")
    upload = ("upload", export.name, "--config", "advertisers.yaml", "--api-url", tiktok.url, "--as-of", AS_OF)
    summary = json.loads(run(*upload, "--json"))
    assert summary["events"] == {"accepted": export.valid}
    expected = {
        (hashlib.sha256(who.encode()).hexdigest(), value, currency, moment, order)
        for who, value, currency, moment, order in SALES[export.name]
    }
    assert {_said(item) for item in tiktok.items().values()} == expected


def _said(item: dict[str, object]) -> tuple[object, ...]:
    user, properties = item["user"], item["properties"]
    assert isinstance(user, dict)
    assert isinstance(properties, dict)
    identifiers = user.get("email") or user["phone"]
    return identifiers[0], properties["value"], properties["currency"], item["event_time"], properties["order_id"]
