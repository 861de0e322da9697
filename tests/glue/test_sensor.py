"""The sensor against OpenSSH's own server: complete files only, one login a look, the same answer in both modes."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult

from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.glue.file_day import arrived_files, file_day
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor
from airflow_provider_tiktok_offline.triggers.conversion_file import ConversionFileTrigger, until_shared_look
from tests.glue.conftest import DAY, Inbox, Run
from tests.glue.delivered import mark_delivered
from tests.glue.sensing import deferred, first_event, sense
from tests.servers.airflow_versions import encode_trigger

FRESH = timedelta(0)


def test_returns_the_file_with_its_stamp(inbox: Inbox) -> None:
    """A settled file is handed over as URI, size and time in UTC."""
    path = inbox.put("sales_20261121.csv", b"x" * 123)
    found = sense(inbox)
    assert found["day"] == DAY
    assert found["already_delivered"] is False
    [stamp] = found["files"]
    assert stamp["uri"] == f"sftp://sftp_shop@{path}"
    assert stamp["size"] == 123
    assert stamp["mtime"].endswith("+00:00")


@pytest.mark.parametrize("already_there", [True, False], ids=["there", "comes_later"])
def test_both_modes_return_the_same(inbox: Inbox, already_there: bool) -> None:
    """Deferring changes where the waiting is done, not what comes back."""
    if already_there:
        inbox.put("sales_20261121.csv")
        assert deferred(inbox) == sense(inbox)
        return
    timer = threading.Timer(0.5, inbox.put, ["sales_20261121.csv"])
    timer.start()
    later = deferred(inbox)
    timer.join()
    assert later == sense(inbox)


def test_time_zone_of_the_worker_does_not_matter(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's time is the same instant on a worker in New York."""
    inbox.put("sales_20261121.csv")
    here = sense(inbox)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert sense(inbox) == here
    finally:
        monkeypatch.undo()
        time.tzset()


def test_one_login_a_look_among_ten_thousand_files(inbox: Inbox) -> None:
    """Other files in the folder cost no login of their own."""
    for number in range(10_000):
        (inbox.folder / f"other_{number}.csv").touch()
    inbox.put("sales_20261121.csv")
    before = inbox.server.logins()
    found = sense(inbox)
    assert len(found["files"]) == 1
    assert inbox.server.logins() - before == 1


def test_never_fires_on_folders_and_dot_files(inbox: Inbox) -> None:
    """A folder of the right name, or a hidden file that matches, is no conversion file."""
    (inbox.folder / "sales_20261121.csv").mkdir()
    inbox.put(".sales_20261121.csv")
    with pytest.raises(AirflowSensorTimeout):
        sense(inbox, path=f"{inbox.folder}/*sales_20261121.csv", timeout=0.1, poke_interval=0.05)


def test_waits_while_a_file_grows(inbox: Inbox) -> None:
    """A file that is written to between two looks is not handed over before it has come to rest."""
    path = inbox.folder / "sales_20261121.csv"
    done = threading.Event()

    def write() -> None:
        with path.open("wb") as stream:
            for _ in range(20):
                stream.write(b"y" * 1000)
                stream.flush()
                os.fsync(stream.fileno())
                time.sleep(0.05)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    found = sense(inbox, settle_seconds=3600, poke_interval=0.4)
    writer.join()
    assert done.is_set()
    assert found["files"][0]["size"] == 20_000


def test_a_replaced_file_counts_as_new(inbox: Inbox) -> None:
    """Another file under the same name starts the waiting anew, also if it has the same size."""
    inbox.put("sales_20261121.csv", b"one", age=FRESH)
    sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(settle_seconds=3600))
    assert not sensor.poke(Run().context())
    inbox.put("sales_20261121.csv", b"two", age=timedelta(seconds=5))
    assert not sensor.poke(Run().context())
    assert sensor.poke(Run().context())


