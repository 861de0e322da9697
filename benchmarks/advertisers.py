"""What a day of many advertisers costs: tasks, rows in Airflow's database, requests, logins, ledger commits.

``python -m benchmarks.advertisers [--small] [--advertisers N]``: so many advertisers (50), a file of 200 rows each a
day on one SFTP server, the state on an S3 server, TikTok the simulator, all on loopback. The factory's DAG of each is
run to its end in a real Airflow, for two days; the second one is counted, since the first makes what stays. Counts do
not depend on the machine, and are multiplied for a thousand advertisers.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from tests.servers.airflow import AirflowHome, AirflowRunner, airflow_environment
from tests.servers.s3 import S3Server, s3_server
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator, simulator
from tests.servers.sshd import Sshd, StaticConnections, sshd

_ROWS = 200
_MANY = 1000
_DAG_FILE = """
from airflow_provider_tiktok_offline.dag_factory import build_dags

build_dags(globals(), "advertisers.yaml")
"""
#: Maintenance by one task an advertiser, and by one for 25.
_MAINTENANCE_FILE = """
from datetime import datetime, timezone
from pathlib import Path
from airflow.sdk import DAG
from airflow_provider_tiktok_offline.config import load_config
from airflow_provider_tiktok_offline.operators.maintenance import LedgerMaintenanceOperator

CONFIG = str(Path(__file__).parent / "advertisers.yaml")
LOADED = load_config(CONFIG)
for size in (1, 25):
    with DAG(f"maintenance_{size}", schedule=None, start_date=datetime(2026, 11, 1, tzinfo=timezone.utc)) as dag:
        LedgerMaintenanceOperator.partial(task_id="maintenance", config=CONFIG).expand(advertisers=LOADED.groups(size))
    globals()[dag.dag_id] = dag
