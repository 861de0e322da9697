"""What Airflow's database knows of the deliveries' DAGs: a fixed number of queries, however many DAGs there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import Text, cast, func, or_, select

from airflow_provider_tiktok_offline.glue.status_xcom import DOCTOR_KEY, HISTORY_KEY, STATUS_KEY

if TYPE_CHECKING:
    from airflow.api_fastapi.core_api.security import PermittedDagFilter
    from sqlalchemy.orm import Session

#: A status as it lies in the database.
Document = Mapping[str, Any]
#: Before the advertiser's name in the id of a DAG that the factory makes.
DAG_PREFIX = "tiktok_offline__"
#: Behind the advertiser's name in the name for people that the factory gives a DAG whose entry has none.
DAG_NAME_SUFFIX = ": offline conversions"
#: The overview looks at runs that were due since; a month's file has one in it.
RUNS_SINCE = timedelta(days=35)
#: Runs of a DAG that are looked at for a status: a run that waits has none of its own.
_RUNS = 3
#: Of the runs of one DAG.
_RUNS_OF_ONE = 120
_TAG = "offline-conversions"
_DONE = ("success", "skipped", "removed")
#: How the import error of :func:`~airflow_provider_tiktok_offline.dag_factory.raise_broken_advertisers` begins.
_BROKEN = "These entries have no DAG; the others do."


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task instance of a run that has not succeeded."""

    task_id: str
    map_index: int
    state: str | None
    pool: str
    start: datetime | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One DAG run."""

    key: int
    run_id: str
    state: str
    due: datetime
    start: datetime | None
    end: datetime | None


@dataclass(slots=True)
class DagFacts:
    """One DAG with its newest runs.

    Attributes:
        name: the DAG's name for people, if it has one.
        runs: newest first.
        tasks: those of the newest run that have not succeeded.
        statuses: run -> task -> status.
        doctor: the newest look, from a DAG that the user may read.
    """

    dag_id: str
    paused: bool
    next_run: datetime | None
    name: str | None
    runs: list[RunFacts] = field(default_factory=list)
    tasks: list[TaskFacts] = field(default_factory=list)
    statuses: dict[int, dict[str, Document]] = field(default_factory=dict)
    doctor: Document | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the overview is made of.

    Attributes:
        dags: what the user may read.
        pools: the names of all pools.
    """

    dags: Sequence[DagFacts]
    pools: frozenset[str]


def read_facts(session: Session, readable: PermittedDagFilter, now: datetime, *, dag_id: str | None = None) -> Facts:
    """The facts of the deliveries' DAGs.

    :param readable: what the user may read.
    :param dag_id: this DAG alone.
    """
    dags = {dag.dag_id: dag for dag in _dags(session, readable, dag_id)}
    _add_runs(session, dags, now)
    newest = {dag.runs[0].key: dag for dag in dags.values() if dag.runs}
    _add_tasks(session, newest)
    _add_statuses(session, newest)
    earlier = {run.key: dag for dag in dags.values() if not _tells_rows(dag) for run in dag.runs[1:]}
    _add_statuses(session, earlier)
    _add_doctors(session, readable, dags)
    deliveries = [dag for dag in dags.values() if dag.dag_id.startswith(DAG_PREFIX) or dag.statuses]
    return Facts(deliveries, frozenset(session.scalars(select(Pool.pool))))


def read_history(session: Session, dag_id: str) -> Document | None:
    """The newest figures of the days that a run of the DAG has left."""
    query = (
        select(XComModel.value)
        .where(XComModel.dag_id == dag_id, XComModel.key == HISTORY_KEY)
        .order_by(XComModel.timestamp.desc())
        .limit(1)
    )
    return _document(session.scalars(query).first())


def read_day(session: Session, dag_id: str, day: str) -> list[tuple[str, str, Document]]:
    """Run id, task and status of every task of the newest runs with a status of a day, oldest first."""
    runs = select(DagRun.id).where(DagRun.dag_id == dag_id).order_by(DagRun.run_after.desc()).limit(_RUNS_OF_ONE)
    query = (
        select(XComModel.run_id, XComModel.task_id, XComModel.value)
        .where(XComModel.dag_run_id.in_(runs.scalar_subquery()), XComModel.key == STATUS_KEY)
        .order_by(XComModel.timestamp)
    )
    found = [(run_id, task_id, _document(value)) for run_id, task_id, value in session.execute(query)]
    return [(run_id, task_id, one) for run_id, task_id, one in found if one is not None and _day_of(one) == day]


def read_broken_entries(session: Session) -> list[str]:
    """The faults of entries that have no DAG, each with file, line, entry and key."""
    query = select(ParseImportError.stacktrace).where(ParseImportError.stacktrace.contains(_BROKEN))
    found: list[str] = []
    for text in session.scalars(query):
        found += [line.strip() for line in (text or "").rpartition(_BROKEN)[2].splitlines() if line.strip()]
    return list(dict.fromkeys(found))


def _dags(session: Session, readable: PermittedDagFilter, dag_id: str | None) -> Iterable[DagFacts]:
    tagged = select(DagTag.dag_id).where(DagTag.name == _TAG)
    query = select(
        DagModel.dag_id, DagModel.is_paused, DagModel.next_dagrun_create_after, DagModel.__table__.c.dag_display_name
    ).where(
        DagModel.is_stale.is_(False),
        or_(DagModel.dag_id.startswith(DAG_PREFIX, autoescape=True), DagModel.dag_id.in_(tagged)),
    )  # fmt: skip
    if dag_id is not None:
        query = query.where(DagModel.dag_id == dag_id)
    return [DagFacts(*row) for row in session.execute(readable.to_orm(query))]


