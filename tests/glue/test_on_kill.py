"""Somebody marks a running upload in Airflow: its process is sent SIGTERM, and ends with every answer recorded."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import StoppedError
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from tests.delivery.conftest import running_simulator, world  # noqa: F401 - fixtures
from tests.delivery.world import World, rows
from tests.glue.conftest import Run
from tests.glue.test_hooks import AddConnection
from tests.servers.simulator import ACCESS_TOKEN
from tests.servers.waiting import wait_until

EVENTS = 400


@pytest.fixture(name="upload")
def _upload(world: World, add_connection: AddConnection) -> Iterator[TikTokUploadOperator]:  # noqa: F811
    """A task whose one part is ready to be sent, and Airflow's handler of SIGTERM."""
    api = Connection(conn_id="tiktok_default", conn_type="tiktok", host=world.simulator.url, password=ACCESS_TOKEN)
    add_connection(api)
    world.simulator.control.set_clock(0)
    world.init_ledger()
    config = world.config(upload={"requests_per_second": 30, "batch_events": 10, "in_flight": 2})
    sold = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ-0000}"
    prepared = TikTokUploadOperator(task_id="upload", part={"delivery_id": "", "part": 0}, settings=config)
    ctx = prepared.delivery_context(Run().context())
    delivery_id = validate(ctx, world.drop(rows(1, EVENTS, at=sold))).delivery_id
    normalize_hash(ctx, delivery_id)
    [part] = dedupe(ctx, delivery_id).parts
    task = TikTokUploadOperator(
        task_id="upload", part={"delivery_id": delivery_id, "part": part}, settings=config, map_index_template=None
    )
    before = signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
    yield task
    signal.signal(signal.SIGTERM, before)


def test_a_marked_upload_leaves_nothing_unconfirmed(upload: TikTokUploadOperator, world: World) -> None:  # noqa: F811
    """It ends between two batches; the next try sends the rest, and nothing twice."""

    def mark() -> None:
        wait_until(lambda: len(world.simulator.event_ids()) >= 40, "events", seconds=30, every=0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    marking = threading.Thread(target=mark)
    marking.start()
    with pytest.raises(StoppedError):
        upload.execute(Run().context())
    marking.join()
    sent = len(world.simulator.event_ids())
    assert 40 <= sent < EVENTS
    settled = upload.delivery_context(Run().context()).ledger.settle(upload.part["delivery_id"])
    assert (settled.accepted, settled.in_doubt) == (sent, 0)
    upload.execute(Run().context())
    assert Counter(world.simulator.times_received().values()) == {1: EVENTS}
