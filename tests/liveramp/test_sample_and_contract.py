"""The sample file, the contract made from it, LiveRamp's regions, and the confirmation mail."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.connections import Connection
from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.preparation import prepare
from airflow_provider_tiktok_offline.errors import ConfigError, FeedError
from airflow_provider_tiktok_offline.liveramp.confirmation import confirmation
from airflow_provider_tiktok_offline.liveramp.day_record import DayRecord
from airflow_provider_tiktok_offline.liveramp.feed import LEAST_ROWS
from airflow_provider_tiktok_offline.liveramp.feed_sample import accept_sample, placeholder_sample, sample_from
from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
from airflow_provider_tiktok_offline.liveramp.regions import REGIONS, with_region
from tests.liveramp.conftest import NOW
from tests.liveramp.rows import COLUMNS, SETTINGS, feed, row, source_of, text

CATEGORIES = ("CompletePayment", "Contact", "Subscribe")


def test_a_placeholder_sample_passes_the_programmes_own_rules(tmp_path: Path) -> None:
    """At least 25 rows, every category, and nothing that the strict profile finds fault with."""
    content = placeholder_sample(COLUMNS, "|", CATEGORIES, now=NOW)
    path = tmp_path / "sample.psv"
    path.write_bytes(content)
    report = prepare.validate(LocalFile(path), SETTINGS, as_of=NOW)
    assert (report.rows_total, report.rows_valid) == (LEAST_ROWS, LEAST_ROWS)
    contract = accept_sample(content, file_name="sample.psv", name="shop", advertiser="shop", now=NOW)
    assert (contract.columns, contract.delimiter, contract.categories) == (COLUMNS, "|", CATEGORIES)
    assert contract.sample_sha256 == hashlib.sha256(content).hexdigest()


def test_a_sample_of_real_rows_holds_each_category(tmp_path: Path) -> None:
    """The first valid rows, and one of each category beyond them; invalid lines are never used."""
    rows = [list(row(number)) for number in range(200)]
    rows[150][1], rows[5][1], rows[180][1] = "Subscribe", "Subscribe", "Contact"
    source = source_of(tmp_path / "a.psv", text(rows), [line for line in range(2, 202) if line != 7])
    content = sample_from(source, delimiter="|", categories=CATEGORIES)
    contract = accept_sample(content, file_name="a.psv", name="shop", advertiser="shop", now=NOW)
    assert contract.categories == CATEGORIES
    assert b"person5@" not in content
    assert content.count(b"\n") == 1 + LEAST_ROWS + 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (text(map(row, range(24))), "24 rows"),
        (text([(*row(n)[:3], "", *row(n)[4:]) for n in range(30)]), "transaction_amount is blank in lines 2, 3"),
        (text([("", *row(n)[1:4], "", row(n)[5]) for n in range(30)]), "email_1 or phone_1 is blank"),
        (text([(row(n)[0], "In Store", *row(n)[2:]) for n in range(30)]), "can't be used"),
        (text(map(row, range(30))) + b"one|two\n", "not whole, first in lines 32"),
    ],
)
def test_unusable_samples_are_refused(content: bytes, said: str) -> None:
    """Each reason by itself, without a customer's value."""
    with pytest.raises(FeedError, match=said):
        accept_sample(content, file_name="sample.psv", name="shop", advertiser="shop", now=NOW)


def test_a_contract_is_kept_and_not_changed_by_the_way(feed_state: FeedState) -> None:
    """The same sample again is fine; another one needs to be asked for."""
    with pytest.raises(FeedError, match="no contract"):
        feed_state.contract("shop")
    feed_state.accept(feed())
    feed_state.accept(feed())
    other = replace(feed(), sample_sha256="1" * 64, columns=COLUMNS[:-1])
    with pytest.raises(FeedError, match="support case"):
        feed_state.accept(other)
    assert feed_state.contract("shop") == feed()
    feed_state.accept(other, replace_existing=True)
    assert feed_state.contract("shop") == other


def test_a_feed_belongs_to_one_advertiser(feed_state: FeedState) -> None:
    """Two advertisers on one feed would take each other's day."""
    feed_state.accept(feed())
    with pytest.raises(FeedError, match="feed of shop"):
        feed_state.contract("other")


def test_a_region_gives_host_and_port_where_the_connection_has_none() -> None:
    """The connection's own always win."""
    bare = Connection(conn_id="liveramp", conn_type="sftp", extra={"liveramp_region": "au"})
    assert (with_region(bare).host, with_region(bare).port) == ("sftp-au.liverampapac.com", 2222)
    own = replace(bare, host="sftp.example.com", port=2022)
    assert with_region(own) == own
    assert all(region.confidence and region.source for region in REGIONS.values())


@pytest.mark.parametrize(
    ("region", "host", "said"),
    [("eu", None, "no host is known"), ("eu", "h", "key auth"), ("mars", None, "one of na")],
)
def test_regions_that_need_more_say_what(region: str, host: str | None, said: str) -> None:
    """An unknown host, a region that takes keys only, an unknown region."""
    with pytest.raises(ConfigError, match=said):
        with_region(Connection(conn_id="liveramp", host=host, password="x", extra={"liveramp_region": region}))


def test_the_confirmation_names_the_file_and_its_figures(clock: ManualClock) -> None:
    """File name, rows, bytes, checksum and time; nothing else to tell."""
    record = DayRecord(
        day="2026-11-22", file_name="shop_2026-11-22.psv", uri="sftp://x@/shop.psv", sha256="a" * 64, rows=12345,
        plain_bytes=99, deliveries=("d-1",), status="delivered", holder="dag/run", lease_until=NOW, bytes=67890,
        stored_sha256="b" * 64, delivered_at=NOW + timedelta(minutes=1),
    )  # fmt: skip
    mail = confirmation(record, feed="shop")
    assert mail.subject == "Conversion file uploaded: shop_2026-11-22.psv"
    for fact in ("12,345", "67,890", "b" * 64, "2026-11-22 09:01:00 UTC", "shop_2026-11-22.psv"):
        assert fact in mail.text
        assert fact in mail.html
    with pytest.raises(FeedError):
        confirmation(replace(record, status="writing"), feed="shop")
