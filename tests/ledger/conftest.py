"""The stores that the ledger is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from tests.ledger.world import World
from tests.servers.gcs import gcs_server
from tests.servers.s3 import S3Server, s3_server


class OneConnection:
    """The one connection that reaches the test's server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, conn_id: str) -> Connection:
        assert conn_id == self._connection.conn_id
        return self._connection


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        running.make_bucket("state")
        yield running


@pytest.fixture
def s3_objects(server: S3Server, tmp_path: Path) -> ObjectStore:
    return open_objects(f"s3://s3_state@state/{tmp_path.name}", OneConnection(server.connection()))


@pytest.fixture
def gcs_objects(tmp_path: Path) -> Iterator[ObjectStore]:
    with gcs_server() as connection:
        yield open_objects(f"gs://gcs_state@state/{tmp_path.name}", OneConnection(connection))


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_objects(str(tmp_path / "state"))


@pytest.fixture
def world(objects: ObjectStore) -> World:
    return World(objects)
