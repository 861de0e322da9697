"""Presets: a documented export goes to events with its name and the account's ids alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.config.loading import parse_advertiser
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.presets import presets
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare, validate
from airflow_provider_tiktok_offline.conversions.preparation.prepared_events import PreparedEvents
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.onboarding.entry_text import Account, entry_text
from airflow_provider_tiktok_offline.onboarding.export_sample import read_sample
from airflow_provider_tiktok_offline.onboarding.proposal import propose

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """An invented export of a documented layout, and what it means."""

    content: str
    valid: int
    values: dict[str, str]
    excluded: dict[str, int]


SAMPLES = {
    "shopify_orders": Sample(
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Accepts Marketing,Currency,Subtotal,Shipping,Taxes,"
        "Total,Lineitem quantity,Lineitem name,Lineitem price,Billing Phone,Notes,Refunded Amount,Phone\n"
        "#1001,ann@example.com,paid,2026-11-20 10:01:00 -0500,fulfilled,no,USD,40.00,5.90,0.00,45.90,1,Scarf,20.00,"
        '\'+12133734253,"Leave at door.\nThanks",0.00,\n'
        "#1001,ann@example.com,,,,,,,,,,1,Hat,20.00,,,,\n"
        "#1002,,partially_refunded,2026-11-20 11:00:00 -0500,,no,USD,10.00,0.00,0.00,10.00,1,Sock,10.00,,,2.00,"
        "+12133734254\n"
        "#1003,carl@example.com,voided,,,no,USD,9.00,0.00,0.00,9.00,1,Sock,9.00,,,0.00,\n",
        2,
        {"USD": "55.90"},
        {"filtered": 2},
    ),
    "woocommerce_orders": Sample(
        "order_id,order_number,date,status,shipping_total,order_total,order_currency,payment_method,billing_first_name,"
        "billing_email,billing_phone,line_items\n"
        "31,WC-31,2026-11-20 10:01:00,completed,4.90,44.90,EUR,paypal,Ann,ann@example.com,+4915123456789,x\n"
        "32,WC-32,2026-11-20 11:01:00,cancelled,4.90,14.90,EUR,paypal,Bob,bob@example.com,,x\n",
        1,
        {"EUR": "44.90"},
        {"filtered": 1},
    ),
    "magento_orders": Sample(
        'ID,"Purchase Point","Purchase Date","Bill-to Name","Ship-to Name","Grand Total (Base)",'
        '"Grand Total (Purchased)",Status,"Customer Email"\n'
        '000000001,"Main Website","Nov 20, 2026 10:01:00 AM","Ann A","Ann A","$1,299.00","$1,299.00",complete,'
        "ann@example.com\n"
        '000000002,"Main Website","Nov 20, 2026 1:01:00 PM","Bob B","Bob B","$19.00","$19.00",canceled,'
        "bob@example.com\n",
        1,
        {"none": "1299.00"},
        {"filtered": 1},
    ),
    "square_transactions": Sample(
        "Date,Time,Time Zone,Gross Sales,Discounts,Net Sales,Tax,Tip,Total Collected,Source,Card,Fees,Net Total,"
        "Transaction ID,Payment ID,Details,Event Type,Location,Customer ID,Customer Name,Email Address,Phone Number\n"
        '2026-11-20,10:01:00,Eastern Time (US & Canada),"$1,250.00",$0.00,"$1,250.00",$49.00,$0.00,"$1,299.00",'
        "Point of Sale,x,-$3.00,x,T1,P1,x,Payment,Main,C1,Ann A,ann@example.com,+1 213-373-4253\n"
        "11/20/2026,2:30:00 PM,Eastern Time (US & Canada),$8.50,$0.00,$8.50,$0.00,$0.00,$8.50,Point of Sale,x,x,x,"
        "T2,P2,x,Payment,Main,,,,\n"
        "11/20/2026,3:30:00 PM,Eastern Time (US & Canada),-$8.50,$0.00,-$8.50,$0.00,$0.00,-$8.50,Point of Sale,x,x,x,"
        "T3,P3,x,Refund,Main,C1,Ann A,ann@example.com,\n",
        1,
        {"none": "1299.00"},
        {"filtered": 1, "no_identifier": 1},
    ),
    "google_ads_conversions": Sample(
        "Email,Phone Number,Conversion Name,Conversion Time,Conversion Value,Conversion Currency,Order ID\n"
        "ann@example.com,+12133734253,Store sale,2026-11-20 10:01:00-05:00,45.90,USD,G1\n"
        "bob@example.com,,Store sale,11/20/2026 1:01:00 PM,10.00,USD,G2\n",
        2,
        {"USD": "55.90"},
        {},
    ),
    "meta_offline_events": Sample(
        "email,phone,fn,ln,event_name,event_time,value,currency,order_id\n"
        "ann@example.com,12133734253,Ann,A,Purchase,1795132800,45.90,USD,M1\n"
        "bob@example.com,,Bob,B,Purchase,2026-11-20T10:01:00-05:00,10.00,USD,M2\n",
        2,
        {"USD": "55.90"},
        {},
    ),
}


def entry(name: str, **settings: object) -> AdvertiserConfig:
    """An entry with a preset and the account's ids."""
    written = {
        "name": "shop",
        "advertiser_id": "1",
        "event_set_id": "2",
        "state_uri": "/unused",
        "source": {"path": "/out/a.csv"},
        "format": {"preset": name},
    }
    return parse_advertiser({**written, **settings}, where="here")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_documented_export_goes_to_events(name: str, tmp_path: Path) -> None:
    """Without another setting; rows that are no completed sale are left out."""
    sample = SAMPLES[name]
    path = tmp_path / "export.csv"
    path.write_text(sample.content)
    report = validate(LocalFile(path), entry(name).conversion_settings(), as_of=AS_OF)
    assert (report.rows_valid, dict(report.excluded)) == (sample.valid, sample.excluded), report.issues
    assert report.values["valid"] == sample.values
    assert report.rows_rejected == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_a_documented_export_is_recognised(name: str, tmp_path: Path) -> None:
    """By its columns."""
    path = tmp_path / "export.csv"
    path.write_text(SAMPLES[name].content)
    found = propose(read_sample(path))
    assert found.preset is not None
    assert found.preset.name == name
    assert found.faults == []


