"""A real SFTP server, Airflow connections to it, and what a task is given when it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner, airflow_environment
from tests.servers.mail import mail_server
from tests.servers.simulator import simulator
from tests.servers.sink import sink
from tests.servers.sshd import Sshd, sshd
from tests.servers.statsd import statsd

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: The day whose file the runs of these tests are for.
DAY = "2026-11-21"


@dataclass
class Run:
    """The part of Airflow's DagRun that tasks read."""

    dag_id: str = "tiktok_offline_daily"
    run_id: str = "scheduled__2026-11-21T00:00:00+00:00"
    data_interval_start: datetime | None = datetime(2026, 11, 21, tzinfo=UTC)
    data_interval_end: datetime | None = datetime(2026, 11, 22, tzinfo=UTC)
    run_after: datetime = datetime(2026, 11, 22, tzinfo=UTC)
    run_type: str = "scheduled"
    params: dict[str, Any] = field(default_factory=dict)

    def context(self) -> Context:
        """What ``execute`` gets."""
        return cast("Context", {"dag_run": self, "params": self.params})


@pytest.fixture(scope="session", name="server")
def _server() -> Iterator[Sshd]:
    with sshd() as server:
        yield server


@pytest.fixture(name="add_connection")
def _add_connection(monkeypatch: pytest.MonkeyPatch) -> Callable[[Connection], None]:
    """Makes a connection known to Airflow, by its environment variable."""

    def add(connection: Connection) -> None:
        monkeypatch.setenv(
            f"AIRFLOW_CONN_{connection.conn_id.upper()}",
            json.dumps(
                {
                    "conn_type": connection.conn_type,
                    "host": connection.host,
                    "port": connection.port,
                    "login": connection.login,
                    "password": connection.password,
                    "extra": dict(connection.extra),
                }
            ),
        )

    return add


@dataclass
class Inbox:
    """A folder on the server and the advertiser whose files appear in it."""

    folder: Path
    state: Path
    server: Sshd

    def settings(self, **changes: Any) -> AdvertiserConfig:
        """The advertiser; ``changes`` to the source and to the rest are told apart by name."""
        source = {"conn_id": "sftp_shop", "path": f"{self.folder}/sales_{{{{ ds_nodash }}}}.csv", "poke_seconds": 1}
        rest: dict[str, Any] = {}
        for name, value in changes.items():
            field_name = name.rstrip("_")  # the sensor has a mode of its own
            (rest if field_name in AdvertiserConfig.model_fields else source)[field_name] = value
        return AdvertiserConfig.model_validate(
            {
                "name": "shop",
                "advertiser_id": "7000000000000000101",
                "event_set_id": "7000000000000000201",
                "state_uri": str(self.state),
                "source": source,
                **rest,
            }
        )

    def put(self, name: str, content: bytes = b"email_1\n", *, age: timedelta = timedelta(hours=1)) -> Path:
        """A file that was last written so long ago."""
        import os

        path = self.folder / name
        path.write_bytes(content)
        moment = (datetime.now(UTC) - age).timestamp()
        os.utime(path, (moment, moment))
        return path


@pytest.fixture(name="inbox")
def _inbox(server: Sshd, tmp_path: Path, add_connection: Callable[[Connection], None]) -> Inbox:
    add_connection(server.connection("sftp_shop"))
    folder = tmp_path / "outgoing"
    folder.mkdir()
    return Inbox(folder, tmp_path / "state", server)


@pytest.fixture(scope="session", name="airflow_world")
def _airflow_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowWorld]:
    folder = tmp_path_factory.mktemp("airflow_world")
    airflow = airflow_environment(folder / "airflow")
    airflow.initialise()
    with simulator() as api, mail_server() as mailbox, sink() as web, statsd() as metrics:
        yield AirflowWorld(folder, airflow, api, mailbox, web, metrics)


@pytest.fixture(scope="session", name="airflow")
def _airflow(airflow_world: AirflowWorld) -> Iterator[AirflowRunner]:
    with airflow_world.runner() as airflow:
        yield airflow
        airflow.end()
