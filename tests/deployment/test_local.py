"""docker-compose.local.yaml as processes: one machine, the LocalExecutor, state on a disk.

Each task's log is read through Airflow's API, for each way in which a task can end.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from airflow_provider_tiktok_offline.simulator.faults import Fault
from tests.deployment.compose import ROOT
from tests.deployment.local_shops import DAY, SHOPS, SMOKED, LocalShops, dag_id, running_local_shops
from tests.servers.waiting import wait_until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(1200),
]

#: Whose file is there from the start.
_AT_ONCE = (
    "marked_shop", "bad_shop", "down_shop", "revoked_shop", "refused_shop", "slow_shop", "approved_shop",
    "rejected_shop", "unanswered_shop", "market_hall",
)  # fmt: skip
_REPORT = "tiktok_offline_report__corner_shop"
_FILE = rf"{{}}_{DAY:%Y%m%d}\.csv"


class Ends(dict[str, tuple[str, str]]):
    """Name of an advertiser, or of what is run besides -> DAG id and run id, all ended.

    Attributes:
        shops: the deployment.
        while_waiting: what the log of a deferred sensor said, by advertiser.
        questions: what Airflow showed to whoever was asked, by advertiser.
        stale: what the webhook was told when the deadline was over.
    """

    shops: LocalShops
    while_waiting: dict[str, str]
    questions: dict[str, Any]
    stale: list[dict[str, object]]

    def text(self, name: str, task: str, try_number: int) -> str:
        """The log of a try as the API gives it, a line a line: level, sentence, and why a task was skipped."""
        lines = self.shops.api.lines(*self[name], task, try_number)
        return "\n".join(f"{line.get('level')}: {line.get('event')} {line.get('reason', '')}".strip() for line in lines)


@pytest.fixture(scope="module", name="shops")
def _shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalShops]:
    with running_local_shops(tmp_path_factory.mktemp("local")) as shops:
        yield shops


def test_one_machine_delivers_a_file(shops: LocalShops, tmp_path: Path) -> None:
    """The smoke script's file is taken to its end by a scheduler that runs the tasks itself."""
    running = shops.deployment
    assert "worker-1" not in running.machines
    env = tmp_path / ".env"
    env.write_text("".join(f"{name}='{value}'\n" for name, value in running.secrets.items()))
    # fmt: off
    command = [
        sys.executable, str(ROOT / "scripts" / "smoke.py"), "--env", str(env), "--airflow", running.airflow.url,
        "--sftp-port", str(running.server.port), "--sftp-user", running.server.user,
        "--dag", dag_id(SMOKED), "--remote", f"{shops.inbox}/{SMOKED}_%Y%m%d.csv", "--rows", "500",
        "--timeout", "300",
    ]
    # fmt: on
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("success: 500 of 500 events accepted")
    assert len(running.api.event_ids()) == 500
    event_set_id = shops.context(SMOKED).config.event_set_id
    assert (running.folder / "state" / "event_sets" / event_set_id / "meta.json").exists()
    assert running.store.client().list_buckets()["Buckets"] == []


