"""One Airflow with the DAGs of `tests/glue/dags`, an advertiser whose files lie in a folder, and the simulator."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.conversions.sample import write_sample
from airflow_provider_tiktok_offline.delivery.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.servers.airflow import AirflowHome, AirflowRunner
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator
from tests.servers.sshd import StaticConnections


@dataclass
class AirflowWorld:
    """What the tests inside a running Airflow stand on.

    Attributes:
        folder: everything lies below it.
        airflow: its home.
        api: the simulator.
        environment: what the DAGs' process is given beside Airflow's own.
    """

    folder: Path
    airflow: AirflowHome
    api: RunningSimulator
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir(parents=True)
        shutil.copytree(Path(__file__).parent / "dags", self.airflow.dags, dirs_exist_ok=True)
        tiktok = {"conn_type": "tiktok", "host": self.api.url, "password": ACCESS_TOKEN}
        self.environment |= {
            "ADVERTISER": json.dumps(self.settings()),
            "AIRFLOW_CONN_TIKTOK_DEFAULT": json.dumps(tiktok),
        }
        ctx = self.context()
        Ledger.init(ctx.objects, EVENT_SET_ID, identity=ctx.config.identity_settings(), clock=system_clock())

    def settings(self) -> dict[str, Any]:
        """The advertiser's entry."""
        return {
            "name": "corner_shop",
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "currency": "USD",
            "phone_region": "US",
            "state_uri": str(self.folder / "state"),
            "source": {"path": f"{self.inbox}/sales_{{{{ ds_nodash }}}}.csv", "settle_seconds": 0, "poke_seconds": 1},
            "ledger": {"heartbeat_seconds": 1, "lease_seconds": 4},
        }

    def context(self, holder: str = "another/run") -> DeliveryContext:
        """The advertiser as another run sees it."""
        config = AdvertiserConfig.model_validate(self.settings())
        return DeliveryContext(config=config, connections=StaticConnections(), holder=holder)

    def write(self, name: str, rows: int = 200, *, bad_ratio: float = 0.0, seed: int = 1) -> Path:
        """A file in the inbox."""
        path = self.inbox / name
        write_sample(path, rows, as_of=datetime.now(UTC), seed=seed, identifiers="both", bad_ratio=bad_ratio)
        return path

    def stamp(self, path: Path) -> dict[str, Any]:
        """What the sensor would hand over."""
        found = path.stat()
        return FileStamp(uri=str(path), size=found.st_size, mtime=from_epoch(found.st_mtime)).to_dict()

    def runner(self) -> AirflowRunner:
        """A process that runs the DAGs."""
        return self.airflow.runner(self.airflow.dags, extra=self.environment)

    def tries(self, run_id: str) -> Mapping[str, int]:
        """Task -> how often it was tried."""
        with sqlite3.connect(self.airflow.database) as database:
            found = database.execute("SELECT task_id, try_number FROM task_instance WHERE run_id = ?", (run_id,))
            return dict(found.fetchall())