def test_a_deleted_file_is_forgotten(inbox: Inbox) -> None:
    """A file that vanishes while it is waited for is no error, and starts anew when it comes back."""
    path = inbox.put("sales_20261121.csv", age=FRESH)
    sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(settle_seconds=3600))
    assert not sensor.poke(Run().context())
    path.unlink()
    assert not sensor.poke(Run().context())
    inbox.put("sales_20261121.csv", age=FRESH)
    assert not sensor.poke(Run().context())
    assert sensor.poke(Run().context())


def test_reschedule_mode_remembers_the_look_before(inbox: Inbox) -> None:
    """Each look of a rescheduled sensor is another process; two equal looks still make a file complete."""
    inbox.put("sales_20261121.csv", age=FRESH)

    def one_process() -> Any:
        return ConversionFileSensor(
            task_id="wait", settings=inbox.settings(settle_seconds=3600), mode="reschedule"
        ).poke(Run().context())

    assert not one_process()
    assert one_process()
    assert not list((inbox.state / "advertisers").rglob("pending/*.json"))


def test_done_marker(inbox: Inbox) -> None:
    """With a marker, the file is complete when the marker is there, however young it is."""
    inbox.put("sales_20261121.csv", age=FRESH)
    with pytest.raises(AirflowSensorTimeout):
        sense(inbox, done_marker=".done", timeout=0.1, poke_interval=0.05)
    inbox.put("sales_20261121.csv.done", b"", age=FRESH)
    assert len(sense(inbox, done_marker=".done")["files"]) == 1


def test_missing_file_fails_or_skips(inbox: Inbox) -> None:
    """Whether a file that never came is a failure is the advertiser's choice; the error names it and how long."""
    sentence = r"No complete file for 2026-11-21 came within 0\.1 s: sftp://.*/sales_20261121\.csv"
    with pytest.raises(AirflowSensorTimeout, match=rf"{sentence}\. Have it exported and clear this task"):
        sense(inbox, timeout=0.1, poke_interval=0.05)
    with pytest.raises(AirflowSkipException, match=rf"{sentence}; missing_file says skip\.$"):
        sense(inbox, timeout=0.1, poke_interval=0.05, missing_file="skip")


def test_deferred_time_out_skips_too(inbox: Inbox) -> None:
    """A time-out in the triggerer ends the task as one in the worker does."""
    context = Run().context()
    for choice, outcome in (("fail", AirflowSensorTimeout), ("skip", AirflowSkipException)):
        sensor = ConversionFileSensor(task_id="wait", settings=inbox.settings(missing_file=choice), deferrable=True)
        with pytest.raises(outcome):
            sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, context)


def test_closed_day_is_skipped(inbox: Inbox) -> None:
    """No file is waited for on a day that has none."""
    with pytest.raises(AirflowSkipException):
        sense(inbox, expected_days=["mon"])


def test_refused_connection_is_asked_again(inbox: Inbox, add_connection: Callable[[Connection], None]) -> None:
    """A server that is down for a while costs nothing but time."""
    inbox.put("sales_20261121.csv")
    add_connection(inbox.server.connection("sftp_shop", port=1))
    with pytest.raises(AirflowSensorTimeout):
        sense(inbox, timeout=0.1, poke_interval=0.05)
    with pytest.raises(TaskDeferred) as deferral:
        ConversionFileSensor(task_id="wait", settings=inbox.settings(), deferrable=True, poke_interval=0.2).execute(
            Run().context()
        )
    add_connection(inbox.server.connection("sftp_shop"))
    assert asyncio.run(first_event(deferral.value.trigger))["status"] == "found"


@pytest.mark.parametrize("way", [sense, deferred], ids=["worker", "triggerer"])
def test_wrong_host_key_fails_at_once(
    inbox: Inbox, add_connection: Callable[[Connection], None], way: Callable[..., Any], tmp_path: Path
) -> None:
    """Another server than the pinned one is never asked again."""
    import subprocess

    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    real = inbox.server.connection("sftp_shop")
    add_connection(replace(real, extra={**real.extra, "host_key": other}))
    started = time.monotonic()
    with pytest.raises(AirflowFailException, match="HostKeyError"):
        way(inbox)
    assert time.monotonic() - started < 5


