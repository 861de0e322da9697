"""Which settings enter an event id.

Every setting enters unless ``NOT_IN_IDS`` names it: a setting that is added later is kept from its first day on.
Importing this loads no Polars, so a DAG file may.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from airflow_provider_tiktok_offline.conversions.contract.catalogue import severity_of
from airflow_provider_tiktok_offline.conversions.contract.columns import (
    CANONICAL_EVENT,
    CURRENCIES,
    EMAIL_COLUMNS,
    PHONE_COLUMNS,
)
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, plain

#: Version of the recipe; part of every event id.
RECIPE = "v2"
#: Columns in the id of a transaction without an order_id, beside event, time, amount and first identifier.
ORDERLESS_COLUMNS = ("store_code", "product_id")
#: Columns in the id of an order.
ORDER_COLUMNS = ("store_code", "order_id")

#: Keys of what the files of an advertiser show begin with it; the others are settings.
OF_FILE = "file."
#: A kept value, as JSON holds it.
KeptValue: TypeAlias = str | list[str] | dict[str, str]
Kept: TypeAlias = dict[str, KeptValue]

#: Settings that decide which rows are events, or what an event carries beside its id; never the id of a row.
NOT_IN_IDS = frozenset(
    {
        "categories", "lookback_days", "future_skew", "amount", "returns", "send_fields", "where", "consent",
        "customer_columns", "send_from", "allow_extra_columns", "trim_white_space", "repair", "limits",
        "max_rejected_ratio", "report_by_store", "format.delimiter", "format.skip_lines", "format.footer_lines",
        "format.optional", "send_after_days",
    }
)  # fmt: skip
_VALUE_COLUMNS = ("transaction_category", "transaction_timestamp", "transaction_amount")
_IDENTIFIER_COLUMNS = EMAIL_COLUMNS + PHONE_COLUMNS
#: Decimals of an amount whose currency is not known.
_USUAL_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """The settings of one advertiser that enter its event ids.

    Attributes:
        advertiser: its name.
        event_set: key -> value of those that all advertisers of the event set share.
        source: key -> value of those that belong to this advertiser's files.
    """

    advertiser: str
    event_set: Kept
    source: Kept

    def with_file(self, columns: Mapping[str, list[str]]) -> IdentitySettings:
        """The same beside the columns that entered the ids of a file, as :func:`file_columns` gives them."""
        return IdentitySettings(
            self.advertiser, self.event_set, {**self.source, **{OF_FILE + key: names for key, names in columns.items()}}
        )


def identity_settings(settings: ConversionSettings, advertiser: str) -> IdentitySettings:
    """The settings that enter an event id.

    :param advertiser: whose settings they are.
    """
    kept: dict[_Scope, Kept] = {"event_set": {"recipe": RECIPE}, "source": {}}
    for name, value in _flat(settings):
        if name in NOT_IN_IDS:
            continue
        for part in _PARTS.get(name, (_whole(name, value),)):
            kept[part.scope][part.key] = part.value(settings)
    return IdentitySettings(advertiser, kept["event_set"], kept["source"])


def identity_columns(settings: ConversionSettings) -> frozenset[str]:
    """The programme's columns that enter an event id."""
    return frozenset(
        {*_VALUE_COLUMNS, *settings.event_identity, *ORDERLESS_COLUMNS, *ORDER_COLUMNS, *_IDENTIFIER_COLUMNS}
    )


def file_columns(
    settings: ConversionSettings, present: Collection[str], *, with_order: int, without_order: int
) -> dict[str, list[str]]:
    """Which columns entered the ids of a file: an export that loses or gains one gives its sales other ids.

    :param present: the programme's columns that the file has.
    :param with_order, without_order: valid rows of each kind, or whether there are any; columns of other kinds do not
        count.
    """
    order = ORDER_COLUMNS if settings.basket == "order" else settings.event_identity
    columns = {"order_id": [name for name in present if name == "order_id"]}
    if with_order:
        columns["columns_with_order_id"] = sorted(set(order) & set(present))
    if without_order:
        columns["columns_without_order_id"] = sorted({*ORDERLESS_COLUMNS, *_IDENTIFIER_COLUMNS} & set(present))
    return columns


def canonical_event_name(event: str) -> str:
    """The event's name for the id only: renamed events are one event."""
    return CANONICAL_EVENT.get(event, event)


