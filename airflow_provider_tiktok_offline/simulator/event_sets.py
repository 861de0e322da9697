"""Offline event sets: create, get, update, delete."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.callers import Call, Caller, Scope
from airflow_provider_tiktok_offline.simulator.parameters import flag, identifier, identifiers, text
from airflow_provider_tiktok_offline.simulator.store import Store


def moment(seconds: float) -> str:
    """A time as TikTok writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _written(row: sqlite3.Row) -> dict[str, object]:
    return {
        "advertiser_id": row["advertiser_id"],
        "event_set_id": row["event_set_id"],
        "name": row["name"],
        "description": row["description"],
        "auto_tracking": bool(row["auto_tracking"]),
        "create_time": moment(row["create_time"]),
        "update_time": moment(row["update_time"]),
    }


def _event_set(store: Store, advertiser_id: str, event_set_id: str) -> sqlite3.Row:
    row = store.row(
        "SELECT * FROM event_sets WHERE event_set_id = ? AND advertiser_id = ?", event_set_id, advertiser_id
    )
    if row is None:
        raise Refusal(Code.NOT_EXIST, "The offline event set does not exist.")
    return row


def create(call: Call) -> object:
    """``POST /offline/create/``"""
    call.caller.must_manage(Scope.WRITE_EVENT_SETS)
    advertiser_id = identifier(call.values, "advertiser_id")
    name, description = text(call.values, "name"), text(call.values, "description")
    auto_tracking = flag(call.values, "auto_tracking", False)
    call.caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    event_set_id = str(7_100_000_000_000_000_000 + call.store.count("event_sets_made"))
    call.store.run(
        "INSERT INTO event_sets VALUES (?, ?, ?, ?, ?, ?, ?)",
        event_set_id, advertiser_id, name, description, int(auto_tracking), call.now, call.now,
    )  # fmt: skip
    return {"event_set_id": event_set_id}


def get(call: Call) -> object:
    """``GET /offline/get/``"""
    call.caller.must_manage(Scope.READ_EVENT_SETS)
    reached = list(call.caller.roles())
    if "advertiser_id" in call.values:
        advertiser_id = identifier(call.values, "advertiser_id")
        call.caller.must_reach(advertiser_id)
        reached = [advertiser_id]
    wanted = identifiers(call.values, "event_set_ids") if "event_set_ids" in call.values else None
    listed = [
        _written(row)
        for row in call.store.rows("SELECT * FROM event_sets ORDER BY rowid")
        if row["advertiser_id"] in reached
        and (wanted is None or row["event_set_id"] in wanted)
        and ("name" not in call.values or row["name"] == call.values["name"])
    ]
    return {"event_set_list": listed}


def update(call: Call) -> object:
    """``POST /offline/update/``"""
    call.caller.must_manage(Scope.WRITE_EVENT_SETS)
    advertiser_id, event_set_id = identifier(call.values, "advertiser_id"), identifier(call.values, "event_set_id")
    call.caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    row = _event_set(call.store, advertiser_id, event_set_id)
    name = text(call.values, "name") if "name" in call.values else row["name"]
    auto_tracking = flag(call.values, "auto_tracking", bool(row["auto_tracking"]))
    call.store.run(
        "UPDATE event_sets SET name = ?, auto_tracking = ?, update_time = ? WHERE event_set_id = ?",
        name, int(auto_tracking), call.now, event_set_id,
    )  # fmt: skip
    return _written(_event_set(call.store, advertiser_id, event_set_id))


def delete(call: Call) -> object:
    """``POST /offline/delete/``"""
    call.caller.must_manage(Scope.WRITE_EVENT_SETS)
    advertiser_id, event_set_id = identifier(call.values, "advertiser_id"), identifier(call.values, "event_set_id")
    call.caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    _event_set(call.store, advertiser_id, event_set_id)
    call.store.run("DELETE FROM event_sets WHERE event_set_id = ?", event_set_id)
    return {}


def must_send(store: Store, caller: Caller, event_set_id: str) -> None:
    """Check that a caller may send to an event set.

    :raises Refusal: if there is no such set, or the caller's scope or role does not allow it.
    """
    row = store.row("SELECT advertiser_id FROM event_sets WHERE event_set_id = ?", event_set_id)
    if row is None:
        raise Refusal(Code.PARAM_ERROR, "Invalid value for event_source_id")
    caller.must_have(Scope.SEND_EVENTS)
    caller.must_write(row["advertiser_id"], f"offline event set {event_set_id}")
