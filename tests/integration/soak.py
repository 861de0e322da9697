"""Many advertisers over many days, each route and each kind of store, while servers fail and workers are killed."""

from __future__ import annotations

import json
import queue
import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from airflow_provider_tiktok_offline.clock import SystemClock
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.events.feed_setup import open_feed_state
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.delivery_summary import read_summary
from airflow_provider_tiktok_offline.ledger import inspection
from airflow_provider_tiktok_offline.ledger.ledger import Ledger
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from airflow_provider_tiktok_offline.simulator.control_client import Control
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.integration.shop import ConversionFile, Purchase, write_file
from tests.integration.soak_workers import Worker, workers
from tests.liveramp.rows import COLUMNS, feed, row, text
from tests.servers.s3 import S3Server, s3_server
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator, simulator
from tests.servers.sshd import Sshd, StaticConnections, sshd

SOURCE_BUCKET, STATE_BUCKET = "exports", "state"
#: Transactions that a file repeats of the day before.
_REPEATED = 5
_WORKERS = 2
#: Tries of a file on a day while servers fail, and afterwards.
_DISTURBED_TRIES, _CLEAN_TRIES = 2, 5
#: Days without files, for those that wait for a feed's next day.
_LAST_DAYS = 12
_PLAIN = re.compile(rb"(?:buyer|person)\d+@(?:shop\.example|example\.com)|(?<!\d)121[23]555\d{4}(?!\d)")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done.

    Attributes:
        advertisers, days: how many.
        rows: valid rows of a file.
        seed: decides files and faults; the operating system decides which of them meet.
    """

    advertisers: int
    days: int
    rows: int
    seed: int


@dataclass(slots=True)
class Figures:
    """What came of it.

    Attributes:
        tries: how often a worker was given a file.
        failed: tries that ended in an error of the package, by type.
        killed: workers killed by SIGKILL.
        faults: disturbances, by kind.
        events: valid transactions of all files.
        lost, twice: events that are not at their destination, or more than once.
        came_again: events that TikTok got again under the same id, and took once.
        leaks: places where a customer's value or a secret was found.
        tracebacks: errors that are not the package's.
    """

    tries: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    lost: int = 0
    twice: int = 0
    came_again: int = 0
    leaks: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return json.dumps({one.name: getattr(self, one.name) for one in fields(self)})


@dataclass(frozen=True, slots=True)
class Job:
    """An advertiser's file of a day."""

    name: str
    day: date


@dataclass(slots=True)
class Shop:
    """One advertiser: its route, where its files appear, and what they hold."""

    name: str
    number: int
    files: dict[date, ConversionFile] = field(default_factory=dict)

    @property
    def route(self) -> str:
        return "liveramp" if self.number % 5 == 4 else "tiktok"

    @property
    def event_set_id(self) -> str:
        """The first two share one, and with it a ledger."""
        return f"71{max(self.number, 1):017}"

    @property
    def source(self) -> str:
        """Where its files appear: ``sftp``, ``s3`` or ``local``."""
        return ("sftp", "s3", "local", "sftp", "sftp")[self.number % 5]

    @property
    def in_bucket(self) -> bool:
        """Whether its state lies in the object store."""
        return self.number % 5 == 3


