"""From a file's arrival to its last event accepted, on the services of docker-compose.yaml started natively.

Both chains of tasks take turns: the factory's, whose ``prepare`` reads the file once, and the one with explicit steps.

``python -m benchmarks.deployment [ROWS ...]`` (10,000 and 1,000,000, three runs of each; ``--small``: one of 1,000):
the run waits, deferred, for the file; the clock starts when the file has its name on the SFTP server and ends when the
simulator, which looks at nothing, has taken the last event. Everything runs on this machine: PostgreSQL, Redis, the
SFTP server, the object store, the simulator, Airflow's services and two Celery workers.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_tiktok_offline.samples.sample_file import SampleForm, write_sample
from scripts.smoke import Airflow
from tests.deployment.compose import ROOT
from tests.deployment.native import Deployment, deployment
from tests.servers.simulator import ADVERTISER_ID, EVENT_SET_ID
from tests.servers.waiting import wait_until

_NAME = "corner_shop"
#: DAG -> its tasks, in order.
_CHAINS = {
    f"tiktok_offline__{_NAME}": ("wait_for_file", "prepare", "upload", "summary"),
    "explicit_steps": ("wait_for_file", "validate", "normalize_hash", "dedupe", "upload", "summary"),
}
#: The explicit steps of tiktok_offline_daily.py, for an entry whose runs are started by hand.
_EXPLICIT = f"""
from datetime import UTC, datetime

from airflow.sdk import DAG

from airflow_provider_tiktok_offline.operators.conversions import (
    DedupeOperator,
    NormalizeHashOperator,
    ValidateConversionFileOperator,
)
from airflow_provider_tiktok_offline.operators.summary import DeliverySummaryOperator
from airflow_provider_tiktok_offline.operators.tiktok import TikTokUploadOperator
from airflow_provider_tiktok_offline.sensors.conversion_file import ConversionFileSensor

own = {{"config": "advertisers.yaml", "advertiser": "{_NAME}"}}
with DAG("explicit_steps", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), params={{"file_day": None}}):
    found = ConversionFileSensor(task_id="wait_for_file", deferrable=True, **own)
    validate = ValidateConversionFileOperator(task_id="validate", files=found.output, **own)
    hashed = NormalizeHashOperator(task_id="normalize_hash", deliveries=validate.output, **own)
    dedupe = DedupeOperator(task_id="dedupe", deliveries=hashed.output, **own)
    upload = TikTokUploadOperator.partial(task_id="upload", **own).expand(part=dedupe.output)
    upload >> DeliverySummaryOperator(task_id="summary", **own)
"""
_POKE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One task's share, in seconds.

    Attributes:
        begun: from the file's arrival to its start, the first of its mapped instances.
        waited: from the end of the task before to its start: scheduler, queue, a worker's start of the task.
        ran: from its start to the end of the last instance.
    """

    task_id: str
    begun: float
    waited: float
    ran: float


@dataclass(frozen=True, slots=True)
class Run:
    """One file's way.

    Attributes:
        rows: of the file.
        accepted: seconds from arrival to the last event.
        ended: seconds from arrival to the end of the summary.
    """

    rows: int
    accepted: float
    ended: float
    steps: tuple[Step, ...]


def write_dags(running: Deployment, folder: Path) -> None:
    """One advertiser with the default settings, whose runs are started by hand; a DAG of each chain."""
    folder.mkdir()
    (folder / "explicit.py").write_text(_EXPLICIT)
    (folder / "factory.py").write_text((ROOT / "dags" / "tiktok_offline_factory.py").read_text())
    entry: dict[str, Any] = {
        "name": _NAME,
        "advertiser_id": ADVERTISER_ID,
        "event_set_id": EVENT_SET_ID,
        "mode": "live",
        "currency": "USD",
        "phone_region": "US",
        "state_uri": "s3://object_store@tiktok-offline-state/tiktok",
        "schedule": None,
        "source": {
            "conn_id": "sftp_corner_shop",
            "path": f"{running.server.data}/sales_{{{{ ds_nodash }}}}.csv",
            "settle_seconds": 0,
            "poke_seconds": _POKE_SECONDS,
        },
    }
    (folder / "advertisers.yaml").write_text(yaml.safe_dump({"advertisers": [entry]}))


