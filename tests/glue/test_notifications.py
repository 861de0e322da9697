"""Who is notices what, by real mail, Slack's webhook and a webhook, from inside a running Airflow."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.dag_factory.deadline_alert import stale_deadline
from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.errors import UnexpectedError
from airflow_provider_tiktok_offline.notifications.delivery import DeliveryFailedNotifier, StaleFeedNotifier
from airflow_provider_tiktok_offline.plain_text import slack
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS
from tests.glue.airflow_world import AirflowWorld
from tests.servers.airflow import AirflowRunner

if TYPE_CHECKING or Version(airflow_version) >= Version("3.2"):
    from airflow.triggers.callback import CallbackTrigger
else:
    from airflow.triggers.deadline import DeadlineCallbackTrigger as CallbackTrigger

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAG_ID = "tiktok_offline__told_shop"
TODAY = datetime.now(UTC).date()


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


def notices(world: AirflowWorld, event: str) -> list[dict[str, Any]]:
    return [body for body in world.web.at("/told") if body["event"] == event]


def facts(body: dict[str, Any]) -> dict[str, str]:
    return {fact["name"]: fact["value"] for fact in body["facts"]}


def written(mail: EmailMessage) -> str:
    """What a reader sees."""
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_success_is_told_by_every_channel(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """One mail, one Slack message and one POST, with the file's name, counts and sums and no customer's data."""
    path = airflow_world.write(f"told_shop_{day(1).replace('-', '')}.csv", seed=41)
    run = airflow.run(DAG_ID, conf={"file_day": day(1)})
    assert run.state == "success", run.tasks
    [body] = notices(airflow_world, "success")
    assert body["subject"] == "told_shop: delivered"
    assert facts(body)["File"] == str(path)
    assert facts(body)["Day"] == day(1)
    assert facts(body)["Rows"].startswith("200 total, 200 valid")
    assert facts(body)["Events"] == "200 accepted"
    [message] = airflow_world.web.at("/slack/T0/B0/x0")
    assert message["text"] == slack(body["text"])
    [mail] = airflow_world.mailbox.with_subject("told_shop: delivered")
    assert airflow_world.mailbox.recipients[-1] == ["ana@shop.example", "ben@shop.example"]
    content = written(mail) + json.dumps(airflow_world.web.posted)
    assert path.name in content
    for line in path.read_text().splitlines()[1:]:
        assert line.partition(",")[0] not in content
    assert not re.search(r"[0-9a-f]{64}", content)


@pytest.mark.skipif(Version(airflow_version) < Version("3.3"), reason="before, dag.test() tells callbacks no exception")
def test_a_breached_gate_is_told_once(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """The gate's message says why and where the report lies, without a value of the rows; nothing else is told."""
    airflow_world.write(f"told_shop_{day(2).replace('-', '')}.csv", seed=42, bad_ratio=0.4)
    run = airflow.run(DAG_ID, conf={"file_day": day(2)})
    assert run.state == "failed"
    [gate] = notices(airflow_world, "gate")
    assert "max_rejected_ratio" in facts(gate)["Why"]
    assert facts(gate)["Report"].endswith("/report.html")
    assert (facts(gate)["Advertiser"], facts(gate)["Day"]) == ("told_shop", day(2))
    assert f"/dags/{DAG_ID}/runs/" in facts(gate)["Log"]
    assert facts(gate)["Next"].startswith("Read the report.")
    assert notices(airflow_world, "failure") == []
    assert len(airflow_world.mailbox.with_subject(gate["subject"])) == 1


def test_a_stale_feed_is_told_once_and_the_late_file_is_delivered(
    airflow_world: AirflowWorld, airflow: AirflowRunner
) -> None:
    """No file by the hour: one message; the wait goes on, and the file that comes at last is delivered."""
    name = f"told_shop_{day(3).replace('-', '')}.csv"

    def come_late() -> None:
        deadline = time.monotonic() + 120
        while not notices(airflow_world, "stale") and time.monotonic() < deadline:
            time.sleep(0.05)
        airflow_world.write(name, seed=43)

    late = threading.Thread(target=come_late)
    late.start()
    # Due days ago, so the hour is over at the first look.
    run = airflow.run(DAG_ID, logical_date=f"{day(3)}T00:00:00+00:00", conf={"file_day": day(3)})
    late.join()
    assert run.state == "success", run.tasks
    [stale] = notices(airflow_world, "stale")
    assert stale["subject"] == "told_shop: no file yet"
    assert facts(stale)["Day"] == day(3)


