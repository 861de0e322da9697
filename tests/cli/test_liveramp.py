"""``liveramp``: from a sample to a delivered feed file, on one machine."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_remote_files import variable
from tests.servers.gnupg import GnuPG, gnupg_ring
from tests.servers.moving import moved
from tests.servers.sshd import Sshd, sshd

COLUMNS = "email_1,transaction_category,transaction_timestamp,transaction_amount,phone_1,order_id"
ENTRY = ("--config", "advertisers.yaml")


def rows(count: int, first: int = 1) -> str:
    """A file under the strict profile."""
    lines = [
        f"person{n}@example.com,CompletePayment,2026-11-21,{n}.50,12133734253,o-{n}"
        for n in range(first, first + count)
    ]
    return "\n".join([COLUMNS, *lines]) + "\n"


def set_up(cli: Cli, **liveramp: str | bool) -> None:
    """A live advertiser of the route, with ledger and contract."""
    settings = {
        "name": "shop",
        "advertiser_id": "7000000000000000101",
        "event_set_id": "7000000000000000201",
        "route": "liveramp",
        "mode": "live",
        "lookback_days": None,
        "state_uri": str(cli.home / "state"),
        "source": {"path": "/in/sales.csv"},
        "liveramp": liveramp,
    }
    (cli.home / "advertisers.yaml").write_text(json.dumps({"advertisers": [settings]}))
    (cli.home / "sales.csv").write_text(rows(30))
    cli.done("liveramp", "sample", "--output", "sample.csv", "--columns", COLUMNS, *ENTRY)
    assert "Feed shop: 6 columns" in cli.done("liveramp", "accept", "sample.csv", *ENTRY)
    cli.done("ledger", "init", *ENTRY)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is set up to deliver to a folder in it, to be copied: it takes three commands."""
    cli = Cli(tmp_path_factory.mktemp("opened"))
    (cli.home / "far").mkdir()
    set_up(cli, destination=str(cli.home / "far"))
    return cli.home


@pytest.fixture
def feed(cli: Cli, opened: Path) -> Path:
    """A folder to deliver to."""
    shutil.copytree(opened, cli.home, dirs_exist_ok=True)
    config = cli.home / "advertisers.yaml"
    config.write_text(config.read_text().replace(str(opened), str(cli.home)))
    return cli.home / "far"


def test_a_file_is_delivered_once(cli: Cli, feed: Path) -> None:
    """Whole, under the feed's name; the same command again delivers nothing."""
    told = json.loads(cli.done("liveramp", "deliver", "sales.csv", *ENTRY, "--json"))
    assert (told["deliver"]["outcome"], told["deliver"]["rows"]) == ("delivered", 30)
    (file,) = feed.iterdir()
    assert file.read_text().splitlines()[0] == COLUMNS
    assert len(file.read_text().splitlines()) == 31
    assert "already delivered" in cli.done("liveramp", "deliver", "sales.csv", *ENTRY)
    assert [one.name for one in feed.iterdir()] == [file.name]


def test_what_was_delivered_is_left_out_of_a_written_file(cli: Cli, feed: Path) -> None:
    """`write` shows what a delivery would make; the file is its owner's alone."""
    cli.done("liveramp", "deliver", "sales.csv", *ENTRY)
    (cli.home / "more.csv").write_text(rows(40))
    result = cli("liveramp", "write", "more.csv", "--output", "feed.csv", *ENTRY)
    assert result.returncode == 0, result.stderr
    assert "10 rows" in result.stdout
    assert "in clear" in result.stderr
    file = cli.home / "feed.csv"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().splitlines()) == 11


