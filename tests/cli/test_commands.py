"""The command line as such: help, configuration, samples, the simulator."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jsonschema
import pytest
import typer.main

from airflow_provider_tiktok_offline.cli.app import app
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.shared_event_sets import conflicts
from airflow_provider_tiktok_offline.simulator.control_client import Control
from tests.cli.conftest import Cli
from tests.servers.simulator import RunningSimulator


def _paths(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, below in command.commands.items():
        if hasattr(below, "commands"):
            yield (*path, name)
            yield from _paths(below, (*path, name))
        else:
            yield (*path, name)


COMMANDS = sorted(_paths(typer.main.get_command(app)))


def _leaf(command: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", COMMANDS, ids="-".join)
def test_every_command_says_what_it_does(path: tuple[str, ...]) -> None:
    """Help begins with a sentence; a command shows examples that begin with its own name."""
    command = _leaf(typer.main.get_command(app), path)
    assert command.help
    if not hasattr(command, "commands"):
        assert f"$ tiktok-offline {' '.join(path)}" in command.epilog
        assert all(one.help for one in command.params if one.param_type_name == "option")


#: Commands that tell what they found: each has ``--json``.
REPORTING = {
    "auth check", "backtest", "config check", "doctor", "event-sets list", "ledger audit", "ledger compact",
    "ledger expire", "ledger files", "ledger show", "ledger status", "liveramp check", "liveramp deliver",
    "liveramp files", "prepare", "report", "status", "upload", "validate",
}  # fmt: skip
#: Commands that ask a person, change one thing, write a file, or print JSON in any case.
OTHERS = {
    "auth login", "auth revoke", "config from-file", "config init", "config schema", "demo", "event-sets auto-tracking",
    "event-sets create", "event-sets delete", "event-sets rename", "events", "ledger acknowledge", "ledger adopt",
    "ledger break-lease", "ledger export", "ledger init", "ledger mark-erroneous", "ledger rebuild", "ledger reopen",
    "ledger resolve", "ledger switch-route", "liveramp accept", "liveramp sample", "liveramp write", "offboard",
    "sample", "simulator", "template",
}  # fmt: skip


def test_every_command_that_reports_speaks_json() -> None:
    """A command that is added has to be on one of the lists."""
    root = typer.main.get_command(app)
    leaves = {" ".join(path): _leaf(root, path) for path in COMMANDS if not hasattr(_leaf(root, path), "commands")}
    assert leaves.keys() == REPORTING | OTHERS
    with_json = {name for name, command in leaves.items() if any("--json" in one.opts for one in command.params)}
    assert with_json == REPORTING


def test_help_is_quick(cli: Cli) -> None:
    """It takes a fraction of a second of processor time: nothing heavy is loaded to show it."""
    code = (
        "import sys, airflow_provider_tiktok_offline.cli.app; "
        "heavy = {'polars', 'airflow', 'pyarrow', 'deltalake', 'obstore', 'pydantic', 'httpx', 'numpy'}; "
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "validate" in cli.done("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 1.0


def test_the_version_is_shown(cli: Cli) -> None:
    """For support."""
    assert cli.done("--version").startswith("tiktok-offline ")


@pytest.mark.parametrize(
    "args", [("nonsense",), ("validate",), ("config", "check"), ("sample", "a.csv", "--rows", "x")]
)
def test_a_wrong_command_line_ends_with_2(cli: Cli, args: tuple[str, ...]) -> None:
    """The usage is shown, and no traceback."""
    result = cli(*args)
    assert result.returncode == 2
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_configuration_is_started_and_checked(cli: Cli) -> None:
    """What init writes passes check; connections are looked up on request."""
    cli.done("config", "init")
    assert "1 advertisers can be used, 0 faults" in cli.done("config", "check", "advertisers.yaml")
    missing = cli("config", "check", "advertisers.yaml", "--connections")
    assert missing.returncode == 2
    assert "key source.conn_id: connection sftp_my_shop" in missing.stderr
    present = {"TIKTOK_ACCESS_TOKEN": "x", "AIRFLOW_CONN_SFTP_MY_SHOP": "sftp://host"}
    cli.done("config", "check", "advertisers.yaml", "--connections", **present)
    assert "is there already" in cli.error("config", "init")


def test_opt_out_lists_are_read_with_the_connections(cli: Cli) -> None:
    """What a list holds is said, and one that is not understood is a fault, without a value of it."""
    opt_outs = cli.home / "opt-outs.csv"
    entry = {
        "name": "corner",
        "advertiser_id": "7",
        "event_set_id": "8",
        "source": {"path": "/in/sales.csv"},
        "state_uri": str(cli.home / "state"),
        "suppression": {"uri": str(opt_outs)},
    }
    (cli.home / "a.yaml").write_text(json.dumps({"advertisers": [entry]}))
    opt_outs.write_text("ann@example.com\n+4915123456789\n")
    check = ("config", "check", "a.yaml", "--connections")
    assert "corner, suppression list: 1 e-mail, 1 phone; written" in cli.done(*check, TIKTOK_ACCESS_TOKEN="x")
    opt_outs.write_text("ann@example.com\nbob@\n")
    assert "parts of e-mail addresses: 1 (line 2)" in cli.error(*check, TIKTOK_ACCESS_TOKEN="x")


def test_a_broken_calendar_of_closed_days_is_known_before_the_file_comes(cli: Cli) -> None:
    """With file, entry and key; without ``--connections`` nothing is read."""
    closed = cli.home / "closed.ics"
    entry = {
        "name": "corner",
        "advertiser_id": "7",
        "event_set_id": "8",
        "source": {"path": "/in/sales.csv", "closed_dates": str(closed)},
        "state_uri": str(cli.home / "state"),
    }
    (cli.home / "a.yaml").write_text(json.dumps({"advertisers": [entry]}))
    check = ("config", "check", "a.yaml")
    cli.done(*check)
    missing = cli.error(*check, "--connections", TIKTOK_ACCESS_TOKEN="x")
    assert f"{closed} (entry corner, key source.closed_dates): there is no such file" in missing
    closed.write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    cli.done(*check, "--connections", TIKTOK_ACCESS_TOKEN="x")


def test_every_fault_of_a_configuration_is_shown(cli: Cli) -> None:
    """One line each, with file, line, entry and key."""
    (cli.home / "a.yaml").write_text("advertisers:\n  - name: x\n    currencie: EUR\n    advertiser_id: 5\n")
    result = cli("config", "check", "a.yaml")
    assert result.returncode == 2
    assert "error: a.yaml:4, entry x, key advertiser_id: must be a string of digits" in result.stderr
    assert "error: a.yaml:3, entry x, key currencie: unknown key; did you mean currency?" in result.stderr


def test_what_a_run_will_do_is_shown(cli: Cli) -> None:
    """When it is due in the advertiser's time zone, for which day, and the path with that day in it."""
    source = {"conn_id": "sftp_shop", "path": "/out/sales_{{ ds_nodash }}.csv"}
    entry = {"name": "corner", "advertiser_id": "7", "event_set_id": "8", "state_uri": "/state", "source": source}
    weekly = {**entry, "name": "weekly", "event_set_id": "9", "schedule": "0 6 * * mon", "time_zone": "Europe/Berlin"}
    unscheduled = {**entry, "name": "never", "event_set_id": "10", "schedule": None, "source": {"path": "/in/now.csv"}}
    (cli.home / "a.yaml").write_text(json.dumps({"advertisers": [entry, weekly, unscheduled]}))
    told = json.loads(cli.done("config", "check", "a.yaml", "--json"))
    assert told["faults"] == []
    daily, monday, never = told["advertisers"]
    today = datetime.now(UTC).date()
    assert daily["day"] in {today.isoformat(), (today - timedelta(days=1)).isoformat()}
    assert daily["looks_for"] == f"sftp://sftp_shop@/out/sales_{daily['day'].replace('-', '')}.csv"
    due = datetime.fromisoformat(monday["at"])
    assert (due.weekday(), due.hour, due > datetime.now(UTC)) == (0, 6, True)
    assert due.utcoffset() in (timedelta(hours=1), timedelta(hours=2))
    assert date.fromisoformat(monday["day"]) == due.date() - timedelta(days=7)
    assert (never["at"], never["looks_for"]) == (None, "/in/now.csv")


