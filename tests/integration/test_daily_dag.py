"""The example DAG in a real Airflow, from a real SFTP server to the simulator: whatever is cleared, repeated or killed,
each event counts once.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from airflow_provider_tiktok_offline.cli.demo.recount import Recount, recount
from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from airflow_provider_tiktok_offline.storage.objects import open_objects
from tests.servers.airflow import AirflowHome, AirflowRunner, airflow_environment
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator, simulator
from tests.servers.sshd import Sshd, StaticConnections, sshd

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

DAG_ID = "tiktok_offline_daily"
DAY = (datetime.now(UTC) - timedelta(days=1)).date()
BATCH = 100
IN_FLIGHT = 4
TASKS = ("wait_for_file", "validate", "normalize_hash", "dedupe", "upload", "summary")


@dataclass
class Deployment:
    """An Airflow home with the example DAG, a server where files appear, and the simulator."""

    airflow: AirflowHome
    server: Sshd
    api: RunningSimulator
    folder: Path

    def __post_init__(self) -> None:
        self.inbox = self.folder / "outgoing"
        self.state = self.folder / "state"
        self.sample = self.folder / "sample.csv"
        self.inbox.mkdir()
        self.dag_file = self.airflow.dags / f"{DAG_ID}.py"
        shutil.copy(Path(__file__).parents[2] / "dags" / f"{DAG_ID}.py", self.dag_file)
        entry: dict[str, Any] = {
            "name": "corner_shop",
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "source": {
                "conn_id": "sftp_corner_shop",
                "path": f"{self.inbox}/conversions_{{{{ ds_nodash }}}}.csv",
                "settle_seconds": 0,
                "poke_seconds": 1,
            },
            "state_uri": str(self.state),
            "currency": "USD",
            "phone_region": "US",
            "upload": {
                "part_events": 1000,
                "batch_events": BATCH,
                "in_flight": IN_FLIGHT,
                "requests_per_second": 10,
            },
        }
        (self.airflow.dags / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [entry]}))

    def make_ledger(self) -> None:
        """What ``tiktok-offline ledger init`` does."""
        config = load_config(self.airflow.dags / "advertisers.yaml").advertiser("corner_shop")
        objects = open_objects(config.state_uri, StaticConnections())
        Ledger.init(objects, config.event_set_id, identity=config.identity_settings(), clock=system_clock())

    def write_file(self, rows: int) -> None:
        """The day's file: bad rows of every kind among good ones."""
        write_sample(
            self.sample, rows, as_of=datetime.now(UTC), bad_ratio=0.05, seed=11, form=SampleForm(phones="written")
        )
        part = self.inbox / ".part"
        shutil.copy(self.sample, part)
        part.replace(self.inbox / f"conversions_{DAY:%Y%m%d}.csv")

    def demanded(self) -> Recount:
        """What the file's valid rows demand, counted without the package."""
        return recount(self.sample, as_of=datetime.now(UTC))

    def held(self) -> dict[str, dict[str, Any]]:
        """What the simulator holds, by event id."""
        items: dict[str, dict[str, Any]] = {}
        for event in self.api.control.events():
            item = json.loads(json.dumps(event.item), parse_float=Decimal)
            item["properties"]["value"] = Decimal(item["properties"]["value"])
            assert item["event_id"] not in items, "an event counted twice"
            items[item["event_id"]] = item
        return items

    def run_id(self) -> str:
        """The id of the run that was begun last."""
        with sqlite3.connect(self.airflow.database) as database:
            (run_id,) = database.execute("SELECT run_id FROM dag_run ORDER BY id DESC").fetchone()
        return str(run_id)

    def runner(self) -> AirflowRunner:
        """A process that runs the DAG."""
        connection = self.server.connection("sftp_corner_shop")
        sftp = {
            "conn_type": "sftp",
            "host": connection.host,
            "port": connection.port,
            "login": connection.login,
            "extra": dict(connection.extra),
        }
        tiktok = {"conn_type": "tiktok", "host": self.api.url, "password": ACCESS_TOKEN}
        return self.airflow.runner(
            self.dag_file,
            extra={
                "AIRFLOW_CONN_SFTP_CORNER_SHOP": json.dumps(sftp),
                "AIRFLOW_CONN_TIKTOK_DEFAULT": json.dumps(tiktok),
            },
        )


