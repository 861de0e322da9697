"""How an advertiser's newest run stands, in one word with its reason and the next thing to do: pure, from facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.plugin.airflow_facts import DagFacts, Document, RunFacts, TaskFacts

_GATES = frozenset({"GateExceededError", "GuardError"})
_UNSETTLED = frozenset({"UnsettledError", "EventsHeldError", "OutcomeUnknownError", "PartialOutcomeError"})
_APPROVAL = frozenset({"awaiting_input", "deferred", "running", "up_for_reschedule"})
_WAITING = frozenset({"deferred", "running", "up_for_reschedule", "queued", "scheduled"})
_LOG = "Its log says why. Clear it and what follows; nothing is sent twice."


@dataclass(frozen=True, slots=True)
class State:
    """A state of an advertiser.

    Attributes:
        key: its name in the API.
        word: what a person reads.
        rank: the worst is 0.
    """

    key: str
    word: str
    rank: int


#: Worst first. "broken entry" has no row: it stands above the table.
STATES: Mapping[str, State] = {
    key: State(key, word, rank)
    for rank, (key, word) in enumerate(
        (
            ("failed", "failed"),
            ("gate", "stopped at the gate"),
            ("approval", "needs approval"),
            ("unsettled", "unsettled"),
            ("pool", "pool missing"),
            ("late", "late"),
            ("fault", "fault found by doctor"),
            ("waiting", "waiting"),
            ("running", "running"),
            ("new", "not run yet"),
            ("queued", "waits to be sent"),
            ("paused", "paused"),
            ("dry_run", "dry run, nothing sent"),
            ("delivered", "delivered"),
            ("idle", "no file due"),
        )
    )
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an advertiser stands.

    Attributes:
        key: of :data:`STATES`.
        reason: why, in words.
        todo: what a person does next; empty if nothing.
        since: since when, where that is known.
        task: the task that it hangs on.
    """

    key: str
    reason: str = ""
    todo: str = ""
    since: datetime | None = None
    task: str = ""


def judge(dag: DagFacts, pools: frozenset[str], now: datetime) -> Verdict:
    """How the newest run stands; where it only waits or is at work, an earlier one that failed counts more."""
    verdict = _newest(dag, pools, now)
    if verdict.key in ("waiting", "running", "delivered", "idle", "dry_run"):
        fault = _fault(last_look(dag))
        if fault is not None:
            return fault
    if verdict.key == "waiting" and len(dag.runs) > 1 and dag.runs[1].state == "failed":
        earlier = dag.runs[1]
        return Verdict("failed", f"the run due {_written(earlier.due)} failed; today's waits.", _LOG)
    if dag.paused and verdict.key in ("waiting", "running", "delivered", "idle", "dry_run", "new", "queued"):
        return Verdict("paused", "the DAG is paused: no further file is delivered.", "Unpause it in Airflow.")
    return verdict


def _newest(dag: DagFacts, pools: frozenset[str], now: datetime) -> Verdict:
    if not dag.runs:
        return Verdict("new", "no run in the last 35 days.")
    run = dag.runs[0]
    statuses = dag.statuses.get(run.key, {})
    approval = next((t for t in dag.tasks if _asks(t)), None)
    if approval is not None:
        asked = statuses.get(approval.task_id, {})
        breaches = "; ".join(map(str, asked.get("breaches") or ["a guard was breached"]))
        who = f"Asked: {', '.join(map(str, asked['approvers']))}. " if asked.get("approvers") else ""
        return Verdict(
            "approval",
            f"{breaches}. Somebody has to say whether the file may be sent.",
            f"{who}Approve or reject it in the task.",
            approval.start,
            approval.task_id,
        )
    lost = next((t for t in dag.tasks if t.state == "scheduled" and t.pool not in pools), None)
    if lost is not None:
        return Verdict(
            "pool",
            f"{lost.task_id} waits for the pool {lost.pool}, which does not exist.",
            "Make it under Admin, Pools, or remove pool: from the entry.",
            lost.start,
            lost.task_id,
        )
    failed = sorted((t for t in dag.tasks if t.state == "failed"), key=lambda t: (t.start is None, str(t.start)))
    if failed:
        return _failure(failed, statuses)
    if run.state == "failed":
        return Verdict("failed", "the run failed.", _LOG)
    if run.state in ("running", "queued"):
        return _at_work(run, dag.tasks, statuses, now)
    return _ended(statuses)


def _asks(task: TaskFacts) -> bool:
    return task.state == "awaiting_input" or (
        "approve" in task.task_id and not task.task_id.endswith("_approved") and task.state in _APPROVAL
    )


