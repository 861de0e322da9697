"""What a run tells Airflow's metrics and OpenLineage, seen by a real StatsD server and in the events themselves."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessor

from tests.glue.airflow_world import AirflowWorld
from tests.plugin.test_status_page import ask
from tests.servers.airflow import AirflowRun, AirflowRunner
from tests.servers.simulator import ACCESS_TOKEN, ADVERTISER_ID, EVENT_SET_ID

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

NAME = "measured_shop"
DAG_ID = f"tiktok_offline__{NAME}"
DAY = (datetime.now(UTC) - timedelta(days=5)).date()
TAGS = f"advertiser={NAME},route=tiktok,mode=live"


@pytest.fixture(scope="module", name="file")
def _file(airflow_world: AirflowWorld) -> Path:
    path = airflow_world.write(f"{NAME}_{DAY:%Y%m%d}.csv", 300, seed=51)
    header, first, *rest = path.read_text().splitlines()
    bad = first.split(",")
    bad[header.split(",").index("transaction_amount")] = "much"
    path.write_text("\n".join([header, first, *rest, first, first, ",".join(bad)]) + "\n")
    return path


@pytest.fixture(scope="module", name="before")
def _before(airflow_world: AirflowWorld) -> int:
    """Events at TikTok before the run."""
    return len(airflow_world.api.event_ids())


@pytest.fixture(scope="module", name="run")
def _run(airflow: AirflowRunner, file: Path, before: int) -> AirflowRun:
    run = airflow.run(DAG_ID, conf={"file_day": DAY.isoformat()})
    assert run.state == "success", run.tasks
    return run


def counted(world: AirflowWorld, name: str) -> list[int]:
    """What a counter was increased by, each time."""
    lines = world.metrics.about(f"airflow.tiktok_offline.{name},", TAGS)
    return [int(float(line.partition(":")[2].partition("|")[0])) for line in lines]


def test_metrics_count_what_the_summary_says(airflow_world: AirflowWorld, run: AirflowRun) -> None:
    """Rows by class and events by outcome, and the time of each step, under the documented names."""
    rows = {name: counted(airflow_world, f"rows.{name}") for name in ("total", "valid", "rejected", "duplicate")}
    assert rows == {"total": [303], "valid": [300], "rejected": [1], "duplicate": [2]}
    assert counted(airflow_world, "events.accepted") == [300]
    assert counted(airflow_world, "deliveries") == [1]
    for step in ("prepare", "upload", "summary"):
        assert airflow_world.metrics.about(f"airflow.tiktok_offline.{step}.duration,", TAGS, "|ms"), step


def test_the_status_of_each_step_says_what_the_metrics_say(airflow_world: AirflowWorld, run: AirflowRun) -> None:
    """What the page shows: the awaited file, the counts after each step, and the figures of the days as columns."""
    left = {task: airflow_world.xcom(run.run_id, task, "tiktok_offline_status") for task in run.tasks}
    assert left["wait_for_file"]["expected"].endswith(f"/{NAME}_{DAY:%Y%m%d}.csv")
    assert left["wait_for_file"]["day"] == DAY.isoformat()
    for task in ("prepare", "summary"):
        [delivery] = left[task]["deliveries"]
        assert delivery["rows"] == {"total": 303, "valid": 300, "rejected": 1, "duplicate": 2, "excluded": 0}
        assert delivery["day"] == DAY.isoformat()
        assert left[task]["ok"]
    assert left["summary"]["deliveries"][0]["events"] == {"accepted": 300}
    assert left["summary"]["deliveries"][0]["state"] == "closed"
    assert left["summary"]["settings"]["advertiser_id"] == ADVERTISER_ID
    history = airflow_world.xcom(run.run_id, "summary", "tiktok_offline_history")
    assert [count for count in history["events"]["accepted"] if count] == [300]
    assert ACCESS_TOKEN not in json.dumps(left)


def test_the_page_shows_what_ledger_and_simulator_know(
    airflow_world: AirflowWorld, before: int, run: AirflowRun
) -> None:
    """Its row and its funnel, by way of Airflow's database alone, against both ends."""
    overview = "/tiktok-offline-status/api/overview?search=measured"
    one = f"/tiktok-offline-status/api/advertisers/{DAG_ID}"
    asked = ask(airflow_world.airflow, ("adam", overview), ("adam", one))
    [row] = json.loads(asked[0]["text"])["advertisers"]
    accepted = airflow_world.context(name=NAME).ledger.settle(row["delivery_id"]).accepted
    assert row["events"] == {"accepted": accepted}
    assert accepted == len(airflow_world.api.event_ids()) - before
    assert row["rows"]["total"] == sum(counted(airflow_world, "rows.total"))
    funnel = {step["name"]: step for step in json.loads(asked[1]["text"])["deliveries"][0]["funnel"]}
    assert [funnel[name]["count"] for name in ("rows", "valid", "new", "sent", "received")] == [303, 300, 300, 300, 300]
    assert {reason["name"] for reason in funnel["valid"]["lost"]} >= {"duplicate"}


def test_a_delivery_is_counted_once(airflow_world: AirflowWorld, airflow: AirflowRunner, run: AirflowRun) -> None:
    """Clearing the summary of a closed delivery adds nothing."""
    before = counted(airflow_world, "rows.total")
    assert airflow.clear(DAG_ID, run.run_id, "summary").state == "success"
    assert counted(airflow_world, "rows.total") == before


