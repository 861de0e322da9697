"""Every setting either leaves all event ids as they are, or is kept and compared."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import (
    Consent,
    ConversionSettings,
    FileFormat,
    Limits,
    Store,
)
from airflow_provider_tiktok_offline.conversions.events.identity_changes import compare_event_set, compare_source
from airflow_provider_tiktok_offline.conversions.events.identity_settings import (
    NOT_IN_IDS,
    file_columns,
    identity_settings,
)
from airflow_provider_tiktok_offline.conversions.preparation.prepare import validate
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import read_verdicts
from tests.conversions.files import AS_OF, BytesSource

HEADER = (
    "email_1", "email_2", "transaction_category", "transaction_timestamp", "transaction_amount", "phone_1", "phone_2",
    "order_id", "store_code", "product_id", "Kasse", "Bon", "Zone", "Land", "Geld",
)  # fmt: skip
_SALE = {
    "email_1": "ann@example.com", "transaction_category": "Purchase", "store_code": "S1",
    "transaction_timestamp": "2026-11-20T10:00:00Z-0000", "transaction_amount": "12.50",
    "Kasse": "k1", "Bon": "b1", "Zone": "Asia/Tokyo", "Land": "GB", "Geld": "JPY",
}  # fmt: skip
_PHONES = {"email_1": "", "phone_1": "2125550100", "phone_2": "+447400123456"}
ROWS: tuple[dict[str, str], ...] = (
    {},
    {"order_id": "o1", "product_id": "p1"},
    {"order_id": "o1", "product_id": "p2"},
    {"transaction_category": "Verkauf"},
    {"transaction_category": "Verkauf", "order_id": "o2"},
    {"transaction_timestamp": "2026-11-20 10:00:00"},
    {"transaction_timestamp": "2026-11-20"},
    {"transaction_timestamp": "2026-11-19T10:00:00Z-0800"},
    {"transaction_timestamp": "11/10/2026 10:00:00"},
    {"transaction_amount": "1.299"},
    {"transaction_amount": "3"},
    {"transaction_amount": "2,999"},
    {"transaction_amount": "$4.00"},
    {"transaction_amount": "12.34567"},
    {"transaction_amount": "12.34567", "transaction_category": "CompletePayment"},
    {"store_code": "Köln"},
    {"store_code": "S2", "transaction_timestamp": "2026-11-20 11:00:00"},
    _PHONES,
    {**_PHONES, "phone_1": "020 7946 0958", "store_code": "S2"},
    {**_PHONES, "phone_1": "020 7946 0958"},
    {"email_1": "no address", "email_2": "bo@example.com"},
)
FILE = "\n".join([",".join(HEADER), *(
    ",".join(f'"{cell}"' if "," in cell else cell for cell in ({**_SALE, **row}.get(name, "") for name in HEADER))
    for row in ROWS
)]).encode("cp1252") + b"\n"  # fmt: skip

#: Settings under which most rows can be read.
BASE: dict[str, Any] = {
    "currency": "USD", "phone_region": "US", "event_map": {"Verkauf": "Purchase"}, "lookback_days": None,
    "allow_extra_columns": True, "format": {"encoding": "cp1252", "decimal": "."},
}  # fmt: skip


def settings(**changes: Any) -> ConversionSettings:
    """The settings with changes; those of the format are named ``format.<name>``."""
    of_format = {
        name.removeprefix("format."): changes.pop(name) for name in list(changes) if name.startswith("format.")
    }
    chosen = {**BASE, **changes}
    return ConversionSettings(**{**chosen, "format": FileFormat(**{**BASE["format"], **of_format})})


def ids(chosen: ConversionSettings) -> dict[int, str]:
    """Line -> event id, of every row that has one."""
    verdicts = io.BytesIO()
    validate(BytesSource(FILE), chosen, as_of=AS_OF, verdicts=verdicts)
    verdicts.seek(0)
    rows = (row for frame in read_verdicts(verdicts) for row in frame.iter_rows(named=True))
    return {row["line"]: row["event_id"] for row in rows if row["event_id"] is not None}


def changed(before: ConversionSettings, after: ConversionSettings) -> set[str]:
    """The keys whose change a ledger refuses."""
    kept, now = identity_settings(before, "shop"), identity_settings(after, "shop")
    return {*compare_event_set(kept.event_set, now).changed, *compare_source(kept.source, now).changed}


def other_ids(before: ConversionSettings, after: ConversionSettings) -> bool:
    """Whether a row that both settings accept has another id under each."""
    first, second = ids(before), ids(after)
    both = first.keys() & second.keys()
    assert both
    return any(first[line] != second[line] for line in both)


Change = tuple[Mapping[str, Any], Mapping[str, Any]]

_LOCAL_S2 = {"stores": {"S2": Store(time_zone="Europe/Berlin")}}
_JOINED = {"columns": {}, "format.joined": {"order_id": ("Kasse", "Bon")}}
_BON = {"columns": {"Bon": "store_code"}}
_TILL = {"constants": {"email_3": "till@example.com"}}
_DAY_FIRST = {"format.timestamp_formats": ("dd/MM/yyyy HH:mm:ss",)}
_AS_WRITTEN = {"profile": "liveramp", "severities": {"amount_decimals": "note", "amount_rounded": "note"}}
#: Setting, the keys that are named, and changes of it by which some row gets another id.
CHANGES: list[tuple[str, str, Change]] = [
    ("event_map", "event_map", ({}, {"event_map": {"Verkauf": "Lead"}})),
    ("event_map", "event_map", ({}, {"event_map": {"Verkauf": "Purchase", "Purchase": "Lead"}})),
    ("event_identity", "event_identity", ({}, {"event_identity": ("order_id", "store_code", "product_id")})),
    ("basket", "basket", ({}, {"basket": "order"})),
    ("time_zone", "time_zone", ({}, {"time_zone": "Europe/Berlin"})),
    ("offset", "offset", ({}, {"offset": "apply"})),
    ("date_only_time", "date_only_time", ({}, {"date_only_time": time(12)})),
    ("stores", "stores.time_zone", (_LOCAL_S2, {"stores": {"S2": Store(time_zone="Asia/Tokyo")}})),
    ("stores", "stores.time_zone", (_LOCAL_S2, {})),
    ("stores", "stores.time_zone", ({"stores": {"S2": Store()}}, _LOCAL_S2)),
    ("stores", "stores.phone_region", ({"stores": {"S2": Store()}}, {"stores": {"S2": Store(phone_region="GB")}})),
    ("stores", "stores.decimals", ({"stores": {"S1": Store()}}, {"stores": {"S1": Store(currency="JPY")}})),
    ("columns", "columns", ({"columns": {"Bon": "order_id"}}, {"columns": {"Bon": "product_id"}})),
    ("columns", "columns", ({}, {"columns": {"product_id": "order_id"}})),
    ("columns", "columns", ({"columns": {"product_id": "order_id"}}, {})),
    ("format.joined", "columns", (_JOINED, {"columns": {}, "format.joined": {"order_id": ("Bon", "Kasse")}})),
    ("constants", "constants", (_BON, {**_BON, **_TILL})),
    ("extensions", "extensions", ({}, {"extensions": {"time_zone": "Zone"}})),
    ("extensions", "extensions", ({}, {"extensions": {"phone_region": "Land"}})),
    ("extensions", "extensions", ({}, {"extensions": {"currency": "Geld"}})),
    ("phone_region", "phone_region", ({}, {"phone_region": "GB"})),
    ("phone_region", "phone_region", ({}, {"phone_region": None})),
    ("phone_digits", "phone_digits", ({}, {"phone_digits": "international"})),
    ("currency", "decimals", ({}, {"currency": "JPY"})),
    ("format.decimal", "format.decimal format.thousands",
     ({"format.thousands": ","}, {"format.decimal": ",", "format.thousands": "."})),
    ("format.encoding", "format.encoding", ({}, {"format.encoding": "cp437"})),
    ("format.timestamp_formats", "format.timestamp_formats", ({}, _DAY_FIRST)),
    ("format.timestamp_formats", "format.timestamp_formats", (_DAY_FIRST, {})),
    ("profile", "amount_digits", ({}, _AS_WRITTEN)),
]  # fmt: skip
#: Changes by which no row gets another id, and which a ledger therefore takes.
HARMLESS: list[tuple[str, Change]] = [
    ("event_map", ({}, {"event_map": {"Verkauf": "Purchase", "Kauf": "Lead"}})),
    ("event_map", ({}, {"event_map": {"Verkauf": "CompletePayment"}})),
    ("event_map", ({}, {"event_map": {"Verkauf": "Purchase", "Purchase": "CompletePayment"}})),
    ("stores", ({}, {"stores": {"S9": Store(time_zone="Europe/Berlin", phone_region="DE", currency="JPY")}})),
    ("stores", ({"stores": {"S1": Store(currency="EUR")}}, {})),
    ("columns", ({"columns": {"Bon": "order_id"}}, {"columns": {"Beleg": "order_id"}})),
    ("columns", ({"columns": {"Bon": "quantity"}}, {"columns": {"Kasse": "quantity"}})),
    ("constants", ({}, {"constants": {"quantity": "1"}})),
    ("currency", ({}, {"currency": "EUR"})),
    ("currency", ({}, {"currency": None})),
    ("profile", ({}, {"profile": "liveramp"})),
    ("severities", ({}, {"severities": {"amount_decimals": "note", "store_unknown": "off"}})),
    ("format.decimal", ({}, {"format.decimal": None})),
    ("format.thousands", ({}, {"format.thousands": ","})),
    ("format.strip_symbols", ({}, {"format.strip_symbols": True})),
    ("format.timestamp_formats", ({}, {"format.timestamp_formats": ("dd.MM.yyyy HH:mm",)})),
]
#: Other values of settings that enter no id.
OUTSIDE: dict[str, list[Change]] = {
    "categories": [({}, {"categories": frozenset({"Purchase"})})],
    "lookback_days": [({}, {"lookback_days": 28})],
    "future_skew": [({}, {"future_skew": timedelta(days=9)})],
    "amount": [({}, {"amount": "order"}), ({"basket": "order"}, {"basket": "order", "amount": "order"})],
    "returns": [({"basket": "order"}, {"basket": "order", "returns": "net"})],
    "send_fields": [({}, {"send_fields": frozenset({"event", "email", "content_id"})})],
    "where": [({}, {"where": {"Kasse": frozenset({"k1", "k2"})}})],
    "consent": [({}, {"consent": Consent(column="Kasse", yes=frozenset({"k1"}))})],
    "customer_columns": [({}, {"customer_columns": ("Kasse",)})],
    "send_from": [({}, {"send_from": datetime(2026, 11, 20, tzinfo=UTC)})],
    "allow_extra_columns": [({"profile": "tiktok"}, {"allow_extra_columns": False})],
    "trim_white_space": [({}, {"trim_white_space": True})],
    "repair": [({}, {"repair": True})],
    "limits": [({}, {"limits": Limits(rows=100)})],
    "max_rejected_ratio": [({}, {"max_rejected_ratio": 1.0})],
    "report_by_store": [({}, {"report_by_store": True})],
    "send_after_days": [({}, {"send_after_days": 3})],
    "format.delimiter": [({}, {"format.delimiter": ","})],
    "format.skip_lines": [({}, {"format.footer_lines": 0})],
    "format.footer_lines": [({}, {"format.footer_lines": 1})],
    "format.optional": [({}, {"format.optional": frozenset({"Bon"})})],
}


def named(name: str, change: Change) -> str:
    return f"{name}: {change[0] or ''} to {change[1] or ''}".replace("::", ":")


def test_the_record_of_joined_columns_is_as_ledgers_have_it() -> None:
    """Another way to write it would refuse every ledger that was made before."""
    columns = identity_settings(settings(**_JOINED), "shop").source["columns"]
    assert columns == {"Kasse": "order_id 1", "Bon": "order_id 2"}


@pytest.mark.parametrize(("name", "key", "change"), CHANGES, ids=[named(name, change) for name, _, change in CHANGES])
def test_a_setting_that_gives_a_row_another_id_is_refused(name: str, key: str, change: Change) -> None:
    """By its key, in a message that a person can act on."""
    before, after = (settings(**chosen) for chosen in change)
    assert other_ids(before, after)
    assert changed(before, after) == set(key.split())


@pytest.mark.parametrize(("name", "change"), HARMLESS, ids=[named(name, change) for name, change in HARMLESS])
def test_a_harmless_change_is_taken(name: str, change: Change) -> None:
    """No known transaction gets another id."""
    before, after = (settings(**chosen) for chosen in change)
    assert not changed(before, after)
    if "Beleg" not in str(change):
        assert not other_ids(before, after)


@pytest.mark.parametrize(
    ("name", "change"), [(name, change) for name, several in OUTSIDE.items() for change in several]
)
def test_a_setting_outside_of_ids_changes_none(name: str, change: Change) -> None:
    """It is not kept at all."""
    before, after = (settings(**chosen) for chosen in change)
    assert identity_settings(before, "shop") == identity_settings(after, "shop")
    assert not other_ids(before, after)


def test_every_setting_is_in_one_of_the_tables() -> None:
    """A setting that is added is kept whole until somebody decides otherwise, and this test asks for the decision."""
    names = {one.name for one in fields(ConversionSettings)} - {"format"}
    names |= {f"format.{one.name}" for one in fields(FileFormat)}
    assert set(OUTSIDE) == NOT_IN_IDS
    assert {name for name, *_ in [*CHANGES, *HARMLESS]} == names - NOT_IN_IDS


def test_a_setting_that_nobody_decided_about_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail-safe: a change of it stops a live event set."""
    monkeypatch.setattr("airflow_provider_tiktok_offline.conversions.events.identity_settings.NOT_IN_IDS", frozenset())
    assert changed(settings(), settings(lookback_days=7)) == {"lookback_days"}
    assert changed(settings(), settings(**{"format.skip_lines": 1})) == {"format.skip_lines"}