def test_connects_list_of_files_is_compared_with_what_was_delivered(cli: Cli, feed: Path) -> None:
    """Only this advertiser's names are kept; a file that is not in the list is named, and the command fails."""
    cli.done("liveramp", "deliver", "sales.csv", *ENTRY)
    (file,) = feed.iterdir()
    export = cli.home / "files.csv"
    export.write_text(f"File Name,File Status\n{file.name},Imported\nsomebody_else.csv,Imported\n")
    told = cli.done("liveramp", "files", "files.csv", *ENTRY)
    assert f"{file.name}  30 rows delivered  File Name {file.name}, File Status Imported" in told
    assert "somebody_else" not in told
    export.write_text("File Name,File Status\nsomebody_else.csv,Imported\n")
    result = cli("liveramp", "files", "files.csv", *ENTRY)
    assert result.returncode == 1
    assert "NOT IN THE EXPORT" in result.stdout


def test_a_dry_run_delivers_nothing(cli: Cli, feed: Path) -> None:
    """It says how many rows there would be."""
    told = json.loads(cli.done("liveramp", "deliver", "sales.csv", *ENTRY, "--dry-run", "--json"))
    assert (told["deliver"]["outcome"], told["deliver"]["rows"]) == ("would_deliver", 30)
    assert not list(feed.iterdir())


def test_a_changed_header_stops_the_delivery(cli: Cli, feed: Path) -> None:
    """And says what changed, and that a support case comes first."""
    lines = [line.rsplit(",", 1)[0] for line in rows(30).splitlines()]
    (cli.home / "drift.csv").write_text("\n".join(lines) + "\n")
    assert "support case" in cli.error("liveramp", "check", "drift.csv", *ENTRY)
    assert "missing: order_id" in cli.error("liveramp", "deliver", "drift.csv", *ENTRY)
    assert not list(feed.iterdir())


def test_a_rejected_file_goes_out_again_on_the_next_day(cli: Cli, feed: Path) -> None:
    """LiveRamp refused it: its transactions count as not delivered, and its day stays used."""
    cli.done("liveramp", "deliver", "sales.csv", *ENTRY)
    assert "30 events" in cli.done("ledger", "reopen", "sales.csv", *ENTRY, "--reason", "LiveRamp rejected it")
    tomorrow = moved(timedelta(days=1))
    assert "delivered" in cli.done("liveramp", "deliver", "sales.csv", *ENTRY, **tomorrow)
    assert [len(file.read_text().splitlines()) for file in feed.iterdir()] == [31, 31]


def test_a_half_repaired_file_is_replayed_with_a_gate_of_its_own(cli: Cli, feed: Path) -> None:
    """The configuration that the daily runs use stays as it is."""
    (cli.home / "bad.csv").write_text(rows(10).replace("2026-11-21,3.50", "2026-02-30,3.50"))
    deliver = ("liveramp", "deliver", "bad.csv", *ENTRY)
    assert "max_rejected_ratio" in cli.error(*deliver, code=1)
    assert not list(feed.iterdir())
    assert json.loads(cli.done(*deliver, "--max-rejected-ratio", "0.1", "--json"))["deliver"]["rows"] == 9


def test_a_quiet_day_is_passed_over(cli: Cli, feed: Path) -> None:
    """Where no file is due on the day that ``--day`` gives."""
    (cli.home / "quiet.csv").write_text(rows(0))
    config = cli.home / "advertisers.yaml"
    settings = json.loads(config.read_text())
    settings["advertisers"][0]["source"]["closed_dates"] = ["2026-12-25"]
    config.write_text(json.dumps(settings))
    result = cli("liveramp", "deliver", "quiet.csv", *ENTRY, "--day", "2026-12-25")
    assert (result.returncode, "a quiet day" in result.stderr) == (0, True), result.stderr


def test_a_sample_of_real_rows_is_warned_of(cli: Cli, feed: Path) -> None:
    """It holds customers' data, for its owner alone."""
    result = cli("liveramp", "sample", "sales.csv", "--output", "real.csv", *ENTRY)
    assert result.returncode == 0, result.stderr
    assert "in clear" in result.stderr
    assert stat.S_IMODE((cli.home / "real.csv").stat().st_mode) == 0o600
    assert "has a contract already" in cli.error("liveramp", "accept", "real.csv", *ENTRY)
    cli.done("liveramp", "accept", "real.csv", *ENTRY, "--change")