_Scope = Literal["event_set", "source"]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is kept of a setting, and for whom."""

    scope: _Scope
    key: str
    value: Callable[[ConversionSettings], KeptValue]


def _flat(settings: ConversionSettings) -> Iterator[tuple[str, object]]:
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.name == "format":
            yield from ((f"format.{below.name}", getattr(value, below.name)) for below in fields(value))
        else:
            yield one.name, value


def _whole(name: str, value: object) -> _Part:
    text = value if isinstance(value, str) else json.dumps(plain(value), sort_keys=True, default=str)
    return _Part("source" if name.startswith("format.") else "event_set", name, lambda _settings: text)


def _words(settings: ConversionSettings) -> dict[str, str]:
    return {word: canonical_event_name(event) for word, event in settings.event_map.items()}


def _constants(settings: ConversionSettings) -> dict[str, str]:
    columns = identity_columns(settings)
    constants = {name: value for name, value in settings.constants.items() if name in columns}
    category = constants.get("transaction_category")
    if category is not None:
        constants["transaction_category"] = canonical_event_name(settings.event_map.get(category, category))
    for name in constants.keys() & set(_IDENTIFIER_COLUMNS):
        constants[name] = hashlib.sha256(constants[name].encode()).hexdigest()
    return constants


def _columns(settings: ConversionSettings) -> dict[str, str]:
    wanted = identity_columns(settings)
    columns = {header: name for header, name in settings.columns.items() if name in wanted}
    for name, headers in settings.format.joined.items():
        if name in wanted:
            columns |= {header: f"{name} {place}" for place, header in enumerate(headers, 1)}
    return columns


def _extensions(settings: ConversionSettings) -> list[str]:
    return sorted(settings.extensions)


def _decimals(currency: str | None) -> str:
    return str(CURRENCIES.get(currency or "", _USUAL_DECIMALS))


def _amount_digits(settings: ConversionSettings) -> str:
    """Whether amounts with other decimals than their currency's are rounded, or enter as written."""
    as_written = settings.profile == "liveramp" and severity_of("amount_decimals", settings) != "error"
    return "as written" if as_written else "rounded"


def _of_stores(setting: Literal["time_zone", "phone_region"]) -> Callable[[ConversionSettings], dict[str, str]]:
    return lambda settings: {code: getattr(store, setting) or "" for code, store in settings.stores.items()}


def _store_decimals(settings: ConversionSettings) -> dict[str, str]:
    usual = _decimals(settings.currency)
    own = {code: _decimals(store.currency or settings.currency) for code, store in settings.stores.items()}
    return {code: "" if decimals == usual else decimals for code, decimals in own.items()}


#: Setting -> what is kept of it. A setting that is not here is kept whole.
_PARTS: Mapping[str, tuple[_Part, ...]] = {
    "profile": (_Part("source", "amount_digits", _amount_digits),),
    "severities": (),  # only with the profile, see there
    "columns": (_Part("source", "columns", _columns),),
    "format.joined": (),  # with the columns
    "constants": (_Part("source", "constants", _constants),),
    "extensions": (_Part("source", "extensions", _extensions),),
    "stores": (
        _Part("event_set", "stores.time_zone", _of_stores("time_zone")),
        _Part("source", "stores.time_zone", _of_stores("time_zone")),
        _Part("source", "stores.phone_region", _of_stores("phone_region")),
        _Part("source", "stores.decimals", _store_decimals),
    ),
    "format.decimal": (_Part("source", "format.decimal", lambda settings: settings.format.decimal or "."),),
    "format.thousands": (_Part("source", "format.thousands", lambda settings: settings.format.thousands or ""),),
    "format.strip_symbols": (
        _Part("source", "format.strip_symbols", lambda settings: "strip" if settings.format.strip_symbols else ""),
    ),
    "format.timestamp_formats": (
        _Part("source", "format.timestamp_formats", lambda settings: list(settings.format.timestamp_formats)),
    ),
    "currency": (_Part("source", "decimals", lambda settings: _decimals(settings.currency)),),
    "phone_region": (_Part("source", "phone_region", lambda settings: settings.phone_region or ""),),
    "phone_digits": (_Part("source", "phone_digits", lambda settings: settings.phone_digits),),
    "date_only_time": (_Part("event_set", "date_only_time", lambda settings: settings.date_only_time.isoformat()),),
    "event_map": (_Part("event_set", "event_map", _words), _Part("source", "event_map", _words)),
    "event_identity": (_Part("event_set", "event_identity", lambda settings: list(settings.event_identity)),),
}