def test_words_and_stores_of_two_advertisers_stand_side_by_side() -> None:
    """Of an event set that two exports feed, only what both name must agree."""
    one = identity_settings(settings(event_map={"Verkauf": "Purchase"}, stores={"S1": Store(time_zone="UTC")}), "one")
    two = identity_settings(settings(event_map={"Sale": "Purchase"}, stores={"S2": Store()}), "two")
    merged = compare_event_set(one.event_set, two)
    assert not merged.changed
    assert merged.kept["event_map"] == {"Verkauf": "Purchase", "Sale": "Purchase"}
    for chosen in ({"event_map": {"Verkauf": "Lead"}}, {"stores": {"S1": Store(time_zone="Asia/Tokyo")}}):
        assert compare_event_set(merged.kept, identity_settings(settings(**chosen), "two")).changed


def test_settings_at_their_default_do_not_enter_the_fingerprint_of_parts() -> None:
    """A setting that a later package adds does not make parts anew; one that is set does."""
    plain = ConversionSettings(stores={"S1": Store()})
    assert plain.fingerprint() == hashlib.sha256(b'{"stores": {"S1": {}}}').hexdigest()[:16]
    named = ConversionSettings(stores={"S1": Store(currency=None)}, offset="ignore", format=FileFormat(skip_lines=0))
    assert named.fingerprint() == plain.fingerprint()
    assert replace(plain, offset="apply").fingerprint() != plain.fingerprint()
    assert replace(plain, format=FileFormat(skip_lines=1)).fingerprint() != plain.fingerprint()


