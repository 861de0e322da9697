"""Rows of Airflow's database as many advertisers' runs leave them: ``python -m tests.plugin.seeding NUMBER DAYS``.

Titles of incidents may follow.

The statuses are made by the package's own code from invented deliveries. The first advertisers are in one of the states
that the page knows each; all others have delivered.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.delivery.operations.status_documents import (
    doctor_document,
    history_document,
    recent_document,
    settings_document,
)
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    AdvertiserStatus,
    AttributionDay,
    Change,
    DeliveryStatus,
    DoctorStatus,
    FeedFileStatus,
    FindingStatus,
)
from airflow_provider_tiktok_offline.delivery.state.step_results import plain

#: The states of the first advertisers, in this order.
SCENES = (
    "failed", "gate", "approval", "unsettled", "pool", "late", "fault", "waiting", "running", "paused", "liveramp",
    "queued", "dry_run", "new",
)  # fmt: skip
_CITIES = ("berlin", "hamburg", "lyon", "milano", "madrid", "wien", "praha", "oslo", "malmo", "porto", "gent", "turin")
_KINDS = ["shoes", "garden", "optics", "books", "toys", "bikes", "coffee", "fashion"]


@dataclass
class Rows:
    """Rows by table."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> None:
        self.tables.setdefault(table, []).append(row)


def name_of(number: int) -> str:
    """An advertiser's name."""
    return f"{_KINDS[number % len(_KINDS)]}_{_CITIES[number // len(_KINDS) % len(_CITIES)]}_{number:03d}"


def display_name_of(number: int) -> str | None:
    """Its DAG's name for people; of each eighth that of the factory, of another none."""
    kind, city, _ = name_of(number).title().split("_")
    return {3: f"{name_of(number)}: offline conversions", 7: None}.get(number % 8, f"{kind} {city} {number}")


def dag_id_of(number: int) -> str:
    """Its DAG."""
    return f"tiktok_offline__{name_of(number)}"


def config_of(number: int) -> AdvertiserConfig:
    """Its settings."""
    scene = SCENES[number] if number < len(SCENES) else ""
    feed = {"route": "liveramp", "liveramp": {"destination": "/feed"}} if scene in ("liveramp", "queued") else {}
    return AdvertiserConfig.model_validate(
        {
            "name": name_of(number),
            "advertiser_id": f"70000000000{number:08d}",
            "event_set_id": f"71000000000{number:08d}",
            "mode": "dry_run" if scene == "dry_run" else "live",
            "currency": ("EUR", "CHF", "SEK")[number % 3],
            "time_zone": ("Europe/Berlin", "America/New_York", "Asia/Tokyo")[number % 3],
            "phone_region": "DE",
            "state_uri": "/state",
            "source": {"conn_id": "sftp_shop", "path": "/outgoing/sales_{{ ds_nodash }}.csv"},
            **({"pool": "tiktok_rate"} if scene == "pool" else {}),
            **({"notifications": {"events": ["stale"], "email": ["a@shop.example"], "no_file_by": "07:00"}}
               if scene == "late" else {}),
            **feed,
        }
    )  # fmt: skip


def status_of(number: int, today: date, days: int) -> AdvertiserStatus:
    """Its last days, the newest being yesterday's file."""
    config, chance = config_of(number), random.Random(number)
    usual = chance.randint(400, 90_000)
    status = AdvertiserStatus(
        advertiser=config.name,
        advertiser_id=config.advertiser_id,
        event_set_id=config.event_set_id,
        route=config.route,
        mode=config.mode,
        time_zone=config.time_zone,
        doctor=_doctor(number, today),
        changes=(
            Change(at=f"{today - timedelta(days=40)}T09:12:00+00:00", what="mode", text="dry_run -> live"),
            Change(
                at=f"{today - timedelta(days=12)}T16:40:00+00:00", what="resolve",
                text="Events Manager shows them", by="cli/ana", whole_set=True,
            ),
        ),
    )  # fmt: skip
    made = [
        _delivery(config, today - timedelta(days=back), int(usual * chance.uniform(0.7, 1.25)), chance)
        for back in range(days, 0, -1)
        if not (chance.random() < 0.01 and back > 2)
    ]
    attribution = [_attributed(one, back, config) for back, one in zip(range(len(made), 0, -1), made, strict=True)]
    return replace(status, deliveries=tuple(made), attribution=() if number % 5 == 4 else tuple(attribution))


