"""Twenty advertisers on Celery workers, both routes: what lies where, and what must have become of it."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger import inspection
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS, SampleForm, write_sample
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from tests.deployment.compose import ROOT
from tests.deployment.leaks import check_nothing_leaks
from tests.deployment.native import CALM, Deployment, deployment, left_running
from tests.integration.shop import ConversionFile, write_file
from tests.servers.airflow_api import AirflowApi
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID
from tests.servers.waiting import wait_until

STATE_BUCKET = "tiktok-offline-state"
#: The smoke script's own, beside the twenty.
SMOKED = "smoke_shop"
DIRECT = tuple(f"shop_{number:02}" for number in range(14))
BY_LIVERAMP = tuple(f"hall_{number:02}" for number in range(6))
NAMES = (*DIRECT, *BY_LIVERAMP)
#: Whose upload takes long enough to be marked meanwhile.
SLOW = DIRECT[:2]
MARKED_FAILED, MARKED_SUCCESS = SLOW
BACKFILLED = DIRECT[2]
#: Whose sensor waits while the triggerer is restarted; the first of each route is moved to another folder meanwhile.
LATE = (*DIRECT[3:5], *BY_LIVERAMP[:2])
MOVED = (DIRECT[3], BY_LIVERAMP[0])
PAUSED = DIRECT[5]
#: What is started with all others, and then cleared, or killed.
OTHERS = tuple(name for name in NAMES if name not in (*SLOW, BACKFILLED, *LATE, PAUSED))
ROWS = 60
_CATEGORIES = ("CompletePayment", "Contact", "Subscribe")


def dag_id(name: str) -> str:
    """The factory's DAG of an advertiser."""
    return f"tiktok_offline__{name}"


