"""Checks the body of ``POST /open_api/v1.3/event/track/`` (TikTok Doc ID 1771101303285761).

Every item is first read into a strict structure, which is fast. An item that does not fit, or is rare, is then checked
value by value, to find the wrong field and its return code, or the undocumented field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from airflow_provider_tiktok_offline.simulator.answers import Code, Refusal

MAX_EVENTS = 1000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVENT_NAMES = _words(
    """AddPaymentInfo AddToCart AddToWishlist ApplicationApproval ClickButton CompletePayment CompleteRegistration
    Contact CustomizeProduct Download FindLocation InitiateCheckout Lead PlaceAnOrder Purchase Schedule Search
    StartTrial SubmitApplication SubmitForm Subscribe ViewContent"""
)
CURRENCY_CODES = _words(
    """AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL HUF IDR ILS INR ISK
    JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR PLN PYG QAR RON RUB SAR SEK SGD THB TRY TWD
    UAH USD VES VND ZAR"""
)
#: SHA-256 of nothing and of a lone ``+``: an identifier that was not there.
EMPTY_DIGESTS = frozenset(
    {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "a318c24216defe206feeb73ef5be00033fa9c4a74d0b967f6532a26ca5906d3b",
    }
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_EVENT_SET_ID = re.compile(r"[0-9]{1,19}")
#: Seconds; a larger number is a time in milliseconds.
_LATEST_SECOND = 99_999_999_999


class Event(NamedTuple):
    """One accepted item of ``data``.

    Attributes:
        event, event_time, event_id, value: as sent; None where absent.
        raw: the item's own bytes.
    """

    event: str
    event_time: int
    event_id: str | None
    value: float | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A body that passed every check.

    Attributes:
        event_set_id: the offline event set that is addressed.
        test_event_code: set if the events are for the Test Events tab only.
        events: in the order sent.
        undocumented: paths of fields that the reference does not have for offline events.
    """

    event_set_id: str
    test_event_code: str | None
    events: list[Event]
    undocumented: set[str] = field(default_factory=set)


# --- the quick way ---

# Types only: msgspec's Meta constraints can crash the interpreter on its way out (msgspec issue 717).
_Identifier = str | list[str] | UnsetType
_Text = str | UnsetType
_Number = float | UnsetType
_Count = int | UnsetType


class _Content(Struct, forbid_unknown_fields=True):
    content_id: _Text = UNSET
    content_name: _Text = UNSET
    content_category: _Text = UNSET
    brand: _Text = UNSET
    price: _Number = UNSET
    quantity: _Count = UNSET


class _Properties(Struct, forbid_unknown_fields=True):
    value: _Number = UNSET
    currency: _Text = UNSET
    order_id: _Text = UNSET
    shop_id: _Text = UNSET
    content_type: Literal["product", "product_group"] | UnsetType = UNSET
    contents: list[_Content] | UnsetType = UNSET
    content_ids: list[str] | UnsetType = UNSET
    num_items: _Count = UNSET
    search_string: _Text = UNSET
    description: _Text = UNSET


class _User(Struct, forbid_unknown_fields=True):
    email: _Identifier = UNSET
    phone: _Identifier = UNSET


class _Item(Struct, forbid_unknown_fields=True):
    event: str
    event_time: int
    user: _User
    event_id: _Text = UNSET
    properties: _Properties | UnsetType = UNSET


_ITEM = msgspec.json.Decoder(_Item)
_ITEMS = msgspec.json.Decoder(list[Raw])


def _fits(item: _Item) -> bool:
    """Whether an item that has the right types has the right values, too."""
    if item.event not in EVENT_NAMES or not 0 <= item.event_time <= _LATEST_SECOND or item.event_id == "":
        return False
    digests: list[str] = []
    for identifier in (item.user.email, item.user.phone):
        if isinstance(identifier, str):
            digests.append(identifier)
        elif identifier:
            digests += identifier
        elif identifier is not UNSET:
            return False
    if not digests or not all(map(_DIGEST.fullmatch, digests)) or not EMPTY_DIGESTS.isdisjoint(digests):
        return False
    return item.properties is UNSET or _fit(item.properties)


def _fit(properties: _Properties) -> bool:
    if properties.currency is not UNSET and properties.currency not in CURRENCY_CODES:
        return False
    if properties.value is not UNSET and properties.value < 0:
        return False
    return properties.contents is UNSET and properties.num_items is UNSET


# --- value by value ---


def _wrong(name: str, reason: str) -> Refusal:
    return Refusal(Code.PARAM_ERROR, f"Invalid value for {name}: {reason}.")


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "not a valid string")
    return value


def _amount(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, "not a valid number")
    if value < 0:
        raise _wrong(name, "must not be negative")


def _whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, "not a valid integer")
    if value < 0:
        raise _wrong(name, "must not be negative")


def _strings(name: str, value: object) -> None:
    if not isinstance(value, list):
        raise _wrong(name, "not a valid list")
    for each in value:
        _string(name, each)


def _currency(name: str, value: object) -> None:
    _string(name, value)
    if value not in CURRENCY_CODES:
        raise _wrong(name, "unsupported currency")


def _content_type(name: str, value: object) -> None:
    if value not in ("product", "product_group"):
        raise _wrong(name, "must be product or product_group")


_CONTENT: dict[str, Callable[[str, object], object]] = {
    "content_id": _string,
    "content_name": _string,
    "content_category": _string,
    "brand": _string,
    "price": _amount,
    "quantity": _whole,
}


