"""A waiting sensor uses today's settings: the configuration is read again when it has changed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger
from tests.glue.conftest import DAY, Inbox, Run
from tests.glue.sensing import first_event


class Printed:
    """What the trigger has logged, as Airflow's own logger prints it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def __contains__(self, words: str) -> bool:
        self._text += self._capsys.readouterr().out
        return words in self._text


class Configured:
    """An inbox whose advertiser stands in a file."""

    def __init__(self, inbox: Inbox, place: Path) -> None:
        self.inbox = inbox
        self.path = place

    def write(self, **changes: Any) -> None:
        """The configuration with that advertiser."""
        entry = self.inbox.settings(**changes).model_dump(mode="json", exclude_unset=True)
        self.path.write_text(json.dumps({"advertisers": [entry]}))

    def deferral(self) -> ConversionFileTrigger:
        """What a sensor waits with that has found nothing at its first look."""
        with pytest.raises(TaskDeferred) as deferral:
            self.sensor().execute(Run().context())
        trigger: ConversionFileTrigger = deferral.value.trigger
        return trigger

    def sensor(self) -> ConversionFileSensor:
        return ConversionFileSensor(
            task_id="wait", config=str(self.path), advertiser="shop", deferrable=True, poke_interval=0.3
        )

    async def change_while_waiting(self, trigger: ConversionFileTrigger, *texts: str) -> Any:
        """Write each text after a further look; the event that the trigger ends with."""
        waiting = asyncio.create_task(first_event(trigger))
        for text in texts:
            logins = self.inbox.server.logins()
            while self.inbox.server.logins() == logins:
                assert not waiting.done(), waiting.result()
                await asyncio.sleep(0.01)
            self.path.write_text(text)
        return await asyncio.wait_for(waiting, 20)


@pytest.fixture(name="configured")
def _configured(inbox: Inbox, tmp_path: Path) -> Configured:
    configured = Configured(inbox, tmp_path / "advertisers.yaml")
    configured.write()
    return configured


def test_trigger_carries_the_file_and_the_entry_alone(configured: Configured) -> None:
    """What Airflow stores of a waiting task holds no setting."""
    _path, options = configured.deferral().serialize()
    assert options["settings"] is None
    assert (options["config"], options["advertiser"]) == (str(configured.path), "shop")
    assert "7000000000000000101" not in json.dumps(options)


def test_many_advertisers_of_one_file_share_one_login(configured: Configured) -> None:
    """Each reads its settings in a thread, and all ask the server together."""
    inbox = configured.inbox
    entries = [
        inbox.settings(name=f"shop_{number}").model_dump(mode="json", exclude_unset=True) for number in range(30)
    ]
    configured.path.write_text(json.dumps({"advertisers": entries}))
    inbox.put("sales_20261121.csv")
    triggers = [
        ConversionFileTrigger(config=str(configured.path), advertiser=f"shop_{number}", day=DAY, poke_interval=2)
        for number in range(30)
    ]
    before = inbox.server.logins()

    async def watch() -> list[Any]:
        return await asyncio.gather(*(first_event(trigger) for trigger in triggers))

    assert [event["status"] for event in asyncio.run(watch())] == ["found"] * 30
    assert inbox.server.logins() == before + 1


def test_corrected_path_is_looked_at_while_the_task_waits(configured: Configured) -> None:
    """The path was wrong; it is corrected, and the next look uses it."""
    configured.write(path=f"{configured.inbox.folder}/slaes_{{{{ ds_nodash }}}}.csv")
    trigger = configured.deferral()
    configured.inbox.put("sales_20261121.csv")
    configured.write()
    right = configured.path.read_text()
    configured.write(path=f"{configured.inbox.folder}/slaes_{{{{ ds_nodash }}}}.csv")
    event = asyncio.run(configured.change_while_waiting(trigger, right))
    assert event["status"] == "found"
    assert event["files"][0]["uri"].endswith("/sales_20261121.csv")


def test_broken_file_leaves_the_wait_as_it_was(configured: Configured, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a saved file ends no wait: the settings before hold, and the log names the fault."""
    trigger = configured.deferral()
    whole = configured.path.read_text()
    printed = Printed(capsys)

    async def mend() -> Any:
        waiting = asyncio.create_task(configured.change_while_waiting(trigger, "advertisers: [", whole))
        while "The wait goes on with the settings before" not in printed:
            assert not waiting.done(), waiting.result()
            await asyncio.sleep(0.01)
        configured.inbox.put("sales_20261121.csv")
        return await waiting

    assert asyncio.run(mend())["status"] == "found"


def test_triggerer_that_starts_with_a_broken_file_waits_for_a_whole_one(
    configured: Configured, capsys: pytest.CaptureFixture[str]
) -> None:
    """A triggerer that restarts in the middle of an edit fails no task."""
    trigger = configured.deferral()
    configured.inbox.put("sales_20261121.csv")
    whole = configured.path.read_text()
    printed = Printed(capsys)
    configured.path.write_text("advertisers: [")

    async def mend() -> Any:
        waiting = asyncio.create_task(first_event(trigger))
        while "Waiting until it is mended" not in printed:
            assert not waiting.done(), waiting.result()
            await asyncio.sleep(0.01)
        configured.path.write_text(whole)
        return await asyncio.wait_for(waiting, 20)

    assert asyncio.run(mend())["status"] == "found"


def test_task_looks_itself_where_the_triggerer_can_not_see_the_file(configured: Configured) -> None:
    """With a DAG bundle that only workers have, the task takes the look, and waits on if there is nothing."""
    trigger = configured.deferral()
    elsewhere = configured.path.rename(configured.path.with_suffix(".worker"))
    event = asyncio.run(first_event(trigger))
    assert (event["status"], event["day"]) == ("look_again", DAY)
    elsewhere.rename(configured.path)
    context = Run().context()
    with pytest.raises(TaskDeferred) as again:
        configured.sensor().execute_complete(context, event)
    assert again.value.trigger.poke_interval == 300
    configured.inbox.put("sales_20261121.csv")
    assert configured.sensor().execute_complete(context, event)["files"] != []
