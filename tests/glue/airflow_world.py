"""One Airflow with the DAGs of `tests/glue/dags`, an advertiser whose files lie in a folder, and the simulator."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.ledger import Ledger
from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.servers.airflow import AirflowHome, AirflowRunner
from tests.servers.mail import Mailbox
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID, RunningSimulator
from tests.servers.sink import Sink
from tests.servers.sshd import StaticConnections
from tests.servers.statsd import Metrics

#: Who is in the configuration, each as ``<name>_shop``.
SHOPS = ("corner", "told", "fed", "measured", "guarded", "patient", "large")


@dataclass
class AirflowWorld:
    """What the tests inside a running Airflow stand on.

    Attributes:
        folder: everything lies below it.
        airflow: its home.
        api: the simulator.
        mailbox: where mails arrive.
        web: where what is posted to Slack and to webhooks arrives.
        metrics: where metrics arrive.
    """

    folder: Path
    airflow: AirflowHome
    api: RunningSimulator
    mailbox: Mailbox
    web: Sink
    metrics: Metrics

    def __post_init__(self) -> None:
        self.inbox = self.folder / "inbox"
        self.inbox.mkdir(parents=True)
        # The closed days of one advertiser: none yet.
        (self.inbox / "closed.ics").write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
        self.feed = self.folder / "feed"
        self.feed.mkdir()
        shutil.copytree(Path(__file__).parent / "dags", self.airflow.dags, dirs_exist_ok=True)
        for name in ("maintenance", "quality_gate"):
            shutil.copy(Path(__file__).parents[2] / "dags" / f"tiktok_offline_{name}.py", self.airflow.dags)
        connections = {
            "TIKTOK_DEFAULT": {"conn_type": "tiktok", "host": self.api.url, "password": ACCESS_TOKEN},
            "SMTP_DEFAULT": self.mailbox.connection(),
            "SLACK_ALERTS": {"conn_type": "slackwebhook", "host": f"{self.web.url}/slack", "password": "T0/B0/x0"},
            "HTTP_ALERTS": {"conn_type": "http", "host": self.web.url},
        }
        self.environment = {f"AIRFLOW_CONN_{name}": json.dumps(fields) for name, fields in connections.items()}
        self.lineage = self.folder / "lineage.json"
        self.environment |= {
            "ADVERTISER": json.dumps(self.settings("corner_shop")),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.metrics.port),
            "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(self.lineage), "append": True}
            ),
        }
        (self.airflow.dags / "advertisers.yaml").write_text(
            yaml.safe_dump({"advertisers": [self.settings(f"{name}_shop") for name in SHOPS]})
        )
        for name in ("corner_shop", "fed_shop"):
            ctx = self.context(name=name)
            Ledger.init(
                ctx.objects, ctx.config.event_set_id, identity=ctx.config.identity_settings(), clock=system_clock()
            )

    def settings(self, name: str) -> dict[str, Any]:
        """An advertiser's entry: one of the DAGs of ``tests/glue/dags``, one that tells everybody, one by LiveRamp."""
        source = {"path": f"{self.inbox}/{name}_{{{{ ds_nodash }}}}.csv", "settle_seconds": 0, "poke_seconds": 1}
        own: dict[str, dict[str, Any]] = {
            "told_shop": {
                "notifications": {
                    "events": ["success", "failure", "gate", "stale"],
                    "email": ["ana@shop.example", "ben@shop.example"],
                    "slack_conn_id": "slack_alerts",
                    "webhook_conn_id": "http_alerts",
                    "webhook_endpoint": "/told",
                    "no_file_by": "00:01",
                }
            },
            "guarded_shop": {"guards": {"max_events": 30}},
            "measured_shop": {"partitioned_asset": True},
            "large_shop": {"shards": {"megabytes": 0.02}},
            "patient_shop": {
                "send_after_days": 3,
                "source": {**source, "closed_dates": f"{self.inbox}/closed.ics"},
            },
            "fed_shop": {
                "route": "liveramp",
                "event_set_id": "7000000000000000202",
                "liveramp": {"destination": str(self.feed), "confirm_to": ["specialist@liveramp.example"]},
            },
        }
        return {
            "name": name,
            "advertiser_id": ADVERTISER_ID,
            "event_set_id": EVENT_SET_ID,
            "mode": "live",
            "schedule": None,
            "currency": "USD",
            "phone_region": "US",
            "state_uri": str(self.folder / "state"),
            "source": source,
            "ledger": {"heartbeat_seconds": 1, "lease_seconds": 4},
            **own.get(name, {}),
        }

    def context(self, holder: str = "another/run", *, name: str = "corner_shop") -> DeliveryContext:
        """The advertiser as another run sees it."""
        config = AdvertiserConfig.model_validate(self.settings(name))
        return DeliveryContext(config=config, connections=StaticConnections(), holder=holder)

    def write(self, name: str, rows: int = 200, *, bad_ratio: float = 0.0, seed: int = 1) -> Path:
        """A file in the inbox."""
        path = self.inbox / name
        write_sample(
            path, rows, as_of=datetime.now(UTC), seed=seed, bad_ratio=bad_ratio, form=SampleForm(identifiers="both")
        )
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

    def xcom(self, run_id: str, task_id: str, key: str) -> Any:
        """What a task has left under a key; None if nothing."""
        return self.xcoms(run_id, task_id).get(key)

    def xcoms(self, run_id: str, task_id: str) -> dict[str, Any]:
        """What a task has left, by key."""
        with sqlite3.connect(self.airflow.database) as database:
            query = f"SELECT key, value FROM {xcom_table(database)} WHERE run_id = ? AND task_id = ?"  # noqa: S608
            return {key: json.loads(value) for key, value in database.execute(query, (run_id, task_id))}

    def states(self, dag_id: str) -> list[str | None]:
        """The states of a DAG's task instances, in all runs."""
        with sqlite3.connect(self.airflow.database) as database:
            found = database.execute("SELECT state FROM task_instance WHERE dag_id = ?", (dag_id,))
            return [state for (state,) in found.fetchall()]


def xcom_table(database: sqlite3.Connection) -> str:
    """The table with key, value, run and task of each XCom, for a query."""
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'xcom'").fetchone():
        return "xcom"
    # Airflow 3.4: an XCom belongs to a try.
    return (
        "(SELECT key, value, run_id, task_id FROM xcom_v2 JOIN task_instance"
        " ON replace(task_instance.id, '-', '') = replace(task_instance_id, '-', ''))"
    )
