"""The event id's recipe, pinned by the vectors of docs/event-id.md."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.event_id import content_numbers
from tests.conversions.files import SETTINGS, events

DOCUMENT = Path(__file__).parents[2] / "docs" / "event-id.md"
_NAMES = ("transaction_category", "transaction_timestamp", "transaction_amount", "store_code", "order_id", "product_id")


def vectors() -> list[tuple[dict[str, str], ConversionSettings, str]]:
    """Each row of the document's table as a row of a file, the settings and the id."""
    found = []
    for line in DOCUMENT.read_text().splitlines():
        if not re.search(r"`v1-[0-9a-f]{32}`", line):
            continue
        *cells, identifier, event_id = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        row = dict(zip(_NAMES, cells, strict=True))
        settings = SETTINGS
        if "basket" in row["transaction_category"]:
            row["transaction_category"] = "Purchase"
            settings = replace(SETTINGS, basket="order")
        row |= {"transaction_timestamp": row["transaction_timestamp"].replace("any", "2026-11-21"),
                "transaction_amount": row["transaction_amount"].replace("any", "1.00")}  # fmt: skip
        if identifier != "any":
            row |= {
                "email_1": identifier if "@" in identifier else "",
                "phone_1": "" if "@" in identifier else identifier,
            }
        found.append((row, settings, event_id))
    return found


@pytest.mark.parametrize(("row", "settings", "event_id"), vectors())
def test_a_transaction_has_the_documented_id(
    row: dict[str, str], settings: ConversionSettings, event_id: str, tmp_path: Path
) -> None:
    """Today, and in every release to come."""
    assert events([row], tmp_path, settings).read(0)["event_id"].to_list() == [event_id]


def test_there_are_vectors() -> None:
    """The table was found."""
    assert len(vectors()) == 7


def test_identity_columns_can_be_chosen(tmp_path: Path) -> None:
    """Two registers may count the same receipt numbers."""
    rows = [{"order_id": "1", "store_code": code} for code in ("a", "b")]
    by_store = events(rows, tmp_path, SETTINGS).read(0)["event_id"]
    assert by_store.n_unique() == 2
    settings = replace(SETTINGS, event_identity=("order_id", "transaction_timestamp"))
    rows = [{"order_id": "1", "transaction_timestamp": f"2026-11-2{day}"} for day in (0, 1)]
    assert events(rows, tmp_path, settings).read(0)["event_id"].n_unique() == 2


def test_the_fingerprint_of_time_and_amount_never_changes() -> None:
    """The ledger keeps it for months."""
    numbers = content_numbers(np.array([1795168800, 0]), np.array([12_500_000, 0]))
    assert [f"{number:016x}" for number in numbers.tolist()] == ["50c416748b3ac310", "a706dd2f4d197e6f"]
