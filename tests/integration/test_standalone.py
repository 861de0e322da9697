"""A whole Airflow, driven through its REST API: whatever is deferred, approved, cleared or run for days that have
passed, each event goes out once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.cli.demo.recount import recount
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.delivery.operations.feed_files import accept_feed, make_sample
from airflow_provider_tiktok_offline.samples.sample_file import SAMPLE_COLUMNS
from tests.integration.shops import YESTERDAY, Shops
from tests.servers.airflow import airflow_environment
from tests.servers.airflow_api import AirflowApi
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, APP_ID, APP_SECRET, simulator
from tests.servers.sink import Sink, sink
from tests.servers.standalone import standalone
from tests.servers.waiting import wait_until

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.airflow,
    pytest.mark.xdist_group("airflow"),
    pytest.mark.timeout(1200),
]

#: Beside the example DAGs' advertisers.
MORE = (
    ("chain_{{ ds_nodash }}.csv", {"name": "chain_store", "schedule": "0 0 * * *", "start_date": "2026-01-01"}),
    (
        "careful_{{ ds_nodash }}*.csv",
        {
            "name": "careful_shop",
            "source": {"files": "all"},
            "guards": {"max_events": 100, "on_breach": "approve"},
            "notifications": {"webhook_conn_id": "web", "webhook_endpoint": "/asked"},
        },
    ),
    (
        "hasty_{{ ds_nodash }}.csv",
        {"name": "hasty_shop", "guards": {"max_events": 100, "on_breach": "approve", "approval_hours": 0.002}},
    ),
    ("counted_{{ ds_nodash }}.csv", {"name": "counted_shop"}),
    (
        "gallery_{{ ds_nodash }}.csv",
        {
            "name": "gallery",
            "event_set_id": "7000000000000000202",
            "route": "liveramp",
            "guards": {"max_events": 100, "on_breach": "approve"},
        },
    ),
    (
        "late_{{ ds_nodash }}.csv",
        {
            "name": "late_shop",
            "notifications": {"events": ["stale"], "webhook_conn_id": "web", "webhook_endpoint": "/told"},
        },
    ),
)


@dataclass(frozen=True)
class World:
    """An Airflow that runs, the shops in it, and where their webhooks arrive."""

    shops: Shops
    api: AirflowApi
    web: Sink

    def start(self, advertiser: str, day: str) -> tuple[str, str]:
        """Start the advertiser's DAG for a day's file; gives DAG id and run id."""
        dag_id = f"tiktok_offline__{advertiser}"
        self.api.unpause(dag_id)
        return dag_id, self.api.trigger(dag_id, file_day=day)


@pytest.fixture(scope="module", name="world")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("standalone")
    (folder / "airflow").mkdir()
    airflow = airflow_environment(folder / "airflow")
    airflow.initialise()
    with simulator() as api, sink() as web:
        shops = Shops(
            folder, airflow, api, more=MORE, connections=[Connection(conn_id="web", conn_type="http", host=web.url)]
        )
        shutil.copy(Path(__file__).parent / "dags" / "late_feed.py", airflow.dags)
        with standalone(airflow, shops.environment()) as running:
            for dag_id in ("tiktok_offline__counted_shop", "tiktok_offline_on_arrival", "late_feed"):
                wait_until(partial(running.knows, dag_id), dag_id)
            yield World(shops, running, web)


def test_a_deferred_sensor_goes_on_when_the_file_comes(world: World) -> None:
    """The sensor waits in the triggerer, without a worker; the file's arrival carries the run to its end."""
    day = YESTERDAY - timedelta(days=1)
    run = world.start("corner_shop", day.isoformat())
    wait_until(lambda: world.api.task_state(*run, "wait_for_file") == "deferred", "a deferred sensor")
    assert world.api.tasks(*run)["wait_for_file"]["trigger"]["classpath"].endswith(".ConversionFileTrigger")
    file = world.shops.write(f"corner_{day:%Y%m%d}.csv", seed=61)
    assert world.api.finished(*run) == "success"
    world.shops.assert_delivered(file)


def test_each_tasks_log_says_what_happened(world: World) -> None:
    """In words: what was waited for, found, checked, hashed, compared, sent and closed, and that it was done before."""
    day = YESTERDAY - timedelta(days=13)
    run = world.start("corner_shop", day.isoformat())
    wait_until(lambda: world.api.task_state(*run, "wait_for_file") == "deferred", "a deferred sensor")
    file = world.shops.write(f"corner_{day:%Y%m%d}.csv", seed=63)
    assert world.api.finished(*run) == "success"
    facts = {
        "wait_for_file": (f"No file yet for {day}: ", f"Found {file.name} for {day}, "),
        "prepare": (f"Read {file.name}, ", " valid, ", "; staged as ", "Compared ", " with the ledger in "),
        "upload[0]": ("Sent ", ", part 1 of 1, in ", "events received"),
        "summary": (f"{file.name} is done. Of ",),
    }
    for task, words in facts.items():
        sentences = [sentence for _level, sentence in world.api.log(*run, task)]
        for fact in words:
            assert any(fact in sentence for sentence in sentences), (task, fact, sentences)
    again = world.start("corner_shop", day.isoformat())
    assert world.api.finished(*again) == "success"
    assert any("was delivered before" in sentence for _level, sentence in world.api.log(*again, "wait_for_file"))