def test_host_key_that_changes_while_deferred_fails(
    inbox: Inbox, add_connection: Callable[[Connection], None], tmp_path: Path
) -> None:
    """The triggerer hands a permanent error back with its type."""
    import subprocess

    with pytest.raises(TaskDeferred) as deferral:
        ConversionFileSensor(task_id="wait", settings=inbox.settings(), deferrable=True, poke_interval=0.2).execute(
            Run().context()
        )
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    real = inbox.server.connection("sftp_shop")
    add_connection(replace(real, extra={**real.extra, "host_key": other}))
    event = asyncio.run(first_event(deferral.value.trigger))
    assert event["status"] == "error"
    assert event["error"] == "HostKeyError"


def test_unknown_connection_names_it(inbox: Inbox) -> None:
    """A connection id that Airflow doesn't know is said, not retried."""
    with pytest.raises(AirflowFailException, match="nowhere"):
        sense(inbox, conn_id="nowhere")


def test_first_look_of_the_trigger_is_not_at_once(inbox: Inbox) -> None:
    """A trigger that fires at once may overtake the scheduler (apache/airflow#66374)."""
    inbox.put("sales_20261121.csv")
    trigger = ConversionFileTrigger(settings=inbox.settings().model_dump(mode="json"), day=DAY, poke_interval=0.6)
    started = time.monotonic()
    assert asyncio.run(first_event(trigger))["status"] == "found"
    assert time.monotonic() - started >= 0.6


@pytest.mark.parametrize("now", [0.0, 12.5, 59.9, 60.0, 115.0])
@pytest.mark.parametrize(("interval", "least"), [(60.0, 10.0), (60.0, 0.0), (5.0, 5.0)])
def test_all_triggers_of_an_interval_look_at_the_same_moments(now: float, interval: float, least: float) -> None:
    """Whenever one begins to wait, its next look is at a multiple of the interval, no sooner than said."""
    waited = until_shared_look(now, interval, least=least)
    assert (now + waited) % interval == pytest.approx(0, abs=1e-6)
    assert least < waited <= least + interval


def test_trigger_survives_airflows_own_serialisation(inbox: Inbox) -> None:
    """What Airflow stores of a trigger is made of JSON's values and holds no credentials."""
    trigger = ConversionFileTrigger(settings=inbox.settings().model_dump(mode="json"), day=DAY)
    path, options = trigger.serialize()
    text = str(encode_trigger({"classpath": path, "kwargs": options}))
    assert inbox.server.host_key.split()[1] not in text
    assert "sftp_shop" in text
    assert ConversionFileTrigger(**options).serialize() == (path, options)


def test_watcher_hands_each_file_over_once(inbox: Inbox) -> None:
    """Without a day the trigger goes on, a file at a time, and never twice for the same file."""
    inbox.put("sales_a.csv", b"1")
    inbox.put("sales_b.csv", b"2")
    trigger = ConversionFileTrigger(
        settings=inbox.settings(path=f"{inbox.folder}/sales_*.csv", files="all").model_dump(mode="json"),
        poke_interval=0.1,
    )

    async def watch() -> list[str]:
        names: list[str] = []
        async for event in trigger.run():
            assert event.payload["advertiser"] == "shop"
            names += [stamp["uri"].rpartition("/")[2] for stamp in event.payload["files"]]
            if len(names) == 2:
                inbox.put("sales_c.csv", b"3")
            if len(names) == 3:
                return names
        return names

    assert asyncio.run(asyncio.wait_for(watch(), 20)) == ["sales_a.csv", "sales_b.csv", "sales_c.csv"]


