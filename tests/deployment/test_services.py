"""The native deployment as it stands: the smoke script, twenty advertisers, its doors, its health checks."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment.abuse import Abuse
from tests.deployment.compose import COMPOSE_FILE, ROOT
from tests.deployment.crowd import SMOKED, Crowd, dag_id, running_crowd
from tests.deployment.native import left_running

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module", name="crowd")
def _shared_crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    with running_crowd(tmp_path_factory.mktemp("crowd")) as crowd:
        yield crowd


def test_the_smoke_script_follows_a_file_to_its_end(crowd: Crowd, tmp_path: Path) -> None:
    """scripts/smoke.py puts a file on the SFTP server and sees every event of it accepted."""
    running = crowd.deployment
    env = tmp_path / ".env"
    env.write_text("".join(f"{name}='{value}'\n" for name, value in running.secrets.items()))
    # fmt: off
    command = [
        sys.executable, str(ROOT / "scripts" / "smoke.py"), "--env", str(env), "--airflow", running.airflow.url,
        "--sftp-port", str(running.server.port), "--sftp-user", running.server.user, "--dag", dag_id(SMOKED),
        "--remote", f"{crowd.inbox}/{SMOKED}_%Y%m%d.csv", "--rows", "500", "--timeout", "300",
    ]
    # fmt: on
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "summary: success" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("success: 500 of 500 events accepted")
    assert len(running.api.event_ids()) == 500


def test_twenty_advertisers_whatever_an_operator_does(crowd: Crowd) -> None:
    """Kill, pause, clear, mark, backfill, restart and corrected paths, all while their runs go on: the books are right.

    Each event is at the simulator once and each feed file at its destination, the ledgers say the same, every run has
    ended as it should, and nothing leaks.
    """
    abuse = Abuse(crowd, random.Random(17))
    try:
        abuse.live_through()
        crowd.check_runs()
        crowd.check_books()
        crowd.check_no_plaintext()
    except Exception as error:
        error.add_note("\n".join(abuse.story))
        raise
    assert len(abuse.story) == 7


def test_nothing_listens_beyond_loopback(crowd: Crowd) -> None:
    """No service of the deployment can be reached from another machine."""
    machines = [*crowd.deployment.machines.values(), crowd.deployment.broker.process, crowd.deployment.database.process]
    listening = {(machine.name, address) for machine in machines for address in machine.listens_at()}
    assert {name for name, _ in listening} >= {"api-server", "redis", "postgres"}
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_what_would_be_left_running_is_seen(crowd: Crowd) -> None:
    """Each service that runs now would be found if it still ran after the deployment was stopped."""
    running = {machine.pid: machine.name for machine in crowd.deployment.machines.values() if machine.alive}
    assert len(running) == 6
    found = left_running(crowd.deployment.folder)
    assert [name for pid, name in running.items() if pid not in found] == []


@pytest.mark.campaign
def test_the_health_checks_of_airflows_services_pass(crowd: Crowd) -> None:
    """What docker-compose.yaml asks a service for its health is answered well, and badly of one that is not there."""
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    asked = {machine: machine.partition("-1")[0] for machine in ("scheduler", "dag-processor", "triggerer", "worker-1")}
    running = {machine: _ask_health(crowd, machine, services[service]) for machine, service in asked.items()}
    absent = _ask_health(crowd, "worker-1", services["worker"], HOSTNAME="worker-3")
    for machine, process in running.items():
        assert process.wait(120) == 0, machine
    assert absent.wait(120) != 0


def _ask_health(crowd: Crowd, machine: str, service: dict[str, Any], **changes: str) -> subprocess.Popen[bytes]:
    """Start a service's health check on a machine."""
    kind, *words = service["healthcheck"]["test"]
    command = ["bash", "-c", words[0].replace("$$", "$")] if kind == "CMD-SHELL" else words
    environment = {**crowd.deployment.machines[machine].environment, "HOSTNAME": machine, **changes}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
