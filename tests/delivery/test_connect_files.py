"""The export of LiveRamp Connect's *Files* page beside what was delivered."""

from __future__ import annotations

from airflow_provider_tiktok_offline.delivery.operations.connect_files import compare
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import (
    AdvertiserStatus,
    DeliveryStatus,
    FeedFileStatus,
)


def _delivery(day: str, name: str | None, outcome: str = "delivered") -> DeliveryStatus:
    return DeliveryStatus(
        delivery_id=f"d-{day}", day=day, feed=FeedFileStatus(name=name, day=day, rows=40, outcome=outcome)
    )


def test_each_delivered_file_is_found_by_its_name() -> None:
    """Whatever the columns are called, packed or not; rows of other advertisers are passed over."""
    status = AdvertiserStatus(
        advertiser="shop",
        deliveries=(
            _delivery("2026-11-20", "shop_20261120.csv.gz.pgp"),
            _delivery("2026-11-21", "shop_20261121.csv"),
            _delivery("2026-11-22", None, "nothing_new"),
        ),
    )
    export = ["File Name,Status,Rows", "/uploads/shop_20261120.csv,Delivered,40", "other_20261121.csv,Delivered,7"]
    newest, oldest = compare(status, export)
    assert (newest.name, newest.found) == ("shop_20261121.csv", {})
    assert oldest.found["Status"] == "Delivered"
    assert oldest.rows == 40
