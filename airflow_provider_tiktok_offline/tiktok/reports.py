"""Reads what TikTok attributed: the integrated report with its offline metrics (reference, section 12).

Results appear within 24 hours of an upload and still change inside the attribution window.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.errors import ApiError, CallerError
from airflow_provider_tiktok_offline.tiktok.answer_schemas import AccountsAnswer, ReportAnswer
from airflow_provider_tiktok_offline.tiktok.client import TikTokClient
from airflow_provider_tiktok_offline.tiktok.retries import with_retries

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

Level = Literal["advertiser", "campaign", "adgroup", "ad"]

_PAGE_SIZE = 1000
#: Most pages that are asked for; a report with more pages counts them wrong.
_LAST_PAGE = 10_000

#: Most days of a call.
_DAYS_BY_DAY, _DAYS = 30, 365
_REGISTRATION, _OTHER_REGISTRATION = "complete_registration", "registration"

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
        "CustomizeProduct": "customize_product",
        "FindLocation": "find_location",
        "Schedule": "schedule",
        "InitiateCheckout": "initiate_checkout",
        "PlaceAnOrder": "place_order",
        "Search": "search",
        "ViewContent": "view_content",
    }
)

#: These have a total and no other metric.
_TOTALS: frozenset[str] = frozenset({"customize_product", "find_location", "schedule"})

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuery:
    """What to report.

    Attributes:
        start, end: first and last day, in the ad account's time zone.
        level: what a row is about.
        by_day: one row a day instead of one for the whole time.
        metrics: what to report; :func:`offline_metrics` names those of an event.
        deleted: include deleted campaigns, ad groups and ads. An advertiser's total always includes them.
    """

    start: date
    end: date
    level: Level = "campaign"
    by_day: bool = False
    metrics: Sequence[str] = DEFAULT_METRICS
    deleted: bool = True

    def periods(self) -> list[tuple[date, date]]:
        """The time in periods that one call may cover: 30 days by day, 365 otherwise."""
        longest = timedelta(days=_DAYS_BY_DAY if self.by_day else _DAYS)
        starts = [self.start]
        while starts[-1] + longest <= self.end:
            starts.append(starts[-1] + longest)
        return [(start, min(start + longest - timedelta(days=1), self.end)) for start in starts]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One row of a report.

    Attributes:
        start, end: the days that it covers. A time of more than 365 days without ``by_day`` has several rows.
        dimensions: what it is about, as ``{"campaign_id": ..., "stat_time_day": ...}``.
        metrics: the values as TikTok writes them, text.
    """

    start: date
    end: date
    dimensions: Mapping[str, str]
    metrics: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """An ad account, as far as its reports need it.

    Attributes:
        currency: of every amount, an ISO 4217 code.
        timezone: of every day, a name of the IANA database.
    """

    advertiser_id: str
    name: str
    currency: str
    timezone: str