def test_a_breached_gate_is_one_error_in_the_log(world: World) -> None:
    """The sentence stands once as an error, with the share and what to do; the summary names the cause."""
    day = YESTERDAY - timedelta(days=14)
    file = world.shops.write(f"corner_{day:%Y%m%d}.csv", seed=64, bad_ratio=0.5)
    run = world.start("corner_shop", day.isoformat())
    assert world.api.finished(*run) == "failed"
    errors = [sentence for level, sentence in world.api.log(*run, "prepare") if level == "error"]
    assert len([sentence for sentence in errors if file.name in sentence and "nothing was sent" in sentence]) == 1
    said = [sentence for level, sentence in world.api.log(*run, "summary") if level == "error"]
    assert any("gate exceeded" in sentence for sentence in said), said


def test_the_report_is_a_click_away(world: World) -> None:
    """The link on a task opens the file's report in Airflow itself, and the other one TikTok's Events Manager."""
    day = YESTERDAY - timedelta(days=11)
    file = world.shops.write(f"corner_{day:%Y%m%d}.csv", seed=60, bad_ratio=0.005)
    run = world.start("corner_shop", day.isoformat())
    assert world.api.finished(*run) == "success"
    links = world.api.get(f"/dags/{run[0]}/dagRuns/{run[1]}/taskInstances/summary/links")["extra_links"]
    assert file.name in world.api.page(links["Conversion file report"])
    assert links["TikTok Events Manager"].endswith(ADVERTISER_ID)


def test_a_cleared_task_and_a_cleared_run_send_nothing_again(world: World) -> None:
    """The upload is cleared, then the whole run, then the day is run once more."""
    day = YESTERDAY - timedelta(days=2)
    file = world.shops.write(f"corner_{day:%Y%m%d}.csv", seed=62)
    run = world.start("corner_shop", day.isoformat())
    assert world.api.finished(*run) == "success"
    received = world.shops.api.times_received()
    clears: tuple[Callable[[], object], ...] = (
        partial(world.api.clear_task, *run, "upload"),
        partial(world.api.clear_run, *run),
    )
    for clear in clears:
        tries = world.api.tasks(*run)["summary"]["try_number"]
        clear()
        assert world.api.finished(*run) == "success"
        assert world.api.tasks(*run)["summary"]["try_number"] > tries
    assert world.api.finished(*world.start("corner_shop", day.isoformat())) == "success"
    assert world.shops.api.times_received() == received
    world.shops.assert_delivered(file)


def test_backfill_of_seven_days(world: World) -> None:
    """Each day's run takes its own day's file; a day of it that is cleared sends nothing again."""
    days = [YESTERDAY - timedelta(days=back) for back in range(9, 2, -1)]
    files = [world.shops.write(f"chain_{day:%Y%m%d}.csv", seed=70 + number) for number, day in enumerate(days)]
    dag_id = "tiktok_offline__chain_store"
    world.api.unpause(dag_id)
    backfill = world.api.post(
        "/backfills",
        {
            "dag_id": dag_id,
            "from_date": f"{days[0]}T00:00:00Z",
            "to_date": f"{days[-1]}T00:00:00Z",
            "max_active_runs": 2,
        },
    )
    place = f"/backfills/{backfill['id']}"
    wait_until(lambda: world.api.get(place)["completed_at"] is not None, "the end of the backfill", seconds=900)
    runs = {run["logical_date"]: run for run in world.api.runs(dag_id) if run["run_type"] == "backfill"}
    assert sorted(runs) == [f"{day:%Y-%m-%d}T00:00:00Z" for day in days]
    assert {run["state"] for run in runs.values()} == {"success"}
    world.shops.assert_delivered(*files)
    received = world.shops.api.times_received()
    again = runs[max(runs)]["dag_run_id"]
    world.api.clear_run(dag_id, again)
    assert world.api.finished(dag_id, again) == "success"
    assert world.shops.api.times_received() == received