def test_advertisers_of_one_event_set_must_agree() -> None:
    """On what their ledger keeps once for both; between two live ones a difference stops a run, so it is a fault."""
    base = {"advertiser_id": "7", "event_set_id": "8", "state_uri": "/state", "source": {"path": "/in/{{ ds }}.csv"}}
    entries = [
        {"name": "first", "mode": "live", "event_map": {"Sale": "Purchase"}, **base},
        {"name": "alike", "mode": "live", "event_map": {"Bestellung": "Purchase"}, "lookback_days": 7, **base},
        {"name": "other", "mode": "live", "event_map": {"Sale": "Subscribe"}, "basket": "order", **base},
        {"name": "tried", **base, "state_uri": "/elsewhere", "ledger": {"secret_conn_id": "ledger"}},
        {"name": "alone", **base, "event_set_id": "9", "basket": "order"},
    ]
    found = conflicts(AdvertiserConfig.model_validate(entry) for entry in entries)
    assert {(one.advertiser, one.other, one.key, one.serious) for one in found} == {
        ("other", "first", "basket", True),
        ("other", "first", "event_map", True),
        ("tried", "first", "state_uri", False),
        ("tried", "first", "ledger.secret_conn_id", False),
    }


def test_such_a_difference_is_a_fault_of_the_check(cli: Cli) -> None:
    """With both entries and the setting; it is not found only when a run stops at night."""
    base = {"advertiser_id": "7", "event_set_id": "8", "state_uri": "/state", "source": {"path": "/in/{{ ds }}.csv"}}
    entries = [{"name": "one", "mode": "live", **base}, {"name": "two", "mode": "live", "basket": "order", **base}]
    (cli.home / "a.yaml").write_text(json.dumps({"advertisers": entries}))
    said = cli("config", "check", "a.yaml")
    assert said.returncode == 2
    assert "entry two, key basket: differs from entry one, which has the same event set" in said.stderr