def test_liveramps_specialist_is_told_of_an_upload(
    airflow_world: AirflowWorld, airflow: AirflowRunner, tmp_path: Path
) -> None:
    """The mail that the programme asks for goes out from the running task, through Airflow's SMTP connection."""
    ctx = airflow_world.context(name="fed_shop")
    sample = tmp_path / "sample.csv"
    sample.write_bytes(
        make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=("CompletePayment", "Contact", "Subscribe"))
    )
    accept_feed(ctx, sample)
    file = airflow_world.write(f"fed_shop_{day(1).replace('-', '')}.csv", seed=44)
    run = airflow.run("tiktok_offline__fed_shop", conf={"file_day": day(1)})
    assert run.state == "success", run.tasks
    [delivered] = airflow_world.feed.iterdir()
    [mail] = airflow_world.mailbox.with_subject(f"Conversion file uploaded: {delivered.name}")
    assert mail["To"] == "specialist@liveramp.example"
    assert f"{delivered.stat().st_size:,}" in written(mail)
    # The same rows in another file: nothing is left to deliver, so the task is skipped and nobody is notices.
    header, *rows = file.read_text().splitlines(keepends=True)
    file.with_name(f"fed_shop_{day(2).replace('-', '')}.csv").write_text("".join([header, *rows[::-1]]))
    again = airflow.run("tiktok_offline__fed_shop", conf={"file_day": day(2)})
    assert (again.state, again.tasks["deliver"]) == ("success", "skipped")
    assert len(list(airflow_world.feed.iterdir())) == 1
    assert len(airflow_world.mailbox.with_subject(f"Conversion file uploaded: {delivered.name}")) == 1


@pytest.mark.parametrize(
    ("notifier", "subject"),
    [(DeliveryFailedNotifier, "told_shop: the delivery failed"), (StaleFeedNotifier, "told_shop: no file yet")],
)
def test_a_deadline_can_tell(
    airflow_world: AirflowWorld, monkeypatch: pytest.MonkeyPatch, notifier: type[Any], subject: str
) -> None:
    """Airflow's own callback trigger awaits a notifier with the little that a deadline gives it."""
    for name, value in airflow_world.environment.items():
        monkeypatch.setenv(name, value)
    before = len(airflow_world.mailbox.with_subject(subject))
    context = {
        "dag_run": {"dag_id": DAG_ID, "dag_run_id": f"deadline-{notifier.event}", "logical_date": None},
        "deadline": {"id": "1", "deadline_time": "2026-11-22T10:00:00Z"},
    }
    options = {"settings": airflow_world.settings("told_shop"), "context": context}
    trigger = CallbackTrigger(f"{notifier.__module__}.{notifier.__name__}", options)

    async def events() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    ended = asyncio.run(events())[-1]
    assert "success" in str(next(iter(ended.values()))).lower(), ended
    assert len(airflow_world.mailbox.with_subject(subject)) == before + 1
    assert notices(airflow_world, notifier.event)[-1]["subject"] == subject


def test_the_factorys_deadline_tells_a_day_once(airflow_world: AirflowWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factory's callback in Airflow's own trigger, with the run as Airflow hands it over: one message a day."""
    for name, value in airflow_world.environment.items():
        monkeypatch.setenv(name, value)
    place = str(airflow_world.airflow.dags / "advertisers.yaml")
    config = AdvertiserConfig.model_validate({**airflow_world.settings("told_shop"), "schedule": "@daily"})
    alert = stale_deadline(config, place)["deadline"]
    run = {
        "dag_id": DAG_ID,
        "dag_run_id": "deadline-of-the-factory",
        "data_interval_start": "2026-03-02T00:00:00Z",
        "data_interval_end": "2026-03-03T00:00:00Z",
        "run_after": "2026-03-03T00:00:00Z",
        "conf": {},
    }
    context = {"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-03-03T06:15:00Z"}}
    before = len(notices(airflow_world, "stale"))

    async def tell() -> object:
        trigger = CallbackTrigger(alert.callback.path, {**alert.callback.kwargs, "context": dict(context)})
        return [event.payload async for event in trigger.run()][-1]

    for _ in range(2):
        ended = asyncio.run(tell())
        assert "success" in str(ended).lower(), ended
    told = notices(airflow_world, "stale")[before:]
    assert len(told) == 1
    assert facts(told[0])["Day"] == "2026-03-02"


def test_a_channel_that_fails_does_not_silence_the_others(
    airflow_world: AirflowWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a mail server the webhook is called all the same, and the fault is raised at the end."""
    from tests.glue.conftest import Run

    for name, value in airflow_world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**airflow_world.mailbox.connection(), "port": 1}))
    before = len(notices(airflow_world, "failure"))
    with pytest.raises(UnexpectedError, match="ConnectionRefusedError"):
        DeliveryFailedNotifier(settings=airflow_world.settings("told_shop")).notify(Run().context())
    assert len(notices(airflow_world, "failure")) == before + 1