@pytest.fixture(scope="module", name="ends")
def _ends(shops: LocalShops) -> Ends:
    """A run for each way to end, all at once; whoever is asked answers, whatever has to be done is done."""
    ends = Ends()
    ends.shops, ends.while_waiting, ends.questions = shops, {}, {}
    for name in _AT_ONCE:
        file = shops.drop(name, only_bad=name == "bad_shop")
        if name == "refused_shop":
            refused = [file.purchases[3].event_id]
            shops.deployment.api.control.add(
                Fault(kind="refuse", event_ids=refused, code=40002, message="data.{index}.user: invalid", count=None)
            )
    ends |= {name: shops.start(name) for name in SHOPS if name not in (SMOKED, "stale_shop")}
    shops.api.unpause("upkeep")
    ends["upkeep"] = ("upkeep", shops.api.trigger("upkeep"))
    # These have a schedule: the scheduler starts the run that is due.
    for name, scheduled in (("report", _REPORT), ("stale_shop", dag_id("stale_shop"))):
        shops.api.unpause(scheduled)
        wait_until(lambda scheduled=scheduled: bool(shops.api.runs(scheduled)), f"a run of {scheduled}")  # type: ignore[misc]
        ends[name] = (scheduled, shops.api.runs(scheduled)[0]["dag_run_id"])
    _let_files_come(ends)
    _mark_failed_while_it_sends(ends)
    for name, answer in (("approved_shop", "Approve"), ("rejected_shop", "Reject")):
        wait_until(
            lambda name=name: shops.api.task_state(*ends[name], "approve") in ("deferred", "awaiting_input"),  # type: ignore[misc]
            f"a question about {name}",
        )
        place = f"/dags/{ends[name][0]}/dagRuns/{ends[name][1]}/taskInstances/approve/-1/hitlDetails"
        ends.questions[name] = shops.api.get(place)
        shops.api.patch(place, {"chosen_options": [answer], "params_input": {}})
    _let_deadline_pass(ends)
    for name in ends:
        if name != "stale_shop":
            shops.api.finished(*ends[name])
    shops.api.clear_run(*ends["corner_shop"])
    shops.api.finished(*ends["corner_shop"])
    return ends


def _let_files_come(ends: Ends) -> None:
    """One comes, and one gets its marker, while their sensors wait; their logs have said so by then."""
    shops = ends.shops
    for name in ("corner_shop", "marked_shop"):
        wait_until(
            lambda name=name: shops.api.task_state(*ends[name], "wait_for_file") == "deferred",  # type: ignore[misc]
            f"{name} waits",
        )
        wait_until(
            lambda name=name: ends.text(name, "wait_for_file", 1).count(f"for {DAY}: ") >= 2,  # type: ignore[misc]
            f"the triggerer has looked for the file of {name}",
        )
        ends.while_waiting[name] = ends.text(name, "wait_for_file", 1)
    shops.drop("corner_shop")
    (shops.inbox / f"marked_shop_{DAY:%Y%m%d}.csv.done").touch()


def _let_deadline_pass(ends: Ends) -> None:
    """The factory's deadline, hours away, is over now; its file comes after the message."""
    shops, run = ends.shops, ends["stale_shop"]
    wait_until(lambda: shops.api.task_state(*run, "wait_for_file") == "deferred", "stale_shop waits")
    with closing(psycopg2.connect(shops.deployment.database.dsn)) as database, database, database.cursor() as cursor:
        cursor.execute("UPDATE deadline SET deadline_time = now()")
        assert cursor.rowcount >= 1
    wait_until(lambda: bool(shops.web.at("/stale")), "a message about the stale file")
    ends.stale = shops.web.at("/stale")


def _mark_failed_while_it_sends(ends: Ends) -> None:
    shops, run = ends.shops, ends["slow_shop"]
    event_set_id = shops.context("slow_shop").config.event_set_id

    def sends() -> bool:
        return any(event.event_set_id == event_set_id for event in shops.deployment.api.control.events())

    wait_until(sends, "slow_shop sends")
    shops.api.patch(f"/dags/{run[0]}/dagRuns/{run[1]}/taskInstances/upload/0", {"new_state": "failed"})


def test_a_log_says_for_what_and_since_when_a_sensor_waits(ends: Ends) -> None:
    """While it is deferred, on the first look of the task and of the triggerer: path, day, since when, next look."""
    for name, said in (
        ("corner_shop", rf"No file yet for {DAY}: sftp://sftp_corner_shop@/.*/{_FILE.format('corner_shop')}\."),
        ("marked_shop", rf"Not complete yet for {DAY}: {_FILE.format('marked_shop')} \(5\.\d kB so far\)\."),
    ):
        since = r" Waiting since 20\d\d-\d\d-\d\d \d\d:\d\d UTC\. Next look in 2\.0 s\."
        assert len(re.findall(f"info: {said}{since}", ends.while_waiting[name])) >= 2, ends.while_waiting[name]


def test_a_question_names_advertiser_file_and_breach(ends: Ends) -> None:
    """Whoever is asked in Airflow's page needs no log to know what about."""
    asked = ends.questions["approved_shop"]
    assert asked["subject"] == "approved_shop: a conversion file breaches a guard"
    assert f"- approved_shop_{DAY:%Y%m%d}.csv: 60 events, more than max_events 10\n" in asked["body"]


