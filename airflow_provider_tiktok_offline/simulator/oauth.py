"""OAuth and advertisers: the grant, and the ad accounts that it reaches."""

from __future__ import annotations

import secrets

import msgspec

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.callers import Call, app_of
from airflow_provider_tiktok_offline.simulator.parameters import Parameters, flag, identifiers, names, text, wrong
from airflow_provider_tiktok_offline.simulator.store import Store

#: Seconds in which an auth_code must be exchanged; it works once.
AUTH_CODE_SECONDS = 3600


def make_auth_code(store: Store, app_id: str, scopes: list[int], now: float) -> str:
    """What the consent page hands out once the admin has confirmed."""
    code = secrets.token_hex(20)
    store.run("INSERT INTO auth_codes VALUES (?, ?, ?, ?, 0)", code, app_id, msgspec.json.encode(scopes), now)
    return code


def exchange(store: Store, values: Parameters, now: float) -> object:
    """``POST /oauth2/access_token/``"""
    app_id = app_of(store, values)
    code = text(values, "auth_code")
    known = store.row("SELECT * FROM auth_codes WHERE code = ?", code)
    if known is None or known["app_id"] != app_id or known["used"] or now - known["made_at"] > AUTH_CODE_SECONDS:
        raise Refusal(Code.AUTH_CODE_ERROR, "Auth_code is used, expired or incorrect.")
    store.run("UPDATE auth_codes SET used = 1 WHERE code = ?", code)
    token = secrets.token_hex(20)
    scopes = msgspec.json.decode(known["scopes"], type=list[int])
    reached = [row["advertiser_id"] for row in store.rows("SELECT advertiser_id FROM advertisers ORDER BY rowid")]
    for advertiser_id in reached:
        store.grant(token, advertiser_id, "ADMIN", app_id=app_id, scopes=scopes)
    answer: dict[str, object] = {"access_token": token, "scope": scopes}
    if flag(values, "return_advertiser_ids", True):
        answer["advertiser_ids"] = reached
    return answer


def revoke(store: Store, values: Parameters, _now: float) -> object:
    """``POST /oauth2/revoke_token/``"""
    app_of(store, values)
    if not store.set_revoked(text(values, "access_token"), True):
        raise Refusal(Code.INVALID_ACCESS_TOKEN, "Access token is incorrect or has been revoked.")
    return {}


def advertisers(call: Call) -> object:
    """``GET /oauth2/advertiser/get/``"""
    app_of(call.store, call.values)
    call.caller.must_manage()
    roles = call.caller.roles()
    return {
        "list": [
            {"advertiser_id": row["advertiser_id"], "advertiser_name": row["name"]}
            for row in call.store.rows("SELECT * FROM advertisers ORDER BY rowid")
            if row["advertiser_id"] in roles
        ]
    }


def advertiser_info(call: Call) -> object:
    """``GET /advertiser/info/``"""
    call.caller.must_manage()
    ids = identifiers(call.values, "advertiser_ids")
    if not ids:
        raise wrong("advertiser_ids", "Shorter than minimum length 1.")
    listed = []
    for advertiser_id in ids:
        call.caller.must_reach(advertiser_id)
        row = call.store.row("SELECT * FROM advertisers WHERE advertiser_id = ?", advertiser_id)
        if row is not None:
            details = {
                "advertiser_id": advertiser_id,
                "name": row["name"],
                "currency": row["currency"],
                "timezone": row["timezone"],
                "status": "STATUS_ENABLE",
                "role": "ROLE_ADVERTISER",
            }
            fields = names(call.values, "fields") if "fields" in call.values else list(details)
            if not details.keys() >= set(fields):
                raise wrong("fields", "Not a valid choice.")
            listed.append({name: details[name] for name in fields})
    return {"list": listed}