@pytest.mark.parametrize("answer", ["Approve", "Reject"])
def test_a_person_approves_or_rejects(world: World, answer: str) -> None:
    """A file with more events than its guard allows waits for a person; approved it is sent, rejected it is not.

    A file without a breach is sent and closed while the person is asked.
    """
    day = YESTERDAY - timedelta(days=["Approve", "Reject"].index(answer))
    file = world.shops.write(f"careful_{day:%Y%m%d}.csv", seed=81 + day.day)
    small = [world.shops.write(f"careful_{day:%Y%m%d}_small.csv", seed=7, rows=40)] if answer == "Reject" else []
    expected = {key for one in small for key in recount(one, as_of=datetime.now(UTC)).events}
    before = world.shops.api.times_received()
    run = world.start("careful_shop", day.isoformat())
    place = f"/dags/{run[0]}/dagRuns/{run[1]}/taskInstances/approve/-1/hitlDetails"
    wait_until(lambda: world.api.task_state(*run, "approve") in ("deferred", "awaiting_input"), "a question")
    question = world.api.get(place)
    assert "events, more than max_events 100" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    assert "The other files of this run do not wait" in question["body"]
    of_others = "success" if small else "skipped"
    wait_until(lambda: world.api.task_state(*run, "summary") == of_others, "the end of the other files")
    assert world.shops.api.times_received().keys() - before.keys() == expected
    world.shops.assert_delivered(*small)
    shown = advertiser_page(world, "careful_shop")
    assert shown["state"]["key"] == "approval"
    assert shown["state"]["reason"].startswith("300 events, more than max_events 100.")
    assert shown["answer_until"] > shown["state"]["since"]
    facts = world.web.at("/asked")[-1]["facts"]
    asked = {fact["name"]: fact["value"] for fact in facts}
    assert {fact["value"] for fact in facts if fact["name"] == "File"} == {str(file)}
    assert asked["Breached"] == "300 events, more than max_events 100"
    assert asked["Approval"].partition("?")[0].endswith(f"/dags/{run[0]}/runs/{run[1]}/tasks/approve/required_actions")
    reports = [world.api.page(fact["value"]) for fact in facts if fact["name"] == "Report"]
    assert any(file.name in report for report in reports)
    world.api.patch(place, {"chosen_options": [answer], "params_input": {}})
    if answer == "Approve":
        assert world.api.finished(*run) == "success"
        world.shops.assert_delivered(file)
    else:
        assert world.api.finished(*run) == "failed"
        assert world.api.task_state(*run, "approve") == "failed"
        assert world.shops.api.times_received().keys() - before.keys() == expected


def test_nobody_answers_in_time(world: World) -> None:
    """The file counts as rejected: nothing is sent, the run fails, and the log says why."""
    day = YESTERDAY
    world.shops.write(f"hasty_{day:%Y%m%d}.csv", seed=91)
    before = world.shops.api.times_received()
    run = world.start("hasty_shop", day.isoformat())
    assert world.api.finished(*run) == "failed"
    said = [sentence for _level, sentence in world.api.log(*run, "approve")]
    assert any("Nobody answered in time" in sentence for sentence in said), said
    assert world.shops.api.times_received() == before


def test_a_person_is_asked_about_a_feed_file(world: World) -> None:
    """On the liveramp route too: what was rejected reaches no feed file, what was approved is the day's, once."""
    ctx = world.shops.context("gallery")
    sample = world.shops.folder / "sample.csv"
    sample.write_bytes(
        make_sample(ctx, None, columns=SAMPLE_COLUMNS, categories=("CompletePayment", "Contact", "Subscribe"))
    )
    accept_feed(ctx, sample)
    for back, answer, ends in ((1, "Reject", "failed"), (0, "Approve", "success")):
        day = YESTERDAY - timedelta(days=back)
        file = world.shops.write(f"gallery_{day:%Y%m%d}.csv", seed=97 + back)
        run = world.start("gallery", day.isoformat())
        wait_until(partial(_is_asked, world, run), "a question")
        place = f"/dags/{run[0]}/dagRuns/{run[1]}/taskInstances/approve/-1/hitlDetails"
        question = world.api.get(place)
        assert question["subject"] == "gallery: a conversion file breaches a guard"
        assert f"- {file.name}: 300 events, more than max_events 100\n" in question["body"]
        assert not list(world.shops.feed.iterdir())
        world.api.patch(place, {"chosen_options": [answer], "params_input": {}})
        assert world.api.finished(*run) == ends
    [delivered] = world.shops.feed.iterdir()
    assert delivered.read_bytes() == file.read_bytes()
    assert {state.file_name: state.status for state in ctx.deliveries.list("gallery")}[file.name] == "closed"
    world.api.clear_run(*run)
    assert world.api.finished(*run) == "success"
    assert [one.read_bytes() for one in world.shops.feed.iterdir()] == [file.read_bytes()]