def test_no_identifier_is_kept() -> None:
    """A constant address is kept as its digest."""
    kept = identity_settings(replace(settings(), constants={"email_1": "till@example.com"}), "shop")
    assert "till@example.com" not in str(kept)


def test_the_order_in_which_a_setting_is_written_does_not_matter() -> None:
    """A mapping is the same setting however its keys are sorted in the file."""
    one = ConversionSettings(stores={"S1": Store(time_zone="Asia/Tokyo"), "S2": Store(time_zone="Europe/Berlin")})
    other = ConversionSettings(stores=dict(reversed(list(one.stores.items()))))
    kept, now = (identity_settings(settings, "shop") for settings in (one, other))
    assert (kept.event_set, kept.source) == (now.event_set, now.source)


@pytest.mark.parametrize(
    ("with_order", "without_order", "expected"),
    [
        (3, 0, {"order_id": ["order_id"], "columns_with_order_id": ["order_id", "product_id"]}),
        (0, 3, {"order_id": ["order_id"], "columns_without_order_id": ["email_1", "phone_2", "product_id"]}),
        (0, 0, {"order_id": ["order_id"]}),
    ],
)
def test_only_columns_that_entered_the_ids_of_a_file_are_kept(
    with_order: int, without_order: int, expected: dict[str, list[str]]
) -> None:
    """Of each kind of row that the file had; a column that enters no id, such as a town, is none of them."""
    present = ("order_id", "product_id", "email_1", "phone_2", "city", "product_name")
    columns = file_columns(ConversionSettings(), present, with_order=with_order, without_order=without_order)
    assert columns == expected


