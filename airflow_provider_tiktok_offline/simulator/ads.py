"""Ads, and the offline event sets that they track: ``GET /ad/get/`` and ``GET /smart_plus/ad/get/``."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from airflow_provider_tiktok_offline.simulator.callers import Call
from airflow_provider_tiktok_offline.simulator.event_sets import moment
from airflow_provider_tiktok_offline.simulator.parameters import from_json, identifier, names, whole_number, wrong
from airflow_provider_tiktok_offline.simulator.store import Store

Status = Literal["ENABLE", "DISABLE", "DELETE"]

#: ``primary_status`` of a filter -> the statuses that it lets through.
_FILTERS: Mapping[str, tuple[Status, ...]] = {
    "STATUS_ALL": ("ENABLE", "DISABLE", "DELETE"),
    "STATUS_NOT_DELETE": ("ENABLE", "DISABLE"),
    "STATUS_DELIVERY_OK": ("ENABLE",),
    "STATUS_DISABLE": ("DISABLE",),
    "STATUS_DELETE": ("DELETE",),
}
_SECONDARY: Mapping[str, str] = {
    "ENABLE": "AD_STATUS_DELIVERY_OK",
    "DISABLE": "AD_STATUS_DISABLE",
    "DELETE": "AD_STATUS_DELETE",
}


class NewAds(Struct, kw_only=True, forbid_unknown_fields=True):
    """Ads that a test makes.

    Attributes:
        advertiser_id: whose ads.
        number: how many.
        event_set_ids: what they track; None for every auto-tracking event set of the advertiser, as TikTok does.
        status: ``ENABLE`` (active), ``DISABLE`` or ``DELETE``.
        smart_plus: whether they belong to a Smart+ campaign.
    """

    advertiser_id: str
    number: int = 1
    event_set_ids: list[str] | None = None
    status: Status = "ENABLE"
    smart_plus: bool = False


class _Filtering(Struct):
    primary_status: str = "STATUS_NOT_DELETE"


def campaign_id_of(advertiser_id: str) -> str:
    """The one campaign of an advertiser."""
    return str(int(advertiser_id) + 1_000_000)


def adgroup_id_of(advertiser_id: str) -> str:
    """The one ad group of an advertiser."""
    return str(int(advertiser_id) + 2_000_000)


def make_ads(store: Store, new: NewAds, now: float) -> None:
    """Make ads. An event set whose auto-tracking is switched on later reaches none of them."""
    tracked = new.event_set_ids
    if tracked is None:
        rows = store.rows(
            "SELECT event_set_id FROM event_sets WHERE advertiser_id = ? AND auto_tracking ORDER BY rowid",
            new.advertiser_id,
        )
        tracked = [row["event_set_id"] for row in rows]
    for _ in range(new.number):
        store.add_ad(new.advertiser_id, tracked, status=new.status, smart_plus=new.smart_plus, now=now)


def get(call: Call) -> object:
    """``GET /ad/get/``"""
    return _listed(call, smart_plus=False)


def smart_plus_get(call: Call) -> object:
    """``GET /smart_plus/ad/get/``"""
    return _listed(call, smart_plus=True)


def _listed(call: Call, *, smart_plus: bool) -> object:
    call.caller.must_manage()
    advertiser_id = identifier(call.values, "advertiser_id")
    call.caller.must_reach(advertiser_id)
    filtering = from_json(call.values, "filtering", _Filtering) if "filtering" in call.values else _Filtering()
    if filtering.primary_status not in _FILTERS:
        raise wrong("filtering.primary_status", "Not a valid choice.")
    page = whole_number(call.values, "page", 1, 10**6)
    page_size = whole_number(call.values, "page_size", 10, 100 if smart_plus else 1000)
    fields = names(call.values, "fields") if "fields" in call.values else None
    rows = [
        row
        for row in call.store.rows(
            "SELECT * FROM ads WHERE advertiser_id = ? AND smart_plus = ? ORDER BY rowid", advertiser_id, smart_plus
        )
        if row["status"] in _FILTERS[filtering.primary_status]
    ]
    shown = [_written(row) for row in rows[(page - 1) * page_size : page * page_size]]
    return {
        "list": [{name: ad[name] for name in ad if fields is None or name in fields} for ad in shown],
        "page_info": {
            "page": page,
            "page_size": page_size,
            "total_number": len(rows),
            "total_page": -(-len(rows) // page_size),
        },
    }


def _written(row: sqlite3.Row) -> dict[str, object]:
    tracked = msgspec.json.decode(row["event_set_ids"], type=list[str])
    ad: dict[str, object] = {
        "advertiser_id": row["advertiser_id"],
        "campaign_id": campaign_id_of(row["advertiser_id"]),
        "adgroup_id": adgroup_id_of(row["advertiser_id"]),
        "ad_name": f"Ad {row['ad_id']}",
        "operation_status": row["status"],
        "secondary_status": _SECONDARY[row["status"]],
        "create_time": moment(row["create_time"]),
    }
    if row["smart_plus"]:
        tracking = {"tracking_info": {"tracking_offline_event_set_ids": tracked}}
        return {**ad, "smart_plus_ad_id": row["ad_id"], "ad_configuration": tracking}
    return {**ad, "ad_id": row["ad_id"], "tracking_offline_event_set_ids": tracked}
