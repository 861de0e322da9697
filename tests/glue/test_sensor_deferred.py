"""What happens to a file while the triggerer looks: it grows, is replaced, is deleted, lies among many others."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger
from tests.glue.conftest import Inbox, Run
from tests.glue.sensing import first_event

FRESH = timedelta(0)
NAME = "sales_20261121.csv"


def defer(inbox: Inbox, **changes: Any) -> ConversionFileTrigger:
    """A sensor's first look, which finds nothing complete; gives the trigger that it waits with."""
    sensor = ConversionFileSensor(
        task_id="wait", settings=inbox.settings(**changes), deferrable=True, poke_interval=0.5
    )
    with pytest.raises(TaskDeferred) as deferral:
        sensor.execute(Run().context())
    trigger: ConversionFileTrigger = deferral.value.trigger
    return trigger


def last_look_is_over(inbox: Inbox) -> bool:
    """Whether the client that logged in last has taken its leave."""
    said = inbox.server.log.read_text(errors="replace")
    port = re.findall(r"Accepted publickey for \S+ from \S+ port (\d+)", said)[-1]
    return re.search(rf"Disconnected from user \S+ \S+ port {port}\b", said) is not None


async def wait_while_it_changes(
    inbox: Inbox, trigger: ConversionFileTrigger, *changes: Callable[[], object]
) -> tuple[dict[str, Any], int]:
    """Make one change after each of the trigger's looks; gives what it hands over, and its looks after the last."""
    waiting = asyncio.create_task(first_event(trigger))
    for change in changes:
        logins = inbox.server.logins()
        while inbox.server.logins() == logins or not last_look_is_over(inbox):
            assert not waiting.done(), waiting.result()
            await asyncio.sleep(0.01)
        change()
    before = inbox.server.logins()
    found = await waiting
    return found, inbox.server.logins() - before


def test_a_file_that_grows_is_waited_for(inbox: Inbox) -> None:
    """A file that is longer at each look is handed over when two looks have found it as it is."""
    path = inbox.put(NAME, b"y" * 1000, age=FRESH)

    def grow() -> None:
        with path.open("ab") as stream:
            stream.write(b"y" * 1000)

    trigger = defer(inbox, settle_seconds=3600)
    grow()
    found, looks = asyncio.run(wait_while_it_changes(inbox, trigger, grow, grow))
    assert found["files"][0]["size"] == 4000
    assert looks >= 2


def test_a_replaced_file_is_waited_for_anew(inbox: Inbox) -> None:
    """Another file of the same name and size has to be found unchanged itself."""

    def replace(age: int) -> None:
        inbox.put(NAME, f"{age}".encode(), age=timedelta(seconds=age))

    replace(80)
    trigger = defer(inbox, settle_seconds=3600)
    replace(60)
    found, looks = asyncio.run(wait_while_it_changes(inbox, trigger, lambda: replace(30)))
    assert looks >= 2
    age = datetime.now(UTC) - datetime.fromisoformat(found["files"][0]["mtime"])
    assert age < timedelta(seconds=55)


def test_a_deleted_file_is_forgotten(inbox: Inbox) -> None:
    """A file that is gone at one look is a new file when it comes back, also with the same stamp."""
    path = inbox.put(NAME, age=FRESH)
    aside = path.with_name(".aside")
    trigger = defer(inbox, settle_seconds=3600)
    path.rename(aside)
    found, looks = asyncio.run(wait_while_it_changes(inbox, trigger, lambda: aside.rename(path)))
    assert len(found["files"]) == 1
    assert looks >= 2


def test_one_login_a_look_among_ten_thousand_files(inbox: Inbox) -> None:
    """Other files in the folder cost no login of their own."""
    for number in range(10_000):
        (inbox.folder / f"other_{number}.csv").touch()
    trigger = defer(inbox)
    inbox.put(NAME)
    before = inbox.server.logins()
    found = asyncio.run(first_event(trigger))
    assert [stamp["uri"].rpartition("/")[2] for stamp in found["files"]] == [NAME]
    assert inbox.server.logins() - before == 1
