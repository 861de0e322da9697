"""``upload``: the whole of a delivery by one command, against the simulator."""

from __future__ import annotations

import gzip
import json
import signal
from datetime import UTC, datetime

import pytest

from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.cli.conftest import Cli
from tests.cli.sales import AS_OF, MAIL, PHONE, prepared_ids, rows
from tests.servers.simulator import RunningSimulator


def test_a_file_is_delivered_once(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """The same command a second time sends nothing, and says so."""
    assert "events accepted" in cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    assert set(tiktok.event_ids()) == prepared_ids(cli.home)
    requests = tiktok.control.summary().requests
    assert "delivered already" in cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    assert tiktok.control.summary().requests == requests


def test_what_was_sent_in_another_file_is_not_sent_again(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """The ledger knows transactions, not files."""
    cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    (cli.home / "more.csv").write_text(rows(40))
    summary = json.loads(cli.done("upload", "more.csv", *shop, "--as-of", AS_OF, "--json"))
    assert summary["events"] == {"already_sent": 30, "accepted": 10}
    assert max(tiktok.times_received().values()) == 1


def test_a_prepared_directory_is_delivered(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """It may be prepared on another machine; its file counts as delivered afterwards."""
    cli.done("prepare", "sales.csv", *shop[:4], "--output", "prepared", "--as-of", AS_OF)
    cli.done("upload", "prepared", *shop)
    assert set(tiktok.event_ids()) == prepared_ids(cli.home)
    assert "delivered already" in cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF)
    assert "delivered already" in cli.done("upload", "prepared", *shop)


def test_a_directory_prepared_with_other_settings_is_refused(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """Its events would carry another currency."""
    cli.done("prepare", "sales.csv", *shop[:4], "--output", "prepared", "--as-of", AS_OF)
    file = cli.home / "advertisers.yaml"
    file.write_text(file.read_text().replace("USD", "EUR"))
    assert "other settings" in cli.error("upload", "prepared", *shop)
    assert tiktok.control.summary().requests == 0


def test_people_who_opted_out_since_it_was_prepared_are_left_out(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """Whatever a prepared directory still holds of them."""
    file = cli.home / "advertisers.yaml"
    (cli.home / "opt-outs.txt").write_text("somebody.else@example.com\n")
    content = json.loads(file.read_text())
    content["advertisers"][0]["suppression"] = {"uri": str(cli.home / "opt-outs.txt")}
    file.write_text(json.dumps(content))
    cli.done("prepare", "sales.csv", *shop[:4], "--output", "prepared", "--as-of", AS_OF)
    (cli.home / "opt-outs.txt").write_text(f"{MAIL}\n")
    summary = json.loads(cli("upload", "prepared", *shop, "--json").stdout)
    assert summary["events"] == {"suppressed": 30}
    assert tiktok.control.summary().events_received == 0


def _wait(cli: Cli, days: int) -> None:
    file = cli.home / "advertisers.yaml"
    content = json.loads(file.read_text())
    content["advertisers"][0]["send_after_days"] = days
    file.write_text(json.dumps(content))


def test_what_has_waited_is_sent_once_it_is_due(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Beside the next file, or without one; until then command and listing say until when it waits."""
    _wait(cli, 3)
    today = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z-0000"
    for name, first in (("sales.csv", rows(3)), ("more.csv", rows(4, line_2=f"{MAIL},Purchase,{today},9.00,,o-9"))):
        (cli.home / name).write_text(first.replace("2026-11-21T10:00:00Z-0000", today))
    said = cli.done("upload", "sales.csv", *shop)
    assert "Nothing was sent: the events wait until 20" in said
    assert "events waiting" in said
    assert "waits until 20" in cli.done("ledger", "files", *shop[:4])
    assert "Nothing is due" in cli.done("upload", "--due", *shop)
    assert json.loads(cli.done("upload", "--due", *shop, "--json")) == {"due": []}
    assert tiktok.control.summary().requests == 0
    _wait(cli, 0)
    summary = json.loads(cli.done("upload", "more.csv", *shop, "--json"))
    # The new file, which waits for nothing any more, has two orders of the other.
    assert (summary["events"], summary["due"][0]["events"]) == ({"accepted": 4}, {"accepted": 1, "already_sent": 2})
    assert cli.error("upload", *shop) == cli.error("upload", "sales.csv", "--due", *shop)


def test_a_directory_prepared_without_returns_is_refused_where_they_are_needed(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """A return in it would be lost; prepared with the setting, it is staged with them."""
    cli.done("prepare", "sales.csv", *shop[:4], "--output", "prepared", "--as-of", AS_OF)
    _wait(cli, 3)
    assert "without the returns that send_after_days" in cli.error("upload", "prepared", *shop)
    (cli.home / "sales.csv").write_text(rows(2, line_3=f"{MAIL},Purchase,2026-11-21T11:00:00Z-0000,-0.50,,o-1"))
    cli.done("prepare", "sales.csv", *shop[:4], "--output", "again", "--as-of", AS_OF)
    cli.done("upload", "again", *shop)
    assert [item["properties"]["value"] for item in tiktok.items().values()] == [1]


def test_a_dry_run_sends_nothing_and_can_be_repeated(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """It says what would be sent; the file is delivered for the first time afterwards."""
    for _ in range(2):
        summary = json.loads(cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF, "--dry-run", "--json"))
        assert summary["events"] == {"would_send": 30}
    assert tiktok.control.summary().requests == 0
    summary = json.loads(cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF, "--json"))
    assert summary["events"] == {"accepted": 30}


def test_without_a_ledger_nothing_is_sent(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """An empty ledger would mean to send everything again."""
    file = cli.home / "advertisers.yaml"
    file.write_text(file.read_text().replace("/state", "/elsewhere"))
    assert "tiktok-offline ledger init" in cli.error("upload", "sales.csv", *shop, "--as-of", AS_OF)
    assert tiktok.control.summary().requests == 0


def test_a_bad_token_is_one_error_and_the_next_try_delivers(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """Nothing of it is recorded as sent or refused."""
    args = ("upload", "sales.csv", *shop, "--as-of", AS_OF)
    assert "40105" in cli.error(*args, TIKTOK_ACCESS_TOKEN="wrong")
    assert "TIKTOK_ACCESS_TOKEN" in cli.error(*args, TIKTOK_ACCESS_TOKEN="")
    cli.done(*args)
    assert set(tiktok.event_ids().values()) == {1}
    assert len(tiktok.event_ids()) == 30


def test_a_quiet_day_is_no_failure_where_the_configuration_says_so(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """A file without rows fails by default, and is passed over with a warning under ``header_only: skip``."""
    (cli.home / "quiet.csv").write_text(rows(0))
    assert "a header and no rows" in cli.error("upload", "quiet.csv", *shop, "--as-of", AS_OF)
    file = cli.home / "advertisers.yaml"
    file.write_text(
        file.read_text().replace('"path": "/in/sales.csv"', '"path": "/in/sales.csv", "header_only": "skip"')
    )
    passed_over = cli("upload", "quiet.csv", *shop, "--as-of", AS_OF)
    assert passed_over.returncode == 0
    assert "warning: " in passed_over.stderr
    assert "a quiet day, nothing to send" in passed_over.stderr


def test_a_file_without_rows_is_judged_by_its_day(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """Its name says the day, or ``--day``: a Sunday without sales is passed over, a Saturday without them fails."""
    file = cli.home / "advertisers.yaml"
    expected = '"path": "/in/sales_{{ ds_nodash }}.csv", "expected_days": ["mon", "sat"]'
    file.write_text(file.read_text().replace('"path": "/in/sales.csv"', expected))
    for name in ("sales_20261121.csv", "sales_20261122.csv", "quiet.csv"):
        (cli.home / name).write_text(rows(0))
    assert "a header and no rows" in cli.error("upload", "sales_20261121.csv", *shop)
    for passed in (("sales_20261122.csv",), ("quiet.csv", "--day", "2026-11-22")):
        result = cli("upload", *passed, *shop)
        assert (result.returncode, "a quiet day" in result.stderr) == (0, True), result.stderr
    assert tiktok.control.summary().requests == 0


def test_rows_above_the_gate_stop_the_delivery(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """With exit code 1, and nothing sent."""
    (cli.home / "bad.csv").write_text(rows(10, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2"))
    assert "max_rejected_ratio" in cli.error("upload", "bad.csv", *shop, "--as-of", AS_OF, code=1)
    assert tiktok.control.summary().requests == 0


def test_a_half_repaired_file_is_replayed_with_a_gate_of_its_own(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """The configuration that the daily runs use stays as it is."""
    (cli.home / "bad.csv").write_text(rows(10, line_3=f"{MAIL},Purchase,2026-02-30,5.00,{PHONE},o-2"))
    upload = ("upload", "bad.csv", *shop, "--as-of", AS_OF)
    cli.error(*upload, code=1)
    assert json.loads(cli.done(*upload, "--max-rejected-ratio", "0.1", "--json"))["events"] == {"accepted": 9}


def test_refused_events_are_told_by_the_exit_code_and_sent_again_on_request(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """The good ones are delivered; --retry-refused sends the others once they are wanted."""
    bad = sorted(prepared_ids(cli.home))[0]
    tiktok.control.add(
        Fault(kind="refuse", event_ids=[bad], code=40002, message="data.{index}.event_time: Invalid value.", count=None)
    )
    result = cli("upload", "sales.csv", *shop, "--as-of", AS_OF, "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["events"] == {"accepted": 29, "refused": 1}
    tiktok.control.clear_faults()
    again = cli("upload", "sales.csv", *shop, "--as-of", AS_OF, "--json")
    assert json.loads(again.stdout)["already_closed"]
    cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF, "--retry-refused")
    assert len(tiktok.event_ids()) == 30


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_upload_goes_on_by_the_same_command(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...], stop: signal.Signals
) -> None:
    """Each transaction is held once, and what was accepted before the flush is sent again under the same id at most."""
    file = cli.home / "advertisers.yaml"
    content = json.loads(file.read_text())
    content["advertisers"][0]["upload"] = {"batch_events": 10, "in_flight": 1, "requests_per_second": 2}
    file.write_text(json.dumps(content))
    (cli.home / "long.csv").write_text(rows(100))
    process = cli.start("upload", "long.csv", *shop, "--as-of", AS_OF)
    while tiktok.control.summary().events_held < 30:
        assert process.poll() is None
    process.send_signal(stop)
    _, errors = process.communicate(timeout=200)
    assert "Traceback" not in errors
    assert process.returncode == (-signal.SIGKILL if stop == signal.SIGKILL else 130)
    assert stop == signal.SIGKILL or "goes on from where it stopped" in errors
    content["advertisers"][0]["upload"] = {}
    file.write_text(json.dumps(content))
    cli.done("upload", "long.csv", *shop, "--as-of", AS_OF)
    assert set(tiktok.event_ids().values()) == {1}
    assert len(tiktok.event_ids()) == 100


def test_two_uploads_at_once_are_kept_apart(cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]) -> None:
    """The second says that the first is at work."""
    tiktok.control.add(Fault(kind="delay", delay_seconds=20))
    first = cli.start("upload", "sales.csv", *shop, "--as-of", AS_OF)
    while tiktok.control.summary().faults_happened < 1:
        assert first.poll() is None
    assert "another tiktok-offline" in cli.error("upload", "sales.csv", *shop, "--as-of", AS_OF)
    first.kill()
    first.communicate()


def test_no_customers_value_and_no_secret_is_kept_or_shown(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """Neither in the state directory nor in what is printed."""
    result = cli("upload", "sales.csv", *shop, "--as-of", AS_OF)
    left = [file.read_bytes() for file in (cli.home / "state").rglob("*") if file.is_file()]
    assert left
    shown = (result.stdout + result.stderr).encode()
    for secret in (MAIL, PHONE, PHONE[1:], "lovelace", cli.environ["TIKTOK_ACCESS_TOKEN"]):
        assert all(secret.encode() not in one for one in [shown, *left])


def test_an_advertiser_of_the_liveramp_route_is_pointed_there(cli: Cli, shop: tuple[str, ...]) -> None:
    """Its file is delivered by another command."""
    file = cli.home / "advertisers.yaml"
    content = json.loads(file.read_text())
    content["advertisers"][0] |= {"route": "liveramp", "liveramp": {"destination": "/out"}, "currency": None}
    file.write_text(json.dumps(content))
    assert "tiktok-offline liveramp deliver" in cli.error("upload", "sales.csv", *shop)


def test_yesterdays_rows_under_todays_name_are_an_error_that_names_the_day(
    cli: Cli, tiktok: RunningSimulator, shop: tuple[str, ...]
) -> None:
    """As csv and as csv.gz; the day is the name's, or what ``--day`` says."""
    cli.done("upload", "sales.csv", *shop, "--as-of", AS_OF, "--day", "2026-11-20")
    (cli.home / "today.csv.gz").write_bytes(gzip.compress((cli.home / "sales.csv").read_bytes()))
    today = ("upload", "today.csv.gz", *shop, "--as-of", AS_OF, "--day")
    assert "has the rows that were delivered for 2026-11-20 (sales.csv" in cli.error(*today, "2026-11-21")
    assert "is no day" in cli.error(*today, "yesterday")
    assert set(tiktok.times_received().values()) == {1}