def _doctor(number: int, today: date) -> DoctorStatus:
    liveramp = config_of(number).route == "liveramp"
    granted = () if liveramp else ("access token", "scopes", "role", "event set")
    fine = tuple(
        FindingStatus(subject=subject, status="ok", text="as it should be.")
        for subject in ("connections", *granted, "source", "state", "ledger")
    )
    if liveramp:
        return DoctorStatus(at=f"{today}T03:00:00+00:00", findings=fine)
    ads = FindingStatus(subject="ads", status="ok", text="14 of 14 active ads track this event set.")
    if number < len(SCENES) and SCENES[number] == "fault":
        ads = FindingStatus(
            subject="ads", status="failed", text="0 of 14 active ads track this event set.",
            todo="Open each ad, Tracking, and choose the set: auto-tracking reaches ads that are made later only.",
        )  # fmt: skip
    return DoctorStatus(at=f"{today}T03:00:00+00:00", findings=(*fine, ads))


def _delivery(config: AdvertiserConfig, day: date, total: int, chance: random.Random) -> DeliveryStatus:
    rejected, twice, left = int(total * chance.uniform(0, 0.02)), int(total * 0.003), int(total * 0.06)
    valid = total - rejected - twice - left
    before, refused = int(valid * 0.01), chance.randint(0, 3)
    accepted = valid - before - refused
    live = config.mode == "live"
    feed = (
        FeedFileStatus(
            name=f"{config.name}_{day:%Y%m%d}.csv", uri=f"sftp://liveramp/uploads/{config.name}_{day:%Y%m%d}.csv",
            day=day.isoformat(), rows=accepted + refused, bytes=(accepted + refused) * 92,
            sha256=f"{chance.getrandbits(256):064x}", outcome="delivered",
        )
        if config.route == "liveramp"
        else None
    )  # fmt: skip
    return DeliveryStatus(
        delivery_id=f"d-{uuid.UUID(int=chance.getrandbits(128)).hex[:24]}",
        day=day.isoformat(),
        file=f"sftp://sftp_shop/outgoing/sales_{day:%Y%m%d}.csv",
        mode=config.mode,
        route=config.route,
        run=f"tiktok_offline__{config.name}/scheduled__{day}T00:00:00+00:00",
        at=f"{day + timedelta(days=1)}T06:12:40+00:00",
        state="closed",
        rows={"total": total, "valid": valid, "rejected": rejected, "duplicate": twice, "excluded": left},
        excluded={"no_identifier": left - left // 4, "return": left // 4},
        faults={"amount_format": rejected - rejected // 3, "timestamp_format": rejected // 3} if rejected > 2 else {},
        rejected_share=round(rejected / total, 6),
        gate=0.05,
        events_total=valid,
        events={"accepted": accepted, "refused": refused, "already_sent": before}
        if live and feed is None
        else {"accepted": accepted + refused, "already_sent": before}
        if live
        else {"would_send": accepted + refused, "already_sent": before},
        codes={"40002": refused} if refused and feed is None else {},
        values={"valid": {config.currency or "none": f"{valid * 41.37:.2f}"}, "accepted": {
            config.currency or "none": f"{accepted * 41.37:.2f}"}},
        identifiers={"email": valid // 2, "phone": valid // 4, "both": valid - valid // 2 - valid // 4, "none": left},
        first_time=f"{day}T06:58:11+00:00",
        last_time=f"{day}T20:03:48+00:00",
        feed=feed,
    )  # fmt: skip


def _attributed(one: DeliveryStatus, back: int, config: AdvertiserConfig) -> AttributionDay:
    events = int(one.events.get("accepted", 0) * 0.04 * min(1.0, 0.3 + back * 0.25))
    return AttributionDay(
        day=one.day, events=events, value=f"{events * 41.37:.2f}", spend=f"{one.rows['total'] * 0.31:.2f}",
        currency=config.currency or "", time_zone=config.time_zone, read_at=f"{one.day}T09:00:00+00:00",
    )  # fmt: skip


def statuses(
    number: int, status: AdvertiserStatus, day: date, at: datetime, *, newest: bool
) -> Mapping[str, tuple[str, Mapping[str, object], str]]:
    """Task, with its map index if it has one -> its state, its status, and the pool: of one run."""
    config, at = config_of(number), at - timedelta(minutes=50)
    scene = SCENES[number] if newest and number < len(SCENES) else ""
    common = {"version": 1, "settings": settings_document(config), "day": day.isoformat(), "ok": True, "error": None}
    expected = {
        **common, "step": "wait_for_file", "at": at.isoformat(), "poke_seconds": 60, "timeout_seconds": 36_000,
        "expected": f"sftp://sftp_shop/outgoing/sales_{day:%Y%m%d}.csv",
        "no_file_by": f"{(at + timedelta(minutes=5)).astimezone(config.zone):%H:%M}" if scene == "late" else None,
    }  # fmt: skip
    ids = [one.delivery_id for one in status.deliveries if one.day == day.isoformat()]

    def told(step: str, one: AdvertiserStatus = status, **error: object) -> dict[str, object]:
        document = {**common, "step": step, "at": (at + timedelta(minutes=9)).isoformat()}
        if error:
            document |= {"ok": False, "error": error}
        return document | recent_document(one, day, ids)

    wait = ("success", expected, "default_pool")
    validated = ("success", told("prepare"), "default_pool")
    closed = ("success", told("summary"), "default_pool")
    match scene:
        case "waiting" | "late":
            return {"wait_for_file": ("deferred", expected, "default_pool")}
        case "running":
            return {"wait_for_file": wait, "prepare": validated, "upload[0]": ("running", {}, "default_pool")}
        case "pool":
            return {"wait_for_file": wait, "prepare": validated, "upload[0]": ("scheduled", {}, "tiktok_rate")}
        case "approval":
            open_one = _changed(status, state="open", events={}, codes={}, values={"valid": {"SEK": "238041.00"}})
            asked = {
                **common, "step": "approve", "at": at.isoformat(), "approvers": ["ana"],
                "breaches": ["5,724 events, more than max_events 5000"],
                "until": (at + timedelta(hours=72)).isoformat(),
            }  # fmt: skip
            checked = ("success", told("prepare", open_one), "default_pool")
            return {"wait_for_file": wait, "prepare": checked, "approve": ("deferred", asked, "default_pool")}
        case "gate":
            worse = _changed(
                status, state="open", rejected_share=0.214, events={}, events_total=None, values={},
                drift=("71 % fewer rows than usual for a Friday",),
            )  # fmt: skip
            failed = told(
                "prepare", worse, type="GateExceededError", retryable=False, where="sales.csv",
                what="21.4 % of the rows are rejected, more than max_rejected_ratio 5.00 % allows; nothing was sent.",
                todo="The report names rule, column and lines.",
            )  # fmt: skip
            return {"wait_for_file": wait, "prepare": ("failed", failed, "default_pool")}
        case "failed":
            sent = status.deliveries[-1].events["accepted"] // 3
            rest = status.deliveries[-1].events["accepted"] - sent
            value = {config.currency or "none": f"{sent * 41.37:.2f}"}
            partly = _changed(
                status, state="open", events={"accepted": sent, "not_sent": rest}, codes={}, values={"accepted": value}
            )
            failed = told(
                "upload", partly, type="CredentialsError", retryable=False, where="request 2026112906",
                what="TikTok refused the access token (40105).",
                todo="Get a new access token: tiktok-offline auth login.",
            )  # fmt: skip
            return {
                "wait_for_file": wait, "prepare": validated, "upload[0]": ("failed", failed, "default_pool"),
                "upload[1]": ("success", told("upload", partly), "default_pool"),
            }  # fmt: skip
        case "unsettled":
            newest_one = status.deliveries[-1]
            events = {**newest_one.events, "accepted": newest_one.events["accepted"] - 140, "unconfirmed": 140}
            open_one = _changed(
                status, state="failed", events=events, reason="140 events unconfirmed",
                resend_until=(at + timedelta(hours=31)).isoformat(),
            )  # fmt: skip
            failed = told(
                "summary", open_one, type="UnsettledError", retryable=False, where=config.name,
                what="the run is not settled: 140 events unconfirmed.", todo="Clear upload and what follows.",
            )  # fmt: skip
            return {"wait_for_file": wait, "prepare": validated, "summary": ("failed", failed, "default_pool")}
        case "queued":
            waits = _changed(status, state="waiting", reason="another feed file went out today")
            return {"wait_for_file": wait, "summary": ("success", told("summary", waits), "default_pool")}
    return {"wait_for_file": wait, "prepare": validated, "summary": closed}


def _changed(status: AdvertiserStatus, **changes: Any) -> AdvertiserStatus:
    return replace(status, deliveries=(*status.deliveries[:-1], replace(status.deliveries[-1], **changes)))


def rows(number: int, now: datetime, days: int, *, incidents: Sequence[str] = ()) -> Rows:
    """One advertiser's rows."""
    made = Rows()
    scene = SCENES[number] if number < len(SCENES) else ""
    dag_id = dag_id_of(number)
    made.add(
        "dag", dag_id=dag_id, is_paused=scene == "paused", is_stale=False, bundle_name="dags-folder",
        max_active_tasks=16, max_consecutive_failed_dag_runs=0, has_task_concurrency_limits=False, max_active_runs=1,
        next_dagrun_create_after=(now + timedelta(days=1)).replace(hour=6, minute=0, second=0),
        fileloc="/dags/factory.py", relative_fileloc="factory.py", timetable_type="",
        dag_display_name=display_name_of(number),
    )  # fmt: skip
    made.add("dag_tag", name="offline-conversions", dag_id=dag_id)
    if scene == "new":
        return made
    status = replace(status_of(number, now.date(), days), incidents=tuple(incidents))
    yesterday = now.date() - timedelta(days=1)
    _add_run(made, number, status, yesterday, now, tasks=statuses(number, status, yesterday, now, newest=True))
    if scene == "running":
        _add_earlier_try(made, "validate")
    # Each earlier run leaves as much; only its own delivery is looked at.
    alike = statuses(number, status, yesterday, now, newest=False)
    by_day = {one.day: plain(asdict(one)) for one in status.deliveries}
    for back in range(2, days + 1):
        day = now.date() - timedelta(days=back)
        own = [by_day[day.isoformat()]] if day.isoformat() in by_day else []
        tasks = {
            task: (
                state,
                {**document, "day": day.isoformat(), **({"deliveries": own} if "rows" in document else {})},
                pool,
            )
            for task, (state, document, pool) in alike.items()
        }
        _add_run(made, number, status, day, now, tasks=tasks)
    return made


def _add_run(
    made: Rows, number: int, status: AdvertiserStatus, day: date, now: datetime, *,
    tasks: Mapping[str, tuple[str, Mapping[str, object], str]],
) -> None:  # fmt: skip
    dag_id, at = dag_id_of(number), datetime(day.year, day.month, day.day, 6, tzinfo=UTC) + timedelta(days=1)
    at = min(at, now - timedelta(minutes=50))
    states = {state for state, _, _ in tasks.values()}
    over = "failed" if "failed" in states else "success" if states == {"success"} else "running"
    key = number * 1000 + (now.date() - day).days
    run_id = f"scheduled__{day}T06:00:00+00:00"
    made.add(
        "dag_run", id=(100_000_000 - key), dag_id=dag_id, run_id=run_id, state=over, run_type="scheduled", run_after=at,
        start_date=at, end_date=None if over == "running" else at + timedelta(minutes=12), span_status="not_started",
        logical_date=at - timedelta(days=1), data_interval_start=at - timedelta(days=1), data_interval_end=at,
        queued_at=at,
    )  # fmt: skip
    history = history_document(status, day) if (now.date() - day).days < 3 else {"version": 1, "size": "x" * 5_000}
    for place, (name, (state, document, pool)) in enumerate(tasks.items()):
        task_id, _, mapped = name.rstrip("]").partition("[")
        index = int(mapped or -1)
        made.add(
            "task_instance", id=uuid.uuid4(), task_id=task_id, dag_id=dag_id, run_id=run_id, map_index=index,
            state=state, pool=pool, pool_slots=1, start_date=at, span_status="not_started", try_number=1, max_tries=3,
            queue="default", priority_weight=1, operator=task_id,
        )  # fmt: skip
        left = {"tiktok_offline_status": document} if document else {}
        if task_id == "summary":
            left["tiktok_offline_history"] = history
        for kind, value in left.items():
            made.add(
                "xcom", dag_run_id=100_000_000 - key, task_id=task_id, map_index=index, key=kind, dag_id=dag_id,
                run_id=run_id, value=value, timestamp=at + timedelta(minutes=9, milliseconds=place),
            )  # fmt: skip


def _add_earlier_try(made: Rows, task_id: str) -> None:
    """A try that failed before the task's last one: Airflow 3.4 keeps it with its XComs, beside the current one."""
    kept = {"working_set": None, "archived_reason": "retry"}
    error = {"type": "SourceUnreachableError", "what": "of an earlier try", "where": "", "todo": "", "retryable": True}
    for task in [one for one in made.tables["task_instance"] if one["task_id"] == task_id]:
        made.add("task_instance", **{**task, **kept, "id": uuid.uuid4(), "state": "failed", "try_number": 0})
    for xcom in [one for one in made.tables["xcom"] if one["task_id"] == task_id]:
        earlier = {**xcom["value"], "ok": False, "error": error}
        made.add("xcom", **{**xcom, **kept, "value": earlier, "timestamp": xcom["timestamp"] - timedelta(minutes=5)})


def seed(number: int, days: int, *, incidents: Sequence[str] = ()) -> None:
    """Put the rows of so many advertisers into the database that Airflow is set up for.

    :param incidents: what each report task has found to be open at TikTok.
    """
    now = datetime.now(UTC)
    for one in range(number):
        _insert(rows(one, now, days, incidents=incidents))


def _insert(made: Rows) -> None:
    from airflow.models.dag import DagModel, DagTag
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import insert, select

    tables: Mapping[str, Any] = {
        "dag": DagModel, "dag_tag": DagTag, "dag_run": DagRun, "task_instance": TaskInstance, "xcom": xcom_table()
    }  # fmt: skip
    _as_this_airflow_has_them(made.tables, TaskInstance)
    with create_session() as session:
        if session.scalars(select(DagBundleModel.name)).first() is None:
            session.add(DagBundleModel(name="dags-folder"))
            session.flush()
        for name, found in made.tables.items():
            columns = tables[name].__table__.c
            session.execute(
                insert(tables[name].__table__),
                [{key: value for key, value in row.items() if key in columns} for row in found],
            )


def xcom_table() -> Any:
    """The model of the table that XComs are written to."""
    from airflow.models import xcom

    return getattr(xcom, "XComModelV2", None) or xcom.XComModel


def _as_this_airflow_has_them(tables: dict[str, list[dict[str, Any]]], task_instance: Any) -> None:
    """The ids that this Airflow has: text before 3.2; an XCom belongs to a task instance from 3.4 on, not to a run.

    Before 3.4 a task has one row and the XComs of its last try.
    """
    if "working_set" not in task_instance.__table__.c:
        for name, found in tables.items():
            tables[name] = [row for row in found if not row.get("archived_reason")]
    ids: dict[tuple[Any, ...], Any] = {}
    for task in tables.get("task_instance", []):
        if task_instance.__table__.c.id.type.python_type is str:
            task["id"] = str(task["id"])
        # The first row of an insertion decides for all which columns are written.
        task |= {"region_index": task["map_index"], "working_set": task.get("working_set", True)}
        task.setdefault("archived_reason", None)
        ids[_try_of(task)] = task["id"]
    for xcom in tables.get("xcom", []):
        xcom["task_instance_id"] = ids[_try_of(xcom)]


def _try_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(row[name] for name in ("dag_id", "run_id", "task_id", "map_index")), row.get("archived_reason"))


def doctor_findings(number: int) -> dict[str, object]:
    """What doctor has found of an advertiser, as the page shows it."""
    return doctor_document(_doctor(number, datetime.now(UTC).date()))


if __name__ == "__main__":
    seed(int(sys.argv[1]), int(sys.argv[2]), incidents=sys.argv[3:])
