"""Files that people and other programs write: any bytes are read, or end in an error of the package."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.config.loading import load_config
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_layout import ListSettings
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.read_list import read_list
from airflow_provider_tiktok_offline.conversions.preparation.prepare import PassOptions, validate
from airflow_provider_tiktok_offline.conversions.report.html_report import html
from airflow_provider_tiktok_offline.delivery.operations.connect_files import read_export
from airflow_provider_tiktok_offline.delivery.source.checksum_file import read_checksum
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    AdvertiserStatus,
    DeliveryStatus,
    FeedFileStatus,
)
from airflow_provider_tiktok_offline.storage.backends.local_files import LocalFiles
from tests.conversions.files import AS_OF, SETTINGS, BytesSource
from tests.fuzz.damage import EXAMPLES, NAME, NUMBER, damaged, fuzz

_FILE = (
    "email_1,phone_1,transaction_category,transaction_timestamp,transaction_amount,order_id,store_code,product_name\n"
    f"{NAME}@example.com,+49151{NUMBER}1,CompletePayment,2026-11-20T10:00:00Z-0000,12.50,o1,S1,hat\n"
    f'{NAME} <{NAME}@example.com>,0151{NUMBER}1,Contact,2026-11-20T10:00:00Z-0000,12.50,{NAME}@x.de,S1,"a, b"\n'
).encode()
_HEADER, _, _ROWS = _FILE.partition(b"\n")
_LIST = (
    f"Name;E-Mail;Telefon;Digest\nA;{NAME}1@example.com;0151{NUMBER}1;\nB;;+49 151 {NUMBER} 2;{'ab' * 32}\n"
    f'C;"{NAME} <{NAME}2@example.com>";;\n'
).encode()
_YAML = b"""\
defaults: &all
  mode: live
  state_uri: state
  currency: EUR
  upload: {batch_events: 100, part_events: 1000}
  suppression: {uri: optouts.csv, max_age_hours: 48}
advertisers:
  - name: corner_shop
    advertiser_id: "7000000000000000001"
    event_set_id: "7000000000000000002"
    schedule: 0 6 * * *
    source: {conn_id: shop, path: "out/sales_{{ ds_nodash }}.csv", settle_seconds: 60}
    columns: {Kunde: email_1, Betrag: transaction_amount}
    where: {Marke: [A, B]}
    stores: {S1: {currency: CHF, time_zone: Europe/Zurich}}
  - name: market_hall
    <<: {route: liveramp}
    advertiser_id: "7000000000000000003"
    event_set_id: ${EVENT_SET:-7000000000000000004}
    source: {path: out/x.csv}
    liveramp: {destination: "sftp://drop@/uploads", file_name: "{{ feed }}_{{ day }}.csv"}
"""
_CONNECT = b'File Name,Status,Rows\n/uploads/shop_20261120.csv,Delivered,40\n"other,1.csv",Failed,7\n'
_SUM = f"{'ab' * 32}  sales.csv\nSHA1 (other.csv) = {'cd' * 20}\n".encode()


def _validate(content: bytes) -> None:
    for settings in (SETTINGS, replace(SETTINGS, profile="liveramp", currency=None)):
        rejects = io.BytesIO()
        report = validate(
            BytesSource(content), settings, as_of=AS_OF, options=PassOptions(rejects=rejects, block_bytes=1 << 11)
        )
        assert report.rows_total == (
            report.rows_valid + report.rows_rejected + report.rows_duplicate + report.rows_excluded
        )
        for said in (report.to_json(), html(report), rejects.getvalue().decode()):
            assert NAME not in said
            assert NUMBER not in said


@pytest.mark.parametrize("examples", EXAMPLES)
def test_headers_of_conversion_files(examples: int) -> None:
    """The first line is anything, with rows below it or glued to it."""
    fuzz(damaged(_HEADER + b"\n").map(lambda header: header + _ROWS), _validate, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_whole_conversion_files(examples: int) -> None:
    """Each byte is anything; no report shows a value."""
    fuzz(damaged(_FILE), _validate, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_lists_of_opt_outs(examples: int) -> None:
    """An entry that is not understood is counted, or stops the reading; it is never shown."""

    def read(content: bytes) -> None:
        for settings in (ListSettings(phone_regions=("DE",)), ListSettings(max_unreadable=10**6, allow_empty=True)):
            people = read_list(io.BytesIO(content), settings)
            assert NAME not in repr(people)
            assert NUMBER not in repr(people)

    fuzz(damaged(_LIST) | damaged(_LIST.decode().encode("utf-16")), read, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_configurations(examples: int, tmp_path: Path) -> None:
    """Faults are named, and every entry that is whole can be used."""

    def load(content: bytes) -> None:
        file = tmp_path / "advertisers.yaml"
        file.write_bytes(content)
        loaded = load_config(file, environ={"EVENT_SET": "7000000000000000005"})
        for config in loaded.advertisers.values():
            config.identity_settings()
            config.conversion_settings()
        for broken in loaded.broken:
            assert str(broken.error())

    fuzz(damaged(_YAML), load, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_checksum_files(examples: int, tmp_path: Path) -> None:
    """A checksum or none."""

    def read(content: bytes) -> None:
        (tmp_path / "sales.csv.sum").write_bytes(content)
        found = read_checksum(LocalFiles(), str(tmp_path / "sales.csv.sum"), "sales.csv")
        assert found is None or found.partition(":")[0] in ("md5", "sha1", "sha256", "sha384", "sha512")

    fuzz(damaged(_SUM), read, examples)


@pytest.mark.parametrize("examples", EXAMPLES)
def test_exports_of_connects_files(examples: int, tmp_path: Path) -> None:
    """Each delivered file is compared, whatever the export holds."""
    feed = FeedFileStatus(name="shop_20261120.csv", day="2026-11-20", rows=40, outcome="delivered")
    delivery = DeliveryStatus(delivery_id="d", day="2026-11-20", feed=feed)
    status = AdvertiserStatus(advertiser="shop", deliveries=(delivery,))

    def read(content: bytes) -> None:
        (tmp_path / "files.csv").write_bytes(content)
        assert len(read_export(status, tmp_path / "files.csv")) == 1

    fuzz(damaged(_CONNECT), read, examples)
