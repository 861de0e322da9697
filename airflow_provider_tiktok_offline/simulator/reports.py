"""``GET /report/integrated/get/``: what was attributed, computed from the accepted events.

An event is attributed to one of the ads that track its event set, chosen by the event's id; if no ad tracks the set,
the event is not attributed. Some events are attributed one to three days late. Days are those of the ad account's time
zone.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from airflow_provider_tiktok_offline.simulator.ads import adgroup_id_of, campaign_id_of
from airflow_provider_tiktok_offline.simulator.callers import Call, Scope
from airflow_provider_tiktok_offline.simulator.lateness import days_late
from airflow_provider_tiktok_offline.simulator.parameters import (
    Parameters,
    choice,
    day,
    flag,
    from_json,
    identifier,
    names,
    whole_number,
    wrong,
)
from airflow_provider_tiktok_offline.simulator.store import Store

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
    "CustomizeProduct": "customize_product",
    "Download": "download",
    "FindLocation": "find_location",
    "InitiateCheckout": "initiate_checkout",
    "PlaceAnOrder": "place_order",
    "Schedule": "schedule",
    "Search": "search",
    "ViewContent": "view_content",
}
#: Metrics that begin with ``offline_total_``.
_TOTALS = ("schedule", "find_location", "customize_product")
_SPEND, _IMPRESSIONS, _CLICKS = 25.0, 4000, 120  # of each ad on each day
_DEFAULT_METRICS = ["spend", "impressions"]
#: Levels from the widest to the narrowest -> the dimension and the word for its object.
_LEVELS = {
    "AUCTION_ADVERTISER": ("advertiser_id", "advertiser"),
    "AUCTION_CAMPAIGN": ("campaign_id", "campaign"),
    "AUCTION_ADGROUP": ("adgroup_id", "adgroup"),
    "AUCTION_AD": ("ad_id", "ad"),
}
_DAY = "stat_time_day"
_LONGEST_BY_DAY, _LONGEST = 30, 365
_STATUSES = {
    "STATUS_ALL": ("ENABLE", "DISABLE", "DELETE"),
    "STATUS_NOT_DELETE": ("ENABLE", "DISABLE"),
    "STATUS_DELETE": ("DELETE",),
}


class _Filter(Struct):
    field_name: str
    filter_type: str
    filter_value: str


@dataclass(frozen=True, slots=True)
class _Ad:
    """An ad with the ids that it has at each level."""

    ids: Mapping[str, str]
    status: str
    event_set_ids: Sequence[str]


@dataclass(slots=True)
class _Tally:
    """What one line of the report adds up."""

    spend: float = 0.0
    impressions: int = 0
    clicks: int = 0
    events: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    value: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: _Tally) -> None:
        self.spend += other.spend
        self.impressions += other.impressions
        self.clicks += other.clicks
        for kind, events in other.events.items():
            self.events[kind] += events
            self.value[kind] += other.value[kind]


@dataclass(frozen=True, slots=True)
class _Query:
    """A checked query."""

    advertiser_id: str
    data_level: str
    dimensions: list[str]
    metrics: list[str]
    start: date
    end: date
    filters: list[_Filter]
    now: float


def integrated(call: Call) -> object:
    """One page of a basic report."""
    call.caller.must_manage(Scope.REPORT)
    query = _checked(call)
    page = whole_number(call.values, "page", 1, 10**6)
    page_size = whole_number(call.values, "page_size", 10, 1000)
    tallies = _tallies(call.store, query)
    lines = [(key, _metrics(tally, query)) for key, tally in sorted(tallies.items())]
    order_field = call.values.get("order_field")
    ascending = choice(call.values, "order_type", ("ASC", "DESC"), "DESC") == "ASC"
    if order_field is not None:
        if not isinstance(order_field, str) or order_field not in _metrics(_Tally(), query):
            raise wrong("order_field", "Not a valid choice.")
        lines.sort(key=lambda line: float(line[1][order_field]), reverse=not ascending)
    answer: dict[str, object] = {
        "list": [
            {
                "dimensions": dict(zip(query.dimensions, key, strict=True)),
                "metrics": {name: metrics[name] for name in query.metrics},
            }
            for key, metrics in lines[(page - 1) * page_size : page * page_size]
        ],
        "page_info": {
            "page": page,
            "page_size": page_size,
            "total_number": len(lines),
            "total_page": -(-len(lines) // page_size),
        },
    }
    if flag(call.values, "enable_total_metrics", False):
        total = _Tally()
        for tally in tallies.values():
            total.add(tally)
        answer["total_metrics"] = {name: _metrics(total, query)[name] for name in query.metrics}
    return answer


def _checked(call: Call) -> _Query:
    values = call.values
    advertiser_id = identifier(values, "advertiser_id")
    call.caller.must_reach(advertiser_id)
    if choice(values, "report_type", ("BASIC", "AUDIENCE", "PLAYABLE_MATERIAL", "CATALOG", "BC")) != "BASIC":
        raise wrong("report_type", "This simulator has BASIC reports only.")
    choice(values, "service_type", ("AUCTION", "RESERVATION"), "AUCTION")
    choice(values, "query_mode", ("REGULAR", "CHUNK"), "REGULAR")
    data_level = choice(values, "data_level", _LEVELS)
    own, _ = _LEVELS[data_level]
    dimensions = names(values, "dimensions")
    if not dimensions or not set(dimensions) <= {own, _DAY} or len(set(dimensions)) != len(dimensions):
        raise wrong("dimensions", f"Not a valid choice for the level {data_level}.")
    start, end = _days(values, by_day=_DAY in dimensions)
    filters = from_json(values, "filtering", list[_Filter]) if "filtering" in values else []
    metrics = names(values, "metrics") if "metrics" in values else _DEFAULT_METRICS
    query = _Query(advertiser_id, data_level, dimensions, metrics, start, end, filters, call.now)
    if not set(metrics) <= _metrics(_Tally(), query).keys():
        raise wrong("metrics", "Not a valid choice.")
    return query


def _days(values: Parameters, *, by_day: bool) -> tuple[date, date]:
    start, end = day(values, "start_date"), day(values, "end_date")
    longest = _LONGEST_BY_DAY if by_day else _LONGEST
    if end < start:
        raise wrong("end_date", "Must not be before start_date.")
    if (end - start).days + 1 > longest:
        raise wrong("end_date", f"The query supports {longest} days at most.")
    return start, end


def _ads(store: Store, query: _Query) -> list[_Ad]:
    """The advertiser's ads that the filters let through."""
    advertiser_id = query.advertiser_id
    ids = {
        "advertiser_id": advertiser_id,
        "campaign_id": campaign_id_of(advertiser_id),
        "adgroup_id": adgroup_id_of(advertiser_id),
    }
    ads = [
        _Ad({**ids, "ad_id": row["ad_id"]}, row["status"], msgspec.json.decode(row["event_set_ids"], type=list[str]))
        for row in store.rows("SELECT * FROM ads WHERE advertiser_id = ? ORDER BY rowid", advertiser_id)
    ]
    own, word = _LEVELS[query.data_level]
    statuses = ("ENABLE", "DISABLE", "DELETE") if word == "advertiser" else _STATUSES["STATUS_NOT_DELETE"]
    for one in query.filters:
        dimension = one.field_name.removesuffix("s")
        if one.filter_type != "IN":
            raise wrong("filtering", "This simulator knows the filter type IN only.")
        try:
            wanted = msgspec.json.decode(one.filter_value, type=list[str])
        except msgspec.MsgspecError:
            raise wrong("filtering.filter_value", "Not a valid list of strings.") from None
        if one.field_name == f"{word}_status" and len(wanted) == 1 and wanted[0] in _STATUSES:
            statuses = _STATUSES[wanted[0]]
        elif one.field_name.endswith("_ids") and dimension in ("campaign_id", "adgroup_id", "ad_id"):
            ads = [ad for ad in ads if ad.ids[dimension] in wanted]
        else:
            raise wrong("filtering", f"Not a valid filter for the level {query.data_level}.")
    # A campaign or ad group is deleted when all of its ads are.
    kept = {ad.ids[own] for ad in ads if ad.status in statuses}
    return [ad for ad in ads if ad.ids[own] in kept]