@pytest.mark.parametrize(
    ("before", "now", "agree"),
    [
        ({"Verkauf": "Purchase"}, {"Verkauf": "Lead"}, False),
        ({"Verkauf": "Purchase"}, {"Verkauf": "Purchase", "Abo": "Subscribe"}, True),
        ({}, {"Lead": "Purchase"}, False),
    ],
)
def test_a_word_keeps_its_meaning(before: dict[str, str], now: dict[str, str], agree: bool) -> None:
    """In the settings of an event set and in those of one advertiser's files; a word may be added."""
    kept, given = (identity_settings(ConversionSettings(event_map=words), "shop") for words in (before, now))
    assert (not compare_event_set(kept.event_set, given).changed) is agree
    assert (not compare_source(kept.source, given).changed) is agree


def test_what_stores_say_is_kept_as_they_say_it() -> None:
    """A store without a time zone of its own is kept without one."""
    stores = {"S1": Store(time_zone="Asia/Tokyo"), "S2": Store(phone_region="GB")}
    kept = identity_settings(ConversionSettings(stores=stores), "shop").event_set
    assert kept["stores.time_zone"] == {"S1": "Asia/Tokyo", "S2": ""}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ConversionSettings(), "rounded"),
        (ConversionSettings(profile="liveramp"), "rounded"),
        (ConversionSettings(profile="liveramp", severities={"amount_decimals": "warning"}), "as written"),
    ],
)
def test_amounts_enter_ids_rounded_unless_the_feed_takes_them_as_written(
    settings: ConversionSettings, expected: str
) -> None:
    """Only on LiveRamp's route, and only where other decimals are no error there."""
    assert identity_settings(settings, "shop").source["amount_digits"] == expected