def test_the_schema_is_printed(cli: Cli) -> None:
    """As JSON that an editor can load."""
    jsonschema.Draft202012Validator.check_schema(json.loads(cli.done("config", "schema")))


def test_a_sample_is_the_same_for_the_same_seed(cli: Cli) -> None:
    """Another seed makes another file; an existing one is not replaced."""
    args = ("--rows", "200", "--bad-ratio", "0.1", "--as-of", "2026-11-22T06:00:00Z")
    for name, seed in (("a.csv", "1"), ("b.csv", "1"), ("c.csv", "2")):
        cli.done("sample", name, *args, "--seed", seed)
    first, second, third = ((cli.home / name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert first == second != third
    assert "is there already" in cli.error("sample", "a.csv", *args)
    assert "--as-of" in cli.error("sample", "d.csv", "--as-of", "yesterday")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_simulator_starts_and_stops(cli: Cli, stop: signal.Signals) -> None:
    """It says where it answers, answers, and ends by itself."""
    process = cli.start("simulator", "--port", "0", PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    deadline = threading.Timer(200, process.kill)
    deadline.start()
    try:
        url = process.stdout.readline().partition(" at ")[2].partition(" ")[0]
        assert Control(url).summary() is not None
        process.send_signal(stop)
        _, errors = process.communicate(timeout=100)
    finally:
        deadline.cancel()
        process.kill()
    assert process.returncode in (0, 130, -stop)
    assert "Traceback" not in errors


def test_a_taken_port_is_one_error(cli: Cli, tiktok: RunningSimulator) -> None:
    """The port is named."""
    port = tiktok.url.rpartition(":")[2]
    assert port in cli.error("simulator", "--port", port)