@dataclass(frozen=True, slots=True)
class OfflineReport:
    """A report with the account whose days and money it has.

    Attributes:
        account: the ad account.
        rows: in TikTok's order.
    """

    account: Account
    rows: tuple[ReportRow, ...]

    def to_arrow(self) -> pa.Table:
        """Days, dimensions and numbers as columns, and the account's currency and time zone beside them."""
        return to_arrow(self.rows, self.account)

    def to_polars(self) -> pl.DataFrame:
        """:meth:`to_arrow` as a Polars frame."""
        import polars as pl

        return pl.DataFrame(self.to_arrow())

    def to_pandas(self) -> pd.DataFrame:
        """:meth:`to_arrow` as a pandas frame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame


def read_report(client: TikTokClient, advertiser_id: str, query: ReportQuery) -> OfflineReport:
    """A whole report of an ad account, with its currency and time zone.

    :raises ApiError: if TikTok answers with an error.
    """
    return OfflineReport(account(client, advertiser_id), tuple(offline_report(client, advertiser_id, query)))


def offline_metrics(event: str) -> tuple[str, ...]:
    """The offline metrics of a standard event.

    :raises KeyError: if TikTok has none for it.
    """
    name = OFFLINE_METRIC_NAMES[event]
    if name in _TOTALS:
        return (f"offline_total_{name}",)
    metrics = (
        f"offline_{name}_events",
        f"cost_per_offline_{name}_event",
        f"offline_{name}_event_rate",
        f"value_per_offline_{name}_event",
        f"offline_{name}_events_value",
    )
    return (*metrics, "offline_shopping_events_roas") if name == "shopping" else metrics


def account(client: TikTokClient, advertiser_id: str) -> Account:
    """An ad account's currency and time zone.

    :raises ApiError: if TikTok answers with an error.
    """
    query = {
        "advertiser_ids": json.dumps([advertiser_id]),
        "fields": json.dumps(["advertiser_id", "name", "currency", "timezone"]),
    }
    accounts = with_retries(client.clock, client.get, "/advertiser/info/", query).read_as(AccountsAnswer).accounts
    if not accounts:
        raise CallerError(f"TikTok knows no ad account {advertiser_id}.", todo="Check advertiser_id.")
    details = accounts[0]
    return Account(advertiser_id, details.name or "", details.currency or "", details.timezone or "")


def offline_report(client: TikTokClient, advertiser_id: str, query: ReportQuery) -> Iterator[ReportRow]:
    """The rows of a basic report, period by period and page by page.

    The registration metric has two spellings in TikTok's documents. If TikTok refuses the one, the other is asked for;
    the rows have the one that the query names.

    :raises ApiError: if TikTok answers with an error.
    """
    metrics = {name: name for name in query.metrics}
    for start, end in query.periods():
        try:
            yield from _period(client, _parameters(advertiser_id, query, start, end, list(metrics.values())), metrics)
        except ApiError as error:
            respelt = {name: _respelt(name) for name in query.metrics}
            if error.code != 40002 or respelt == metrics or list(metrics.values()) != list(query.metrics):
                raise
            metrics = respelt
            yield from _period(client, _parameters(advertiser_id, query, start, end, list(metrics.values())), metrics)


def to_arrow(rows: Iterable[ReportRow], account: Account) -> pa.Table:
    """Rows as a table: days, dimensions, numbers, and the account's currency and time zone beside them.

    ``polars.from_arrow(table)`` and ``table.to_pandas()`` make data frames of it.
    """
    import pyarrow as pa

    records = list(rows)
    columns: dict[str, pa.Array] = {
        "start": pa.array([row.start for row in records], pa.date32()),
        "end": pa.array([row.end for row in records], pa.date32()),
    }
    for name in dict.fromkeys(name for row in records for name in row.dimensions):
        columns[name] = pa.array([row.dimensions.get(name) for row in records], pa.string())
    for name in dict.fromkeys(name for row in records for name in row.metrics):
        texts = [row.metrics.get(name) for row in records]
        numbers = [number(text) for text in texts]
        is_text = any(text and read is None and text != "-" for text, read in zip(texts, numbers, strict=True))
        columns[name] = pa.array(texts, pa.string()) if is_text else pa.array(numbers, pa.float64())
    for name, value in (("currency", account.currency), ("timezone", account.timezone)):
        columns[name] = pa.array([value] * len(records), pa.string())
    return pa.table(columns)


def _parameters(
    advertiser_id: str, query: ReportQuery, start: date, end: date, metrics: Sequence[str]
) -> dict[str, str]:
    data_level, identity = _LEVELS[query.level]
    parameters = {
        "advertiser_id": advertiser_id,
        "report_type": "BASIC",
        "data_level": data_level,
        "dimensions": json.dumps([identity, "stat_time_day"] if query.by_day else [identity]),
        "metrics": json.dumps(list(metrics)),
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "page_size": str(_PAGE_SIZE),
    }
    if query.deleted and query.level != "advertiser":
        everything = {
            "field_name": f"{query.level}_status", "filter_type": "IN", "filter_value": json.dumps(["STATUS_ALL"])
        }  # fmt: skip
        parameters["filtering"] = json.dumps([everything])
    return parameters


def _period(client: TikTokClient, parameters: Mapping[str, str], metrics: Mapping[str, str]) -> Iterator[ReportRow]:
    """All pages of one period.

    :param metrics: the name in the row -> the name that TikTok was asked for.
    """
    start, end = (date.fromisoformat(parameters[name]) for name in ("start_date", "end_date"))
    for page in range(1, _LAST_PAGE + 1):
        answer = with_retries(client.clock, client.get, "/report/integrated/get/", {**parameters, "page": str(page)})
        read = answer.read_as(ReportAnswer)
        for row in read.rows:
            values = _texts(row.metrics)
            named = {name: values[asked] for name, asked in metrics.items() if asked in values}
            yield ReportRow(start, end, _texts(row.dimensions), named)
        if not read.rows or page >= read.page_info.total_page:
            return
    raise CallerError(f"the report has more than {_LAST_PAGE} pages.", todo="Ask for fewer days.")


def _respelt(metric: str) -> str:
    return metric.replace(f"offline_{_REGISTRATION}_", f"offline_{_OTHER_REGISTRATION}_")


def dimension_of(level: Level) -> str:
    """The dimension that names what a row of that level is about: ``campaign_id`` and so on."""
    return _LEVELS[level][1]


def number(text: str | None) -> float | None:
    """A metric as a number; None for ``-`` and other text."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