def _tallies(store: Store, query: _Query) -> dict[tuple[str, ...], _Tally]:
    tallies: dict[tuple[str, ...], _Tally] = defaultdict(_Tally)
    ads = _ads(store, query)

    def line(at: date, ad: _Ad) -> _Tally:
        return tallies[tuple({**ad.ids, _DAY: f"{at} 00:00:00"}[name] for name in query.dimensions)]

    for number in range((query.end - query.start).days + 1):
        for ad in ads:
            line(query.start + timedelta(days=number), ad).add(_Tally(_SPEND, _IMPRESSIONS, _CLICKS))
    shown = {ad.ids["ad_id"] for ad in ads}
    for at, kind, value, ad in _attributed(store, query):
        if ad.ids["ad_id"] in shown:
            tally = line(at, ad)
            tally.events[kind] += 1
            tally.value[kind] += value
    return tallies


def _attributed(store: Store, query: _Query) -> Iterator[tuple[date, str, float, _Ad]]:
    """The events of the days, each with the ad that it is attributed to."""
    everything = _Query(query.advertiser_id, "AUCTION_ADVERTISER", [], [], query.start, query.end, [], query.now)
    ads = _ads(store, everything)
    account = store.row("SELECT timezone FROM advertisers WHERE advertiser_id = ?", query.advertiser_id)
    zone = ZoneInfo("UTC" if account is None else account["timezone"])

    def midnight(at: date) -> float:
        return datetime(at.year, at.month, at.day, tzinfo=zone).timestamp()

    rows = store.rows(
        "SELECT held.seq, event_set_id, event, event_id, event_time, value FROM held JOIN event_sets"
        " USING (event_set_id) WHERE advertiser_id = ? AND event_time >= ? AND event_time < ?",
        query.advertiser_id,
        midnight(query.start),
        midnight(query.end + timedelta(days=1)),
    )
    tracking_ads: dict[str, list[_Ad]] = defaultdict(list)
    for ad in ads:
        for event_set_id in ad.event_set_ids:
            tracking_ads[event_set_id].append(ad)
    for row in rows:
        kind, tracking = KINDS.get(row["event"]), tracking_ads.get(row["event_set_id"])
        event_id = row["event_id"] or str(row["seq"])
        at = datetime.fromtimestamp(row["event_time"], zone).date()
        late = days_late(store, event_id)
        if kind is None or not tracking or (late and query.now < midnight(at + timedelta(days=late))):
            continue
        yield at, kind, row["value"] or 0.0, tracking[zlib.crc32(event_id.encode()) % len(tracking)]


