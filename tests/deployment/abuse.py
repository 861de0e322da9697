"""What an operator does to the runs of twenty advertisers while they go on, all at once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psutil

from tests.deployment.crowd import (
    BACKFILLED,
    DIRECT,
    LATE,
    MARKED_FAILED,
    MARKED_SUCCESS,
    NAMES,
    OTHERS,
    PAUSED,
    ROWS,
    Crowd,
    dag_id,
)
from tests.servers.waiting import wait_until

PATIENCE = 900
_ENDED = ("success", "failed")


@dataclass
class Abuse:
    """Everything that is done, at once.

    Attributes:
        chance: decides the order, and who is killed or cleared.
        story: what was done, for when something is wrong afterwards.
    """

    crowd: Crowd
    chance: random.Random
    story: list[str] = field(default_factory=list)

    def live_through(self) -> None:
        """Everything is done at once; then all runs end."""
        for name in NAMES:
            if name not in LATE:
                self.crowd.drop(name)
        deeds: list[Callable[[], None]] = [
            self._kill_a_task,
            self._pause_and_go_on,
            self._clear_a_delivered_run,
            lambda: self._mark(MARKED_FAILED, "failed"),
            lambda: self._mark(MARKED_SUCCESS, "success"),
            self._backfill,
            self._restart_triggerer_and_move_paths,
        ]
        for name in LATE:
            self.crowd.api.unpause(dag_id(name))
        order = list(OTHERS)
        self.chance.shuffle(order)
        self.chance.shuffle(deeds)
        with ThreadPoolExecutor(len(deeds)) as pool:
            done = [pool.submit(deed) for deed in deeds]
            for name in order:
                self.crowd.api.unpause(dag_id(name))
            for one in done:
                one.result()
        wait_until(self._ended, "all runs end", seconds=PATIENCE, every=1)

    def _kill_a_task(self) -> None:
        """SIGKILL for the process of a task at work: the task is tried again."""
        wait_until(self._one_is_killed, "a task to kill", seconds=PATIENCE)

    def _one_is_killed(self) -> bool:
        """Kill one, if one is at work; whether it has died of that, and not ended before."""
        found = self.crowd.api.get("/dags/~/dagRuns/~/taskInstances", state="running", limit=100)["task_instances"]
        of_others = [one for one in found if one["dag_id"] in map(dag_id, OTHERS)]
        victims = [one for one in of_others if one["task_id"] in ("prepare", "upload", "deliver") and one["pid"]]
        if not victims:
            return False
        victim = self.chance.choice(victims)
        with suppress(ProcessLookupError):
            if self._is_of_a_worker(victim["pid"]):
                os.kill(victim["pid"], signal.SIGKILL)
        run = (victim["dag_id"], victim["dag_run_id"])
        name = victim["task_id"] if victim["map_index"] < 0 else f"{victim['task_id']}[{victim['map_index']}]"

        def tried_again() -> bool:
            task = self.crowd.api.tasks(*run)[name]
            return bool(task["state"] == "up_for_retry" or task["try_number"] > victim["try_number"])

        wait_until(
            lambda: tried_again() or self.crowd.api.tasks(*run)[name]["state"] in _ENDED,
            f"{name} of {run} ends",
            seconds=PATIENCE,
        )
        if tried_again():
            self._tell(f"killed {name} of {run}")
            return True
        return False

    def _is_of_a_worker(self, pid: int) -> bool:
        with suppress(psutil.Error):
            return self.crowd.deployment.worker_of(pid) is not None
        return False

    def _pause_and_go_on(self) -> None:
        """The DAG is paused while its run goes on; nothing further of it starts until it goes on."""
        run = self.crowd.started(PAUSED)
        wait_until(
            lambda: self.crowd.api.tasks(*run)["wait_for_file"]["state"] is not None, "the wait", seconds=PATIENCE
        )
        self.crowd.api.patch(f"/dags/{run[0]}", {"is_paused": True})

        def at_rest() -> bool:
            states = {one["state"] for one in self.crowd.api.tasks(*run).values()}
            return not states & {"running", "queued"}

        wait_until(at_rest, "the paused run is at rest", seconds=PATIENCE)
        assert self.crowd.api.run_state(*run) == "running", self.crowd.api.tasks(*run)
        self._tell(f"paused {run}")
        self.crowd.api.unpause(run[0])

    def _clear_a_delivered_run(self) -> None:
        """The whole run begins again, and sends nothing."""
        delivered: list[str] = []

        def one_is() -> bool:
            names = [name for name in OTHERS if name in DIRECT]
            delivered.extend(name for name in names if "success" in self._states(name))
            return bool(delivered)

        wait_until(one_is, "a delivered run", seconds=PATIENCE)
        name = self.chance.choice(sorted(set(delivered)))
        [run] = self.crowd.api.runs(dag_id(name))
        summary = self.crowd.api.tasks(dag_id(name), run["dag_run_id"])["summary"]["try_number"]
        self.crowd.api.clear_run(dag_id(name), run["dag_run_id"])
        self._tell(f"cleared {name}")
        wait_until(
            lambda: self.crowd.api.tasks(dag_id(name), run["dag_run_id"])["summary"]["try_number"] > summary,
            "the cleared run's summary",
            seconds=PATIENCE,
        )

    def _mark(self, name: str, state: str) -> None:
        """An upload at work is marked; its run says what is left, and goes on once it is cleared."""
        run = self.crowd.started(name)
        wait_until(lambda: self.crowd.received(name) > 0, f"an event of {name}", seconds=PATIENCE)
        self.crowd.api.patch(f"/dags/{run[0]}/dagRuns/{run[1]}/taskInstances/upload/0", {"new_state": state})
        wait_until(lambda: self.crowd.api.run_state(*run) in _ENDED, f"the marked run of {name} ends", seconds=PATIENCE)
        received = self.crowd.received(name)
        assert received < ROWS, f"{name}: it was over when it was marked {state}"
        assert self.crowd.api.run_state(*run) == "failed", f"{name}, marked {state}"
        self._tell(f"marked {name} {state} after {received} events")
        self.crowd.api.clear_task(*run, "upload")

    def _backfill(self) -> None:
        """Three past days, two at once; the oldest has no file, and its run fails without a wait."""
        days = [self.crowd.day - timedelta(days=back) for back in (3, 2, 1)]
        for day in days[1:]:
            self.crowd.drop(BACKFILLED, day)
        self.crowd.started(BACKFILLED)
        begin = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
        body = {
            "dag_id": dag_id(BACKFILLED),
            "from_date": begin.isoformat(),
            "to_date": (begin + timedelta(days=2, hours=23, minutes=59)).isoformat(),
            "max_active_runs": 2,
        }
        made = self.crowd.api.post("/backfills", body)
        self._tell("a backfill began")
        wait_until(
            lambda: self.crowd.api.get(f"/backfills/{made['id']}")["completed_at"] is not None,
            "the end of the backfill",
            seconds=PATIENCE,
        )

    def _restart_triggerer_and_move_paths(self) -> None:
        """While four sensors wait the triggerer dies, and two paths are corrected on every machine."""

        def all_wait() -> bool:
            return all(
                [
                    self.crowd.api.task_state(dag_id(name), run["dag_run_id"], "wait_for_file")
                    for run in self.crowd.runs(name)
                ]
                == ["deferred"]
                for name in LATE
            )

        wait_until(all_wait, "the late sensors wait", seconds=PATIENCE)
        triggerer = self.crowd.deployment.machines["triggerer"]
        triggerer.kill()
        triggerer.start()
        self.crowd.move_paths()
        self._tell("the triggerer restarted, two paths moved")
        self.crowd.deployment.wait_until_whole()
        assert all_wait(), "a wait ended without a file"
        for name in LATE:
            self.crowd.drop(name)

    def _states(self, name: str) -> list[str]:
        return [run["state"] for run in self.crowd.runs(name)]

    def _tell(self, line: str) -> None:
        self.story.append(f"{datetime.now(UTC):%H:%M:%S} {line}")

    def _ended(self) -> bool:
        return all(self._states(name) and set(self._states(name)) <= set(_ENDED) for name in NAMES)
