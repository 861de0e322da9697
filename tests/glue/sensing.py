"""A sensor task to its end, in a worker or by way of the triggerer."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger
from tests.glue.conftest import Run


class Place(Protocol):
    """Where files appear."""

    def settings(self, **changes: Any) -> AdvertiserConfig:
        """The advertiser whose files appear there."""


def sense(place: Place, *, run: Run | None = None, **changes: Any) -> Any:
    """One sensor task in poke mode, to its end."""
    options = {name: changes.pop(name) for name in ("timeout", "mode", "poke_interval") if name in changes}
    sensor = ConversionFileSensor(task_id="wait", settings=place.settings(**changes), **options)
    return sensor.execute((run or Run()).context())


def deferred(place: Place, *, run: Run | None = None, poke_interval: float = 0.2, **changes: Any) -> Any:
    """The same in deferrable mode: the trigger runs in this process, as in ``dag.test()``."""
    sensor = ConversionFileSensor(
        task_id="wait", settings=place.settings(**changes), deferrable=True, poke_interval=poke_interval
    )
    context = (run or Run()).context()
    try:
        return sensor.execute(context)
    except TaskDeferred as deferral:
        event = asyncio.run(first_event(deferral.trigger))
        return sensor.execute_complete(context, event)


async def first_event(trigger: ConversionFileTrigger) -> Any:
    # Airflow stores a trigger and makes it anew in the triggerer.
    path, options = trigger.serialize()
    assert path == f"{ConversionFileTrigger.__module__}.{ConversionFileTrigger.__qualname__}"
    async for event in ConversionFileTrigger(**options).run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
