"""The native deployment through what befalls one: each event is sent once, each feed file is whole, nothing leaks."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.deployment.compose import COMPOSE_FILE, ROOT
from tests.deployment.disturbances import DISTURBANCES, Disturber
from tests.deployment.native import deployment, left_running
from tests.deployment.processes import clock_off
from tests.deployment.week import NAMES, SMOKED, Week, dag_id
from tests.servers.waiting import wait_until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(1800),
]

#: Seconds within which a day's runs must have ended, disturbances and retries included.
_DAY = 600
#: In the list of what happens on a day.
BACKFILL = "a backfill begins"


@contextmanager
def _week(folder: Path, *, rows: int, skew: int) -> Iterator[Week]:
    """A deployment that is whole, with nothing delivered yet.

    :param rows: valid rows of a file.
    :param skew: seconds that the second worker's clock is ahead, Airflow's and Celery's included.
    """
    machines = folder / "machines"
    machines.mkdir()
    with deployment(machines) as running:
        week = Week(running, folder, rows)
        running.start(week.dags, extra={"worker-2": clock_off(skew, folder)})
        week.accept_feeds()
        wait_until(week.dags_known, "the DAGs are known", seconds=120, every=0.5)
        yield week
    assert left_running(machines) == []


@pytest.fixture(scope="module", name="week")
def _shared_week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    with _week(tmp_path_factory.mktemp("week"), rows=200, skew=0) as week:
        yield week


def test_the_smoke_script_follows_a_file_to_its_end(week: Week, tmp_path: Path) -> None:
    """scripts/smoke.py puts a file on the SFTP server and sees every event of it accepted."""
    running = week.deployment
    env = tmp_path / ".env"
    env.write_text("".join(f"{name}='{value}'\n" for name, value in running.secrets.items()))
    # fmt: off
    command = [
        sys.executable, str(ROOT / "scripts" / "smoke.py"), "--env", str(env), "--airflow", running.airflow.url,
        "--sftp-port", str(running.server.port), "--sftp-user", running.server.user, "--dag", dag_id(SMOKED),
        "--remote", f"{week.inbox}/{SMOKED}_%Y%m%d.csv", "--rows", "500", "--timeout", "300",
    ]
    # fmt: on
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "summary: success" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("success: 500 of 500 events accepted")
    assert len(running.api.event_ids()) == 500


def test_nothing_listens_beyond_loopback(week: Week) -> None:
    """No service of the deployment can be reached from another machine."""
    machines = [*week.deployment.machines.values(), week.deployment.broker.process, week.deployment.database.process]
    listening = {
        (machine.name, connection.laddr.ip)
        for machine in machines
        for pid in machine.pids()
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert {name for name, _ in listening} >= {"api-server", "redis", "postgres"}
    assert {address for _, address in listening} == {"127.0.0.1"}


@pytest.mark.campaign
def test_the_health_checks_of_airflows_services_pass(week: Week) -> None:
    """What docker-compose.yaml asks a service for its health is answered well, and badly of one that is not there."""
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    asked = {machine: machine.partition("-1")[0] for machine in ("scheduler", "dag-processor", "triggerer", "worker-1")}
    running = {machine: _ask_health(week, machine, services[service]) for machine, service in asked.items()}
    absent = _ask_health(week, "worker-1", services["worker"], HOSTNAME="worker-3")
    for machine, process in running.items():
        assert process.wait(120) == 0, machine
    assert absent.wait(120) != 0


def _ask_health(week: Week, machine: str, service: dict[str, Any], **changes: str) -> subprocess.Popen[bytes]:
    """Start a service's health check on a machine."""
    kind, *words = service["healthcheck"]["test"]
    command = ["bash", "-c", words[0].replace("$$", "$")] if kind == "CMD-SHELL" else words
    environment = {**week.deployment.machines[machine].environment, "HOSTNAME": machine, **changes}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("seed", range(3))
def test_three_days_with_everything_that_goes_wrong(seed: int, tmp_path: Path) -> None:
    """Both routes: every disturbance once, two a day, in an order of the seed's choice, a backfill beside them."""
    chance = random.Random(seed)
    order = chance.sample(DISTURBANCES, len(DISTURBANCES))
    plan = [order[:2], order[2:4], order[4:]]
    chance.choice(plan).append(BACKFILL)
    with _week(tmp_path, rows=200, skew=chance.choice([-60, 60])) as week:
        _live_through(week, seed=seed, plan=plan)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(20))
def test_a_week_whatever_goes_wrong(seed: int, tmp_path: Path) -> None:
    """Seven days of five advertisers, every disturbance once, in an order and at moments of the seed's choice."""
    chance = random.Random(seed)
    order = chance.sample(DISTURBANCES, len(DISTURBANCES))
    with _week(tmp_path, rows=400, skew=chance.choice([-60, 60])) as week:
        _live_through(week, seed=seed, plan=[*([one] for one in order), [BACKFILL]])


def _live_through(week: Week, *, seed: int, plan: Sequence[Sequence[str]]) -> None:
    """Some days with a file from each advertiser; then everything must be right.

    :param plan: what happens on each day while its runs are under way.
    """
    disturber = Disturber(week.deployment, random.Random(seed), week.start_another)
    try:
        for day, happenings in enumerate(plan):
            _live_through_day(week, disturber, day, happenings)
        week.check_events()
        week.check_feeds()
        week.check_counts()
        week.check_one_dag_a_task()
        week.check_no_plaintext()
    except Exception as error:
        error.add_note("\n".join([f"seed {seed}", *disturber.story]))
        raise
    deaths = sum("dies" in happening for happenings in plan for happening in happenings)
    assert len(disturber.retried_elsewhere) >= deaths, disturber.story


def _live_through_day(week: Week, disturber: Disturber, day: int, happenings: Sequence[str]) -> None:
    """The day's files appear, its runs start, things go wrong, the runs end."""
    airflow = week.deployment.airflow
    file_day = week.first_day + timedelta(days=day)
    disturber.tell(f"day {day}")
    for name in NAMES:
        week.drop(name, file_day)
    if day == 0:
        for name in NAMES:  # the scheduler starts the runs that are due
            airflow.unpause(dag_id(name))
    else:
        week.set_day(day)
        for name in NAMES:
            airflow.trigger(dag_id(name), file_day=file_day)
    for happening in happenings:
        if happening == BACKFILL:
            _backfill(week)
        else:
            disturber.strike(happening)
    expected = sum(len(files) for files in week.files.values())
    wait_until(lambda: week.ended(expected), f"the runs of day {day} end", seconds=_DAY, every=2)


def _backfill(week: Week) -> None:
    """Deliver older files of one advertiser, two at once, beside its run of the day."""
    days = [week.first_day - timedelta(days=back) for back in (3, 2)]
    for day in days:
        week.drop("garden_centre", day)
    body = {
        "dag_id": dag_id("garden_centre"),
        "from_date": f"{days[0]}T00:00:00Z",
        "to_date": f"{days[-1]}T23:59:00Z",
        "max_active_runs": 2,
    }
    week.deployment.airflow.post("/backfills", body)
