"""Five advertisers, both routes, a file each a day: what lies where, and what must have become of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import yaml

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS, SampleForm, write_sample
from tests.deployment.compose import ROOT
from tests.deployment.leaks import check_nothing_leaks
from tests.deployment.native import WORKERS, Deployment, deployment, left_running
from tests.deployment.processes import clock_off
from tests.integration.shop import ConversionFile, write_file
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID
from tests.servers.waiting import wait_until

STATE_BUCKET = "tiktok-offline-state"
SOURCE_BUCKET = "shop-exports"
FEED_BUCKET = "liveramp-drop"
#: Two share an event set, and with it one ledger.
DIRECT = {
    "corner_shop": (ADVERTISER_ID, EVENT_SET_ID),
    "garden_centre": ("7000000000000000102", "7000000000000000202"),
    "night_kiosk": ("7000000000000000102", "7000000000000000202"),
}
BY_LIVERAMP = {"market_hall": "7000000000000000301", "book_barn": "7000000000000000302"}
NAMES = (*DIRECT, *BY_LIVERAMP)
#: Whose files are read in shards: one on each route.
SHARDED = ("corner_shop", "book_barn")
#: So small that each of their files has some.
_SHARDS = {"megabytes": 0.005}
#: The smoke script's own, beside the five.
SMOKED = "smoke_shop"
#: Days before the first whose files are nobody else's.
_BEFORE = 10
#: Lines of a failed try's log that are shown.
_LOG_LINES = 15
#: Transactions that a file repeats of the one before.
_REPEATED = 20
_CATEGORIES = ("CompletePayment", "Contact", "Subscribe")


def dag_id(name: str) -> str:
    """The factory's DAG of an advertiser."""
    return f"tiktok_offline__{name}"


