"""``ledger``: looking into what was sent, and correcting it by hand."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tests.cli.conftest import Cli
from tests.cli.sales import AS_OF, entry, prepared_ids, rows
from tests.servers.simulator import RunningSimulator

ENTRY = ("--config", "advertisers.yaml", "--advertiser", "shop")


def _status(cli: Cli) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(cli.done("ledger", "status", *ENTRY, "--json"))
    return status


def _send(cli: Cli, shop: tuple[str, ...], file: str = "sales.csv") -> dict[str, int]:
    events: dict[str, int] = json.loads(cli.done("upload", file, *shop, "--as-of", AS_OF, "--json"))["events"]
    return events


def test_all_ledgers_are_made_by_one_command(cli: Cli) -> None:
    """One that can't be made is named, and costs the others nothing."""
    whole = entry(cli.home)
    lost = {**whole, "name": "lost", "event_set_id": "7000000000000000299", "state_uri": "s3://nowhere@bucket/state"}
    other = {**whole, "name": "other", "event_set_id": "7000000000000000298"}
    (cli.home / "advertisers.yaml").write_text(json.dumps({"advertisers": [whole, lost, other]}))
    said = cli("ledger", "init", "--config", "advertisers.yaml", "--all")
    assert said.returncode == 2
    assert "lost: connection nowhere: there is no such connection" in said.stderr
    for made in (whole, other):
        assert f"The ledger of event set {made['event_set_id']} is ready" in said.stdout


