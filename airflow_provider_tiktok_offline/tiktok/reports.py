"""What TikTok attributed: the integrated report with its offline metrics (reference, section 12).

Results appear within 24 hours of an upload and still move inside the attribution window.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

from airflow_provider_tiktok_offline.errors import CallerError
from airflow_provider_tiktok_offline.tiktok.client import Answer, TikTokClient
from airflow_provider_tiktok_offline.tiktok.retries import with_retries

Level = Literal["advertiser", "campaign", "adgroup", "ad"]

_PAGE_SIZE = 1000
#: Most pages that are asked for: beyond it the server does not count its pages right.
_LAST_PAGE = 10_000

_LEVELS: Mapping[Level, tuple[str, str]] = MappingProxyType(
    {
        "advertiser": ("AUCTION_ADVERTISER", "advertiser_id"),
        "campaign": ("AUCTION_CAMPAIGN", "campaign_id"),
        "adgroup": ("AUCTION_ADGROUP", "adgroup_id"),
        "ad": ("AUCTION_AD", "ad_id"),
    }
)

#: Standard event -> how TikTok names it in offline metrics.
OFFLINE_METRIC_NAMES: Mapping[str, str] = MappingProxyType(
    {
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
)

#: Metrics of a report that names none.
DEFAULT_METRICS: tuple[str, ...] = (
    "spend",
    "impressions",
    "clicks",
    "offline_shopping_events",
    "cost_per_offline_shopping_event",
    "offline_shopping_event_rate",
    "value_per_offline_shopping_event",
    "offline_shopping_events_value",
    "offline_shopping_events_roas",
)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line of a report.

    Attributes:
        dimensions: what it is about, as ``{"campaign_id": …, "stat_time_day": …}``.
        metrics: the values as TikTok writes them, text.
    """

    dimensions: Mapping[str, str]
    metrics: Mapping[str, str]


def offline_metrics(event: str) -> tuple[str, ...]:
    """The offline metrics of a standard event.

    :raises KeyError: if TikTok has none for it.
    """
    name = OFFLINE_METRIC_NAMES[event]
    found = (
        f"offline_{name}_events",
        f"cost_per_offline_{name}_event",
        f"offline_{name}_event_rate",
        f"value_per_offline_{name}_event",
        f"offline_{name}_events_value",
    )
    return (*found, "offline_shopping_events_roas") if name == "shopping" else found


def offline_report(
    client: TikTokClient,
    advertiser_id: str,
    start: date,
    end: date,
    *,
    level: Level = "campaign",
    by_day: bool = False,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> Iterator[ReportRow]:
    """The lines of a basic report, page by page.

    :param start, end: first and last day, in the ad account's time zone.
    :param level: what a line is about.
    :param by_day: one line a day instead of one for the whole time.
    :param metrics: what to report; :func:`offline_metrics` names those of an event.
    :raises ApiError: if TikTok does not say.
    """
    data_level, identity = _LEVELS[level]
    query = {
        "advertiser_id": advertiser_id,
        "report_type": "BASIC",
        "data_level": data_level,
        "dimensions": json.dumps([identity, "stat_time_day"] if by_day else [identity]),
        "metrics": json.dumps(list(metrics)),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "page_size": str(_PAGE_SIZE),
    }
    for page in range(1, _LAST_PAGE + 1):
        answer = with_retries(client.clock, client.get, "/report/integrated/get/", {**query, "page": str(page)})
        rows = answer.objects("list")
        for row in rows:
            yield ReportRow(_texts(row.get("dimensions")), _texts(row.get("metrics")))
        if not rows or page >= _pages(answer):
            return
    raise CallerError(f"the report has more than {_LAST_PAGE} pages.", todo="Ask for fewer days.")


def _texts(values: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, dict) else {}


def _pages(answer: Answer) -> int:
    page_info = answer.data.get("page_info")
    return int(page_info.get("total_page", 1)) if isinstance(page_info, dict) else 1