@pytest.fixture(scope="module", name="deployment")
def _deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "airflow").mkdir()
    airflow = airflow_environment(folder / "airflow")
    airflow.initialise()
    with sshd() as server, simulator() as api:
        deployment = Deployment(airflow, server, api, folder)
        deployment.make_ledger()
        yield deployment


def test_each_event_counts_once_whatever_is_killed_cleared_or_repeated(deployment: Deployment) -> None:
    """The upload dies in the middle; the run is repeated; each task is cleared in turn; the day is run again."""
    deployment.write_file(4000)
    demanded = deployment.demanded()
    conf = {"file_day": DAY.isoformat()}

    with deployment.runner() as airflow:
        airflow.start(DAG_ID, logical_date="2026-11-20T08:00:00+00:00", conf=conf)
        _wait_for_events(deployment, 500)
        airflow.kill()
    taken = len(deployment.held())
    assert 0 < taken < len(demanded.events)
    _assert_no_plaintext(deployment)

    with deployment.runner() as airflow:
        run = airflow.clear(DAG_ID, deployment.run_id(), "upload")
        assert run.state == "success", run.tasks
        assert deployment.held() == demanded.events
        again = {event_id: times for event_id, times in deployment.api.times_received().items() if times > 1}
        # At most the batches in flight, and five seconds of receipts that had not reached the disk.
        assert set(again.values()) <= {2}
        assert len(again) <= BATCH * (IN_FLIGHT + 5 * 10)
        received = deployment.api.times_received()

        for task in TASKS:
            run = airflow.clear(DAG_ID, run.run_id, task)
            assert run.state == "success", (task, run.tasks)
        other = airflow.run(DAG_ID, logical_date="2026-11-20T09:00:00+00:00", conf=conf)
        assert other.state == "success"
        assert other.tasks["upload"] == "skipped"
        assert deployment.api.times_received() == received
    _assert_no_plaintext(deployment)


def test_broken_file_fails_the_run_with_one_clear_error(deployment: Deployment) -> None:
    """A file without the header fails at validate, nothing is sent, and the summary does not call it a success."""
    before = deployment.held()
    (deployment.inbox / "conversions_20261103.csv").write_bytes(b"ann@example.com,2026,12\n" * 3)
    with deployment.runner() as airflow:
        run = airflow.run(DAG_ID, logical_date="2026-11-19T08:00:00+00:00", conf={"file_day": "2026-11-03"})
    assert run.state == "failed"
    assert run.tasks["validate"] == "failed"
    assert run.tasks["summary"] == "failed"
    log = (deployment.airflow.home / "runs.log").read_text()
    assert "InputFileError" in log
    assert "ann@example.com" not in log
    assert deployment.held() == before


def _wait_for_events(deployment: Deployment, count: int) -> None:
    deadline = time.monotonic() + 120
    while deployment.api.control.summary().events_held < count:
        assert time.monotonic() < deadline, (deployment.airflow.home / "runs.log").read_text()[-4000:]
        time.sleep(0.05)


def _assert_no_plaintext(deployment: Deployment) -> None:
    """No e-mail or phone of the sample in database, logs, state, parts, reports."""
    text = deployment.sample.read_bytes().decode("utf-8", errors="replace")
    emails = {one.lower() for one in re.findall(r"[\w.]+@example\.\w+", text)}
    phones = {re.sub(r"\D", "", one)[-10:] for one in re.findall(r"[+(]?\d[\d ().-]{8,}\d", text)}
    phones = {one for one in phones if one[3:6] == "555"}
    assert len(emails) > 1000
    assert len(phones) > 1000
    for place, content in _contents(deployment):
        lowered = content.lower()
        assert not emails & set(re.findall(r"[\w.]+@example\.\w+", lowered)), place
        assert not phones & {one[-10:] for one in re.findall(r"\d{10,}", lowered)}, place


def _contents(deployment: Deployment) -> Iterator[tuple[Path, str]]:
    """Everything that was written, as text; Parquet decoded, the database dumped."""
    for path in [*deployment.state.rglob("*"), *deployment.airflow.home.rglob("*")]:
        if not path.is_file():
            continue
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            values = [frame[name] for name in frame.columns]
            yield (
                path,
                "\n".join(str(one) for column in values for one in column.to_list() if isinstance(one, str | bytes)),
            )
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                yield path, "\n".join(database.iterdump())
        yield path, path.read_bytes().decode("latin-1")