def _add_runs(session: Session, dags: Mapping[str, DagFacts], now: datetime) -> None:
    place = func.row_number().over(partition_by=DagRun.dag_id, order_by=(DagRun.run_after.desc(), DagRun.id.desc()))
    recent = select(DagRun.id, place.label("place")).where(DagRun.run_after >= now - RUNS_SINCE).subquery()
    query = (
        select(
            DagRun.dag_id, DagRun.id, DagRun.run_id, DagRun.state, DagRun.run_after, DagRun.start_date, DagRun.end_date
        )
        .join(recent, recent.c.id == DagRun.id)
        .where(recent.c.place <= _RUNS, DagRun.dag_id.in_(list(dags)))
        .order_by(DagRun.dag_id, recent.c.place)
    )
    for dag_id, key, run_id, state, due, start, end in session.execute(query):
        dags[dag_id].runs.append(RunFacts(key, run_id, str(state), due, start, end))


def _add_tasks(session: Session, newest: Mapping[int, DagFacts]) -> None:
    query = (
        select(
            DagRun.id,
            TaskInstance.task_id,
            TaskInstance.map_index,
            TaskInstance.state,
            TaskInstance.pool,
            TaskInstance.start_date,
        )
        .join(DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id))
        .where(
            DagRun.id.in_(list(newest)),
            or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(_DONE)),
        )
    )
    for key, task_id, map_index, state, pool, start in session.execute(query):
        newest[key].tasks.append(TaskFacts(task_id, map_index, None if state is None else str(state), pool, start))


def _add_statuses(session: Session, runs: Mapping[int, DagFacts]) -> None:
    """The statuses of some runs: of a mapped task that of a part that failed, else the newest.

    Of a run whose summary succeeded, that alone, unless it set files aside.
    """
    query = (
        select(XComModel.dag_run_id, XComModel.task_id, cast(XComModel.value, Text))
        # No equality: SQLite would then read every status there is, instead of those of these runs.
        .where(XComModel.dag_run_id.in_(list(runs)), XComModel.key.startswith(STATUS_KEY, autoescape=True))
        .order_by(XComModel.timestamp.desc())
    )
    whole: set[int] = set()
    for key, task_id, text in session.execute(query):
        document = None if key in whole else _parsed(text)
        if document is not None:
            known = runs[key].statuses.setdefault(key, {})
            if task_id not in known or (document.get("error") and not known[task_id].get("error")):
                known[task_id] = document
            if document.get("step") == "summary" and document.get("ok") and not document.get("set_aside"):
                whole.add(key)


def _add_doctors(session: Session, readable: PermittedDagFilter, dags: Mapping[str, DagFacts]) -> None:
    """The newest look at each advertiser, from DAGs that the user may read."""
    newest = (
        select(func.max(XComModel.dag_run_id))
        .join(DagModel, DagModel.dag_id == XComModel.dag_id)
        .where(XComModel.key == DOCTOR_KEY)
        .group_by(XComModel.dag_id)
    )
    query = select(XComModel.value).where(
        XComModel.key == DOCTOR_KEY, XComModel.dag_run_id.in_(readable.to_orm(newest).scalar_subquery())
    )
    by_advertiser: dict[str, Document] = {}
    for value in session.scalars(query):
        document = _document(value)
        if document is None:
            continue
        name = str(document["settings"].get("advertiser"))
        if name not in by_advertiser or str(by_advertiser[name]["at"]) < str(document["at"]):
            by_advertiser[name] = document
    for dag in dags.values():
        dag.doctor = by_advertiser.get(advertiser_of(dag))


def advertiser_of(dag: DagFacts) -> str:
    """The advertiser's name, from the newest status, else from the DAG's id."""
    for run in dag.runs:
        for document in dag.statuses.get(run.key, {}).values():
            return str(document["settings"].get("advertiser", ""))
    return dag.dag_id.removeprefix(DAG_PREFIX)


def display_name_of(dag: DagFacts) -> str | None:
    """The name for people that the entry gives its DAG; None where it gives none."""
    name = (dag.name or "").removesuffix(DAG_NAME_SUFFIX)
    return None if name in ("", dag.dag_id, advertiser_of(dag)) else name


def _tells_rows(dag: DagFacts) -> bool:
    """Whether the newest run has reported the days before; one that waits has not."""
    return any("first_day" in one for one in dag.statuses.get(dag.runs[0].key, {}).values()) if dag.runs else True


def _day_of(document: Document) -> str:
    deliveries = document.get("deliveries") or [{}]
    return str(document.get("day") or deliveries[-1].get("day", ""))


def _parsed(text: str) -> Document | None:
    try:
        return _document(msgspec.json.decode(text))
    except msgspec.DecodeError:
        return None


def _document(value: object) -> Document | None:
    """A status of a layout that this release reads; None for anything else that lies under its key."""
    if not isinstance(value, dict) or value.get("version") != 1:
        return None
    return value if isinstance(value.get("settings", {}), dict) else None