_ENDS = [
    # Success.
    ("corner_shop", "wait_for_file", 1, f"info: Found {{file}} for {DAY}, 5\\.\\d kB, last written .* ago\\."),
    ("corner_shop", "prepare", 1, "info: Read {file}, 63 rows in .*: 60 valid, 2 rejected \\(3\\.17 %\\), 1 duplicate"),
    ("corner_shop", "prepare", 1, "info: Compared 60 events of delivery .* in .*: 60 events new; 1 part to send\\."),
    ("corner_shop", "upload[0]", 1, "info: Sent {file}, part 1 of 1, in .*: 60 events received\\."),
    ("corner_shop", "summary", 1, "info: {file} is done\\. Of 63 rows: 60 events received\\. Report: "),
    ("marked_shop", "wait_for_file", 1, "info: Found {file} for "),
    ("market_hall", "prepare", 1, "info: Read {file}, 60 rows in .*: 60 valid, 0 rejected"),
    ("market_hall", "deliver", 1, r"info: Feed file market_hall_.*\.csv delivered: 60 rows, 6\.\d kB, in "),
    ("market_hall", "summary", 1, "info: {file} is done\\. Of 60 rows: 60 events"),
    # Delivered already: the run was cleared.
    *(
        ("corner_shop", task, 2, "info: {file} was delivered already: on .* UTC by tiktok_offline__corner_shop/.* "
         "There is nothing to do\\.")
        for task in ("prepare", "upload[0]", "summary")
    ),
    ("corner_shop", "wait_for_file", 2, f"info: The file of {DAY} was delivered before.*There is nothing to do\\."),
    # The gate.
    ("bad_shop", "prepare", 1, "error: sftp://.*/{file}: no row is valid: 63 of 63 are rejected; nothing was sent\\. "
     "The report names rule, column and lines: "),
    ("bad_shop", "summary", 1, "error: .*{file} .*too many rows are rejected.*\\(prepare failed, so upload did not run"
     "\\)\\. The log of prepare says why\\."),
    # No file.
    ("missing_shop", "wait_for_file", 1, f"error: No complete file for {DAY} came within 3\\.0 s: sftp://.*/{{file}}"
     "\\. Have it exported and clear this task"),
    ("missing_shop", "summary", 1, "error: .*wait_for_file failed, so prepare and upload did not run\\. The log of "
     "wait_for_file says why\\. Clear it and what follows"),
    ("skipping_shop", "wait_for_file", 1, f"info: Skipped: No complete file for {DAY} came within 3\\.0 s: "
     "sftp://.*/{file}; missing_file says skip\\."),
    ("quiet_shop", "wait_for_file", 1, f"info: Skipped: No file is due on {DAY} "),
    ("skipping_shop", "wait_for_file", 1, f"info: Skipping task\\. No complete file for {DAY} came within 3\\.0 s: "
     "sftp://.*/{file}; missing_file says skip\\."),
    ("skipping_shop", "summary", 1, "info: Skipping task\\. No file, nothing to close\\."),
    ("quiet_shop", "wait_for_file", 1, f"info: Skipping task\\. No file is due on {DAY} "),
    ("quiet_shop", "summary", 1, "info: Skipping task\\. No file, nothing to close\\."),
    # A service is down: tried again, then given up.
    ("down_shop", "upload[0]", 1, "warning: POST /event/track/: .*Nothing is lost: the next try continues from here.* "
     "That was try 1 of 2; Airflow tries again\\."),
    ("down_shop", "upload[0]", 2, "error: POST /event/track/: .* That was the last try: clear this task once "),
    ("down_shop", "summary", 1, "error: .*{file} .*: 60 events .*\\(upload failed\\)\\. The log of upload says why\\."),
    # TikTok refuses: the token, one event.
    ("revoked_shop", "upload[0]", 1, "error: POST /event/track/.* code 40105 \\(invalid_access_token\\)\\. Get a new "
     "access token"),
    ("revoked_shop", "summary", 1, "error: .*{file} .*: 60 events .*The log of upload says why\\."),
    ("refused_shop", "upload[0]", 1, "info: Sent {file}, part 1 of 1, in .*: 59 events received, 1 refused\\."),
    ("refused_shop", "summary", 1, "{file} .*59 events received, 1 refused"),
    # Marked failed while it sent.
    ("slow_shop", "upload[0]", 1, "warning: The upload of {file}, part 1 of 1 is stopped from outside: .*Clear the "
     "task to send what is left\\."),
    ("slow_shop", "summary", 1, "error: .*{file} .*The log of upload says why\\."),
    # A person is asked.
    ("approved_shop", "approve", 1, "info: {file} breaches a guard: 60 events, more than max_events 10\\. It waits for "
     "the answer under Required Actions\\. Without one by .* UTC it counts as rejected\\."),
    ("approved_shop", "approve", 1, "info: {file} was approved by .* and goes on: 60 events, more than max_events "
     "10\\."),
    ("approved_shop", "dedupe", 1, "info: Compared 60 events of delivery .* in .*: 60 events new; 1 part to send\\."),
    ("approved_shop", "summary", 1, "info: {file} is done\\. Of 63 rows: 60 events received\\."),
    ("rejected_shop", "approve", 1, "error: sftp://.*/{file}: Rejected: nothing of it is sent\\. Clear this task to be "
     "asked again\\."),
    ("rejected_shop", "summary", 1, "error: .*{file} .*: Rejected: 60 events, more than max_events 10"),
    ("unanswered_shop", "approve", 1, "error: .*{file}: Nobody answered in time, which counts as rejected: nothing of "
     "it is sent"),
    # Beside the deliveries.
    ("report", "report", 1, r"info: corner_shop: .* \(UTC\): 0 Purchase attributed"),
    ("upkeep", "doctor", 1, "info: corner_shop: no fault, .* in order\\."),
    ("upkeep", "doctor_of_revoked", 1, "error: access token: .*Get a new access token: tiktok-offline auth login\\."),
    ("upkeep", "maintenance", 1, r"info: corner_shop: .*(removed|forgotten|merged)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "task", "try_number", "fact"),
    _ENDS,
    ids=[f"{name}-{task}-{try_number}-{place}" for place, (name, task, try_number, _) in enumerate(_ENDS)],
)
def test_a_log_has_the_fact(ends: Ends, name: str, task: str, try_number: int, fact: str) -> None:
    """However a task has ended, its log has one sentence with file, figures, and what to do."""
    said = ends.text(name, task, try_number)
    assert re.search(fact.replace("{file}", _FILE).replace("{}", name), said), said


@pytest.mark.parametrize("name", ["missing_shop", "bad_shop", "revoked_shop"])
def test_a_fault_is_one_error_and_one_traceback(ends: Ends, name: str) -> None:
    """The sentence stays on the screen: the log has it once as an error, and Airflow's own entry behind it."""
    task = {"missing_shop": "wait_for_file", "bad_shop": "prepare", "revoked_shop": "upload[0]"}[name]
    errors = [line for line in ends.text(name, task, 1).splitlines() if line.startswith("error: ")]
    own = [line for line in errors if "Task failed with exception" not in line and "Trigger cancelled" not in line]
    assert len(own) == 1, errors
    assert len([line for line in errors if "Task failed with exception" in line]) == 1, errors


def test_a_task_that_was_marked_failed_promises_no_other_try(ends: Ends) -> None:
    """Whoever marks a task decides how it goes on."""
    assert "Airflow tries again" not in ends.text("slow_shop", "upload[0]", 1)


def test_the_factorys_deadline_tells_of_a_stale_file(ends: Ends) -> None:
    """Scheduler and triggerer tell the webhook while the sensor goes on waiting: which advertiser, path, day."""
    [told] = ends.stale
    assert told["event"] == "stale"
    assert "stale_shop" in str(told["subject"])
    text = str(told)
    assert str(DAY) in text
    assert f"stale_shop_{DAY:%Y%m%d}.csv" in text
