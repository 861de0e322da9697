"""The page of Airflow's API server that shows a report on a disk."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.glue.airflow_connections import AirflowConnections
from airflow_provider_tiktok_offline.glue.signed_places import Place, Task, signed_place, verified_place
from airflow_provider_tiktok_offline.storage.objects import read_page
from tests.glue.airflow_world import AirflowWorld, xcom_table
from tests.servers.airflow import AirflowRunner
from tests.servers.airflow_pages import MARK

pytestmark = [pytest.mark.airflow, pytest.mark.xdist_group("airflow")]

DAG_ID = "tiktok_offline_quality_gate"


def asked(world: AirflowWorld, *urls: str) -> Sequence[dict[str, Any]]:
    """What the API server answers."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.servers.airflow_pages", *urls],
        env=world.airflow.process_environment(world.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line.removeprefix(MARK)) for line in ended.stdout.splitlines() if line.startswith(MARK)]


def forge(world: AirflowWorld, run_id: str, value: object) -> None:
    """Another task of the run names a report."""
    with closing(sqlite3.connect(world.airflow.database)) as database, database:
        if xcom_table(database) == "xcom":
            statement = (
                "INSERT INTO xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, timestamp) "
                "SELECT dag_run_id, 'count', map_index, key, dag_id, run_id, ?, timestamp "
                "FROM xcom WHERE run_id = ? AND task_id = 'gate' AND key = 'conversion_file_report'"
            )
        else:  # Airflow 3.4
            statement = (
                "INSERT INTO xcom_v2 (id, task_instance_id, key, value, timestamp) "
                "SELECT lower(hex(randomblob(16))), id, 'conversion_file_report', ?, '2026-11-29 00:00:00' "
                "FROM task_instance WHERE run_id = ? AND task_id = 'count'"
            )
        database.execute(statement, (json.dumps(value), run_id))
        assert database.execute("SELECT changes()").fetchone() == (1,)


def poison(world: AirflowWorld, run_id: str, value: object) -> None:
    """The forged value becomes another one."""
    with closing(sqlite3.connect(world.airflow.database)) as database, database:
        table = xcom_table(database)
        forged = (
            "run_id = ? AND task_id = 'count' AND key = 'conversion_file_report'"
            if table == "xcom"
            else "key = 'conversion_file_report' AND task_instance_id IN "
            "(SELECT id FROM task_instance WHERE run_id = ? AND task_id = 'count')"
        )
        database.execute(f"UPDATE {table} SET value = ? WHERE {forged}", (json.dumps(value), run_id))  # noqa: S608
        assert database.execute("SELECT changes()").fetchone() == (1,)