def test_trigger_says_once_that_the_feed_is_stale(inbox: Inbox) -> None:
    """At the hour the deferred task tells, and waits on for the rest of its time without telling again."""
    told: list[Any] = []
    settings = inbox.settings(notifications={"email": ["ana@shop.example"], "no_file_by": "23:59"})
    now = system_clock().now()
    # Due today, so the hour is still to come; the trigger is given one that comes at once.
    run = Run(data_interval_start=now - timedelta(days=1), data_interval_end=now, run_after=now)
    context = run.context() | {"params": {"file_day": DAY}}
    sensor = ConversionFileSensor(
        task_id="wait", settings=settings, deferrable=True, poke_interval=0.1, on_stale_callback=told.append
    )
    with pytest.raises(TaskDeferred) as first:
        sensor.execute(context)
    assert isinstance(first.value.trigger, ConversionFileTrigger)
    assert first.value.kwargs is not None
    assert first.value.trigger.stale_at is not None
    first.value.trigger.stale_at = system_clock().now().isoformat()
    event = asyncio.run(first_event(first.value.trigger))
    assert event["status"] == "stale"
    for _ in range(2):
        with pytest.raises(TaskDeferred) as again:
            sensor.execute_complete(context, event, **first.value.kwargs)
    assert [one["file_day"].isoformat() for one in told] == [DAY]
    assert again.value.kwargs == first.value.kwargs
    assert again.value.timeout < first.value.timeout


def test_trigger_ends_when_what_has_waited_can_wait_no_longer(inbox: Inbox) -> None:
    """The deferred task sends it, and waits on for the rest of its time."""
    settings = inbox.settings(send_after_days=1, mode_="live", currency="USD")
    sensor = ConversionFileSensor(task_id="wait", settings=settings, deferrable=True, poke_interval=0.1)
    with pytest.raises(TaskDeferred) as first:
        sensor.execute(Run().context())
    assert isinstance(first.value.trigger, ConversionFileTrigger)
    assert first.value.kwargs is not None
    # Nothing waits, so that there is no such moment.
    assert first.value.trigger.send_due_at is None
    first.value.trigger.send_due_at = system_clock().now().isoformat()
    event = asyncio.run(first_event(first.value.trigger))
    assert event["status"] == "due"
    with pytest.raises(TaskDeferred) as again:
        sensor.execute_complete(Run().context(), event, **first.value.kwargs)
    assert again.value.kwargs == first.value.kwargs