def _contents(name: str, value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _wrong(name, "not a valid list of objects")
    for each in value:
        for key, check in _CONTENT.items():
            if key in each:
                check(key, each[key])


_PROPERTIES: dict[str, Callable[[str, object], object]] = {
    "value": _amount,
    "currency": _currency,
    "order_id": _string,
    "shop_id": _string,
    "content_type": _content_type,
    "contents": _contents,
    "content_ids": _strings,
    "num_items": _whole,
    "search_string": _string,
    "description": _string,
}


def _identifier(name: str, value: object) -> None:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise _wrong(name, "must not be empty")
    for each in values:
        if not _DIGEST.fullmatch(_string(name, each)):
            raise Refusal(Code.PII_NOT_HASHED, f"The {name} field must be hashed with SHA-256.")
        if each in EMPTY_DIGESTS:
            raise _wrong(name, "digest of an empty value")


def check_item(item: object) -> set[str]:
    """Look at one item of ``data`` value by value.

    :returns: paths of fields that the reference does not have for offline events.
    :raises Refusal: if a documented field is missing or wrong.
    """
    if not isinstance(item, dict):
        raise _wrong("data", "not a valid object")
    for name in ("event", "event_time"):
        if name not in item:
            raise _wrong(name, "missing data for required field")
    _string("event", item["event"])
    if item["event"] not in EVENT_NAMES:
        raise _wrong("event", "not a standard event")
    _whole("event_time", item["event_time"])
    if item["event_time"] > _LATEST_SECOND:
        raise _wrong("event_time", "must be in seconds")
    if "event_id" in item:
        _string("event_id", item["event_id"])
        if not item["event_id"]:
            raise _wrong("event_id", "must not be empty")
    undocumented = {name for name in item if name not in ("event", "event_time", "event_id", "user", "properties")}
    return undocumented | _check_user(item.get("user")) | _check_properties(item.get("properties", {}))


def _check_user(user: object) -> set[str]:
    if not isinstance(user, dict):
        raise _wrong("user", "not a valid object")
    for name in ("email", "phone"):
        if name in user:
            _identifier(name, user[name])
    if "email" not in user and "phone" not in user:
        raise _wrong("user", "email or phone is required for offline events")
    return {f"user.{name}" for name in user if name not in ("email", "phone")}


def _check_properties(properties: object) -> set[str]:
    if not isinstance(properties, dict):
        raise _wrong("properties", "not a valid object")
    for name, check in _PROPERTIES.items():
        if name in properties:
            check(name, properties[name])
    undocumented = {f"properties.{name}" for name in properties if name not in _PROPERTIES}
    for each in properties.get("contents", []):
        undocumented |= {f"properties.contents.{name}" for name in each if name not in _CONTENT}
    return undocumented


# --- the whole body ---


def _read_item(raw: Raw, undocumented: set[str]) -> Event:
    try:
        item = _ITEM.decode(raw)
        fits = _fits(item)
    except msgspec.ValidationError:
        fits = False
    if fits:
        properties = item.properties
        value = UNSET if properties is UNSET else properties.value
        return Event(
            item.event,
            item.event_time,
            None if item.event_id is UNSET else item.event_id,
            None if value is UNSET else value,
            bytes(raw),
        )
    loose = msgspec.json.decode(raw)
    undocumented |= check_item(loose)
    return Event(
        loose["event"],
        loose["event_time"],
        loose.get("event_id"),
        loose.get("properties", {}).get("value"),
        bytes(raw),
    )


def read(body: bytes) -> Batch:
    """Check a whole body: it is taken or refused as one.

    :raises Refusal: at the first thing that is wrong.
    """
    try:
        return _read(msgspec.json.decode(body, type=dict[str, Raw]))
    except msgspec.DecodeError:
        raise Refusal(Code.INVALID_PARAMS, "The request body is not a valid JSON object.") from None


def _read(top: dict[str, Raw]) -> Batch:
    for name in ("event_source", "event_source_id", "data"):
        if name not in top:
            raise _wrong(name, "missing data for required field")
    if msgspec.json.decode(top["event_source"]) != "offline":
        raise _wrong("event_source", "this simulator takes offline events only")
    event_set_id = msgspec.json.decode(top["event_source_id"])
    _string("event_source_id", event_set_id)
    if not _EVENT_SET_ID.fullmatch(event_set_id):
        raise Refusal(Code.PARAM_ERROR, "Invalid value for event_source_id")
    test_event_code = None
    if "test_event_code" in top:
        test_event_code = msgspec.json.decode(top["test_event_code"])
        _string("test_event_code", test_event_code)
        if not test_event_code:
            raise _wrong("test_event_code", "must not be empty")
    try:
        items = _ITEMS.decode(top["data"])
    except msgspec.ValidationError:
        raise _wrong("data", "not a valid list") from None
    if not 1 <= len(items) <= MAX_EVENTS:
        raise _wrong("data", f"length must be between 1 and {MAX_EVENTS}")
    known = ("event_source", "event_source_id", "data", "test_event_code")
    undocumented = {name for name in top if name not in known}
    return Batch(event_set_id, test_event_code, [_read_item(raw, undocumented) for raw in items], undocumented)


def count(body: bytes) -> int:
    """How many event ids a body has, by looking at its bytes only."""
    return body.count(b'"event_id"')
