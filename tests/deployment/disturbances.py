"""What goes wrong in a deployment, each at a chosen moment of the runs under way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from tests.deployment.native import WORKERS, Deployment
from tests.servers.waiting import wait_until

#: Seconds within which a task that is waited for must have come.
_PATIENCE = 150
#: Seconds after which no such task is expected of the runs that are under way.
_SOON = 40
#: Seconds that a task takes of which none has ended yet.
_UNKNOWN = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """A task instance at work: its id is another one for each try."""

    id: str
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    worker: str


@dataclass
class Disturber:
    """Disturbs a deployment; ``story`` tells what was done, for when something is wrong afterwards.

    Attributes:
        chance: decides the moments.
        start_another: starts one more run with such a task, where too few are left to disturb.
        retried_elsewhere: task instances whose try after a worker's death ran on the other worker.
    """

    deployment: Deployment
    chance: random.Random
    start_another: Callable[[str], None]
    story: list[str] = field(default_factory=list)
    retried_elsewhere: list[Task] = field(default_factory=list)

    def strike(self, name: str) -> None:
        """Do it; returns once the deployment is as before."""
        self.tell(name)
        _DISTURBANCES[name](self)
        self.tell(f"{name}: over")

    def tell(self, line: str) -> None:
        """Note it down with the time of day."""
        self.story.append(f"{time.strftime('%H:%M:%S')} {line}")

    def kill_worker_during(self, task_id: str) -> None:
        """SIGKILL the worker that runs such a task, and start it again once the task runs on the other one."""
        victim = self._caught(task_id)
        self.deployment.machines[victim.worker].kill()
        self.tell(f"killed {victim}")
        wait_until(lambda: self._retried(victim), f"{victim} is tried again", seconds=_PATIENCE)
        self.deployment.machines[victim.worker].start()

    def stop_redis(self) -> None:
        """No broker for twenty seconds."""
        self._caught()
        self.deployment.broker.stop()
        time.sleep(20)
        self.deployment.broker.start()
        self.start_what_ended()

    def restart_scheduler_and_triggerer(self) -> None:
        """Both die and come back."""
        self._caught()
        for name in ("scheduler", "triggerer"):
            machine = self.deployment.machines[name]
            machine.kill() if self.chance.random() < 0.5 else machine.stop()
            time.sleep(self.chance.uniform(0, 2))
            machine.start()
        self.deployment.wait_until_whole()

    def refuse_writes(self) -> None:
        """The object store answers every write with 503 SlowDown for a while."""
        self._caught(self.chance.choice(["prepare", "upload"]))
        self.deployment.refuse_writes()
        time.sleep(self.chance.uniform(4, 12))
        self.deployment.take_writes()

    def _caught(self, task_id: str | None = None) -> Task:
        """A task that is at work, at any moment of the time that such tasks take."""
        begun = seen = time.monotonic()
        share = 1.0
        while time.monotonic() < begun + _PATIENCE:
            running = [task for task in self._running() if task_id in (None, task.task_id)]
            missed = False
            if running:
                victim = self.chance.choice(running)
                time.sleep(self.chance.uniform(0, share * self._shortest(victim.task_id)))
                if victim in self._running():
                    return victim
                share /= 2
                missed = True
            if missed or time.monotonic() > seen + _SOON:
                self.start_another(task_id or "prepare")
                seen = time.monotonic()
            time.sleep(0.1)
        raise TimeoutError(f"no {task_id} was at work within {_PATIENCE} s\n" + "\n".join(self.story))

    def _shortest(self, task_id: str) -> float:
        """Seconds that the task has taken at least, so far."""
        query = "SELECT min(duration) FROM task_instance WHERE task_id = %s AND state = 'success'"
        [(seconds,)] = self._asked(query, task_id)
        return _UNKNOWN if seconds is None else float(seconds)

    def start_what_ended(self) -> None:
        """Start what could not go on without what was away, as Docker does."""
        for name in self.deployment.start_what_ended():
            self.tell(f"{name} had ended and is started again")

    def _running(self) -> list[Task]:
        return self._in("running")

    def _retried(self, victim: Task) -> bool:
        """Whether another try of the task has begun, or ended."""
        later = [
            task
            for task in self._in("running", "success", "failed")
            if (task.dag_id, task.run_id, task.task_id, task.map_index)
            == (victim.dag_id, victim.run_id, victim.task_id, victim.map_index)
            and task.try_number > victim.try_number
        ]
        self.retried_elsewhere += [task for task in later if task.worker in WORKERS and task.worker != victim.worker]
        return bool(later)

    def _in(self, *states: str) -> list[Task]:
        self.start_what_ended()
        query = (
            "SELECT id::text, dag_id, run_id, task_id, map_index, try_number, hostname"
            " FROM task_instance WHERE state = ANY(%s)"
        )
        return [Task(*row) for row in self._asked(query, list(states))]

    def _asked(self, query: str, parameter: object) -> list[tuple[Any, ...]]:
        """What Airflow's database answers."""
        with closing(psycopg2.connect(self.deployment.database.dsn)) as database, database.cursor() as cursor:
            cursor.execute(query, (parameter,))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


_DISTURBANCES: dict[str, Callable[[Disturber], None]] = {
    "a worker dies during prepare_shard": lambda one: one.kill_worker_during("prepare_shard"),
    "a worker dies during prepare": lambda one: one.kill_worker_during("prepare"),
    "a worker dies during upload": lambda one: one.kill_worker_during("upload"),
    "a worker dies during deliver": lambda one: one.kill_worker_during("deliver"),
    "Redis is gone for 20 s": Disturber.stop_redis,
    "scheduler and triggerer restart": Disturber.restart_scheduler_and_triggerer,
    "the object store refuses writes": Disturber.refuse_writes,
}
DISTURBANCES = tuple(_DISTURBANCES)