class TestFileDay:
    """Which day's file a run is for."""

    def test_is_the_intervals_start(self, inbox: Inbox) -> None:
        """A run of the 22nd is for the file of the 21st."""
        assert file_day(inbox.settings(), Run().context()).isoformat() == DAY

    def test_is_read_in_the_advertisers_time_zone(self, inbox: Inbox) -> None:
        """An interval that starts at 23:00 UTC starts on the next day in Berlin."""
        from datetime import UTC, datetime

        run = Run(
            data_interval_start=datetime(2026, 11, 20, 23, tzinfo=UTC),
            data_interval_end=datetime(2026, 11, 21, 23, tzinfo=UTC),
        )
        assert file_day(inbox.settings(time_zone="Europe/Berlin"), run.context()).isoformat() == DAY

    def test_run_day_and_offset(self, inbox: Inbox) -> None:
        """``run_day`` takes the day of the run itself, an offset moves it."""
        assert file_day(inbox.settings(file_day="run_day"), Run().context()).isoformat() == "2026-11-22"
        assert file_day(inbox.settings(day_offset=-2), Run().context()).isoformat() == "2026-11-19"

    def test_parameter_wins(self, inbox: Inbox) -> None:
        """A run asked for by hand says which day it means."""
        assert file_day(inbox.settings(), Run(params={"file_day": "2026-11-03"}).context()).isoformat() == "2026-11-03"

    def test_run_without_a_logical_date_must_say(self, inbox: Inbox) -> None:
        """Without a logical date and a parameter there is nothing to fill a dated name with."""
        run = Run(data_interval_start=None, data_interval_end=None)
        with pytest.raises(ConfigError, match="file_day"):
            file_day(inbox.settings(), run.context())
        assert file_day(inbox.settings(path="/in/*.csv"), run.context()).isoformat() == "2026-11-22"

    def test_an_arrived_file_says_it(self, inbox: Inbox) -> None:
        """A run that a file's arrival started, without a logical date, is for the day that the trigger has named."""
        inbox.put("sales.csv")
        settings = inbox.settings(path=f"{inbox.folder}/*.csv", settle_seconds=0)
        trigger = ConversionFileTrigger(settings=settings.model_dump(mode="json"), poke_interval=0.1)
        event = asyncio.run(first_event(trigger))
        started_by = AssetEventDagRunReferenceResult.model_validate(
            {
                "asset": {"name": "files", "uri": "files", "extra": {}},
                "extra": {"payload": event},
                "source_task_id": None,
                "source_dag_id": None,
                "source_run_id": None,
                "source_map_index": -1,
                "source_aliases": [],
                "timestamp": "2026-11-22T06:00:00Z",
            }
        )
        run = Run(data_interval_start=None, data_interval_end=None)
        context = run.context() | {"triggering_asset_events": {"files": [started_by]}}
        assert file_day(inbox.settings(), context).isoformat() == event["day"]
        assert arrived_files(inbox.settings(), run.context()) is None

    def test_nonsense_is_named(self, inbox: Inbox) -> None:
        """A parameter that is no day is an error that shows how one is written."""
        with pytest.raises(ConfigError, match="2026-11-21"):
            file_day(inbox.settings(), Run(params={"file_day": "yesterday"}).context())


def test_triggers_share_one_login_a_look(inbox: Inbox) -> None:
    """Thirty advertisers with a folder each on one server: a look costs one login, and each finds its own file."""
    triggers = []
    for number in range(30):
        folder = inbox.folder / f"shop_{number}"
        folder.mkdir()
        settings = inbox.settings(name=f"shop_{number}", path=f"{folder}/sales_{{{{ ds_nodash }}}}.csv")
        triggers.append(ConversionFileTrigger(settings=settings.model_dump(mode="json"), day=DAY, poke_interval=2))
        (folder / "sales_20261121.csv").write_text(str(number))
        os.utime(folder / "sales_20261121.csv", (1_700_000_000, 1_700_000_000))
    before = inbox.server.logins()

    async def watch() -> list[Any]:
        return await asyncio.gather(*(first_event(trigger) for trigger in triggers))

    events = asyncio.run(watch())
    assert [event["files"][0]["uri"].split("/")[-2] for event in events] == [f"shop_{n}" for n in range(30)]
    assert inbox.server.logins() - before == 1


def test_a_missing_folder_is_its_own_triggers_error(inbox: Inbox) -> None:
    """What one advertiser's folder lacks is no fault of the others that share the login."""
    inbox.put("sales_20261121.csv")
    good = ConversionFileTrigger(settings=inbox.settings().model_dump(mode="json"), day=DAY, poke_interval=1)
    lost = inbox.settings(path=f"{inbox.folder}/nowhere/x.csv").model_dump(mode="json")
    bad = ConversionFileTrigger(settings=lost, day=DAY, poke_interval=1)

    async def watch() -> tuple[Any, Any]:
        return await asyncio.gather(first_event(good), first_event(bad))

    assert [event["status"] for event in asyncio.run(watch())] == ["found", "error"]


def test_a_file_that_was_put_away_is_known_to_be_delivered(inbox: Inbox) -> None:
    """The day's file is closed and archived: another run of the day does not wait for it."""
    path = inbox.put("sales_20261121.csv")
    mark_delivered(inbox.settings(mode_="live"), sense(inbox, mode_="live"))
    path.unlink()
    found = sense(inbox, mode_="live")
    assert found["already_delivered"]
    assert found["files"] == []
