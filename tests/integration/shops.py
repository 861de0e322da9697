"""The advertisers of the example DAGs with folders on this machine, for tests in a real Airflow."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_tiktok_offline.cli.demo.recount import recount
from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from tests.servers.airflow import AirflowHome, AirflowRunner
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator
from tests.servers.sshd import StaticConnections

DAGS = Path(__file__).parents[2] / "dags"
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()


@dataclass
class Shops:
    """The example configuration's advertisers, with folders on this machine in place of their servers.

    Attributes:
        folder: everything lies below it.
        airflow: its home; the example DAGs are copied there.
        api: the simulator.
        more: further entries of the configuration: the name of the file, and what differs from the other entries.
        state_uri: where the state lies, if not below the folder.
        connections: beside the one to the simulator.
    """

    folder: Path
    airflow: AirflowHome
    api: RunningSimulator
    more: Sequence[tuple[str, Mapping[str, Any]]] = ()
    state_uri: str | None = None
    connections: Sequence[Connection] = ()

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
                "guards": {"max_events": 900},
            },
            {
                **base,
                "name": "market_hall",
                "event_set_id": "7000000000000000202",
                "route": "liveramp",
                "liveramp": {"destination": str(self.feed)},
                "source": {"path": f"{self.inbox}/market_{{{{ ds_nodash }}}}.csv", **own},
            },
            *(
                {
                    **base,
                    **self._route(entry),
                    **entry,
                    "source": {"path": f"{self.inbox}/{file}", **own, **entry.get("source", {})},
                }
                for file, entry in self.more
            ),
        ]
        defaults = {
            "mode": "live",
            "state_uri": self.state_uri or str(self.folder / "state"),
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

    def _route(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Where a feed file goes, if the entry's route has one."""
        return {"liveramp": {"destination": str(self.feed)}} if entry.get("route") == "liveramp" else {}

    def context(self, name: str) -> DeliveryContext:
        """The advertiser as a command sees it."""
        return DeliveryContext(
            config=load_config(self.config).advertiser(name),
            connections=StaticConnections(*self.connections),
            holder="test",
        )

    def write(self, name: str, *, seed: int, bad_ratio: float = 0, rows: int = 300) -> Path:
        """A file of such rows; without a ratio of bad ones all are good."""
        file = self.inbox / name
        write_sample(
            file, rows, as_of=datetime.now(UTC), seed=seed, bad_ratio=bad_ratio, form=SampleForm(identifiers="both")
        )
        return file

    def environment(self) -> dict[str, str]:
        """The connections, as Airflow reads them from its environment."""
        api = Connection(conn_id="tiktok_shops", conn_type="tiktok", host=self.api.url, password=ACCESS_TOKEN)
        return {f"AIRFLOW_CONN_{one.conn_id.upper()}": _as_json(one) for one in (api, *self.connections)}

    def runner(self) -> AirflowRunner:
        """A process that runs the DAGs."""
        return self.airflow.runner(self.airflow.dags, extra=self.environment())

    def assert_delivered(self, *files: Path) -> None:
        """Every good transaction of these files is held, and nothing at all was sent twice."""
        held = self.api.event_ids()
        for file in files:
            assert recount(file, as_of=datetime.now(UTC)).events.keys() <= held.keys()
        assert set(self.api.times_received().values()) <= {1}


def _as_json(connection: Connection) -> str:
    named = {name: getattr(connection, name) for name in ("conn_type", "host", "port", "login", "password")}
    return json.dumps({**named, "extra": dict(connection.extra)})
