"""What each call of TikTok's API answers with: one type a call, checked before anything is done with the answer.

Fields that TikTok adds are passed over. A field that is missing, has another type, or is out of bounds makes the whole
answer an :class:`~airflow_provider_tiktok_offline.errors.UnexpectedAnswerError`. The bounds are far beyond what the
reference names; they keep an absurd number from becoming an endless loop or a date outside the calendar. Of
``/event/track/``, ``/offline/delete/`` and ``/oauth2/revoke_token/`` the envelope says everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec

from airflow_provider_tiktok_offline import typed_json
from airflow_provider_tiktok_offline.errors import AnswerFacts, UnexpectedAnswerError

_T = TypeVar("_T")

_LONGEST_TEXT = 10_000
_MOST_PAGES = 1_000_000
_TEN_YEARS_SECONDS = 315_360_000

Text = Annotated[str, msgspec.Meta(max_length=_LONGEST_TEXT)]
#: Ids are text of digits. Some answers have them as numbers.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
_Permission = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | Annotated[str, msgspec.Meta(pattern="^[0-9]{1,18}$")]
#: Text as documented; a number where TikTok writes one instead.
_Value = Text | Number | bool | None


class _Struct(msgspec.Struct, kw_only=True):
    """An object of an answer."""


class EventSetAnswer(_Struct):
    """An event set in ``/offline/get/``."""

    event_set_id: Id
    advertiser_id: Id | None = None
    name: Text | None = None
    description: Text | None = None
    auto_tracking: bool | None = None
    create_time: Text | None = None
    update_time: Text | None = None


class EventSetsAnswer(_Struct):
    """``/offline/get/``."""

    event_set_list: list[EventSetAnswer]


class CreatedEventSetAnswer(_Struct):
    """``/offline/create/``."""

    event_set_id: Id


class UpdatedEventSetAnswer(_Struct):
    """``/offline/update/``: the event set as it is now; what is left out is as it was asked for."""

    event_set_id: Id | None = None
    advertiser_id: Id | None = None
    name: Text | None = None
    description: Text | None = None
    auto_tracking: bool | None = None
    create_time: Text | None = None
    update_time: Text | None = None


class TokenAnswer(_Struct):
    """What of ``/oauth2/access_token/`` must not be lost."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,4096}$")]


class GrantAnswer(TokenAnswer):
    """``/oauth2/access_token/`` and ``/oauth2/refresh_token/``."""

    refresh_token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    advertiser_ids: list[Id] | None = None
    scope: list[_Permission] | None = None
    expires_in: Annotated[float, msgspec.Meta(ge=0, le=_TEN_YEARS_SECONDS)] | None = None
    access_token_expire_in: Annotated[float, msgspec.Meta(ge=0, le=_TEN_YEARS_SECONDS)] | None = None


class ReachedAdvertiser(_Struct):
    """An ad account in ``/oauth2/advertiser/get/``."""

    advertiser_id: Id
    advertiser_name: Text | None = None


class ReachedAdvertisersAnswer(_Struct):
    """``/oauth2/advertiser/get/``."""

    advertisers: list[ReachedAdvertiser] = msgspec.field(name="list")


class AccountAnswer(_Struct):
    """An ad account in ``/advertiser/info/``."""

    name: Text | None = None
    currency: Text | None = None
    timezone: Text | None = None


class AccountsAnswer(_Struct):
    """``/advertiser/info/``."""

    accounts: list[AccountAnswer] = msgspec.field(name="list")


class PageInfo(_Struct):
    """Which page of how many an answer is."""

    total_page: Annotated[int, msgspec.Meta(ge=0, le=_MOST_PAGES)] = 1


class ReportRowAnswer(_Struct):
    """A row in ``/report/integrated/get/``."""

    dimensions: dict[Text, _Value]
    metrics: dict[Text, _Value]


class ReportAnswer(_Struct):
    """``/report/integrated/get/``."""

    rows: list[ReportRowAnswer] = msgspec.field(name="list")
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)


class TrackingInfo(_Struct):
    """Which event sets a Smart+ ad tracks."""

    tracking_offline_event_set_ids: list[Id] | None = None


class AdConfiguration(_Struct):
    """The configuration of a Smart+ ad."""

    tracking_info: TrackingInfo | None = None


class AdAnswer(_Struct):
    """An ad in ``/ad/get/`` or ``/smart_plus/ad/get/``."""

    tracking_offline_event_set_ids: list[Id] | None = None
    ad_configuration: AdConfiguration | None = None


class AdsAnswer(_Struct):
    """``/ad/get/`` and ``/smart_plus/ad/get/``."""

    ads: list[AdAnswer] = msgspec.field(name="list")
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)


def read_as(kind: type[_T], data: Mapping[str, object], request_id: str | None) -> _T:
    """The ``data`` of an answer as the type of its call.

    :raises UnexpectedAnswerError: if it has another shape; the message names the field, never a value.
    """
    try:
        return typed_json.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as failure:
        field = _field_of(str(failure))
    raise UnexpectedAnswerError(
        f"TikTok's answer has another shape than is documented: `{field}` is missing, or of another type or size.",
        answer=AnswerFacts(code=0, request_id=request_id),
        todo="Try again later; if it stays so, upgrade the package.",
    )


def _field_of(text: str) -> str:
    """The field that msgspec names, made of names of the types above and of numbers."""
    at = re.search(r"at `\$\.?([A-Za-z_0-9.\[\]]*)`$", text)
    missing = re.search(r"required field `([A-Za-z_0-9]+)`", text)
    return ".".join(found.group(1) for found in (at, missing) if found is not None and found.group(1)) or "data"