def test_every_metric_is_documented(airflow_world: AirflowWorld, run: AirflowRun) -> None:
    """docs/airflow.md names each one that was sent."""
    page = (Path(__file__).parents[2] / "docs" / "airflow.md").read_text()
    sent = {line.partition(",")[0].removeprefix("airflow.") for line in airflow_world.metrics.about("tiktok_offline.")}
    assert len(sent) > 8
    for name in sent:
        shown = re.sub(r"(?<=\.errors\.)\w+", "<type>", name)
        assert f"`{shown}`" in page, name


def datasets(world: AirflowWorld, task_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Inputs and outputs of a task's last completion, by namespace and name."""
    events = [json.loads(line) for line in world.lineage.read_text().splitlines()]
    done = [
        event
        for event in events
        if event["eventType"] == "COMPLETE" and event["job"]["name"] == f"{DAG_ID}.{task_id}" and event["inputs"]
    ]
    return tuple({f"{one['namespace']} {one['name']}": one for one in done[-1][side]} for side in ("inputs", "outputs"))  # type: ignore[return-value]


def test_lineage_leads_from_the_file_to_the_event_set(airflow_world: AirflowWorld, file: Path, run: AirflowRun) -> None:
    """OpenLineage is told of the file, the staged parts and the event set, with the rows that were written."""
    inputs, written = datasets(airflow_world, "prepare")
    assert f"file {file}" in inputs
    [staged] = [name for name in written if not name.endswith("/report.json")]
    inputs, outputs = datasets(airflow_world, "upload")
    assert set(inputs) == {staged}
    [reached] = outputs.values()
    assert reached["namespace"] == "tiktok"
    assert reached["name"].endswith(f"/event_sets/{EVENT_SET_ID}")
    sent = reached["outputFacets"]["outputStatistics"]["rowCount"]
    assert sent == counted(airflow_world, "events.accepted")[-1]
    inputs, outputs = datasets(airflow_world, "summary")
    assert f"file {file}" in inputs
    assert [one["name"] for one in outputs.values()] == [reached["name"]]


def test_neither_says_anything_of_a_customer(airflow_world: AirflowWorld, file: Path, run: AirflowRun) -> None:
    """No e-mail address of the file, no token, no password."""
    said = airflow_world.lineage.read_text() + "\n".join(airflow_world.metrics.lines)
    assert ACCESS_TOKEN not in said
    assert "T0/B0/x0" not in said
    for line in file.read_text().splitlines()[1:]:
        email = line.partition(",")[0]
        assert "@" not in email or email not in said


def test_the_asset_event_says_what_was_delivered(airflow_world: AirflowWorld, run: AirflowRun) -> None:
    """Counts in its extra, and the file's day as its partition key where Airflow has partitions of events."""
    with sqlite3.connect(airflow_world.airflow.database) as database:
        database.row_factory = sqlite3.Row
        query = (
            "select asset_event.*, asset.name as asset, asset.`group` as grouped, asset.extra as about from asset_event"
            " join asset on asset.id = asset_id where source_dag_id = ? and source_run_id = ?"
        )
        events = database.execute(query, [DAG_ID, run.run_id]).fetchall()
    first = events[0]
    assert (first["asset"], first["grouped"]) == (f"offline_conversions__{NAME}", "tiktok-offline")
    assert json.loads(first["about"]) == {"advertiser": NAME, "route": "tiktok", "mode": "live"}
    [delivered] = json.loads(first["extra"])["deliveries"]
    assert delivered["events"] == {"accepted": 300}
    if hasattr(OutletEventAccessor, "add_partitions"):
        assert first["partition_key"] == DAY.isoformat()


def test_a_cleared_run_says_that_it_was_delivered_already(
    airflow_world: AirflowWorld, airflow: AirflowRunner, run: AirflowRun
) -> None:
    """Every task names when and by which run; upload's mapped task stays, with its name; nothing is sent again."""
    received = airflow_world.api.times_received()
    link = airflow_world.xcom(run.run_id, "prepare", "_link_FileReportLink")
    assert link
    before = len(airflow.log.read_text())
    again = airflow.clear(DAG_ID, run.run_id, "wait_for_file")
    assert again.state == "success"
    assert again.tasks == run.tasks
    assert again.tasks["upload[0]"] == "success"
    log = airflow.log.read_text()[before:]
    words = f"{NAME}_{DAY:%Y%m%d}.csv was delivered already: on {datetime.now(UTC):%Y-%m-%d} at "
    assert log.count(words) >= len(run.tasks) - 1
    assert f" by {DAG_ID}/{run.run_id} (delivery " in log
    assert airflow_world.xcom(run.run_id, "prepare", "_link_FileReportLink") == link
    assert airflow_world.api.times_received() == received
    with sqlite3.connect(airflow_world.airflow.database) as database:
        [[name]] = database.execute(
            "select rendered_map_index from task_instance where run_id = ? and task_id = 'upload'", [run.run_id]
        ).fetchall()
    assert name == f"{NAME}_{DAY:%Y%m%d}.csv, part 1 of 1"
