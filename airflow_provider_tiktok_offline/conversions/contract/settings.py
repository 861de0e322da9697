"""The settings that decide what a row becomes, free of where the file lies and where it goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: How digits of a phone without ``+`` are meant.
PhoneDigits = Literal["auto", "international", "national"]
Profile = Literal["tiktok", "liveramp"]
Severity = Literal["error", "warning", "note", "off"]

#: What is sent unless the advertiser opts into more (semantics: "What is sent").
DEFAULT_SEND_FIELDS = frozenset(
    {"event", "event_time", "event_id", "email", "phone", "value", "currency", "order_id", "shop_id"}
)
#: What ``send_fields`` may name beyond the default.
OPTIONAL_SEND_FIELDS = frozenset(
    {"content_type", "content_id", "content_name", "content_category", "brand", "price", "quantity"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What one shop's rows have in common.

    Attributes:
        currency: ISO 4217 code, or None for the advertiser's.
        phone_region: ISO 3166 alpha-2 code, or None for the advertiser's.
        time_zone: IANA name, or None for the advertiser's.
    """

    currency: str | None = None
    phone_region: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Which column says that a customer agreed.

    Attributes:
        column: the file's column.
        yes: the values that mean yes, compared without case; anything else, and a blank, is no.
    """

    column: str
    yes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest file that is read (programme's page, "Format the Conversion File Data"; LiveRamp's product limits).

    Attributes:
        rows: data rows.
        bytes: uncompressed bytes.
        row_characters: characters in one row.
    """

    rows: int = 500_000_000
    bytes: int = 50_000_000_000
    row_characters: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """How an export is written, where it is not in the programme's own form.

    Attributes:
        delimiter: one character between fields; None for what the header shows.
        encoding: as Python names it; ``utf-8`` also reads a byte order mark.
        skip_lines: lines above the header that are left out.
        footer_lines: lines at the end, not counting blank ones, that are left out.
        decimal: the decimal mark; None for a point whose meaning nobody has confirmed.
        thousands: the mark between groups of digits; None for none.
        strip_symbols: whether a currency's sign or letters beside an amount are dropped.
        timestamp_formats: notations of transaction_timestamp, tried in order before the programme's own.
        joined: programme column -> the file's columns whose cells, joined by a blank, are its value.
        optional: columns of the file that ``columns`` maps and that may be missing.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    skip_lines: int = 0
    footer_lines: int = 0
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'"] | None = None
    strip_symbols: bool = False
    timestamp_formats: tuple[str, ...] = ()
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionSettings:
    """How one advertiser's conversion file is read, checked and turned into events.

    Attributes:
        profile: whose rules decide severities.
        columns: the file's column name -> the programme's, for a retailer's own export.
        constants: programme column -> the value of every row.
        extensions: ``currency``, ``phone_region`` or ``time_zone`` -> the file's column that holds it per row.
        stores: store_code -> what its rows have in common.
        format: how the file is written.
        currency, phone_region, time_zone: the advertiser's own; a store's and a row's override them.
        phone_digits: how phones without ``+`` are meant: with country code, as dialled in the region, or either.
        offset: whether digits other than 0000 after ``Z-`` are applied.
        date_only_time: the clock part of a date without one, in the row's time zone.
        event_map: the file's category -> TikTok's event name.
        categories: the categories a row may have; None for all that the profile knows.
        lookback_days: how old a transaction may be; None for any age.
        future_skew: how far after ``as_of`` a transaction may lie.
        amount: whether transaction_amount is the line's or the whole order's.
        basket: one event a row, or one an order with several contents.
        returns: whether returned lines are left out, or taken off the value of their order (basket ``order``).
        send_after_days: for how many days a file's events wait for returns of other files; 0 for none.
        event_identity: programme columns that enter the event id when an order_id is there.
        send_fields: what an event may carry.
        where: file column -> the values that belong to this advertiser.
        consent: the column that says a customer agreed.
        customer_columns: file columns of customer numbers, by which opt-outs are found beside e-mails and phones.
        send_from: transactions before this moment are excluded.
        severities: rule name -> severity, over the profile's.
        allow_extra_columns: columns outside the programme are dropped instead of refused (liveramp).
        trim_white_space: white space around values is repaired instead of refused (liveramp).
        repair: values that are surely understood are written in the programme's form instead of refused (liveramp).
        limits: the largest file that is read.
        max_rejected_ratio: the gate: rejected rows over all rows.
        report_by_store: whether the report counts rows and sums by store_code.
    """

    profile: Profile = "tiktok"
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    stores: Mapping[str, Store] = field(default_factory=dict)
    format: FileFormat = field(default_factory=FileFormat)
    currency: str | None = None
    phone_region: str | None = None
    phone_digits: PhoneDigits = "auto"
    time_zone: str = "UTC"
    offset: Literal["ignore", "apply"] = "ignore"
    date_only_time: time = time(0, 0)
    event_map: Mapping[str, str] = field(default_factory=dict)
    categories: frozenset[str] | None = None
    lookback_days: int | None = 28
    future_skew: timedelta = timedelta(minutes=5)
    amount: Literal["line", "order"] = "line"
    basket: Literal["row", "order"] = "row"
    returns: Literal["leave_out", "net"] = "leave_out"
    send_after_days: int = 0
    event_identity: tuple[str, ...] = ("store_code", "order_id", "product_id")
    send_fields: frozenset[str] = DEFAULT_SEND_FIELDS
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    consent: Consent | None = None
    customer_columns: tuple[str, ...] = ()
    send_from: datetime | None = None
    severities: Mapping[str, Severity] = field(default_factory=dict)
    allow_extra_columns: bool = False
    trim_white_space: bool = False
    repair: bool = False
    limits: Limits = field(default_factory=Limits)
    max_rejected_ratio: float = 0.05
    report_by_store: bool = False

    @property
    def value_of_orders(self) -> Literal["gross", "net", "waiting"]:
        """Whether returned lines are left out of the values of orders, taken off them, or taken off before sending."""
        if self.returns == "net":
            return "net"
        return "waiting" if self.send_after_days else "gross"

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with whatever decides what a row becomes.

        Settings at their default do not enter: a setting that a later package adds changes no fingerprint.
        """
        values = {name: value for name, value in _set(self).items() if name not in _NOT_ROWS}
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


#: What does not change a row: the gate, how much is read at all, who is left out of it, and when it is sent.
_NOT_ROWS = frozenset({"max_rejected_ratio", "report_by_store", "limits", "customer_columns", "send_after_days"})


def plain(value: object) -> object:
    """A setting as JSON holds it."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {str(key): plain(below) for key, below in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _set(value)
    return value


def _set(settings: DataclassInstance) -> dict[str, object]:
    """The fields of settings that are not at their default."""
    found = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if value != default:
            found[one.name] = plain(value)
    return found
