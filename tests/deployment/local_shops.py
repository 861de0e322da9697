"""The advertisers of docker-compose.local.yaml's native deployment: each comes to an end of its own."""

from __future__ import annotations

import json
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
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS, SampleForm, write_sample
from airflow_provider_tiktok_offline.simulator.control import NewAdvertiser
from tests.deployment.compose import LOCAL_FILE, ROOT
from tests.deployment.native import CALM, Deployment, deployment, left_running
from tests.deployment.processes import free_port
from tests.integration.shop import ConversionFile, write_file
from tests.servers.airflow_api import AirflowApi
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID
from tests.servers.sink import Sink, sink
from tests.servers.waiting import wait_until

#: The smoke script's own.
SMOKED = "smoke_shop"
#: The file's day of every run.
DAY = (datetime.now(UTC) - timedelta(days=1)).date()
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ASKS = {"max_events": 10, "on_breach": "approve"}
#: Advertiser -> what differs from the others.
SHOPS: dict[str, dict[str, Any]] = {
    SMOKED: {},
    "corner_shop": {"reports": {"days": 2}},
    "marked_shop": {"source": {"done_marker": ".done"}},
    "bad_shop": {},
    "missing_shop": {"source": {"timeout_seconds": 3}},
    "skipping_shop": {"source": {"timeout_seconds": 3, "missing_file": "skip"}},
    "quiet_shop": {"source": {"expected_days": [day for day in _WEEKDAYS if day != _WEEKDAYS[DAY.weekday()]]}},
    "down_shop": {"tiktok_conn_id": "tiktok_down", "upload": {"max_attempts": 2}},
    "revoked_shop": {"tiktok_conn_id": "tiktok_revoked"},
    "refused_shop": {},
    "slow_shop": {"upload": {"batch_events": 1, "requests_per_second": 0.5, "in_flight": 1}},
    "approved_shop": {"guards": _ASKS},
    "rejected_shop": {"guards": _ASKS},
    "unanswered_shop": {"guards": {**_ASKS, "approval_hours": 0.001}},
    "market_hall": {"route": "liveramp"},
    "stale_shop": {
        "schedule": "0 0 * * *",
        "notifications": {"events": ["stale"], "webhook_conn_id": "web", "webhook_endpoint": "/stale"},
    },
}
_CATEGORIES = ("CompletePayment", "Contact", "Subscribe")


def dag_id(name: str) -> str:
    """The factory's DAG of an advertiser."""
    return f"tiktok_offline__{name}"


