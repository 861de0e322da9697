"""Of a very large file one upload task sends several parts: named, counted together, and finished one by one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.state.step_results import DedupeResult
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.prepare_file import prepare_file
from airflow_provider_tiktok_offline.errors import OutcomeUnknownError
from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
from airflow_provider_tiktok_offline.operators.conversions import named_parts
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.delivery.conftest import running_simulator, world  # noqa: F401 - fixtures
from tests.delivery.world import World, rows
from tests.glue.conftest import Run
from tests.glue.test_hooks import AddConnection
from tests.servers.simulator import ACCESS_TOKEN


@pytest.mark.parametrize(("parts", "tasks"), [(1, 1), (150, 150), (151, 76), (2500, 148)])
def test_there_are_never_more_than_some_hundred_tasks(world: World, parts: int, tasks: int) -> None:  # noqa: F811
    """Each part is sent by one of them, in order; each has a name that says which."""
    delivery_id = prepare_file(world.context(), world.drop(rows(1, 5))).validated.delivery_id
    state: DeliveryState = world.context().deliveries.get(delivery_id)
    planned = list(named_parts(state, DedupeResult(delivery_id=delivery_id, parts=tuple(range(parts)))))
    assert len(planned) == tasks
    assert [number for one in planned for number in one.get("parts") or [one["part"]]] == list(range(parts))
    assert len({one.get("name") for one in planned}) == tasks
    if parts > 150:
        assert planned[0].get("name") == f"conversions_20261121.csv, parts 1 to {len(planned[0]['parts'])} of {parts}"


def test_one_task_sends_several_parts(world: World, add_connection: AddConnection) -> None:  # noqa: F811
    """One whose answer is lost keeps none of the others back; the next try sends what is left, and nothing twice."""
    api = Connection(conn_id="tiktok_default", conn_type="tiktok", host=world.simulator.url, password=ACCESS_TOKEN)
    add_connection(api)
    world.simulator.control.set_clock(0)
    world.init_ledger()
    config = world.config(upload={"requests_per_second": 1000, "max_attempts": 1, "part_events": 1000})
    sold = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ-0000}"
    ctx = TikTokUploadOperator(task_id="upload", part={"delivery_id": "", "part": 0}, settings=config).delivery_context(
        Run().context()
    )
    delivery_id = prepare_file(ctx, world.drop(rows(1, 2500, at=sold))).validated.delivery_id
    parts = list(dedupe(ctx, delivery_id).parts)
    assert len(parts) == 3
    task = TikTokUploadOperator(
        task_id="upload", part={"delivery_id": delivery_id, "part": 0, "parts": parts}, settings=config,
        map_index_template=None,
    )  # fmt: skip
    world.simulator.control.add(Fault(kind="drop", taken=True))
    with pytest.raises(OutcomeUnknownError):
        task.execute(Run().context())
    assert len(world.simulator.event_ids()) == 2500
    result = cast("dict[str, int]", task.execute(Run().context()))
    assert result["accepted"] + result["settled"] == 2500
    assert len(world.simulator.event_ids()) == 2500
    assert Counter(world.simulator.times_received().values())[1] >= 1500
