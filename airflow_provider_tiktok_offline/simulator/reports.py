"""``GET /report/integrated/get/``: what was attributed, computed from the events held.

Every advertiser has one campaign with one ad group and two ads; an event is attributed to one of the ads by its id.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_tiktok_offline.simulator.accounts import Caller
from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal
from airflow_provider_tiktok_offline.simulator.store import Store

ADS = 2
#: Event name -> the X of its offline metrics.
KINDS = {
    "Purchase": "shopping",
    "CompletePayment": "shopping",
    "Contact": "contact",
    "Subscribe": "subscribe",
    "Lead": "form",
    "SubmitForm": "form",
    "AddPaymentInfo": "add_payment_info",
    "AddToCart": "add_to_cart",
    "AddToWishlist": "add_to_wishlist",
    "ClickButton": "click_button",
    "CompleteRegistration": "complete_registration",
    "Download": "download",
    "InitiateCheckout": "initiate_checkout",
    "PlaceAnOrder": "place_order",
    "Search": "search",
    "ViewContent": "view_content",
}
_SPEND, _IMPRESSIONS, _CLICKS = 25.0, 4000, 120  # of each ad on each day
_LEVELS = {
    "AUCTION_ADVERTISER": "advertiser_id",
    "AUCTION_CAMPAIGN": "campaign_id",
    "AUCTION_ADGROUP": "adgroup_id",
    "AUCTION_AD": "ad_id",
}


@dataclass
class _Tally:
    """What one line of the report adds up."""

    spend: float = 0.0
    impressions: int = 0
    clicks: int = 0

    def __post_init__(self) -> None:
        self.events: dict[str, int] = defaultdict(int)
        self.value: dict[str, float] = defaultdict(float)


def _share(part: float, whole: float, digits: int = 2) -> str:
    return f"{part / whole if whole else 0:.{digits}f}"


def _metrics(tally: _Tally, advertiser_id: str) -> dict[str, str]:
    values = {
        "spend": f"{tally.spend:.2f}",
        "impressions": str(tally.impressions),
        "clicks": str(tally.clicks),
        "campaign_name": f"Campaign of {advertiser_id}",
    }
    for kind in sorted(set(KINDS.values())):
        events, value = tally.events[kind], tally.value[kind]
        values |= {
            f"offline_{kind}_events": str(events),
            f"cost_per_offline_{kind}_event": _share(tally.spend, events),
            f"offline_{kind}_event_rate": _share(100 * events, tally.clicks),
            f"value_per_offline_{kind}_event": _share(value, events),
            f"offline_{kind}_events_value": f"{value:.2f}",
        }
    values["offline_shopping_events_roas"] = _share(tally.value["shopping"], tally.spend)
    return values


def _names(values: Mapping[str, str], name: str) -> list[str]:
    try:
        return msgspec.json.decode(values[name], type=list[str])
    except (KeyError, msgspec.MsgspecError):
        raise Refusal(Code.PARAM_ERROR, f"{name}: Not a valid list of strings.") from None


def _day(values: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(values[name])
    except (KeyError, ValueError):
        raise Refusal(Code.PARAM_ERROR, f"{name}: Not a valid date, as YYYY-MM-DD.") from None


def _number(values: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = values.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= largest:
        raise Refusal(Code.PARAM_ERROR, f"{name}: Must be between 1 and {largest}.")
    return int(text)


def _tallies(
    store: Store, advertiser_id: str, dimensions: list[str], start: date, end: date
) -> dict[tuple[str, ...], _Tally]:
    tallies: dict[tuple[str, ...], _Tally] = defaultdict(_Tally)

    def line(day: date, ad: int) -> _Tally:
        ids = {
            "advertiser_id": advertiser_id,
            "campaign_id": f"{advertiser_id}1",
            "adgroup_id": f"{advertiser_id}11",
            "ad_id": f"{advertiser_id}11{ad + 1}",
            "stat_time_day": f"{day} 00:00:00",
        }
        return tallies[tuple(ids[name] for name in dimensions)]

    days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    for day in days:
        for ad in range(ADS):
            tally = line(day, ad)
            tally.spend += _SPEND
            tally.impressions += _IMPRESSIONS
            tally.clicks += _CLICKS
    events = store.rows(
        "SELECT held.seq, event, event_id, event_time, value FROM held JOIN event_sets USING (event_set_id)"
        " WHERE advertiser_id = ? AND event_time >= ? AND event_time < ?",
        advertiser_id,
        datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp(),
        (datetime(end.year, end.month, end.day, tzinfo=UTC) + timedelta(days=1)).timestamp(),
    )
    for row in events:
        kind = KINDS.get(row["event"])
        if kind is not None:
            day = datetime.fromtimestamp(row["event_time"], UTC).date()
            tally = line(day, zlib.crc32((row["event_id"] or str(row["seq"])).encode()) % ADS)
            tally.events[kind] += 1
            tally.value[kind] += row["value"] or 0.0
    return tallies


def integrated(store: Store, caller: Caller, values: Mapping[str, str]) -> dict[str, Any]:
    """One page of a basic report."""
    caller.must_manage()
    advertiser_id = values.get("advertiser_id", "")
    if not advertiser_id:
        raise Refusal(Code.PARAM_ERROR, "advertiser_id: Missing data for required field.")
    caller.must_reach(advertiser_id)
    if values.get("report_type") != "BASIC":
        raise Refusal(Code.PARAM_ERROR, "report_type: this simulator has BASIC reports only.")
    if values.get("data_level") not in _LEVELS:
        raise Refusal(Code.PARAM_ERROR, "data_level: Not a valid choice.")
    dimensions, wanted = _names(values, "dimensions"), _names(values, "metrics")
    if not dimensions or not set(dimensions) <= {*_LEVELS.values(), "stat_time_day"}:
        raise Refusal(Code.PARAM_ERROR, "dimensions: Not a valid choice.")
    if not set(wanted) <= _metrics(_Tally(), advertiser_id).keys():
        raise Refusal(Code.PARAM_ERROR, "metrics: Not a valid choice.")
    start, end = _day(values, "start_date"), _day(values, "end_date")
    if not 0 <= (end - start).days < 366:
        raise Refusal(Code.PARAM_ERROR, "end_date: Must not be before start_date, nor a year after.")
    page, page_size = _number(values, "page", 1, 10**6), _number(values, "page_size", 10, 1000)
    lines = sorted(_tallies(store, advertiser_id, dimensions, start, end).items())
    shown = []
    for key, tally in lines[(page - 1) * page_size : page * page_size]:
        metrics = _metrics(tally, advertiser_id)
        shown.append(
            {
                "dimensions": dict(zip(dimensions, key, strict=True)),
                "metrics": {name: metrics[name] for name in wanted},
            }
        )
    return {
        "list": shown,
        "page_info": {
            "page": page,
            "page_size": page_size,
            "total_number": len(lines),
            "total_page": -(-len(lines) // page_size),
        },
    }
