"""The JSON that the page and other programs read: rows of the overview, and one advertiser; docs/status-page.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_tiktok_offline.plugin.airflow_facts import (
    DagFacts,
    Document,
    Facts,
    RunFacts,
    advertiser_of,
    display_name_of,
)
from airflow_provider_tiktok_offline.plugin.funnel import funnel
from airflow_provider_tiktok_offline.plugin.judgement import STATES, Verdict, judge, last_look

#: Keys that hold sums of money, anywhere in a document.
_MONEY = frozenset({"values", "value", "attributed_value", "spend"})
_EVENTS = ("accepted", "refused", "unconfirmed", "already_sent", "would_send", "not_sent", "held", "waiting", "expired")
_SETTINGS = ("advertiser_id", "event_set_id", "route", "mode", "time_zone", "currency", "gate", "retry_hours")

Row = dict[str, Any]


def rows(facts: Facts, now: datetime) -> list[Row]:
    """A row an advertiser, the worst first."""
    made = [row(dag, judge(dag, facts.pools, now), now) for dag in facts.dags]
    return sorted(made, key=lambda one: (STATES[one["state"]["key"]].rank, one["advertiser"], one["dag_id"]))


def row(dag: DagFacts, verdict: Verdict, now: datetime) -> Row:
    """One row of the overview."""
    newest = dag.runs[0] if dag.runs else None
    status = _newest_status(dag)
    waits = _waiting(dag, newest)
    delivery = (status.get("deliveries") or [{}])[-1]
    events: Mapping[str, int] = delivery.get("events") or {}
    doctor = _doctor(dag)
    return {
        "dag_id": dag.dag_id,
        "advertiser": advertiser_of(dag),
        "display_name": display_name_of(dag),
        **{name: (status or waits).get("settings", {}).get(name) for name in _SETTINGS},
        "state": {
            "key": verdict.key,
            "word": STATES[verdict.key].word,
            "reason": verdict.reason,
            "todo": verdict.todo,
            "since": _text(verdict.since),
            "task": verdict.task,
        },
        "run": None if newest is None else _run(newest),
        "paused": dag.paused,
        "next_run": _text(dag.next_run),
        "answer_until": _answer_until(dag, newest, verdict),
        "awaited_day": waits.get("day"),
        "expected": waits.get("expected"),
        "next_look": _next_look(verdict, waits, now),
        "delivery_id": delivery.get("delivery_id"),
        "day": delivery.get("day"),
        "file": delivery.get("file"),
        "rows": delivery.get("rows") or {},
        "rejected_share": delivery.get("rejected_share"),
        "events": {name: events[name] for name in _EVENTS if name in events},
        "new": None if not events else sum(events.get(n, 0) for n in _EVENTS[:3] + _EVENTS[4:8]),
        "values": (delivery.get("values") or {}).get("accepted"),
        "usual_rows": status.get("usual_rows"),
        "difference": _difference(delivery, status),
        "bars": {name: status.get(source) for name, source in _BARS.items()} if status else None,
        "resend_until": delivery.get("resend_until"),
        "window_hours_left": _hours_left(delivery, now),
        "doctor": doctor,
        "attribution": status.get("attribution"),
        "incidents": status.get("incidents") or [],
    }


_BARS = {"first_day": "first_day", "rows": "rows", "states": "states"}


def advertiser(dag: DagFacts, verdict: Verdict, history: Document | None, now: datetime) -> Row:
    """One advertiser: its row, its funnel, its days, its doubts and its set-up."""
    status = _newest_status(dag)
    return {
        **row(dag, verdict, now),
        "deliveries": [_delivery(one) for one in status.get("deliveries") or []],
        "history": history,
        "runs": [_run(run) for run in dag.runs],
        "findings": last_look(dag),
    }


def day(found: list[tuple[str, str, Document]]) -> list[Row]:
    """The deliveries of a day as the last step that names them reports them."""
    newest: dict[str, Row] = {}
    for run_id, task_id, document in found:
        for one in document.get("deliveries") or []:
            newest[one["delivery_id"]] = {**_delivery(one), "run_id": run_id, "task_id": task_id}
        if document.get("error"):
            newest.setdefault(run_id, {"run_id": run_id, "task_id": task_id, "error": document["error"]})
    return list(newest.values())


def without_money(value: Any) -> Any:
    """A document without its sums of money."""
    if isinstance(value, dict):
        return {key: None if key in _MONEY else without_money(one) for key, one in value.items()}
    return [without_money(one) for one in value] if isinstance(value, list) else value


def _delivery(one: Document) -> Row:
    return {**one, "funnel": funnel(one)}


def _newest_status(dag: DagFacts) -> Document:
    """The newest status with rows; of one run, its last step's."""
    for run in dag.runs:
        found = [one for one in dag.statuses.get(run.key, {}).values() if "first_day" in one]
        if found:
            return max(found, key=lambda one: str(one["at"]))
    return {}


def _waiting(dag: DagFacts, newest: RunFacts | None) -> Document:
    """What the newest run waits for."""
    statuses = {} if newest is None else dag.statuses.get(newest.key, {})
    return next((one for one in statuses.values() if one.get("step") == "wait_for_file"), {})


def _answer_until(dag: DagFacts, newest: RunFacts | None, verdict: Verdict) -> str | None:
    """When a file that waits for an approval counts as rejected."""
    if newest is None or verdict.key != "approval":
        return None
    until = dag.statuses.get(newest.key, {}).get(verdict.task, {}).get("until")
    return None if until is None else str(until)


def _run(run: RunFacts) -> Row:
    return {
        "run_id": run.run_id,
        "state": run.state,
        "due": _text(run.due),
        "start": _text(run.start),
        "end": _text(run.end),
    }


def _next_look(verdict: Verdict, waits: Document, now: datetime) -> str | None:
    every = waits.get("poke_seconds")
    if verdict.key not in ("waiting", "late") or not every or verdict.since is None:
        return None
    looks = (now - verdict.since) // timedelta(seconds=every) + 1
    return _text(verdict.since + looks * timedelta(seconds=every))


def _difference(delivery: Document, status: Document) -> float | None:
    usual = status.get("usual_rows")
    total = (delivery.get("rows") or {}).get("total")
    return round(total / usual - 1, 4) if usual and total is not None else None


def _hours_left(delivery: Document, now: datetime) -> float | None:
    until = delivery.get("resend_until")
    if not until or not (delivery.get("events") or {}).get("unconfirmed"):
        return None
    left = (datetime.fromisoformat(until) - now).total_seconds() / 3600
    return round(max(left, 0.0), 1)


def _doctor(dag: DagFacts) -> Row | None:
    """The worst finding of the last look."""
    look = last_look(dag)
    if look is None:
        return None
    worst = next(iter(sorted(look["findings"], key=lambda one: one["status"] != "failed")), None)
    return {"at": look["at"], "ok": look["ok"], "finding": worst}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def states() -> list[Row]:
    """The states, worst first."""
    return [asdict(state) for state in STATES.values()]