def test_a_delivery_can_be_looked_at_from_every_side(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """By ledger, by file, by event, by day and by order, and as one file."""
    event_id = sorted(prepared_ids(cli.home))[0]
    _send(cli, shop)
    assert _status(cli)["events"] == {"accepted": 30}
    assert "accepted 30" in cli.done("ledger", "status", *ENTRY)
    (delivery,) = json.loads(cli.done("ledger", "files", *ENTRY, "--json"))
    assert (delivery["status"], delivery["file_name"], delivery["mode"]) == ("closed", "sales.csv", "live")
    assert f"{delivery['id']}  live" in cli.done("ledger", "files", *ENTRY)
    assert json.loads(cli.done("ledger", "show", event_id, *ENTRY, "--json"))[0]["outcome"] == "accepted"
    assert "never heard" in cli.done("ledger", "show", "v1-00000000000000000000000000000000", *ENTRY)
    today = delivery["opened_at"][:10]
    day = json.loads(cli.done("ledger", "audit", "--date", today, *ENTRY, "--json"))
    assert [one["file_name"] for one in day["deliveries"]] == ["sales.csv"]
    cli.done("ledger", "export", "ledger.parquet", *ENTRY)
    assert pl.read_parquet(cli.home / "ledger.parquet").height == 30


def test_orders_are_looked_up(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Whether each was sent, and that one was never heard of."""
    _send(cli, shop)
    (cli.home / "orders.csv").write_text("order_id\no-1\no-7\nunknown-1\n")
    lines = cli.done("ledger", "audit", "--order-ids", "orders.csv", *ENTRY).splitlines()
    found = {line.split()[0]: "accepted" in line for line in lines[1:]}
    assert found == {"o-1": True, "o-7": True, "unknown-1": False}


def test_a_request_to_be_forgotten_is_recorded_without_the_order(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """By which file each was sent; the record holds event keys, date and operator."""
    _send(cli, shop)
    (cli.home / "orders.csv").write_text("order_id\no-1\nunknown-1\n")
    found = cli.done("ledger", "audit", "--order-ids", "orders.csv", "--forget", *ENTRY)
    assert "sales.csv" in found
    assert "not found" in found
    [record] = [json.loads(line) for line in cli.done("ledger", "audit", *ENTRY).splitlines()]
    assert record["action"] == "forget-request"
    assert [len(key) for key in record["event_keys"]] == [32]
    assert record["actor"]
    assert "o-1" not in json.dumps({key: value for key, value in record.items() if key != "at"})


def test_adopted_files_are_not_sent(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Whatever their age: what was delivered by other means counts as sent, and the reason is kept."""
    (cli.home / "old.csv").write_text(rows(20).replace("2026-11-21", "2026-01-21").replace("o-", "old-"))
    assert "20 of 20 events" in cli.done("ledger", "adopt", "old.csv", *ENTRY, "--reason", "go-live")
    cli.done("ledger", "adopt", "sales.csv", *ENTRY, "--reason", "sent by the agency")
    (cli.home / "more.csv").write_text(rows(32))
    assert _send(cli, shop, "more.csv") == {"already_sent": 30, "accepted": 2}
    assert "delivered already" in cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    log = [json.loads(line) for line in cli.done("ledger", "audit", *ENTRY).splitlines()]
    assert [(entry["action"], entry["reason"]) for entry in log] == [
        ("adopt", "go-live"),
        ("adopt", "sent by the agency"),
    ]


def test_a_reason_is_needed(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """The audit trail keeps it."""
    assert cli("ledger", "adopt", "sales.csv", *ENTRY).returncode == 2
    assert "--reason" in cli.error("ledger", "adopt", "sales.csv", *ENTRY, "--reason", " ")


@pytest.mark.parametrize("by", ["file", "delivery", "day"])
def test_a_reopened_delivery_goes_out_again(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...], by: str) -> None:
    """Named by its file, its id or its day."""
    _send(cli, shop)
    (delivery,) = json.loads(cli.done("ledger", "files", *ENTRY, "--json"))
    what = {"file": "sales.csv", "delivery": delivery["id"], "day": delivery["updated_at"][:10]}[by]
    assert "30 events" in cli.done("ledger", "reopen", what, *ENTRY, "--reason", "rejected")
    assert _send(cli, shop) == {"accepted": 30}
    assert set(tiktok.times_received().values()) == {2}


def test_a_delivery_is_marked_as_erroneous_and_stays_sent(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """TikTok can't give it back."""
    _send(cli, shop)
    cli.done("ledger", "mark-erroneous", "sales.csv", *ENTRY, "--reason", "test data")
    assert _status(cli)["events"] == {"accepted": 30}
    assert "no such delivery" in cli.error("ledger", "mark-erroneous", "other.csv", *ENTRY, "--reason", "x")


def test_events_in_doubt_need_a_decision(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Which of the two must be said."""
    assert "--assume-sent" in cli.error("ledger", "resolve", *ENTRY, "--reason", "x")
    assert "0 events" in cli.done("ledger", "resolve", *ENTRY, "--resend", "--reason", "x")


def test_a_lost_ledger_is_rebuilt_from_the_files(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Nothing is sent before; afterwards nothing is sent twice."""
    _send(cli, shop)
    (meta,) = (cli.home / "state").rglob("meta.json")
    meta.unlink()
    (cli.home / "more.csv").write_text(rows(33))
    cli.error("upload", "more.csv", *shop, "--as-of", AS_OF)
    cli.done("ledger", "rebuild", "sales.csv", *ENTRY, "--reason", "bucket was lost")
    assert _send(cli, shop, "more.csv") == {"already_sent": 30, "accepted": 3}


def test_a_change_of_identity_needs_a_cut_over(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Otherwise everything would be sent again under new ids."""
    _send(cli, shop)
    file = cli.home / "advertisers.yaml"
    content = json.loads(file.read_text())
    content["advertisers"][0]["event_identity"] = ["order_id"]
    file.write_text(json.dumps(content))
    (cli.home / "more.csv").write_text(rows(33))
    assert "tiktok-offline ledger acknowledge" in cli.error("upload", "more.csv", *shop, "--as-of", AS_OF)
    cli.done("ledger", "acknowledge", *ENTRY, "--send-from", "2026-11-22", "--reason", "new register ids")
    summary = json.loads(cli.done("upload", "more.csv", *shop, "--as-of", AS_OF, "--json"))
    assert summary["events"].get("accepted", 0) == 0


def test_the_ledger_is_kept_small(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Expiring and compacting lose nothing that still matters."""
    _send(cli, shop)
    cli.done("ledger", "expire", *ENTRY)
    cli.done("ledger", "compact", *ENTRY)
    assert _status(cli)["events"] == {"accepted": 30}


def test_the_route_is_switched_by_hand(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """One event set has one live route."""
    _send(cli, shop)
    cli.done("ledger", "switch-route", "--to", "liveramp", *ENTRY, "--reason", "campaign moved")
    assert _status(cli)["route"] == "liveramp"
    (cli.home / "more.csv").write_text(rows(33))
    assert "switch-route --to tiktok" in cli.error("upload", "more.csv", *shop, "--as-of", AS_OF)


def test_a_missing_ledger_is_one_error(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Every command that needs it says how to make it."""
    file = cli.home / "advertisers.yaml"
    file.write_text(file.read_text().replace("/state", "/elsewhere"))
    assert "ledger init" in cli.error("ledger", "status", *ENTRY)
