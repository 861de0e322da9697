"""What the demo sets up and runs: servers on loopback, Airflow, and the runs of the example DAG."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_tiktok_offline.cli.demo.children import ChildProcess, DemoError, run_to_end
from airflow_provider_tiktok_offline.cli.demo.dag_runs import MARK, TaskEnd
from airflow_provider_tiktok_offline.clock import SystemClock, system_clock

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.cli.demo.recount import Event
    from airflow_provider_tiktok_offline.cli.demo.sftp_server import DemoSftp

#: Seconds until the sensor's first look at the latest.
_LONGEST_WAIT = 300
DAG_ID = "tiktok_offline_daily"
ADVERTISER = "corner_shop"
_PACKAGE = "airflow_provider_tiktok_offline"


@dataclass
class DemoRun:
    """One run of the DAG.

    Attributes:
        title: what it shows.
        state: how it ended.
        tasks: its task instances: ``task_id``, ``map_index``, ``state``, ``seconds``.
        taken: events that the simulator holds after it.
        requests: batches that the simulator has answered after it.
    """

    title: str
    state: str
    tasks: list[TaskEnd]
    taken: int
    requests: int


@dataclass
class Stage:
    """Everything the demo needs: folders, servers, Airflow.

    Attributes:
        place: the folder in which all of it lies.
        rows: rows of the sample.
        tell: shows what is going on.
    """

    place: Path
    rows: int
    tell: Callable[[str], None]
    clock: SystemClock = field(default_factory=system_clock)
    api_url: str = ""

    def __post_init__(self) -> None:
        self.home = self.place / "airflow"
        self.dags = self.home / "dags"
        self.served = self.place / "sftp"
        self.inbox = self.served / "outgoing"
        self.state = self.place / "state"
        self.sample = self.place / "sample.csv"
        for folder in (self.dags, self.inbox, self.state, self.place / "keys"):
            folder.mkdir(parents=True, exist_ok=True)
        self.day = self.clock.now().date() - timedelta(days=1)

    def play(self) -> list[DemoRun]:
        """Start everything, run the DAG three times, stop everything."""
        from airflow_provider_tiktok_offline.cli.demo.sftp_server import sftp_server

        with ExitStack() as stack:
            self.tell("Writing a sample file, starting an SFTP server and the simulator")
            self._write_sample()
            server = stack.enter_context(sftp_server(self.served, self.place / "keys"))
            self.api_url = stack.enter_context(_simulator(self.place / "simulator.log")).answer()
            self._write_dag()
            self._make_ledger()
            environment = {**os.environ, **self._airflow(), **self._connections(server)}
            self.tell("Making Airflow's database (SQLite)")
            command = [sys.executable, "-m", f"{_PACKAGE}.cli.demo.dag_runs", str(self.dags / f"{DAG_ID}.py")]
            log = self.place / "airflow.log"
            airflow = stack.enter_context(ChildProcess("Airflow", command, log, mark=MARK, environment=environment))
            migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
            run_to_end("airflow db migrate", migrate, self.place / "migrate.log", environment=environment)
            runs = [self._first_run(airflow, server), self._run(airflow, "The same day again")]
            self._export_again()
            runs.append(self._run(airflow, "The same rows, exported again in another order"))
            self.held = self._read_back()
        return runs

    def check(self, runs: list[DemoRun]) -> None:
        """Hold what the simulator has against the file's valid rows, counted again without this package's code.

        :raises DemoError: if anything differs, or a run failed.
        """
        from airflow_provider_tiktok_offline.cli.demo.recount import recount

        failed = [run.title for run in runs if run.state != "success"]
        if failed:
            raise DemoError(f"a run failed: {failed[0]}.", todo=f"See {self._log_kept()}.")
        self.summary = self._summaries()[0]
        expected = recount(self.sample, as_of=datetime.fromisoformat(self.summary["as_of"]))
        missing, extra = expected.events.keys() - self.held.keys(), self.held.keys() - expected.events.keys()
        differing = [key for key in expected.events.keys() & self.held.keys() if expected.events[key] != self.held[key]]
        if missing or extra or differing:
            raise DemoError(
                f"TikTok's side does not hold what the file demands: {len(missing)} events are missing,"
                f" {len(extra)} too many, {len(differing)} differ.",
                todo=f"See {self._log_kept()}.",
            )
        if {run.taken for run in runs} != {len(expected.events)} or len({run.requests for run in runs}) != 1:
            raise DemoError("a later run sent something again.", todo=f"See {self._log_kept()}.")
        rows = self.summary["rows"]
        reported = {name: rows[f"rows_{name}"] for name in expected.classes}
        if reported != expected.classes:
            raise DemoError(f"the report counts {reported}, the file has {expected.classes}.")

    def report(self) -> Path:
        """The HTML report, moved to where it outlives the demo."""
        [page] = self.state.glob(f"advertisers/*/deliveries/{self.summary['delivery_id']}/report.html")
        kept = Path(tempfile.gettempdir()) / "tiktok-offline-demo-report.html"
        shutil.copy(page, kept)
        return kept

    def _first_run(self, airflow: ChildProcess, server: DemoSftp) -> DemoRun:
        self.tell("Airflow waits for the day's file")
        airflow.ask(self._request(0))
        deadline = self.clock.monotonic() + _LONGEST_WAIT
        while not server.listed.wait(0.5):
            airflow.check()
            if self.clock.monotonic() > deadline:
                raise DemoError("the sensor never looked into the SFTP folder.", todo=f"See {self._log_kept()}.")
        self._deliver(self.sample.read_bytes())
        self.tell("The file has come: validate, normalise and hash, dedupe, upload")
        return self._ended("The file arrives while Airflow waits", airflow.answer())

    def _run(self, airflow: ChildProcess, title: str) -> DemoRun:
        self.tell(f"Another run: {title.lower()}")
        airflow.ask(self._request(1 if "day" in title else 2))
        return self._ended(title, airflow.answer())

    def _request(self, number: int) -> str:
        moment = self.clock.now().replace(microsecond=number)
        return json.dumps({"logical_date": moment.isoformat(), "conf": {"file_day": self.day.isoformat()}})

    def _ended(self, title: str, answer: str) -> DemoRun:
        from airflow_provider_tiktok_offline.simulator.control_client import Control

        run = json.loads(answer.removeprefix(MARK))
        control = Control(self.api_url)
        requests = sum(1 for request in control.requests() if request.path.rstrip("/").endswith("event/track"))
        return DemoRun(title, run["state"], run["tasks"], sum(1 for _ in control.events()), requests)

    def _read_back(self) -> dict[str, Event]:
        from decimal import Decimal

        from airflow_provider_tiktok_offline.simulator.control_client import Control

        held = {}
        for event in Control(self.api_url).events():
            item = json.loads(json.dumps(event.item), parse_float=Decimal)
            item["properties"]["value"] = Decimal(item["properties"]["value"])
            held[item["event_id"]] = item
        return held

    def _write_sample(self) -> None:
        from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample

        write_sample(
            self.sample, self.rows, as_of=self.clock.now(), bad_ratio=0.04, seed=7, form=SampleForm(phones="written")
        )

    def _deliver(self, content: bytes) -> None:
        """Put the day's file in place as a careful sender does: under another name first."""
        name = f"conversions_{self.day:%Y%m%d}.csv"
        part = self.inbox / f".{name}.part"
        part.write_bytes(content)
        part.replace(self.inbox / name)

    def _export_again(self) -> None:
        header, *lines = self.sample.read_bytes().splitlines(keepends=True)
        # A quoted line break keeps its two lines together only in the order of the file; leave such rows out.
        whole = [line for line in lines if b'"' not in line]
        self._deliver(header + b"".join(reversed(whole)))

    def _write_dag(self) -> None:
        import yaml

        shutil.copy(_example_dag(), self.dags / f"{DAG_ID}.py")
        from airflow_provider_tiktok_offline.simulator.defaults import ADVERTISER_ID, EVENT_SET_ID

        settings = {
            "name": ADVERTISER,
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "source": {
                "conn_id": "sftp_corner_shop",
                "path": "/outgoing/conversions_{{ ds_nodash }}.csv",
                "settle_seconds": 2,
                "poke_seconds": 2,
            },
            "state_uri": str(self.state),
            "currency": "USD",
            "phone_region": "US",
            "upload": {"part_events": 4000},
        }
        (self.dags / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [settings]}, sort_keys=False))

    def _make_ledger(self) -> None:
        from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
        from airflow_provider_tiktok_offline.config.loading import load_config
        from airflow_provider_tiktok_offline.ledger import Ledger
        from airflow_provider_tiktok_offline.storage.objects import open_objects

        config = load_config(self.dags / "advertisers.yaml").advertiser(ADVERTISER)
        objects = open_objects(config.state_uri, EnvironmentConnections())
        Ledger.init(objects, config.event_set_id, identity=config.identity_settings(), clock=self.clock)

    def _airflow(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        }

    def _connections(self, server: DemoSftp) -> dict[str, str]:
        from airflow_provider_tiktok_offline.cli.demo.sftp_server import USER
        from airflow_provider_tiktok_offline.simulator.defaults import ACCESS_TOKEN

        sftp = {
            "conn_type": "sftp",
            "host": "127.0.0.1",
            "port": server.port,
            "login": USER,
            "extra": {"host_key": server.host_key, "key_file": str(server.client_key)},
        }
        tiktok = {"conn_type": "tiktok", "host": self.api_url, "password": ACCESS_TOKEN}
        return {
            "AIRFLOW_CONN_SFTP_CORNER_SHOP": json.dumps(sftp),
            "AIRFLOW_CONN_TIKTOK_DEFAULT": json.dumps(tiktok),
        }

    def _summaries(self) -> list[dict[str, Any]]:
        summaries = [
            json.loads(path.read_text()) for path in self.state.glob("advertisers/*/deliveries/*/summary.json")
        ]
        return sorted(summaries, key=lambda summary: str(summary["as_of"]))

    def _log_kept(self) -> Path:
        """Airflow's log, copied to where it outlives the demo."""
        kept = Path(tempfile.gettempdir()) / "tiktok-offline-demo-airflow.log"
        shutil.copy(self.place / "airflow.log", kept)
        return kept


def _example_dag() -> Path:
    """The DAG file that users copy: in a checkout beside the package, in a wheel inside it."""
    package = Path(__file__).parents[2]
    places = (package.parent / "dags", package / "example_dags")
    return next(place / f"{DAG_ID}.py" for place in places if (place / f"{DAG_ID}.py").exists())


def _simulator(log: Path) -> ChildProcess:
    """The simulator in a process of its own; its first answer is its URL."""
    command = [sys.executable, "-m", f"{_PACKAGE}.simulator", "--port", "0"]
    return ChildProcess("the simulator", command, log, mark="http://")