class Soak:
    """The servers, the advertisers and the days.

    :param folder: empty.
    """

    def __init__(self, folder: Path, size: Size, stack: ExitStack) -> None:
        self.folder, self.size = folder, size
        self.random = random.Random(size.seed)
        self.figures = Figures()
        folder.mkdir()
        self.switch = folder / "refuse-writes"
        self.simulator: RunningSimulator = stack.enter_context(simulator())
        self.server: Sshd = stack.enter_context(sshd())
        self.store: S3Server = stack.enter_context(s3_server(switch=self.switch))
        self.control: Control = self.simulator.control
        self.begun = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.shops = [Shop(f"shop_{number:02}", number) for number in range(size.advertisers)]
        self.outbox = self.server.data / "uploads"
        self.logs = folder / "logs"
        for place in (self.outbox, self.logs, self.server.data / "out", folder / "out", folder / "dropped"):
            place.mkdir()
        for bucket in (SOURCE_BUCKET, STATE_BUCKET):
            self.store.make_bucket(bucket)
        self._connections = [
            Connection(conn_id="tiktok_default", conn_type="tiktok", host=self.simulator.url, password=ACCESS_TOKEN),
            self.server.connection("server"),
            self.store.connection("store"),
        ]
        self._configure()
        self._open()
        config, connections = (folder / name for name in ("advertisers.yaml", "connections.json"))
        self.place = stack.enter_context(workers(folder, config, connections, self.logs))

    # --- the advertisers ---

    def _configure(self) -> None:
        defaults = {
            "mode": "live",
            "currency": "USD",
            "phone_region": "US",
            "max_rejected_ratio": 0.5,
            "upload": {"batch_events": 10, "requests_per_second": 200, "max_attempts": 2, "timeout_seconds": 5},
        }
        config = self.folder / "advertisers.yaml"
        config.write_text(yaml.safe_dump({"defaults": defaults, "advertisers": [self._entry(s) for s in self.shops]}))
        (self.folder / "connections.json").write_text(json.dumps([asdict(each) for each in self._connections]))
        self.loaded = load_config(config)
        assert not self.loaded.broken, self.loaded.broken

    def _entry(self, shop: Shop) -> dict[str, Any]:
        ending = "psv" if shop.route == "liveramp" else "csv"
        name = f"{shop.name}_{{{{ ds_nodash }}}}.{ending}"
        path = {
            "sftp": self.server.uri(self.server.data / "out" / name, "server"),
            "s3": f"s3://store@{SOURCE_BUCKET}/out/{name}",
            "local": str(self.folder / "out" / name),
        }[shop.source]
        entry: dict[str, Any] = {
            "name": shop.name,
            "advertiser_id": f"72{shop.number:017}",
            "event_set_id": shop.event_set_id,
            "route": shop.route,
            "state_uri": f"s3://store@{STATE_BUCKET}/tiktok" if shop.in_bucket else str(self.folder / "state"),
            "source": {"path": path, "settle_seconds": 0},
        }
        if shop.route == "liveramp":
            destination = self.server.uri(self.outbox, "server")
            entry["liveramp"] = {"destination": destination, "file_name": "{{ feed }}_{{ day }}.psv"}
        return entry

    def _open(self) -> None:
        """Make the ledgers, accept the feeds, and let the simulator know the accounts."""
        for shop in self.shops:
            ctx = self.context(shop)
            if shop.number != 1:
                Ledger.init(
                    ctx.objects, shop.event_set_id, identity=ctx.config.identity_settings(), clock=SystemClock()
                )
            if shop.route == "liveramp":
                contract = asdict(feed()) | {"name": shop.name, "advertiser": shop.name}
                open_feed_state(ctx).accept(type(feed())(**contract))
            else:
                ids = {"advertiser_id": ctx.config.advertiser_id, "event_set_id": shop.event_set_id}
                self.control.add_advertiser(NewAdvertiser(**ids, name=shop.name))

    def context(self, shop: Shop) -> DeliveryContext:
        """An advertiser as a command sees it."""
        config = self.loaded.advertiser(shop.name)
        return DeliveryContext(config=config, connections=StaticConnections(*self._connections), holder="soak")

    def _drop(self, shop: Shop, day: date) -> Job:
        """An advertiser's file of a day appears; it begins with the last transactions of the day before."""
        index = (day - self.begun.date()).days
        first = (shop.number * self.size.days + index) * self.size.rows
        numbers = range(first, first + self.size.rows)
        before = shop.files.get(day - timedelta(days=1))
        local = self.folder / "dropped" / f"{shop.name}_{day:%Y%m%d}.{'psv' if shop.route == 'liveramp' else 'csv'}"
        if shop.route == "liveramp":
            sold = day - timedelta(days=1)
            rows = [row(number, str(sold)) for number in numbers]
            repeated = [row(number, str(sold - timedelta(days=1))) for number in range(first - _REPEATED, first)]
            rows = [*(repeated if before else ()), *rows]
            local.write_bytes(text(rows, COLUMNS))
            file = ConversionFile(local, tuple(map(Purchase, numbers)), len(rows), 0, 0)
        else:
            repeated_numbers = range(first - _REPEATED, first) if before else ()
            file = write_file(local, [*repeated_numbers, *numbers], self._time_of)
        content = local.read_bytes()
        if shop.source == "s3":
            self.store.write(SOURCE_BUCKET, f"out/{local.name}", content)
        else:
            folder = self.server.data / "out" if shop.source == "sftp" else self.folder / "out"
            hidden = folder / f".{local.name}.part"
            hidden.write_bytes(content)
            hidden.rename(folder / local.name)
        shop.files[day] = file
        return Job(shop.name, day)

    def _time_of(self, number: int) -> datetime:
        """When a transaction was; it follows from its number, so that a repeated one is the same."""
        day, place = divmod(number % (self.size.days * self.size.rows), self.size.rows)
        return self.begun + timedelta(days=day, hours=-2, minutes=-place)

    # --- the days ---

    def run(self) -> Figures:
        """Live through all days, then look at the books."""
        open_jobs: list[Job] = []
        for index in range(self.size.days + _LAST_DAYS):
            now = self.begun + timedelta(days=index)
            self.control.set_clock((now - datetime.now(UTC)).total_seconds())
            if index < self.size.days:
                open_jobs += [self._drop(shop, now.date()) for shop in self.shops]
            if not open_jobs:
                break
            self.random.shuffle(open_jobs)
            for _ in range(_DISTURBED_TRIES if index < self.size.days else 0):
                open_jobs = self._work(open_jobs, now, disturbed=True)
            self._calm_down()
            # Some files are left to the next day, as those of a deployment that was down. None is left twice: what has
            # no answer for two days is not sent again, and waits for a person.
            left = [job for job in open_jobs if job.day == now.date() and self.random.random() < 0.2]
            again = [job for job in open_jobs if job not in left]
            for _ in range(_CLEAN_TRIES):
                again = self._work(again, now, disturbed=False)
            open_jobs = left + again
        assert not open_jobs, f"never done: {open_jobs[:5]}\n{self.figures}"
        self._look_at_events()
        self._look_at_feeds()
        self._look_at_states()
        self._look_for_leaks()
        return self.figures

    def _work(self, jobs: list[Job], now: datetime, *, disturbed: bool) -> list[Job]:
        """Try each file once; those that are left."""
        todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            todo.put(job)
        left: list[Job] = []
        seeds = [self.random.random() for _ in range(_WORKERS)]
        threads = [
            threading.Thread(target=self._worker, args=(todo, left, now, random.Random(seed), disturbed))
            for seed in seeds
        ]
        for thread in threads:
            thread.start()
        while disturbed and any(thread.is_alive() for thread in threads):
            self._disturb()
            # About as many disturbances as tries, however fast the machine is.
            tried = self.figures.tries
            until = time.monotonic() + self.random.uniform(2, 10)
            while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
                if self.figures.tries > tried:
                    break
                threads[0].join(0.05)
        for thread in threads:
            thread.join()
        return left

    def _worker(
        self, todo: queue.SimpleQueue[Job], left: list[Job], now: datetime, chance: random.Random, disturbed: bool
    ) -> None:
        worker: Worker | None = None
        job: Job | None = None
        try:
            while True:
                try:
                    job, done = todo.get_nowait(), False
                except queue.Empty:
                    return
                if worker is None:
                    worker = Worker(self.place)
                kill_after = chance.uniform(0.02, 0.9) if disturbed and chance.random() < 0.12 else None
                answer = worker.ask({"name": job.name, "day": str(job.day), "now": now.isoformat()}, kill_after)
                self.figures.tries += 1
                if answer is None:
                    self.figures.killed += 1
                    worker = None
                done = True
                if not self._noted(answer or {}):
                    left.append(job)
        except Exception as error:
            self.figures.tracebacks.append(repr(error))
            if job is not None and not done:
                left.append(job)
        finally:
            if worker is not None:
                worker.end()

    def _noted(self, answer: dict[str, Any]) -> bool:
        """Whether the file is settled."""
        if "traceback" in answer:
            self.figures.tracebacks.append(answer["traceback"])
        if "error" in answer:
            self.figures.failed[answer["error"].partition(":")[0]] += 1
            if _PLAIN.search(answer["error"].encode()):
                self.figures.leaks.append("a message")
        return answer.get("closed") is True

    # --- what goes wrong ---

    def _disturb(self) -> None:
        chance = self.random
        kind = chance.choice(["nothing", "answers lost", "dropped", "throttled", "gateway", "system error", "garbled",
                              "partial", "slow", "revoked", "sftp", "store"])  # fmt: skip
        taken = chance.random() < 0.5
        count = chance.randint(1, 3)
        scripted = {
            "answers lost": Fault(kind="drop", taken=True, count=count),
            "dropped": Fault(kind="drop", count=count),
            "throttled": Fault(kind="answer", code=chance.choice([40100, 40016, 61000]), count=count),
            "gateway": Fault(kind="answer", status=chance.choice([500, 502, 503, 504]), taken=taken, count=count),
            "system error": Fault(kind="answer", code=chance.choice([50000, 50002, 51010]), taken=taken, count=count),
            "garbled": Fault(kind="answer", body='{"code": 0, "messa', taken=True),
            "partial": Fault(kind="partial", share=chance.random(), seed=chance.randrange(1000)),
            "slow": Fault(kind="delay", delay_seconds=chance.uniform(0, 1), count=count),
        }
        if kind in scripted:
            self.control.add(scripted[kind])
        elif kind == "revoked":
            self.control.revoke(ACCESS_TOKEN)
            threading.Event().wait(chance.uniform(0, 0.5))
            self.control.restore(ACCESS_TOKEN)
        elif kind == "sftp":
            self.server.drop_connections()
        elif kind == "store":
            self.switch.touch()
            threading.Event().wait(chance.uniform(0, 1.5))
            self.switch.unlink()
        self.figures.faults[kind] += 1

    def _calm_down(self) -> None:
        self.control.clear_faults()
        self.control.restore(ACCESS_TOKEN)
        self.switch.unlink(missing_ok=True)

    # --- the books ---

    def _look_at_events(self) -> None:
        """Each transaction of the direct route is at the simulator, once, and the ledgers say the same."""
        wanted: dict[str, Counter[str]] = {}
        for shop in self.shops:
            if shop.route == "tiktok":
                ids = {event_id for file in shop.files.values() for event_id in file.event_ids}
                wanted.setdefault(shop.event_set_id, Counter()).update(ids)
        found: dict[str, Counter[str]] = {event_set: Counter() for event_set in wanted}
        for event in self.control.events():
            found.setdefault(event.event_set_id, Counter())[event.item["event_id"]] += 1
        assert found.keys() == wanted.keys()
        for event_set, transactions in wanted.items():
            self._count(transactions, found[event_set])
            shop = next(shop for shop in self.shops if shop.event_set_id == event_set)
            self._check_ledger(shop, len(transactions))
        self.figures.came_again = sum(each.times - 1 for each in self.control.received())

    def _look_at_feeds(self) -> None:
        """Each row of the liveramp route is in one file at the destination, and the ledgers say the same."""
        for shop in self.shops:
            if shop.route == "liveramp":
                lines = (file.path.read_text().splitlines()[1:] for file in shop.files.values())
                wanted = Counter({line: 1 for of_file in lines for line in of_file})
                arrived = [path for path in self.outbox.iterdir() if path.name.startswith(f"{shop.name}_")]
                self._count(wanted, Counter(line for path in arrived for line in path.read_text().splitlines()[1:]))
                self._check_ledger(shop, len(wanted))

    def _count(self, wanted: Counter[str], found: Counter[str]) -> None:
        self.figures.events += len(wanted)
        self.figures.lost += len(wanted.keys() - found.keys())
        self.figures.twice += sum((found - wanted).values())

    def _check_ledger(self, shop: Shop, events: int) -> None:
        books = inspection.status(self.context(shop).ledger)
        assert books["events"] == {"accepted": events}, (shop.name, books, events)
        assert (books["claims"], books["oldest_in_doubt"]) == ({}, None), (shop.name, books)

    def _look_at_states(self) -> None:
        """Of each file there is one closed delivery, whose rows add up to the file's."""
        for shop in self.shops:
            ctx = self.context(shop)
            states = ctx.deliveries.list(shop.name)
            assert {state.status for state in states} == {"closed"}, shop.name
            rows = {}
            for state in states:
                summary = read_summary(ctx, state.id)
                assert summary is not None, (shop.name, state.file_name)
                rows[state.file_name] = summary.rows
            for file in shop.files.values():
                counted = rows.pop(file.path.name)
                assert counted.rows_total == counted.classified == file.rows, (file, counted)
                assert (counted.rows_rejected, counted.rows_duplicate) == (file.rejected, file.duplicates), counted
            assert not rows, rows

    def _look_for_leaks(self) -> None:
        """No identifier and no secret lies anywhere but where the advertisers and the destination have them."""
        key = self.server.client_key.read_text().splitlines()
        secrets = [ACCESS_TOKEN.encode(), self.store.secret_key.encode(), key[len(key) // 2].encode()]
        for place, content in self._contents():
            if _PLAIN.search(content) or any(secret in content for secret in secrets):
                self.figures.leaks.append(place)

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        for place in ("logs", "state"):
            for path in sorted((self.folder / place).rglob("*")):
                if path.is_file():
                    yield from _texts(str(path), path.read_bytes())
        for key in self.store.keys(STATE_BUCKET):
            yield from _texts(key, self.store.read(STATE_BUCKET, key))
        yield "sshd's log", self.server.log.read_bytes()


def _texts(place: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The content, and what it holds where it is compressed."""
    yield place, content
    if place.endswith(".parquet"):
        frame = pl.read_parquet(content)
        values = (value for column in frame.iter_columns() for value in column.to_list())
        yield place, b"\n".join(v.encode() if isinstance(v, str) else v for v in values if isinstance(v, str | bytes))


def soak(folder: Path, size: Size) -> Figures:
    """Start the servers, live through the days, stop everything; the figures."""
    with ExitStack() as stack:
        figures = Soak(folder, size, stack).run()
    shutil.rmtree(folder, ignore_errors=True)
    return figures
