"""The events that a file's valid rows demand, counted again with nothing but the standard library and ``phonenumbers``.

No line of the package's own reading, judging or hashing is used here, so that a mistake there shows. It knows what the
demo's sample can hold (region US, currency USD, the ``tiktok`` profile), not the whole file format.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypedDict, cast

import phonenumbers

_EVENTS = {"CompletePayment": "Purchase", "Contact": "Contact", "Subscribe": "Subscribe"}
_ABSENT = {"", "n/a", "null", "none", "nan", "-"}
#: Columns that the direct route does not send: what is wrong in them costs nothing.
_NOT_SENT = {"state"}
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AMOUNT = re.compile(r"-?[0-9]+\.[0-9]{2}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(Z-\d{4}|Z|\+00:00)")


class Properties(TypedDict, total=False):
    """What was bought; what a row does not say is left out."""

    value: Decimal
    currency: str
    order_id: str
    shop_id: str


class Event(TypedDict):
    """An event as TikTok has to hold it; ``user`` is the kind of identifier -> its digests."""

    event: str
    event_time: int
    event_id: str
    user: dict[str, list[str]]
    properties: Properties


@dataclass
class Recount:
    """What was found.

    Attributes:
        events: event id -> the event as TikTok has to hold it.
        classes: rows by class: valid, rejected, duplicate, excluded.
    """

    events: dict[str, Event] = field(default_factory=dict)
    classes: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("valid", "rejected", "duplicate", "excluded"), 0)
    )


def recount(path: Path, *, as_of: datetime, lookback_days: int = 28) -> Recount:
    """Judge a comma-separated file row by row.

    :param as_of: the moment that ages are counted from.
    """
    counted = Recount()
    rows = _rows(path.read_bytes())
    header = next(rows) or []
    oldest = as_of.astimezone(UTC).date() - timedelta(days=lookback_days)
    for cells in rows:
        judged = None if cells is None or len(cells) != len(header) else _event(dict(zip(header, cells, strict=True)))
        if judged is None:
            counted.classes["rejected"] += 1
            continue
        moment = datetime.fromtimestamp(judged["event_time"], UTC)
        if moment.date() < oldest or moment > as_of + timedelta(minutes=5):
            counted.classes["rejected"] += 1
        elif judged["properties"]["value"] <= 0:
            counted.classes["excluded"] += 1
        elif (earlier := counted.events.get(judged["event_id"])) is None:
            counted.events[judged["event_id"]] = judged
            counted.classes["valid"] += 1
        else:
            same = _content(judged) == _content(earlier)
            counted.classes["duplicate" if same else "rejected"] += 1
    return counted


def _content(event: Event) -> tuple[int, Decimal]:
    return event["event_time"], event["properties"]["value"]


def _rows(content: bytes) -> Iterator[list[str] | None]:
    """The rows' cells; None for one that can't be read as a row. A quoted line break belongs to its cell."""
    lines = iter(content.decode("utf-8", errors="replace").split("\n")[:-1])
    for line in lines:
        row = f"{line}\n{next(lines, '')}" if line.count('"') % 2 else line
        try:
            [cells] = csv.reader(io.StringIO(row, newline=""), strict=True)
        except (ValueError, csv.Error):
            yield None
            continue
        yield cells


def _event(row: dict[str, str]) -> Event | None:
    """The event of one row; None if the row breaks a rule that costs it."""
    if any("\x00" in row[name] or "\ufffd" in row[name] for name in row.keys() - _NOT_SENT):
        return None
    row = {name: "" if value.strip().lower() in _ABSENT else value.strip() for name, value in row.items()}
    name, moment, amount = row["transaction_category"], row["transaction_timestamp"], row["transaction_amount"]
    time = _TIME.fullmatch(moment)
    if name not in _EVENTS or time is None or not _AMOUNT.fullmatch(amount):
        return None
    try:
        epoch = int(datetime.fromisoformat(time[1]).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
    email, phone = _email(row["email_1"]), _phone(row["phone_1"])
    user = {
        key: [value if _SHA256.fullmatch(value) else hashlib.sha256(value.encode()).hexdigest()]
        for key, value in (("email", email), ("phone", phone))
        if value
    }
    if not user:
        return None
    value = Decimal(amount)
    if row["order_id"]:
        parts = [row["store_code"], row["order_id"], row["product_id"]]
    else:
        canonical = f"{value.normalize():f}"
        parts = [str(epoch), canonical, row["store_code"], row["product_id"], email or phone[-8:]]
    identity = "\x1f".join([_EVENTS[name], *parts])
    store = row["store_code"]
    properties = {"value": value, "currency": "USD", "order_id": row["order_id"]}
    properties["shop_id"] = "" if len(store) > 64 or "<" in store or "://" in store else store
    return {
        "event": name,
        "event_time": epoch,
        "event_id": "v2-" + hashlib.sha256(identity.encode()).hexdigest()[:32],
        "user": user,
        "properties": cast("Properties", {key: one for key, one in properties.items() if one != ""}),
    }


def _email(cell: str) -> str:
    lowered = cell.lower()
    return lowered if _SHA256.fullmatch(lowered) or _EMAIL.fullmatch(lowered) else ""


def _phone(cell: str) -> str:
    """E.164, or nothing."""
    number = re.split(r"(?i)\s*(?:ext\.?|x)\s*[0-9]+$", cell)[0]
    if re.search("[A-Za-z]", number) or re.search(r"\d\.\d+[eE]\+?\d+", cell):
        return ""
    for written, region in ((number, "US"), (f"+{number}", None)):
        try:
            parsed = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(parsed):
            return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return ""