def deliver(running: Deployment, dag_id: str, number: int, rows: int, local: Path) -> Run:
    """Start a run, let it wait, let its file arrive, and time what follows."""
    airflow = running.airflow
    write_sample(local, rows, as_of=datetime.now(UTC), seed=number, form=SampleForm(identifiers="both"))
    day = (datetime.now(UTC) - timedelta(days=number + 1)).date()
    before = running.api.control.summary().events_received
    run_id = airflow.trigger(dag_id, file_day=day)
    wait_until(
        lambda: _states(airflow, dag_id, run_id).get("wait_for_file") == "deferred", "the run waits", seconds=300
    )
    hidden = running.server.data / ".part"
    hidden.write_bytes(local.read_bytes())
    hidden.rename(running.server.data / f"sales_{day:%Y%m%d}.csv")
    arrived = datetime.now(UTC)
    started = time.monotonic()
    wait_until(
        lambda: running.api.control.summary().events_received - before >= rows,
        "all events accepted",
        seconds=1800,
        every=0.05,
    )
    accepted = time.monotonic() - started
    wait_until(
        lambda: airflow.run_state(dag_id, run_id) in ("success", "failed"), "the run ends", seconds=600, every=0.5
    )
    if airflow.run_state(dag_id, run_id) != "success":
        raise RuntimeError(f"the run failed: {_states(airflow, dag_id, run_id)}")
    steps = tuple(_steps(_CHAINS[dag_id], airflow.tasks(dag_id, run_id), arrived))
    return Run(rows, accepted, steps[-1].begun + steps[-1].ran, steps)


def _states(airflow: Airflow, dag_id: str, run_id: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in airflow.tasks(dag_id, run_id)}


def _steps(order: tuple[str, ...], tasks: list[dict[str, Any]], arrived: datetime) -> Iterator[Step]:
    before = 0.0
    for task_id in order:
        instances = [task for task in tasks if task["task_id"] == task_id]
        begin = min(datetime.fromisoformat(task["start_date"]) for task in instances)
        end = max(datetime.fromisoformat(task["end_date"]) for task in instances)
        # The sensor was there before the file.
        begun = max(0.0, (begin - arrived).total_seconds())
        until = (end - arrived).total_seconds()
        yield Step(task_id, begun, begun - before, until - begun)
        before = until


def table(runs: list[Run]) -> str:
    """Medians of the runs of one size, as lines of a table."""
    middle = statistics.median
    lines = [f"| {runs[0].rows:,} rows, medians of {len(runs)} | waited, s | ran, s |", "|---|---|---|"]
    for place, task_id in enumerate(step.task_id for step in runs[0].steps):
        waited, ran = (middle(getattr(run.steps[place], name) for run in runs) for name in ("waited", "ran"))
        lines.append(f"| `{task_id}` | {waited:.1f} | {ran:.1f} |")
    waited = middle(sum(step.waited for step in run.steps) for run in runs)
    lines.append(f"| all tasks, waited | {waited:.1f} | |")
    lines.append(f"| arrival to last event accepted | | **{middle(run.accepted for run in runs):.1f}** |")
    lines.append(f"| arrival to the run's end | | {middle(run.ended for run in runs):.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Three runs of each size on one deployment; one if it is to be small."""
    small = "--small" in sys.argv
    sizes = [1000] if small else [int(word) for word in sys.argv[1:]] or [10_000, 1_000_000]
    with tempfile.TemporaryDirectory(prefix="deployment-") as name:
        folder = Path(name)
        machines = folder / "machines"
        machines.mkdir()
        with deployment(machines, sink=True) as running:
            write_dags(running, folder / "dags")
            running.start(folder / "dags")
            wait_until(lambda: _known(running), "the DAG is known", seconds=120)
            number = 0
            for dag_id in _CHAINS:
                running.airflow.unpause(dag_id)
                deliver(running, dag_id, number, 1000, folder / "sample.csv")  # the workers' first task is slower
                number += 1
            for rows in sizes:
                runs: dict[str, list[Run]] = {dag_id: [] for dag_id in _CHAINS}
                for _ in range(1 if small else 3):
                    for dag_id, done in runs.items():
                        done.append(deliver(running, dag_id, number, rows, folder / "sample.csv"))
                        number += 1
                for dag_id, done in runs.items():
                    print(f"{dag_id}\n\n{table(done)}\n", flush=True)


def _known(running: Deployment) -> bool:
    return _CHAINS.keys() <= {dag["dag_id"] for dag in running.airflow.get("/dags?limit=100")["dags"]}


if __name__ == "__main__":
    main()
