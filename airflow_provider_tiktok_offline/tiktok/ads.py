"""Counts the active ads of an ad account that track an offline event set: without one, nothing is attributed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.retries import with_retries

_PAGE_SIZE = 100
_ACTIVE = json.dumps({"primary_status": "STATUS_DELIVERY_OK"})
_FIELD = "tracking_offline_event_set_ids"
#: Ordinary ads and Smart+ ads are listed by calls of their own.
_CALLS: Mapping[str, tuple[str, ...]] = {
    "/ad/get/": ("ad_id", _FIELD),
    "/smart_plus/ad/get/": ("smart_plus_ad_id", "ad_configuration"),
}


@dataclass(frozen=True, slots=True)
class EventSetUse:
    """How many active ads track an event set.

    Attributes:
        active: the active ads of the ad account.
        tracking: those of them that track the event set.
    """

    active: int
    tracking: int


def event_set_use(client: TikTokClient, advertiser_id: str, event_set_id: str) -> EventSetUse:
    """Look at every active ad of an ad account.

    :raises ApiError: if TikTok answers with an error.
    """
    tracked = [_tracked(ad) for path, fields in _CALLS.items() for ad in _ads(client, path, advertiser_id, fields)]
    return EventSetUse(len(tracked), sum(event_set_id in ids for ids in tracked))


def _ads(
    client: TikTokClient, path: str, advertiser_id: str, fields: tuple[str, ...]
) -> Iterator[Mapping[str, object]]:
    query = {
        "advertiser_id": advertiser_id,
        "filtering": _ACTIVE,
        "fields": json.dumps(fields),
        "page_size": str(_PAGE_SIZE),
    }
    page, pages = 1, 1
    while page <= pages:
        answer = with_retries(client.clock, client.get, path, {**query, "page": str(page)})
        yield from answer.objects("list")
        page_info = answer.data.get("page_info")
        pages = int(page_info.get("total_page", 1)) if isinstance(page_info, dict) else 1
        page += 1


def _tracked(ad: Mapping[str, object]) -> list[object]:
    """The ids of the event sets that an ad tracks; those of a Smart+ ad are in its configuration."""
    configuration = ad.get("ad_configuration")
    tracking = configuration.get("tracking_info") if isinstance(configuration, dict) else ad
    ids = tracking.get(_FIELD) if isinstance(tracking, Mapping) else None
    return ids if isinstance(ids, list) else []