def test_every_preset_loads_and_says_its_amount() -> None:
    """And has an invented sample here, but for the one that is no product's layout."""
    assert set(presets()) - {"semicolon_decimal_comma"} == set(SAMPLES)
    for preset in presets().values():
        assert preset.amount
        assert preset.documented
        assert entry(preset.name).format.preset == preset.name


def test_an_entry_overrules_its_preset() -> None:
    """Key by key."""
    settings = entry(
        "shopify_orders",
        format={"preset": "shopify_orders", "decimal": ","},
        columns={"Source": "store_code", "Billing Phone": "phone_1"},
    ).conversion_settings()
    assert settings.format.decimal == ","
    assert settings.columns["Source"] == "store_code"
    assert settings.columns["Billing Phone"] == "phone_1"
    assert settings.columns["Total"] == "transaction_amount"


@pytest.mark.parametrize("name", ["semicolon_decimal_comma", "sap", "datev"])
def test_the_general_preset_reads_a_table_of_semicolons(name: str, tmp_path: Path) -> None:
    """With the columns that it needs mapped by hand; under the names that people look for."""
    path = tmp_path / "export.csv"
    lines = "20.11.2026 10:01;ann@example.com;1.299,00;38\n20.11.2026;bob@example.com;5,00-;40\n"
    path.write_bytes(f"Datum;Mail;Betrag;Größe\n{lines}".encode("cp1252"))
    columns = {"Datum": "transaction_timestamp", "Mail": "email_1", "Betrag": "transaction_amount"}
    settings = entry(name, columns=columns).conversion_settings()
    report = validate(LocalFile(path), settings, as_of=AS_OF)
    assert (report.rows_valid, report.values["valid"]) == (1, {"none": "1299.00"})
    assert report.excluded == {"return": 1}


def test_a_table_of_semicolons_above_which_a_line_stands_is_said_to_be_written_so(tmp_path: Path) -> None:
    """As DATEV writes it; the proposal names the preset and reads the file."""
    path = tmp_path / "EXTF_Verkaeufe.csv"
    rows = "".join(f'"{n}.11.2026";"k{n}@example.com";1.2{n:02},50;"R{n:05}"\n' for n in range(10, 20))
    path.write_bytes(f'"EXTF";700;21\n"Belegdatum";"E-Mail";"Betrag";"Belegnummer"\n{rows}'.encode("cp1252"))
    text = entry_text(propose(read_sample(path)), Account())
    assert "format: {preset: semicolon_decimal_comma or sap or datev}" in text
    assert "skip_lines: 1" in text
    assert "Belegdatum: transaction_timestamp" in text


def test_an_unknown_preset_is_one_fault() -> None:
    """The message names those that there are."""
    with pytest.raises(ConfigError, match="no preset; there are google_ads_conversions"):
        entry("shopifi")


def test_an_export_without_identifiers_says_where_they_come_from(tmp_path: Path) -> None:
    """Square's transactions, not yet joined with its customers."""
    path = tmp_path / "export.csv"
    path.write_text(SAMPLES["square_transactions"].content.replace("Email Address,Phone Number", "Device Name,Notes"))
    proposal = propose(read_sample(path))
    assert proposal.preset is not None
    assert "Email Address and Phone Number to each transaction by its Customer ID" in proposal.faults[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_documented_export_becomes_events(name: str, tmp_path: Path) -> None:
    """One event a valid row, with the amount that the preset names."""
    path = tmp_path / "export.csv"
    path.write_text(SAMPLES[name].content)
    parts = DirectoryParts(tmp_path / "parts")
    prepare(LocalFile(path), entry(name).conversion_settings(), as_of=AS_OF, output=parts)
    items = [json.loads(line) for line in PreparedEvents.open(parts).json_lines()]
    assert len(items) == SAMPLES[name].valid
    total = sum(Decimal(str(item["properties"]["value"])) for item in items)
    assert total == sum(map(Decimal, SAMPLES[name].values.values()))


def test_the_page_lists_every_preset() -> None:
    """With its export and its amount."""
    page = (Path(__file__).parents[2] / "docs" / "your-own-export.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|[^|]+\|[^|]+\|$", page, re.MULTILINE)) >= set(presets())