def _is_asked(world: World, run: tuple[str, str]) -> bool:
    return world.api.task_state(*run, "approve") in ("deferred", "awaiting_input")


def advertiser_page(world: World, advertiser: str) -> dict[str, Any]:
    """What the page in Airflow shows of an advertiser."""
    shown: dict[str, Any] = json.loads(
        world.api.page(f"/tiktok-offline-status/api/advertisers/tiktok_offline__{advertiser}")
    )
    return shown


def test_the_page_shows_what_ledger_and_simulator_hold(world: World) -> None:
    """Rows, events, values and refusals of two days, in the funnel and in the ninety days."""
    days = [YESTERDAY - timedelta(days=back) for back in (17, 16)]
    files = [world.shops.write(f"counted_{day:%Y%m%d}.csv", seed=95 + n, bad_ratio=0.02) for n, day in enumerate(days)]
    before = world.shops.api.event_ids()
    for day in days:
        assert world.api.finished(*world.start("counted_shop", day.isoformat())) == "success"
    counted = [recount(file, as_of=datetime.now(UTC)) for file in files]
    received = world.shops.api.event_ids() - before
    shown = advertiser_page(world, "counted_shop")
    assert (shown["state"]["key"], shown["day"]) == ("delivered", days[-1].isoformat())
    funnel = {step["name"]: step["count"] for step in shown["deliveries"][0]["funnel"]}
    events = len(counted[1].events)
    assert funnel == {"rows": 300, "valid": events, "new": events, "sent": events, "received": events}
    history = shown["history"]
    assert sum(history["events"]["accepted"]) == len(received) == sum(len(one.events) for one in counted)
    place = (days[-1] - date.fromisoformat(history["first_day"])).days
    assert history["events"]["accepted"][place - 1 : place + 1] == [len(one.events) for one in counted]
    value = sum(Decimal(one) for one in history["value"]["USD"])
    items = world.shops.api.items()
    assert value == sum(Decimal(str(items[one]["properties"]["value"])) for one in received)
    [ledger_sum] = [
        one for one in world.shops.context("counted_shop").ledger.records.read().to_dicts()
        if one["delivery_id"] == shown["delivery_id"]
    ]  # fmt: skip
    assert json.loads(ledger_sum["counts"])["events"] == {"accepted": events}


def test_a_files_arrival_starts_the_dag_once(world: World) -> None:
    """The watcher in the triggerer sees the file, the scheduler starts one run, and it delivers, once."""
    dag_id = "tiktok_offline_on_arrival"
    world.api.unpause(dag_id)

    def states() -> list[str]:
        return [run["state"] for run in world.api.runs(dag_id)]

    first = world.shops.write("kiosk_1.csv", seed=51)
    wait_until(lambda: states() == ["success"], "one run")
    assert [run["run_type"] for run in world.api.runs(dag_id)] == ["asset_triggered"]
    second = world.shops.write("kiosk_2.csv", seed=52)
    wait_until(lambda: states() == ["success", "success"], "a second run")
    world.shops.assert_delivered(first, second)


def test_a_deadline_tells_of_a_late_file(world: World) -> None:
    """The scheduler notices that the deadline is over and the triggerer tells by webhook."""
    day = YESTERDAY.isoformat()
    world.api.unpause("late_feed")
    run_id = world.api.trigger("late_feed", file_day=day)
    wait_until(lambda: bool(world.web.at("/told")), "a message")
    [told] = world.web.at("/told")
    assert told["event"] == "stale"
    assert "late_shop" in told["subject"]
    assert world.api.task_state("late_feed", run_id, "wait_for_file") == "deferred"
    world.shops.write(f"late_{YESTERDAY:%Y%m%d}.csv", seed=91)
    assert world.api.finished("late_feed", run_id) == "success"


@pytest.mark.parametrize(
    ("token", "ok", "said"),
    [(ACCESS_TOKEN, True, "reaches"), ("revoked", False, "access token")],
    ids=["good", "bad"],
)
def test_the_connection_forms_test(world: World, token: str, ok: bool, said: str) -> None:
    """The form's *Test* asks the API that its fields name, and says what the token reaches, or what to do."""
    extra = {"app_id": APP_ID, "app_secret": APP_SECRET, "advertiser_id": ADVERTISER_ID}
    found = world.api.post(
        "/connections/test",
        {
            "connection_id": "tiktok_form",
            "conn_type": "tiktok",
            "host": world.shops.api.url,
            "password": token,
            "extra": json.dumps(extra),
        },
    )
    assert found["status"] is ok, found
    assert said in found["message"]
    assert token not in found["message"]
    assert APP_SECRET not in found["message"]
