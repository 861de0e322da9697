"""The tasks of a delivery keep to its rate together; one alone has all of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import StorageUnavailableError
from airflow_provider_tiktok_offline.storage.objects import open_objects
from airflow_provider_tiktok_offline.storage.protocols import ObjectStore
from airflow_provider_tiktok_offline.tiktok.pacing import Stopping
from airflow_provider_tiktok_offline.tiktok.shared_pace import SharedTurns
from airflow_provider_tiktok_offline.tiktok.shared_rate import SharedRate, latest_turn

_RATE = 50.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return open_objects(str(tmp_path))


def _task(objects: ObjectStore, clock: ManualClock, tasks: int = 5) -> SharedRate:
    return SharedRate(SharedTurns(lambda: objects, "rate.json", clock, latest_turn(tasks)), _RATE)


def _send(task: SharedRate, requests: int, clock: ManualClock) -> None:
    for _ in range(requests):
        task.wait_for_turn(clock.sleep)


def test_a_task_alone_has_the_whole_rate(objects: ObjectStore, clock: ManualClock) -> None:
    """Ten seconds' requests take nine seconds: those of the first one may leave at once."""
    begun = clock.monotonic()
    _send(_task(objects, clock), 500, clock)
    assert clock.monotonic() - begun == pytest.approx(9.0)


def test_five_tasks_send_no_more_than_one(objects: ObjectStore, clock: ManualClock) -> None:
    """Whichever of them sends: the same requests take the same time."""
    begun = clock.monotonic()
    tasks = [_task(objects, clock) for _ in range(5)]
    for _ in range(2):
        for task in tasks:
            _send(task, 50, clock)
    assert clock.monotonic() - begun == pytest.approx(9.0)


def test_requests_that_were_not_sent_in_time_are_given_up(objects: ObjectStore, clock: ManualClock) -> None:
    """After a pause a task takes new ones, and those of others count."""
    first, second = _task(objects, clock), _task(objects, clock)
    _send(first, 1, clock)
    clock.sleep(60.0)
    _send(second, 50, clock)
    begun = clock.monotonic()
    _send(first, 1, clock)
    assert clock.monotonic() - begun == pytest.approx(1.0)


def test_a_clock_that_is_far_ahead_holds_nobody_up(objects: ObjectStore, clock: ManualClock) -> None:
    """A turn that no task can have reserved is passed over."""
    objects.put("rate.json", json.dumps({"free_from": clock.now().timestamp() + 3600}).encode())
    begun = clock.monotonic()
    _send(_task(objects, clock), 50, clock)
    assert clock.monotonic() - begun == 0


def test_without_the_state_the_tasks_own_rate_holds(clock: ManualClock) -> None:
    """A store that is away costs no upload."""

    def away() -> ObjectStore:
        raise StorageUnavailableError("away")

    begun = clock.monotonic()
    _send(SharedRate(SharedTurns(away, "rate.json", clock, latest_turn(5)), _RATE), 500, clock)
    assert clock.monotonic() - begun == 0


def test_an_upload_that_is_stopped_waits_no_longer(objects: ObjectStore, clock: ManualClock) -> None:
    """What stops the wait stops the request."""
    _send(_task(objects, clock), 50, clock)

    def stopping(_seconds: float) -> None:
        raise Stopping

    task = _task(objects, clock)
    with pytest.raises(Stopping):
        task.wait_for_turn(stopping)