@dataclass
class LocalShops:
    """One machine, the LocalExecutor, an advertiser for each way in which a task ends.

    Attributes:
        web: where a webhook arrives.
    """

    deployment: Deployment
    folder: Path
    web: Sink
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.inbox = self.deployment.server.data / "outgoing"
        self.feeds = self.deployment.server.data / "uploads"
        self.dropped = self.folder / "dropped"
        self.dags = self.folder / "dags"
        for place in (self.inbox, self.feeds, self.dropped, self.dags):
            place.mkdir()
        for file in (ROOT / "dags" / "tiktok_offline_factory.py", ROOT / "tests" / "deployment" / "upkeep_dags.py"):
            (self.dags / file.name).write_text(file.read_text())
        (self.dags / "advertisers.yaml").write_text(yaml.safe_dump(self._configuration()))
        api = json.loads(self.deployment.environment["AIRFLOW_CONN_TIKTOK_DEFAULT"])
        self.deployment.environment |= {
            **CALM,
            "AIRFLOW_CONN_TIKTOK_DOWN": json.dumps({**api, "host": f"http://127.0.0.1:{free_port()}"}),
            "AIRFLOW_CONN_TIKTOK_REVOKED": json.dumps({**api, "password": "revoked-access-token"}),
            "AIRFLOW_CONN_WEB": json.dumps({"conn_type": "http", "host": self.web.url}),
        }
        for name in SHOPS:
            ids = self._ids(name)
            self.deployment.api.control.add_advertiser(NewAdvertiser(**ids, name=name))
        self.api = AirflowApi(self.deployment.airflow.url)

    def _ids(self, name: str) -> dict[str, str]:
        number = list(SHOPS).index(name)
        if not number:
            return {"advertiser_id": ADVERTISER_ID, "event_set_id": EVENT_SET_ID}
        return {"advertiser_id": f"71{number:017}", "event_set_id": f"72{number:017}"}

    def _configuration(self) -> dict[str, Any]:
        defaults = {
            "mode": "live",
            "currency": "USD",
            "phone_region": "US",
            "schedule": None,
            "state_uri": "${TIKTOK_OFFLINE_STATE}",
            "retries": 1,
            "retry_delay_seconds": 1,
        }
        return {"defaults": defaults, "advertisers": [self._entry(name) for name in SHOPS]}

    def _entry(self, name: str) -> dict[str, Any]:
        feed = SHOPS[name].get("route") == "liveramp"
        source = {
            "conn_id": "sftp_market_hall" if feed else "sftp_corner_shop",
            "path": f"{self.inbox}/{name}_{{{{ ds_nodash }}}}.csv",
            "settle_seconds": 0,
            "poke_seconds": 2,
            **SHOPS[name].get("source", {}),
        }
        entry = {"name": name, **self._ids(name), **SHOPS[name], "source": source}
        if feed:
            entry["liveramp"] = {"conn_id": "sftp_liveramp", "destination": str(self.feeds)}
        if name == "stale_shop":
            # Hours away: the sensor does not tell while the test lasts.
            by = (self.begun + timedelta(hours=6)).strftime("%H:%M")
            entry["notifications"] = {**entry["notifications"], "no_file_by": by}
        return entry

    def context(self, name: str) -> DeliveryContext:
        """An advertiser as a command sees it."""
        config = load_config(self.dags / "advertisers.yaml", environ=self.deployment.environment).advertiser(name)
        return DeliveryContext(config=config, connections=self.deployment.connections, holder="test")

    def accept_feed(self, name: str) -> None:
        """What ``tiktok-offline liveramp accept`` does, once a feed."""
        sample = self.folder / f"sample_{name}.csv"
        ctx = self.context(name)
        sample.write_bytes(make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=_CATEGORIES))
        accept_feed(ctx, sample)

    def drop(self, name: str, day: date = DAY, *, rows: int = 60, only_bad: bool = False) -> ConversionFile:
        """The advertiser's file of a day appears where it looks for it."""
        local = self.dropped / f"{name}_{day:%Y%m%d}.csv"
        if SHOPS[name].get("route") == "liveramp":
            form = SampleForm(identifiers="both")
            write_sample(local, rows, as_of=self.begun, seed=day.toordinal(), form=form)
            file = ConversionFile(local, (), rows, 0, 0)
        else:
            fresh = range(self._numbers, self._numbers + rows)
            self._numbers = fresh.stop
            file = write_file(local, fresh, self.begun - timedelta(hours=1))
            if only_bad:
                local.write_text(local.read_text().replace(",Purchase,", ",Purchase,yesterday "))
        hidden = self.inbox / f".{local.name}.part"
        hidden.write_bytes(local.read_bytes())
        hidden.rename(self.inbox / local.name)
        return file

    def start(self, name: str, day: date = DAY) -> tuple[str, str]:
        """Start the advertiser's DAG for a day's file; gives DAG id and run id."""
        self.api.unpause(dag_id(name))
        return dag_id(name), self.api.trigger(dag_id(name), file_day=day.isoformat())


@contextmanager
def running_local_shops(folder: Path) -> Iterator[LocalShops]:
    """The deployment, whole; at the end nothing of it runs any more.

    :param folder: empty.
    """
    machines = folder / "machines"
    machines.mkdir()
    with sink() as web, deployment(machines, file=LOCAL_FILE) as running:
        shops = LocalShops(running, folder, web)
        running.start(shops.dags)
        shops.api.login(running.airflow.user, running.airflow.password)
        shops.accept_feed("market_hall")
        for one in (*map(dag_id, SHOPS), "upkeep"):
            wait_until(lambda one=one: shops.api.knows(one), one, seconds=120)  # type: ignore[misc]
        yield shops
    assert left_running(machines) == {}