"""


class Town:
    """Many advertisers, and the services that they share."""

    def __init__(self, folder: Path, count: int, server: Sshd, store: S3Server, api: RunningSimulator) -> None:
        self.folder, self.server, self.store, self.api = folder, server, store, api
        self.names = [f"shop_{number:03}" for number in range(count)]
        (folder / "airflow").mkdir()
        self.airflow: AirflowHome = airflow_environment(folder / "airflow")
        self.airflow.initialise()
        (self.airflow.dags / "shops.py").write_text(_DAG_FILE)
        (self.airflow.dags / "maintenance.py").write_text(_MAINTENANCE_FILE)
        store.make_bucket("state")
        inbox = server.data / "in"
        inbox.mkdir()
        self.inbox = inbox
        defaults = {
            "mode": "live", "currency": "USD", "phone_region": "US", "schedule": None,
            "state_uri": "s3://s3_state@state/tiktok",
        }  # fmt: skip
        entries = [
            {
                "name": name, **self._ids(number),
                "source": {"conn_id": "sftp_shops", "path": f"{inbox}/{name}_{{{{ ds_nodash }}}}.csv",
                           "settle_seconds": 0, "poke_seconds": 1},
            }
            for number, name in enumerate(self.names)
        ]  # fmt: skip
        config = self.airflow.dags / "advertisers.yaml"
        config.write_text(yaml.safe_dump({"defaults": defaults, "advertisers": entries}))
        self.connections = [
            server.connection("sftp_shops"),
            store.connection("s3_state"),
            Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password=ACCESS_TOKEN),
        ]
        loaded = load_config(config)
        for number, name in enumerate(self.names):
            api.control.add_advertiser(NewAdvertiser(**self._ids(number), name=name))
            ctx = DeliveryContext(
                config=loaded.advertiser(name), connections=StaticConnections(*self.connections), holder="set-up"
            )
            Ledger.init(
                ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=system_clock()
            )

    @staticmethod
    def _ids(number: int) -> dict[str, str]:
        return {"advertiser_id": f"71{number:017}", "event_set_id": f"72{number:017}"}

    def runner(self) -> AirflowRunner:
        """A process that runs the DAGs."""
        variables = {f"AIRFLOW_CONN_{one.conn_id.upper()}": _as_json(one) for one in self.connections}
        return self.airflow.runner(self.airflow.dags, extra=variables)

    def day(self, runner: AirflowRunner, back: int) -> Counter[str]:
        """Every advertiser's file of one day is delivered; returns how many tasks there were, by name."""
        day = datetime.now(UTC) - timedelta(days=back)
        tasks: Counter[str] = Counter()
        for name in self.names:
            self.drop(name, back)
            run = runner.run(
                f"tiktok_offline__{name}",
                logical_date=f"{day:%Y-%m-%d}T00:00:00+00:00",
                conf={"file_day": f"{day:%Y-%m-%d}"},
            )
            if run.state != "success":
                raise SystemExit(f"{name}: {run.tasks}")
            tasks.update(task.partition("[")[0] for task in run.tasks)
        return tasks

    def drop(self, name: str, back: int) -> str:
        """An advertiser's file of a day appears; returns its URI."""
        path = self.inbox / f"{name}_{datetime.now(UTC) - timedelta(days=back):%Y%m%d}.csv"
        write_sample(
            path, _ROWS, as_of=datetime.now(UTC), seed=back * _MANY + self.names.index(name),
            form=SampleForm(identifiers="both"),
        )  # fmt: skip
        return f"sftp://sftp_shops@{path}"

    def rows(self) -> Counter[str]:
        """Rows by table of Airflow's database."""
        with closing(sqlite3.connect(self.airflow.database)) as database:
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return Counter(
                {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608
            )

    def commits(self) -> int:
        """Commits to the tables of all ledgers."""
        return sum("/_delta_log/" in key and key.endswith(".json") for key in self.store.keys("state"))


def _as_json(connection: Connection) -> str:
    named = {name: getattr(connection, name) for name in ("conn_type", "host", "port", "login", "password")}
    return json.dumps({**named, "extra": dict(connection.extra)})


def main() -> None:
    """Count and print."""
    small = "--small" in sys.argv
    count = int(sys.argv[sys.argv.index("--advertisers") + 1]) if "--advertisers" in sys.argv else 2 if small else 50
    folder = Path(tempfile.mkdtemp(prefix="advertisers-"))
    try:
        with ExitStack() as stack:
            services: Any = (
                stack.enter_context(sshd()), stack.enter_context(s3_server()), stack.enter_context(simulator()),
            )  # fmt: skip
            town = Town(folder, count, *services)
            runner = stack.enter_context(town.runner())
            town.day(runner, 2)
            _count(town, runner)
            _in_one_task(town)
            for size in (25, 1):
                _maintain(town, runner, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _count(town: Town, runner: AirflowRunner) -> None:
    """The second day."""
    rows, logins, commits = town.rows(), town.server.logins(), town.commits()
    stored = len(town.store.keys("state"))
    api = town.api.control.summary().requests
    town.store.requests()
    begun = time.perf_counter()
    tasks = town.day(runner, 1)
    seconds = time.perf_counter() - begun
    requests = Counter(one.partition(" ")[0] for one in town.store.requests())
    more = {name: number for name, number in (town.rows() - rows).items() if number}
    count = len(town.names)
    figures = {
        "tasks": tasks.total(),
        "rows in Airflow's database": sum(more.values()),
        "object requests": requests.total(),
        "of these GET and HEAD": requests["GET"] + requests["HEAD"],
        "of these PUT and POST": requests["PUT"] + requests["POST"],
        "objects that stay": len(town.store.keys("state")) - stored,
        "logins to the SFTP server": town.server.logins() - logins,
        "commits to ledgers": town.commits() - commits,
        "requests to TikTok": town.api.control.summary().requests - api,
    }
    print(f"{count} advertisers, a file of {_ROWS} rows each, the second day; {seconds:.0f} s in one process")
    for name, number in figures.items():
        print(f"{name:28} {number:8,}  each {number / count:6.1f}  a thousand {number * _MANY / count:12,.0f}")
    print(f"tasks: {dict(tasks)}")
    print(f"rows: {dict(sorted(more.items(), key=lambda one: -one[1]))}")


def _in_one_task(town: Town) -> None:
    """What one task for a file would take: the steps of a day one after the other, with one view of the state."""
    loaded = load_config(town.airflow.dags / "advertisers.yaml")
    logins, commits = town.server.logins(), town.commits()
    town.store.requests()
    begun = time.perf_counter()
    for name in town.names:
        uri = town.drop(name, 0)
        ctx = DeliveryContext(
            config=loaded.advertiser(name), connections=StaticConnections(*town.connections), holder=f"one/{name}"
        )
        deliver_to_tiktok(ctx, stamp_of(ctx, uri))
    seconds, count, requests = time.perf_counter() - begun, len(town.names), len(town.store.requests())
    logins, commits = town.server.logins() - logins, town.commits() - commits
    print(
        f"in one task: {seconds / count:.2f} s, {requests / count:.0f} object requests, "
        f"{logins / count:.1f} logins and {commits / count:.1f} commits each"
    )


def _maintain(town: Town, runner: AirflowRunner, size: int) -> None:
    """A night's maintenance; the first one merges the files of both days."""
    town.store.requests()
    begun = time.perf_counter()
    run = runner.run(f"maintenance_{size}")
    seconds = time.perf_counter() - begun
    if run.state != "success":
        raise SystemExit(f"maintenance: {run.tasks}")
    count, requests = len(town.names), len(town.store.requests())
    print(
        f"maintenance, {size} advertisers a task: {len(run.tasks)} tasks, {seconds / count:.2f} s and "
        f"{requests / count:.0f} object requests an advertiser"
    )


if __name__ == "__main__":
    main()