def test_check_shows_the_strict_report(cli: Cli, feed: Path) -> None:
    """Exit code 1 above the gate, and no customer's value."""
    (cli.home / "bad.csv").write_text(rows(30).replace("CompletePayment", "Purchase"))
    result = cli("liveramp", "check", "bad.csv", *ENTRY)
    assert result.returncode == 1
    assert "category_unknown" in result.stdout
    assert "example.com" not in result.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    """OpenSSH on loopback."""
    with sshd() as running:
        yield running


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GnuPG]:
    """The key that the feed file is encrypted to."""
    with gnupg_ring(tmp_path_factory.mktemp("pgp") / "home") as made:
        yield made


def test_a_file_goes_from_server_to_server_encrypted(cli: Cli, server: Sshd, ring: GnuPG) -> None:
    """Checked, written and delivered over SFTP; what lies there is read by GnuPG, and another file waits a day."""
    far = cli.home / "uploads"
    far.mkdir()
    (cli.home / "key.asc").write_bytes(ring.public)
    cli.environ["AIRFLOW_CONN_FEED"] = variable(server.connection())
    set_up(
        cli, conn_id="feed", destination=str(far), gzip=True, pgp_key=str(cli.home / "key.asc"),
        pgp_fingerprint=ring.primary, staged=True, temporary_name=True,
    )  # fmt: skip
    uri = f"sftp://feed@{cli.home / 'sales.csv'}"
    assert "30" in cli.done("liveramp", "check", uri, *ENTRY)
    cli.done("liveramp", "write", uri, "--output", "feed.csv", *ENTRY)
    told = json.loads(cli.done("liveramp", "deliver", uri, *ENTRY, "--json"))
    (file,) = far.iterdir()
    assert file.suffixes[-3:] == [".csv", ".gz", ".pgp"]
    assert told["deliver"]["outcome"] == "delivered"
    assert told["deliver"]["bytes"] == file.stat().st_size
    assert gzip.decompress(ring.run("--decrypt", stdin=file.read_bytes())) == (cli.home / "feed.csv").read_bytes()
    (cli.home / "more.csv").write_text(rows(40, first=31))
    assert "queued" in cli.done("liveramp", "deliver", "more.csv", *ENTRY)
    assert len(list(far.iterdir())) == 1


def test_faults_of_the_far_side_are_one_error_and_the_next_try_succeeds(cli: Cli, server: Sshd, ring: GnuPG) -> None:
    """Another host key, a missing folder, a key of another fingerprint; corrected, the same command delivers."""
    far = cli.home / "uploads"
    (cli.home / "key.asc").write_bytes(ring.public)
    set_up(cli, conn_id="feed", destination=str(far))
    wrong = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE9mtg4IAd4B1cXMU4bOl5GD3RzM0yXKuZgAhBy9yyyy"
    deliver = ("liveramp", "deliver", "sales.csv", *ENTRY)
    assert "host key" in cli.error(*deliver, AIRFLOW_CONN_FEED=variable(server.connection(), host_key=wrong))
    cli.environ["AIRFLOW_CONN_FEED"] = variable(server.connection())
    assert "folder does not exist" in cli.error(*deliver)
    far.mkdir()
    config = json.loads((cli.home / "advertisers.yaml").read_text())
    pgp = {"pgp_key": str(cli.home / "key.asc"), "pgp_fingerprint": "0" * 40}
    config["advertisers"][0]["liveramp"] |= pgp
    (cli.home / "other.yaml").write_text(json.dumps(config))
    assert "no key of the configured" in cli.error("liveramp", "deliver", "sales.csv", "--config", "other.yaml")
    assert "delivered" in cli.done(*deliver)
    assert len(list(far.iterdir())) == 1