def test_a_kept_value_of_another_kind_is_a_change() -> None:
    """As a package to come may keep it: the settings are refused, and nothing breaks."""
    given = ConversionSettings(
        event_map={"Verkauf": "Purchase"},
        stores={"S1": Store(time_zone="Asia/Tokyo")},
        columns={"Bon": "order_id"},
        format=FileFormat(timestamp_formats=("dd.MM.yyyy HH:mm",)),
    )
    now = identity_settings(given, "shop")
    for kept, compare in ((now.event_set, compare_event_set), (now.source, compare_source)):
        structured = [key for key, value in kept.items() if isinstance(value, dict | list)]
        assert structured
        for key in structured:
            assert compare({**kept, key: "another kind"}, now).changed == (key,)


def test_formats_may_be_appended_and_not_changed() -> None:
    """Formats behind those of before leave old files' times as they are; others in front may not."""

    def change(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
        kept, given = (
            identity_settings(ConversionSettings(format=FileFormat(timestamp_formats=formats)), "shop")
            for formats in (before, now)
        )
        return compare_source(kept.source, given).changed

    first, second = "dd.MM.yyyy HH:mm", "yyyy/MM/dd HH:mm"
    assert change((first,), (first, second)) == ()
    assert change((first,), (second, first)) == ("format.timestamp_formats",)
    assert change((first,), ()) == ("format.timestamp_formats",)