def _share(part: float, whole: float, digits: int = 2) -> str:
    return f"{part / whole if whole else 0:.{digits}f}"


def _metrics(tally: _Tally, query: _Query) -> dict[str, str]:
    values = {"spend": f"{tally.spend:.2f}", "impressions": str(tally.impressions), "clicks": str(tally.clicks)}
    for kind in sorted(set(KINDS.values())):
        events, value = tally.events[kind], tally.value[kind]
        if kind in _TOTALS:
            values[f"offline_total_{kind}"] = str(events)
            continue
        values |= {
            f"offline_{kind}_events": str(events),
            f"cost_per_offline_{kind}_event": _share(tally.spend, events),
            f"offline_{kind}_event_rate": _share(100 * events, tally.clicks),
            f"value_per_offline_{kind}_event": _share(value, events),
            f"offline_{kind}_events_value": f"{value:.2f}",
        }
    values["offline_shopping_events_roas"] = _share(tally.value["shopping"], tally.spend)
    # Names of the level's own object and of the wider ones.
    if query.data_level != "AUCTION_ADVERTISER":
        values["campaign_name"] = f"Campaign of {query.advertiser_id}"
    if query.data_level in ("AUCTION_ADGROUP", "AUCTION_AD"):
        values["adgroup_name"] = f"Ad group of {query.advertiser_id}"
    return values