@dataclass
class Week:
    """The files of one deployment's advertisers.

    Attributes:
        rows: valid rows of a file.
        begun: when the test was.
        files: what was dropped, by advertiser, in order.
    """

    deployment: Deployment
    folder: Path
    rows: int
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: dict[str, list[ConversionFile]] = field(default_factory=lambda: {name: [] for name in NAMES})
    _numbers: int = 0

    def __post_init__(self) -> None:
        data = self.deployment.server.data
        self.inbox = data / "outgoing"
        self.feeds = data / "uploads"
        self.dropped = self.folder / "dropped"
        self.dags = self.folder / "dags"
        for place in (self.inbox, self.feeds, self.dropped, self.dags):
            place.mkdir(parents=True)
        for bucket in (SOURCE_BUCKET, FEED_BUCKET):
            self._s3().create_bucket(Bucket=bucket)
        (self.dags / "week.py").write_text((ROOT / "tests" / "deployment" / "week_dags.py").read_text())
        (self.dags / "advertisers.yaml").write_text(yaml.safe_dump(self._configuration()))
        (self.dags / "ahead").write_text(str(self._ahead(0)))
        self.deployment.api.control.set_clock(self._ahead(0))

    def _configuration(self) -> dict[str, Any]:
        own = {"settle_seconds": 0, "poke_seconds": 2, "timeout_seconds": 1200}
        defaults: dict[str, Any] = {
            "mode": "live",
            "state_uri": f"s3://object_store@{STATE_BUCKET}/tiktok",
            "currency": "USD",
            "phone_region": "US",
            "schedule": f"0 {self._due.hour} * * *",
            "start_date": (self._due - timedelta(days=30)).date(),
            "retries": 8,
            "retry_delay_seconds": 2,
            "upload": {"batch_events": 25, "requests_per_second": 5, "in_flight": 2, "part_events": 1000},
            # Longer than the clocks are apart.
            "ledger": {"heartbeat_seconds": 5, "lease_seconds": 150},
        }
        advertisers: list[dict[str, Any]] = []
        for name, (advertiser_id, event_set_id) in DIRECT.items():
            source = {"conn_id": "sftp_corner_shop", "path": f"{self.inbox}/{name}_{{{{ ds_nodash }}}}.csv", **own}
            if name == "night_kiosk":
                source = {"path": f"s3://object_store@{SOURCE_BUCKET}/{name}_{{{{ ds_nodash }}}}.csv", **own}
            ids = {"advertiser_id": advertiser_id, "event_set_id": event_set_id}
            advertisers.append({"name": name, **ids, "source": source})
        for name, event_set_id in BY_LIVERAMP.items():
            source = {"conn_id": "sftp_market_hall", "path": f"{self.inbox}/{name}_{{{{ ds_nodash }}}}.csv", **own}
            liveramp = {"conn_id": "sftp_liveramp", "destination": str(self.feeds)}
            if name == "book_barn":
                liveramp = {"destination": f"s3://object_store@{FEED_BUCKET}/feeds"}
            ids = {"advertiser_id": event_set_id, "event_set_id": event_set_id, "route": "liveramp"}
            advertisers.append({"name": name, **ids, "source": source, "liveramp": liveramp})
        for entry in advertisers:
            if entry["name"] in SHARDED:
                entry["shards"] = _SHARDS
        source = {"conn_id": "sftp_corner_shop", "path": f"{self.inbox}/{SMOKED}_{{{{ ds_nodash }}}}.csv", **own}
        ids = {"advertiser_id": ADVERTISER_ID, "event_set_id": EVENT_SET_ID}
        advertisers.append({"name": SMOKED, **ids, "source": source, "schedule": None})
        return {"defaults": defaults, "advertisers": advertisers}

    def context(self, name: str) -> DeliveryContext:
        """An advertiser as a command sees it."""
        config = load_config(self.dags / "advertisers.yaml").advertiser(name)
        return DeliveryContext(config=config, connections=self.deployment.connections, holder="test")

    def accept_feeds(self) -> None:
        """What ``tiktok-offline liveramp accept`` does, once a feed."""
        for name in BY_LIVERAMP:
            sample = self.folder / f"sample_{name}.csv"
            ctx = self.context(name)
            sample.write_bytes(make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=_CATEGORIES))
            accept_feed(ctx, sample)

    def drop(self, name: str, day: date) -> ConversionFile:
        """An advertiser's file of a day appears where it looks for it.

        On the direct route it begins with the last transactions of the file before.
        """
        local = self.dropped / f"{name}_{day:%Y%m%d}.csv"
        if name in DIRECT:
            before = self.files[name][-1].purchases[-_REPEATED:] if self.files[name] else ()
            fresh = range(self._numbers, self._numbers + self.rows - len(before))
            self._numbers = fresh.stop
            file = write_file(local, [*(purchase.number for purchase in before), *fresh], self.newest)
        else:
            seed = len(self.files[name]) * 100 + NAMES.index(name)
            write_sample(local, self.rows, as_of=self.newest, seed=seed, form=SampleForm(identifiers="both"))
            file = ConversionFile(local, (), self.rows, 0, 0)
        if name == "night_kiosk":
            self.deployment.store.write(SOURCE_BUCKET, local.name, local.read_bytes())
        else:
            hidden = self.inbox / f".{local.name}.part"
            hidden.write_bytes(local.read_bytes())
            hidden.rename(self.inbox / local.name)
        self.files[name].append(file)
        return file

    def start_another(self, task_id: str) -> None:
        """One more file, of a day before all others, and a run for it that has such a task."""
        name = "market_hall" if task_id == "deliver" else "corner_shop"
        day = self.first_day - timedelta(days=_BEFORE + len(self.files[name]))
        self.drop(name, day)
        self.deployment.airflow.trigger(dag_id(name), file_day=day)

    def set_day(self, day: int) -> None:
        """Move every machine's clock, as the package sees it, so many days on."""
        for machine in self.deployment.machines.values():
            place = Path(machine.environment["AIRFLOW_HOME"]) / "dags" / "ahead"
            replacement = place.with_suffix(".new")
            replacement.write_text(str(self._ahead(day)))
            replacement.rename(place)
        self.deployment.api.control.set_clock(self._ahead(day))

    def _ahead(self, day: int) -> float:
        """Seconds that the package's clock is ahead on that day: days begin at noon, far from midnight."""
        to_noon = (self.begun.replace(hour=12, minute=0, second=0, microsecond=0) - self.begun) % timedelta(days=1)
        return (to_noon + timedelta(days=day)).total_seconds()

    @property
    def _due(self) -> datetime:
        """When the newest run was due: twelve hours ago, so that the next one is not while the test lasts."""
        return (self.begun - timedelta(hours=12)).replace(minute=0, second=0, microsecond=0)

    @property
    def first_day(self) -> date:
        """The day of the first files: the start of the interval whose run is due when the DAGs are unpaused."""
        return (self._due - timedelta(days=1)).date()

    @property
    def newest(self) -> datetime:
        """The time of the newest transaction."""
        return self.begun - timedelta(hours=1)

    def dags_known(self) -> bool:
        """Whether Airflow has read the DAGs folder."""
        known = {dag["dag_id"] for dag in self.deployment.airflow.get("/dags?limit=100")["dags"]}
        return {dag_id(name) for name in (*NAMES, SMOKED)} <= known

    def built(self, machine: str) -> list[tuple[str, int]]:
        """What the machine's readings of the DAGs folder built: the DAG asked for (``None`` for all), how many."""
        notes = Path(self.deployment.machines[machine].environment["HOME"]) / "built"
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [(dag, int(count)) for dag, _, count in (line.partition(" ") for line in lines)]

    def ended(self, expected: int) -> bool:
        """Whether there are so many runs, and all have ended in success.

        :raises AssertionError: if one has failed.
        """
        found = self.deployment.airflow.get("/dags/~/dagRuns?limit=100")["dag_runs"]
        runs = [run for run in found if run["dag_id"] != dag_id(SMOKED)]
        failed = [(run["dag_id"], run["dag_run_id"]) for run in runs if run["state"] == "failed"]
        assert not failed, "\n".join(self._why_failed(*run) for run in failed)
        return len(runs) == expected and all(run["state"] == "success" for run in runs)

    def _why_failed(self, dag: str, run_id: str) -> str:
        """The run's tasks that did not end in success, and the last lines of their logs."""
        lines = [f"{dag}, {run_id}:"]
        for task in self.deployment.airflow.tasks(dag, run_id):
            if task["state"] in ("success", "skipped"):
                continue
            tries = f"try {task['try_number']} of {task['max_tries'] + 1}"
            lines.append(f"{task['task_id']} {task['state']} on {task['hostname']}, {tries}")
            pattern = f"logs/dag_id={dag}/run_id={run_id}/task_id={task['task_id']}/**/attempt=*.log"
            for log in sorted(self.deployment.folder.glob(pattern)):
                lines += [str(log.relative_to(self.deployment.folder)), *log.read_text().splitlines()[-_LOG_LINES:]]
        return "\n".join(lines)

    # --- what must have become of it ---

    def check_events(self) -> None:
        """Each transaction is at the simulator, once, and nothing else is."""
        held = list(self.deployment.api.control.events())
        for event_set_id in {event_set for _, event_set in DIRECT.values()}:
            wanted = self._wanted(event_set_id)
            found = Counter(event.item["event_id"] for event in held if event.event_set_id == event_set_id)
            assert found == Counter(wanted), (
                f"{event_set_id}: {len(wanted - found.keys())} missing, {len(found.keys() - wanted)} "
                f"too many, {sum(1 for count in found.values() if count > 1)} twice, of {len(wanted)}"
            )

    def _wanted(self, event_set_id: str) -> set[str]:
        """The event ids of all transactions for an event set."""
        names = [name for name, (_, event_set) in DIRECT.items() if event_set == event_set_id]
        return {event_id for name in names for file in self.files[name] for event_id in file.event_ids}

    def check_feeds(self) -> None:
        """Each row of the liveramp route is at its destination, once, below the header; nothing else is there.

        The programme takes one file a day: the rows of a second one go with the next day's.
        """
        for name in BY_LIVERAMP:
            sources = [file.path.read_bytes().splitlines() for file in self.files[name]]
            if name == "book_barn":
                keys = [key for key in self.deployment.store.keys(FEED_BUCKET) if f"{name}_" in key]
                contents = [self.deployment.store.read(FEED_BUCKET, key) for key in keys]
                assert len(keys) == len(self.deployment.store.keys(FEED_BUCKET))
            else:
                contents = [path.read_bytes() for path in self.feeds.iterdir() if path.name.startswith(f"{name}_")]
                assert len(contents) == len(list(self.feeds.iterdir()))
            arrived = [content.splitlines() for content in contents]
            assert {lines[0] for lines in arrived} == {lines[0] for lines in sources}
            found, wanted = (sorted(row for lines in files for row in lines[1:]) for files in (arrived, sources))
            assert found == wanted, f"{name}: {[len(one) for one in arrived]} of {[len(one) for one in sources]} lines"

    def check_counts(self) -> None:
        """Of each file there is one closed delivery, whose rows and events add up to the file's."""
        summaries = {}
        for key in self.deployment.store.keys(STATE_BUCKET):
            folder, _, name = key.rpartition("/")
            if name == "summary.json":
                summary = json.loads(self.deployment.store.read(STATE_BUCKET, key))
                summaries[summary["advertiser"], summary["digest"]] = summary
            elif folder == "tiktok/deliveries":
                state = json.loads(self.deployment.store.read(STATE_BUCKET, key))
                assert state["status"] == "closed", state
        expected = {
            (name, hashlib.sha256(file.path.read_bytes()).hexdigest()): file
            for name, files in self.files.items()
            for file in files
        }
        assert {key for key in summaries if key[0] != SMOKED} == expected.keys()
        accepted: Counter[str] = Counter()
        for (name, digest), file in expected.items():
            summary = summaries[name, digest]
            rows = summary["rows"]
            valid = len(file.purchases) if name in DIRECT else file.rows
            counted = [rows[f"rows_{kind}"] for kind in ("total", "valid", "rejected", "duplicate", "excluded")]
            assert counted == [file.rows, valid, file.rejected, file.duplicates, 0], summary
            events = {outcome: count for outcome, count in summary["events"].items() if count}
            assert sum(events.values()) == valid, summary
            assert events.keys() <= {"accepted", "already_sent"}, summary
            accepted[summary["event_set_id"]] += events.get("accepted", 0)
        for event_set_id in {event_set for _, event_set in DIRECT.values()}:
            assert accepted[event_set_id] == len(self._wanted(event_set_id))
        for name, event_set_id in BY_LIVERAMP.items():
            assert accepted[event_set_id] == sum(file.rows for file in self.files[name])

    def check_page(self) -> None:
        """The page in Airflow has a row an advertiser, delivered; its ninety days add up to what the simulator has."""
        ask = self.deployment.airflow.page
        rows = {row["advertiser"]: row for row in ask("/tiktok-offline-status/api/overview")["advertisers"]}
        assert {name: rows[name]["state"]["key"] for name in NAMES} == dict.fromkeys(NAMES, "delivered")
        accepted: Counter[str] = Counter()
        for name in NAMES:
            shown = ask(f"/tiktok-offline-status/api/advertisers/{dag_id(name)}")
            steps = [step["count"] for step in shown["deliveries"][-1]["funnel"]]
            assert steps[0] == shown["rows"]["total"]
            assert steps[-1] == shown["events"].get("accepted", 0)
            accepted[shown["event_set_id"]] += sum(shown["history"]["events"]["accepted"])
        for event_set_id in {event_set for _, event_set in DIRECT.values()}:
            assert accepted[event_set_id] == len(self._wanted(event_set_id))
        for name, event_set_id in BY_LIVERAMP.items():
            assert accepted[event_set_id] == sum(file.rows for file in self.files[name])

    def check_one_dag_a_task(self) -> None:
        """A worker that starts a task builds the task's DAG and no other; the DAG processor builds all."""
        started = [built for worker in WORKERS for built in self.built(worker)]
        assert {dag for dag, _ in started} - {dag_id(SMOKED)} == {dag_id(name) for name in NAMES}
        assert {count for _, count in started} == {1}
        assert set(self.built("dag-processor")) == {("None", len(NAMES) + 1)}

    def check_no_plaintext(self) -> None:
        """No e-mail and no phone of any file lies anywhere but where the user put it, and no credential anywhere."""
        dropped = [file.path for files in self.files.values() for file in files]
        check_nothing_leaks(self.deployment, dropped, bucket=STATE_BUCKET)

    def _s3(self) -> Any:
        store = self.deployment.store
        return boto3.client(
            "s3",
            endpoint_url=store.endpoint,
            region_name=store.region,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
        )


@contextmanager
def running_week(folder: Path, *, rows: int, skew: int) -> Iterator[Week]:
    """A deployment that is whole, with nothing delivered yet; at the end nothing of it runs any more.

    :param folder: empty.
    :param rows: valid rows of a file.
    :param skew: seconds that the second worker's clock is ahead, Airflow's and Celery's included.
    """
    machines = folder / "machines"
    machines.mkdir()
    with deployment(machines) as running:
        week = Week(running, folder, rows)
        running.start(week.dags, extra={"worker-2": clock_off(skew, folder)})
        week.accept_feeds()
        wait_until(week.dags_known, "the DAGs are known", seconds=120, every=0.5)
        yield week
    assert left_running(machines) == {}