def test_a_report_on_a_disk_is_shown_behind_airflows_login(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """The link of a task that stopped at its gate shows its report to who is logged in, and to no other task."""
    path = airflow_world.write("gate_worst.csv", 100, seed=75, bad_ratio=0.6)
    run = airflow.run(DAG_ID, conf={"file": str(path)})
    assert run.tasks["gate"] == "failed"
    left = airflow_world.xcoms(run.run_id, "gate")
    [link] = [value for key, value in left.items() if key.startswith("_link") and "FileReport" in key]
    # Signed for the task that left it.
    forge(airflow_world, run.run_id, left["conversion_file_report"])
    malformed = [link.replace("map_index=-1", f"map_index={value}") for value in ("x", "9" * 40, "%00", "")] + [
        link.replace("task_id=gate", "task_id=a%00b"),
        link.partition("?")[0],
        link.replace("dag_id=", "dag_id=../"),
    ]
    shown, forged, *wrong = asked(airflow_world, link, link.replace("task_id=gate", "task_id=count"), *malformed)
    assert shown["nobody"]["status"] == 401
    assert path.name not in shown["nobody"]["text"]
    assert shown["viewer"]["status"] == 200
    assert shown["viewer"]["headers"]["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown["viewer"]["headers"]["content-security-policy"]
    assert path.name in shown["viewer"]["text"]
    assert forged["nobody"]["status"] == 401
    assert forged["viewer"]["status"] == 404
    assert path.name not in forged["viewer"]["text"]
    assert {one["viewer"]["status"] for one in wrong} == {404}


def test_a_report_is_found_by_its_deliverys_id(airflow_world: AirflowWorld, airflow: AirflowRunner) -> None:
    """Below the folder that a task of the same DAG has signed: also that of another file, and of no other DAG."""
    paths = [airflow_world.write(f"gate_{name}.csv", 100, seed=seed) for name, seed in (("one", 76), ("two", 77))]
    ids = []
    for path in paths:
        # Airflow forgets the run before, as when its database is cleaned: the second one's task alone has signed.
        run = airflow.run(DAG_ID, conf={"file": str(path)})
        status = airflow_world.xcom(run.run_id, "gate", "tiktok_offline_status")
        ids.append(status["deliveries"][0]["delivery_id"])
    secret = airflow_world.folder / "secret" / "advertisers" / "shop" / "deliveries" / ids[0]
    secret.mkdir(parents=True)
    (secret / "report.html").write_text("not for you")
    place = Place(str(airflow_world.folder / "secret"), "advertisers/shop/deliveries/d-1/report.html")
    unsigned = base64.urlsafe_b64encode(json.dumps(astuple(place)).encode()).decode()
    # The second is no text that can be compared, and a value that can't be read is no reason to show nothing.
    forge(airflow_world, run.run_id, f"{unsigned}.{'0' * 64}")
    poison(airflow_world, run.run_id, f"{unsigned}.\ud800")
    link = f"/tiktok-offline/report?dag_id={DAG_ID}&delivery_id="
    wrong = [
        f"{link}{ids[0]}".replace(DAG_ID, "tiktok_offline_maintenance"), f"{link}../{ids[0]}", f"{link}d-unknown",
        f"{link}", f"{link}{ids[0]}&delivery_id={ids[1]}", f"{link}a%00b",
    ]  # fmt: skip
    first, second, *refused = asked(airflow_world, f"{link}{ids[0]}", f"{link}{ids[1]}", *wrong)
    for shown, path in ((first, paths[0]), (second, paths[1])):
        assert shown["nobody"]["status"] == 401
        assert shown["viewer"]["status"] == 200
        assert path.name in shown["viewer"]["text"]
        assert "not for you" not in shown["viewer"]["text"]
    assert {one["viewer"]["status"] for one in refused} == {404}


TASK = Task("dag", "run", "gate", -1)
PLACE = Place("/var/lib/state", "advertisers/shop/deliveries/d-1/report.html")


def test_a_signed_place_holds_for_its_task_alone() -> None:
    """Another task, another place, another secret: none of them verifies."""
    signed = signed_place(TASK, PLACE)
    assert signed is not None
    assert verified_place(TASK, signed) == PLACE
    other = signed_place(TASK, Place("/etc", PLACE.path))
    assert other is not None
    swapped = f"{other.partition('.')[0]}.{signed.partition('.')[2]}"
    for task in (replace(TASK, task_id="count"), replace(TASK, run_id="r"), replace(TASK, map_index=0)):
        assert verified_place(task, signed) is None
    forgeries: tuple[object, ...] = (
        swapped,
        signed[:-1],
        f"{signed}0",
        signed.replace(".", ""),
        "",
        ".",
        "\u00e9.a",
        None,
        7,
        [],
        {},
    )
    for forged in forgeries:
        assert verified_place(TASK, forged) is None


def test_no_symbolic_link_is_followed(tmp_path: Path) -> None:
    """Neither at the end of a path nor on the way; the state's own folder may be one."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "report.html").write_text("not for you")
    real = tmp_path / "real"
    (real / "whole").mkdir(parents=True)
    (real / "whole" / "report.html").write_text("for you")
    (real / "last").mkdir()
    (real / "last" / "report.html").symlink_to(secret / "report.html")
    (real / "folder").symlink_to(secret)
    (real / "directory" / "report.html").mkdir(parents=True)
    os.mkfifo(real / "pipe")
    state = tmp_path / "state"
    state.symlink_to(real)
    connections = AirflowConnections()
    assert read_page(str(state), "whole/report.html", connections) == b"for you"
    for path in ("last/report.html", "folder/report.html", "directory/report.html", "none/report.html", "pipe"):
        assert read_page(str(state), path, connections) is None
