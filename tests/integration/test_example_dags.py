"""Every example DAG but the daily one (test_daily_dag.py), run to its end in a real Airflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_provider_tiktok_offline.cli.demo_recount import recount
from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.conversions.sample import SAMPLE_COLUMNS, write_sample
from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.ledger import Ledger
from tests.servers.airflow import AirflowHome, AirflowRunner, airflow_environment
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator, simulator
from tests.servers.sshd import StaticConnections

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow"), pytest.mark.timeout(900)]

DAGS = Path(__file__).parents[2] / "dags"
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()


@dataclass
class Shops:
    """The example configuration's advertisers, with folders on this machine in place of their servers."""

    folder: Path
    airflow: AirflowHome
    api: RunningSimulator

    def __post_init__(self) -> None:
        self.inbox = self.folder / "in"
        self.feed = self.folder / "feed"
        self.inbox.mkdir()
        self.feed.mkdir()
        for file in DAGS.glob("*.py"):
            shutil.copy(file, self.airflow.dags)
        base = {"advertiser_id": ADVERTISER_ID, "event_set_id": EVENT_SET_ID, "schedule": None}
        own = {"settle_seconds": 0, "poke_seconds": 1}
        advertisers: list[dict[str, Any]] = [
            {**base, "name": "corner_shop", "source": {"path": f"{self.inbox}/corner_{{{{ ds_nodash }}}}.csv", **own}},
            {
                **base,
                "name": "night_kiosk",
                "source": {"path": f"{self.inbox}/kiosk_*.csv", "files": "all", "file_day": "run_day", **own},
            },
            {
                **base,
                "name": "market_hall",
                "event_set_id": "7000000000000000202",
                "route": "liveramp",
                "liveramp": {"destination": str(self.feed)},
                "source": {"path": f"{self.inbox}/market_{{{{ ds_nodash }}}}.csv", **own},
            },
        ]
        defaults = {
            "mode": "live",
            "state_uri": str(self.folder / "state"),
            "currency": "USD",
            "phone_region": "US",
            "tiktok_conn_id": "tiktok_shops",
        }
        self.config = self.airflow.dags / "advertisers.yaml"
        self.config.write_text(yaml.safe_dump({"defaults": defaults, "advertisers": advertisers}))
        for name in ("corner_shop", "market_hall"):
            ctx = self.context(name)
            Ledger.init(
                ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=system_clock()
            )

    def context(self, name: str) -> DeliveryContext:
        """The advertiser as a command sees it."""
        return DeliveryContext(
            config=load_config(self.config).advertiser(name), connections=StaticConnections(), holder="test"
        )

    def write(self, name: str, *, seed: int) -> Path:
        """A file of 300 good rows."""
        write_sample(self.inbox / name, 300, as_of=datetime.now(UTC), seed=seed, identifiers="both")
        return self.inbox / name

    def runner(self) -> AirflowRunner:
        """A process that runs the DAGs."""
        connection = f'{{"conn_type": "tiktok", "host": "{self.api.url}", "password": "{ACCESS_TOKEN}"}}'
        return self.airflow.runner(self.airflow.dags, extra={"AIRFLOW_CONN_TIKTOK_SHOPS": connection})


@pytest.fixture(scope="module", name="shops")
def _shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    folder = tmp_path_factory.mktemp("shops")
    (folder / "airflow").mkdir()
    airflow = airflow_environment(folder / "airflow")
    airflow.initialise()
    with simulator() as api:
        yield Shops(folder, airflow, api)


@pytest.fixture(scope="module", name="airflow")
def _airflow(shops: Shops) -> Iterator[AirflowRunner]:
    with shops.runner() as airflow:
        yield airflow


def test_a_dag_from_the_factory(shops: Shops, airflow: AirflowRunner) -> None:
    """The factory's DAG delivers the file of the day that the parameter names."""
    file = shops.write(f"corner_{YESTERDAY:%Y%m%d}.csv", seed=1)
    run = airflow.run(
        "tiktok_offline__corner_shop",
        logical_date="2026-11-20T01:00:00+00:00",
        conf={"file_day": YESTERDAY.isoformat()},
    )
    assert run.state == "success", run.tasks
    assert recount(file, as_of=datetime.now(UTC)).events.keys() <= shops.api.event_ids().keys()


def test_every_file_in_the_folder_is_a_delivery(shops: Shops, airflow: AirflowRunner) -> None:
    """Two files that appeared are delivered by one run without a day; a second run finds nothing to do."""
    files = [shops.write(f"kiosk_{number}.csv", seed=10 + number) for number in range(2)]
    run = airflow.run("tiktok_offline_on_arrival", logical_date="2026-11-20T02:00:00+00:00")
    assert run.state == "success", run.tasks
    for file in files:
        assert recount(file, as_of=datetime.now(UTC)).events.keys() <= shops.api.event_ids().keys()
    again = airflow.run("tiktok_offline_on_arrival", logical_date="2026-11-20T03:00:00+00:00")
    assert again.state == "success"
    assert again.tasks["summary"] == "skipped"
    assert set(shops.api.times_received().values()) == {1}


def test_the_liveramp_dag(shops: Shops, airflow: AirflowRunner, tmp_path: Path) -> None:
    """The day's feed file lies at the destination, whole, once, also when its tasks are cleared."""
    ctx = shops.context("market_hall")
    sample = tmp_path / "sample.csv"
    sample.write_bytes(
        make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=("CompletePayment", "Contact", "Subscribe"))
    )
    accept_feed(ctx, sample)
    file = shops.write(f"market_{YESTERDAY:%Y%m%d}.csv", seed=30)
    run = airflow.run(
        "liveramp_daily", logical_date="2026-11-20T04:00:00+00:00", conf={"file_day": YESTERDAY.isoformat()}
    )
    assert run.state == "success", run.tasks
    [delivered] = shops.feed.iterdir()
    assert delivered.read_bytes() == file.read_bytes()
    for task in ("validate", "dedupe", "deliver", "summary"):
        assert airflow.clear("liveramp_daily", run.run_id, task).state == "success"
    assert [one.read_bytes() for one in shops.feed.iterdir()] == [file.read_bytes()]
