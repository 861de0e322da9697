"""``send_after_days`` while the day's file is late: the wait sends what can't wait any longer, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout, TaskDeferred

from airflow_provider_tiktok_offline.clock import ManualClock, system_clock
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.operations.maintenance import make_ledger
from airflow_provider_tiktok_offline.delivery.sequences import deliver_to_tiktok
from airflow_provider_tiktok_offline.delivery.source.source_file import stamp_of
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.step_results import ClosedBy
from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger
from tests.glue.conftest import Inbox, Run
from tests.servers.simulator import ACCESS_TOKEN, RunningSimulator, simulator

DAYS = 3


@pytest.fixture(scope="module", name="api")
def _api() -> Iterator[RunningSimulator]:
    with simulator() as running:
        yield running


def _wait_since(
    inbox: Inbox, api: RunningSimulator, add_connection: Callable[[Connection], None], age: timedelta
) -> tuple[AdvertiserConfig, str]:
    """A live advertiser, and a delivery of it that waits for so long."""
    api.control.reset()
    add_connection(
        Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password=ACCESS_TOKEN, port=None)
    )
    settings = inbox.settings(send_after_days=DAYS, mode_="live", currency="USD")
    now = datetime.now(UTC)
    ctx = DeliveryContext(
        config=settings, connections=AirflowConnections(), holder="daily/early", clock=ManualClock(now - age)
    )
    make_ledger(ctx)
    at = now - age - timedelta(hours=1)
    header = "email_1,transaction_category,transaction_timestamp,transaction_amount,order_id"
    inbox.put("sales_20261101.csv", f"{header}\na@example.com,Purchase,{at:%Y-%m-%dT%H:%M:%SZ-0000},5.00,o1\n".encode())
    uri = f"sftp://sftp_shop@{inbox.folder}/sales_20261101.csv"
    waited = deliver_to_tiktok(ctx, stamp_of(ctx, uri))
    assert waited.waiting
    return settings, waited.delivery_id


def _closed_by(settings: AdvertiserConfig, delivery_id: str) -> str | None:
    ctx = DeliveryContext(config=settings, connections=AirflowConnections(), holder="a/look")
    by = ClosedBy.of(ctx.deliveries.get(delivery_id))
    return None if by is None else by.run


def test_a_deferred_wait_sends_what_can_wait_no_longer(
    inbox: Inbox, api: RunningSimulator, add_connection: Callable[[Connection], None]
) -> None:
    """Before it goes to the triggerer; the run is the one that has sent it."""
    settings, delivery_id = _wait_since(inbox, api, add_connection, timedelta(days=DAYS + 1))
    sensor = ConversionFileSensor(task_id="wait", settings=settings, deferrable=True)
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute(Run().context())
    assert len(api.event_ids()) == 1
    assert _closed_by(settings, delivery_id) == f"{Run().dag_id}/{Run().run_id}"
    assert isinstance(deferral.value.trigger, ConversionFileTrigger)
    assert deferral.value.trigger.send_due_at is None


def test_a_wait_in_a_worker_sends_it_at_a_look(
    inbox: Inbox, api: RunningSimulator, add_connection: Callable[[Connection], None]
) -> None:
    """And waits on for its file."""
    settings, delivery_id = _wait_since(inbox, api, add_connection, timedelta(days=DAYS + 1))
    sensor = ConversionFileSensor(task_id="wait", settings=settings, timeout=0.3, poke_interval=0.1)
    with pytest.raises(AirflowSensorTimeout):
        sensor.execute(Run().context())
    assert len(api.event_ids()) == 1
    assert _closed_by(settings, delivery_id) == f"{Run().dag_id}/{Run().run_id}"


def test_what_is_due_in_the_evening_waits_for_the_file_until_then(
    inbox: Inbox, api: RunningSimulator, add_connection: Callable[[Connection], None]
) -> None:
    """The triggerer is told the moment at which the task is to be called."""
    settings, delivery_id = _wait_since(inbox, api, add_connection, timedelta(days=DAYS))
    sensor = ConversionFileSensor(task_id="wait", settings=settings, deferrable=True)
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute(Run().context())
    assert not api.event_ids()
    assert _closed_by(settings, delivery_id) is None
    assert isinstance(deferral.value.trigger, ConversionFileTrigger)
    at = deferral.value.trigger.send_due_at
    assert at is not None
    assert datetime.fromisoformat(at) > system_clock().now()


def test_a_server_that_refuses_keeps_no_run_from_waiting_for_its_file(
    inbox: Inbox, api: RunningSimulator, add_connection: Callable[[Connection], None], caplog: Any
) -> None:
    """It is logged, and the task behind the wait tries again."""
    settings, delivery_id = _wait_since(inbox, api, add_connection, timedelta(days=DAYS + 1))
    add_connection(Connection(conn_id="tiktok_default", conn_type="tiktok", host=api.url, password="wrong"))
    sensor = ConversionFileSensor(task_id="wait", settings=settings, deferrable=True)
    with pytest.raises(TaskDeferred):
        sensor.execute(Run().context())
    assert "What is due could not be sent" in caplog.text
    assert _closed_by(settings, delivery_id) is None
