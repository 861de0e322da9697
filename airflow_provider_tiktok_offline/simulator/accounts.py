"""OAuth, advertisers and offline event sets, as the gateway answers them."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.store import Store

#: Seconds in which an auth_code must be exchanged; it works once.
AUTH_CODE_SECONDS = 3600
SCOPES = [4, 21, 200]
_WRITERS = ("ADMIN", "OPERATOR")


class Caller:
    """Who calls, by the ``Access-Token`` header.

    :raises Refusal: if the header is missing, or its token unknown or revoked.
    """

    def __init__(self, store: Store, token: str | None) -> None:
        if not token:
            raise Refusal(Code.EMPTY_ACCESS_TOKEN, "Access token is empty.")
        known = store.row("SELECT scope, revoked FROM tokens WHERE token = ?", token)
        if known is None or known["revoked"]:
            raise Refusal(Code.INVALID_ACCESS_TOKEN, "Access token is incorrect or has been revoked.")
        self._store = store
        self._token = token
        self._scope: str = known["scope"]

    def must_manage(self) -> None:
        """Refuse a token that may only send events."""
        if self._scope != "all":
            raise Refusal(Code.PERMISSION_ERROR, "No permission to operate this endpoint.")

    def roles(self) -> dict[str, str]:
        """The role on each advertiser that the token reaches."""
        rows = self._store.rows("SELECT advertiser_id, role FROM grants WHERE token = ? ORDER BY rowid", self._token)
        return {row["advertiser_id"]: row["role"] for row in rows}

    def must_reach(self, advertiser_id: str) -> None:
        if advertiser_id not in self.roles():
            raise Refusal(Code.PERMISSION_ERROR, f"No permission to operate advertiser {advertiser_id}.")

    def must_write(self, advertiser_id: str, what: str) -> None:
        if self.roles().get(advertiser_id) not in _WRITERS:
            raise Refusal(
                Code.PERMISSION_ERROR,
                f"No permission to operate {what}. You must be admin or operator of this advertiser account.",
            )


def _text(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        raise Refusal(Code.PARAM_ERROR, f"{name}: Missing data for required field.")
    value = values[name]
    if not isinstance(value, str) or not value:
        raise Refusal(Code.PARAM_ERROR, f"{name}: Not a valid string.")
    return value


def _flag(values: Mapping[str, Any], name: str, default: bool) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        raise Refusal(Code.PARAM_ERROR, f"{name}: Not a valid boolean.")
    return value


def _ids(values: Mapping[str, Any], name: str) -> list[str]:
    try:
        found = msgspec.json.decode(values[name], type=list[str])
    except msgspec.MsgspecError:
        raise Refusal(Code.PARAM_ERROR, f"{name}: Not a valid list of strings.") from None
    return found


def _must_know_app(store: Store, values: Mapping[str, Any]) -> str:
    app_id, secret = _text(values, "app_id"), _text(values, "secret")
    known = store.row("SELECT secret FROM apps WHERE app_id = ?", app_id)
    if known is None or known["secret"] != secret:
        raise Refusal(Code.INVALID_PARTNER, "App ID or secret is incorrect.")
    return app_id


# --- OAuth ---


def make_auth_code(store: Store, app_id: str, now: float) -> str:
    """What the consent page hands out, once confirmed."""
    code = secrets.token_hex(20)
    store.run("INSERT INTO auth_codes VALUES (?, ?, ?, 0)", code, app_id, now)
    return code


def exchange(store: Store, values: Mapping[str, Any], now: float) -> dict[str, Any]:
    """``POST /oauth2/access_token/``"""
    app_id = _must_know_app(store, values)
    code = _text(values, "auth_code")
    known = store.row("SELECT * FROM auth_codes WHERE code = ?", code)
    if known is None or known["app_id"] != app_id or known["used"] or now - known["made_at"] > AUTH_CODE_SECONDS:
        raise Refusal(Code.AUTH_CODE_ERROR, "Auth_code is used, expired or incorrect.")
    store.run("UPDATE auth_codes SET used = 1 WHERE code = ?", code)
    token = secrets.token_hex(20)
    reached = [row["advertiser_id"] for row in store.rows("SELECT advertiser_id FROM advertisers ORDER BY rowid")]
    for advertiser_id in reached:
        store.grant(token, advertiser_id, "ADMIN")
    answer: dict[str, Any] = {"access_token": token, "scope": SCOPES}
    if _flag(values, "return_advertiser_ids", True):
        answer["advertiser_ids"] = reached
    return answer


def revoke(store: Store, values: Mapping[str, Any]) -> dict[str, Any]:
    """``POST /oauth2/revoke_token/``"""
    _must_know_app(store, values)
    if not store.set_revoked(_text(values, "access_token"), True):
        raise Refusal(Code.INVALID_ACCESS_TOKEN, "Access token is incorrect or has been revoked.")
    return {}


def advertisers(store: Store, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    """``GET /oauth2/advertiser/get/``"""
    _must_know_app(store, values)
    caller.must_manage()
    return {
        "list": [
            {"advertiser_id": row["advertiser_id"], "advertiser_name": row["name"]}
            for row in store.rows("SELECT * FROM advertisers ORDER BY rowid")
            if row["advertiser_id"] in caller.roles()
        ]
    }


def advertiser_info(store: Store, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    """``GET /advertiser/info/``"""
    caller.must_manage()
    _text(values, "advertiser_ids")
    found = []
    for advertiser_id in _ids(values, "advertiser_ids"):
        caller.must_reach(advertiser_id)
        row = store.row("SELECT * FROM advertisers WHERE advertiser_id = ?", advertiser_id)
        if row is not None:
            found.append(
                {
                    "advertiser_id": advertiser_id,
                    "name": row["name"],
                    "currency": row["currency"],
                    "timezone": row["timezone"],
                    "status": "STATUS_ENABLE",
                    "role": "ROLE_ADVERTISER",
                }
            )
    return {"list": found}


# --- offline event sets ---


def _written(row: sqlite3.Row) -> dict[str, Any]:
    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")

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


def create_event_set(store: Store, caller: Caller, values: Mapping[str, Any], now: float) -> dict[str, Any]:
    """``POST /offline/create/``"""
    caller.must_manage()
    advertiser_id = _text(values, "advertiser_id")
    name, description = _text(values, "name"), _text(values, "description")
    auto_tracking = _flag(values, "auto_tracking", False)
    caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    event_set_id = str(7_100_000_000_000_000_000 + store.count("event_sets_made"))
    store.run(
        "INSERT INTO event_sets VALUES (?, ?, ?, ?, ?, ?, ?)",
        event_set_id, advertiser_id, name, description, int(auto_tracking), now, now,
    )  # fmt: skip
    return {"event_set_id": event_set_id}


def get_event_sets(store: Store, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    """``GET /offline/get/``"""
    caller.must_manage()
    reached = list(caller.roles())
    if "advertiser_id" in values:
        caller.must_reach(_text(values, "advertiser_id"))
        reached = [values["advertiser_id"]]
    wanted = _ids(values, "event_set_ids") if "event_set_ids" in values else None
    found = [
        _written(row)
        for row in store.rows("SELECT * FROM event_sets ORDER BY rowid")
        if row["advertiser_id"] in reached
        and (wanted is None or row["event_set_id"] in wanted)
        and ("name" not in values or row["name"] == values["name"])
    ]
    return {"event_set_list": found}


def update_event_set(store: Store, caller: Caller, values: Mapping[str, Any], now: float) -> dict[str, Any]:
    """``POST /offline/update/``"""
    caller.must_manage()
    advertiser_id, event_set_id = _text(values, "advertiser_id"), _text(values, "event_set_id")
    caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    row = _event_set(store, advertiser_id, event_set_id)
    name = _text(values, "name") if "name" in values else row["name"]
    auto_tracking = _flag(values, "auto_tracking", bool(row["auto_tracking"]))
    store.run(
        "UPDATE event_sets SET name = ?, auto_tracking = ?, update_time = ? WHERE event_set_id = ?",
        name, int(auto_tracking), now, event_set_id,
    )  # fmt: skip
    return _written(_event_set(store, advertiser_id, event_set_id))


def delete_event_set(store: Store, caller: Caller, values: Mapping[str, Any]) -> dict[str, Any]:
    """``POST /offline/delete/``"""
    caller.must_manage()
    advertiser_id, event_set_id = _text(values, "advertiser_id"), _text(values, "event_set_id")
    caller.must_write(advertiser_id, f"advertiser {advertiser_id}")
    _event_set(store, advertiser_id, event_set_id)
    store.run("DELETE FROM event_sets WHERE event_set_id = ?", event_set_id)
    return {}


def must_send(store: Store, caller: Caller, event_set_id: str) -> None:
    """Whether a caller may send to an event set.

    :raises Refusal: if there is no such set, or the caller has no role that may.
    """
    row = store.row("SELECT advertiser_id FROM event_sets WHERE event_set_id = ?", event_set_id)
    if row is None:
        raise Refusal(Code.PARAM_ERROR, "Invalid value for event_source_id")
    caller.must_write(row["advertiser_id"], f"offline event set {event_set_id}")
