"""Counts the active ads of an ad account that track an offline event set: without one, nothing is attributed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_provider_tiktok_offline.tiktok.answer_schemas import AdAnswer, AdsAnswer
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


def _ads(client: TikTokClient, path: str, advertiser_id: str, fields: tuple[str, ...]) -> Iterator[AdAnswer]:
    query = {
        "advertiser_id": advertiser_id,
        "filtering": _ACTIVE,
        "fields": json.dumps(fields),
        "page_size": str(_PAGE_SIZE),
    }
    page, pages = 1, 1
    while page <= pages:
        answer = with_retries(client.clock, client.get, path, {**query, "page": str(page)})
        read = answer.read_as(AdsAnswer)
        yield from read.ads
        pages = read.page_info.total_page if read.ads else page
        page += 1


def _tracked(ad: AdAnswer) -> list[str]:
    """The ids of the event sets that an ad tracks; those of a Smart+ ad are in its configuration."""
    tracking = ad if ad.ad_configuration is None else ad.ad_configuration.tracking_info
    return [str(each) for each in (tracking and tracking.tracking_offline_event_set_ids) or ()]