@dataclass
class Crowd:
    """The files of the advertisers, and what must have become of them.

    Attributes:
        files: what was dropped, by advertiser.
    """

    deployment: Deployment
    folder: Path
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: dict[str, list[ConversionFile]] = field(default_factory=lambda: {name: [] for name in NAMES})
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.inbox = self.deployment.server.data / "outgoing"
        self.feeds = self.deployment.server.data / "uploads"
        self.dropped = self.folder / "dropped"
        self.dags = self.folder / "dags"
        for place in (self.inbox, self.inbox / "moved", self.feeds, self.dropped, self.dags):
            place.mkdir()
        file = ROOT / "dags" / "tiktok_offline_factory.py"
        (self.dags / file.name).write_text(file.read_text())
        (self.dags / "advertisers.yaml").write_text(yaml.safe_dump(self._configuration()))
        for name in NAMES:
            self.deployment.api.control.add_advertiser(NewAdvertiser(**self._ids(name), name=name))
        self.deployment.environment |= CALM
        self.api = AirflowApi(self.deployment.airflow.url)

    def _ids(self, name: str) -> dict[str, str]:
        if name == SMOKED:
            return {"advertiser_id": ADVERTISER_ID, "event_set_id": EVENT_SET_ID}
        number = NAMES.index(name)
        return {"advertiser_id": f"73{number:017}", "event_set_id": f"74{number:017}"}

    def _configuration(self, moved: tuple[str, ...] = ()) -> dict[str, Any]:
        defaults = {
            "mode": "live",
            "state_uri": f"s3://object_store@{STATE_BUCKET}/tiktok",
            "currency": "USD",
            "phone_region": "US",
            "schedule": f"0 {self._due.hour} * * *",
            "start_date": (self._due - timedelta(days=30)).date(),
            "retries": 8,
            "retry_delay_seconds": 2,
            "upload": {"batch_events": 5, "requests_per_second": 10, "in_flight": 2, "part_events": 1000},
            "ledger": {"heartbeat_seconds": 5, "lease_seconds": 30},
        }
        advertisers = [self._entry(name, "moved/" if name in moved else "") for name in NAMES]
        advertisers.append({**self._entry(SMOKED, ""), "schedule": None})
        return {"defaults": defaults, "advertisers": advertisers}

    def _entry(self, name: str, folder: str) -> dict[str, Any]:
        feed = name in BY_LIVERAMP
        path = f"{self.inbox}/{folder}{name}_{{{{ ds_nodash }}}}.csv"
        source = {
            "conn_id": "sftp_market_hall" if feed else "sftp_corner_shop",
            "path": path,
            "settle_seconds": 0,
            "poke_seconds": 2,
            "timeout_seconds": 1200,
        }
        entry: dict[str, Any] = {"name": name, **self._ids(name), "source": source}
        if feed:
            entry |= {"route": "liveramp", "liveramp": {"conn_id": "sftp_liveramp", "destination": str(self.feeds)}}
        if name in SLOW:
            entry["upload"] = {"batch_events": 5, "requests_per_second": 0.5, "in_flight": 1, "part_events": 1000}
        return entry

    @property
    def _due(self) -> datetime:
        """When the newest run was due: twelve hours ago, so that the next one is not while the test lasts."""
        return (self.begun - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)

    @property
    def day(self) -> date:
        """The day of the files: the start of the interval whose run is due when the DAGs are unpaused."""
        return (self._due - timedelta(days=1)).date()

    def context(self, name: str) -> DeliveryContext:
        """An advertiser as a command sees it."""
        config = load_config(self.dags / "advertisers.yaml").advertiser(name)
        return DeliveryContext(config=config, connections=self.deployment.connections, holder="test")

    def accept_feeds(self) -> None:
        """What ``tiktok-offline liveramp accept`` does, once a feed."""
        sample = self.folder / "sample.csv"
        for name in BY_LIVERAMP:
            ctx = self.context(name)
            sample.write_bytes(make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=_CATEGORIES))
            accept_feed(ctx, sample)

    def drop(self, name: str, day: date | None = None) -> None:
        """An advertiser's file of a day appears, where the advertiser looks for it last."""
        day = day or self.day
        local = self.dropped / f"{name}_{day:%Y%m%d}.csv"
        with self._lock:
            if name in DIRECT:
                fresh = range(self._numbers, self._numbers + ROWS)
                self._numbers = fresh.stop
                file = write_file(local, fresh, self.begun - timedelta(hours=1))
            else:
                form = SampleForm(identifiers="both")
                write_sample(local, ROWS, as_of=self.begun, seed=NAMES.index(name), form=form)
                file = ConversionFile(local, (), ROWS, 0, 0)
            self.files[name].append(file)
        hidden = self.inbox / f".{local.name}.part"
        hidden.write_bytes(local.read_bytes())
        hidden.rename((self.inbox / "moved" if name in MOVED else self.inbox) / local.name)

    def move_paths(self) -> None:
        """Two paths are corrected, on every machine."""
        text = yaml.safe_dump(self._configuration(moved=MOVED))
        machines = [machine for name, machine in self.deployment.machines.items() if name != "setup"]
        for folder in (self.dags, *(Path(one.environment["AIRFLOW_HOME"]) / "dags" for one in machines)):
            (folder / "advertisers.new").write_text(text)
            (folder / "advertisers.new").rename(folder / "advertisers.yaml")

    def started(self, name: str) -> tuple[str, str]:
        """Let the advertiser's DAG run; the scheduler starts the run that is due. Gives DAG id and run id."""
        self.api.unpause(dag_id(name))
        wait_until(lambda: bool(self.runs(name)), f"a run of {name}")
        return dag_id(name), str(self.runs(name)[0]["dag_run_id"])

    def runs(self, name: str) -> list[dict[str, Any]]:
        """The advertiser's run of the day."""
        return [run for run in self.api.runs(dag_id(name)) if run["run_type"] == "scheduled"]

    def received(self, name: str) -> int:
        """How many events of the advertiser the simulator holds."""
        held = self.deployment.api.control.events()
        return sum(event.event_set_id == self._ids(name)["event_set_id"] for event in held)

    # --- what must have become of it ---

    def check_runs(self) -> None:
        """Each run has succeeded, but for the past day without a file; no DAG file is broken."""
        for name in NAMES:
            runs = self.api.runs(dag_id(name))
            wanted = {"scheduled": ["success"]}
            if name == BACKFILLED:
                wanted["backfill"] = ["failed", "success", "success"]
            found: dict[str, list[str]] = {}
            for run in sorted(runs, key=lambda run: str(run["logical_date"])):
                found.setdefault(run["run_type"], []).append(run["state"])
            assert found == wanted, (name, found)
        assert self.api.get("/importErrors")["import_errors"] == []

    def check_books(self) -> None:
        """Each event is at the simulator, once; each feed file at its destination; the ledgers say the same."""
        held: dict[str, Counter[str]] = {}
        for event in self.deployment.api.control.events():
            held.setdefault(event.event_set_id, Counter())[event.item["event_id"]] += 1
        for name in NAMES:
            books = inspection.status(self.context(name).ledger)
            if name in DIRECT:
                wanted = Counter(event_id for file in self.files[name] for event_id in file.event_ids)
                assert held.get(self._ids(name)["event_set_id"], Counter()) == wanted, name
                rows = len(wanted)
            else:
                arrived = [path for path in self.feeds.iterdir() if path.name.startswith(f"{name}_")]
                digests = [hashlib.sha256(path.read_bytes()).digest() for path in arrived]
                assert digests == [hashlib.sha256(file.path.read_bytes()).digest() for file in self.files[name]], name
                rows = sum(file.rows for file in self.files[name])
            assert books["events"] == {"accepted": rows}, (name, books)
            assert (books["claims"], books["oldest_in_doubt"]) == ({}, None), (name, books)
            assert {state.status for state in self.context(name).deliveries.list(name)} == {"closed"}, name

    def check_no_plaintext(self) -> None:
        """No e-mail, no phone and no credential lies where it must not."""
        dropped = [file.path for files in self.files.values() for file in files]
        check_nothing_leaks(self.deployment, dropped, bucket=STATE_BUCKET)


@contextmanager
def running_crowd(folder: Path) -> Iterator[Crowd]:
    """A deployment that is whole, with nothing delivered yet; at the end nothing of it runs any more.

    :param folder: empty.
    """
    machines = folder / "machines"
    machines.mkdir()
    with deployment(machines) as running:
        crowd = Crowd(running, folder)
        running.start(crowd.dags)
        crowd.api.login(running.airflow.user, running.airflow.password)
        crowd.accept_feeds()
        wait_until(lambda: all(crowd.api.knows(dag_id(name)) for name in (*NAMES, SMOKED)), "the DAGs", seconds=180)
        yield crowd
    assert left_running(machines) == {}