def _failure(failed: Sequence[TaskFacts], statuses: Mapping[str, Document]) -> Verdict:
    first = failed[0]
    status = statuses.get(first.task_id, {})
    error: Mapping[str, Any] = status.get("error") or {}
    reason = f"{first.task_id} failed: {error['what']}" if error else f"{first.task_id} failed."
    todo = str(error.get("todo") or _LOG)
    if status.get("step") == "wait_for_file":
        return Verdict(
            "late", "no complete file came in time.", "Ask who makes the file; then clear this task.",
            first.start, first.task_id,
        )  # fmt: skip
    if error.get("type") in _GATES:
        return Verdict("gate", str(error["what"]), todo, first.start, first.task_id)
    if error.get("type") in _UNSETTLED:
        return Verdict("unsettled", str(error["what"]), todo, first.start, first.task_id)
    return Verdict("failed", reason, todo, first.start, first.task_id)


def _at_work(run: RunFacts, tasks: Sequence[TaskFacts], statuses: Mapping[str, Document], now: datetime) -> Verdict:
    waits = next((task for task in tasks if _waits(task, statuses)), None)
    if waits is None:
        again = next((task for task in tasks if task.state == "up_for_retry"), None)
        if again is None:
            return Verdict("running", "the run is at work.", since=run.start)
        error = statuses.get(again.task_id, {}).get("error") or {}
        return Verdict(
            "running", f"{again.task_id} is tried again: {error.get('what', 'see its log')}", "", again.start,
            again.task_id,
        )  # fmt: skip
    status = statuses.get(waits.task_id, {})
    since = _moment(status.get("at")) or waits.start
    due = _due(status, run)
    if due is not None and now > due:
        return Verdict(
            "late",
            f"the file should have been there by {_written(due)}.",
            "Ask who makes the file. The run goes on waiting and takes it when it comes.",
            since,
            waits.task_id,
        )
    return Verdict("waiting", "the file is not there yet, or not complete.", "", since, waits.task_id)


def _waits(task: TaskFacts, statuses: Mapping[str, Document]) -> bool:
    step = statuses.get(task.task_id, {}).get("step", "wait_for_file" if task.task_id == "wait_for_file" else "")
    return step == "wait_for_file" and task.state in _WAITING


def _due(status: Document, run: RunFacts) -> datetime | None:
    """The moment of ``no_file_by`` on the day of the run, in the advertiser's time zone."""
    by = status.get("no_file_by")
    if not by:
        return None
    local = run.due.astimezone(zone(status))
    due = datetime.combine(local.date(), time.fromisoformat(str(by)), tzinfo=local.tzinfo)
    return due if due >= local else due + timedelta(days=1)


def zone(status: Document) -> ZoneInfo:
    """The advertiser's time zone."""
    try:
        return ZoneInfo(str(status.get("settings", {}).get("time_zone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _ended(statuses: Mapping[str, Document]) -> Verdict:
    status = next((one for one in statuses.values() if one.get("step") == "summary"), None) or next(
        (one for one in statuses.values() if one.get("deliveries")), None
    )
    deliveries = [] if status is None else status.get("deliveries") or []
    if status is None or not deliveries:
        return Verdict("idle", "the run ended without a file: none was expected, or none was new.")
    newest = deliveries[-1]
    if newest["state"] == "waiting":
        return Verdict("queued", str(newest.get("reason", "")))
    if newest["state"] == "failed":
        return Verdict("unsettled", str(newest.get("reason") or "the delivery is not closed."), _LOG)
    if newest.get("mode") != "live":
        return Verdict("dry_run", "the file was checked; nothing was sent.", "Set mode: live to send.")
    return Verdict("delivered", "every event has an answer.", since=_moment(status.get("at")))


def last_look(dag: DagFacts) -> Document | None:
    """What doctor found last: in a task of its own, or as a run has reported it."""
    statuses = (one for by_task in dag.statuses.values() for one in by_task.values())
    looks = [one["doctor"] for one in (*([dag.doctor] if dag.doctor else []), *statuses) if one.get("doctor")]
    return max(looks, key=lambda one: str(one["at"])) if looks else None


def _fault(look: Document | None) -> Verdict | None:
    first = next((one for one in (look or {}).get("findings") or [] if one.get("status") == "failed"), None)
    if look is None or first is None:
        return None
    return Verdict("fault", f"{first['subject']}: {first['text']}", str(first.get("todo", "")), _moment(look["at"]))


def _written(moment: datetime) -> str:
    """A moment in a text; the page shows moments that are written like this by its switch local/UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None
