"""The event id's recipe, pinned by the vectors of docs/event-id.md."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.event_id import content_numbers, identity_value
from airflow_provider_tiktok_offline.conversions.text.cleaning import cleaned
from tests.conversions.files import GOOD, HEADER, SETTINGS, events, text

DOCUMENT = Path(__file__).parents[2] / "docs" / "event-id.md"
_NAMES = ("transaction_category", "transaction_timestamp", "transaction_amount", "store_code", "order_id", "product_id")


def vectors() -> list[tuple[dict[str, str], ConversionSettings, str]]:
    """Each row of the document's table as a row of a file, the settings and the id."""
    table = []
    for line in DOCUMENT.read_text().splitlines():
        if not re.search(r"`v2-[0-9a-f]{32}`", line):
            continue
        *cells, identifiers, event_id = [_cell(cell) for cell in line.strip("|").split("|")]
        row = dict(zip(_NAMES, cells, strict=True))
        settings = SETTINGS
        if "basket" in row["transaction_category"]:
            row["transaction_category"] = row["transaction_category"].partition(",")[0]
            settings = replace(SETTINGS, basket="order")
        row |= {"transaction_timestamp": row["transaction_timestamp"].replace("any", "2026-11-21"),
                "transaction_amount": row["transaction_amount"].replace("any", "1.00")}  # fmt: skip
        if identifiers != "any":
            row |= {"email_1": "", "phone_1": ""}
            for identifier in identifiers.replace("`", "").split(", "):
                row["email_1" if "@" in identifier else "phone_1"] = identifier
        table.append((row, settings, event_id))
    return table


def _cell(cell: str) -> str:
    text = cell.strip()
    if text.startswith("`") and text.count("`") == 2 and text.endswith("`"):
        text = text.strip("`")
    return text.replace("\\u200b", "\u200b")


@pytest.mark.parametrize(("row", "settings", "event_id"), vectors())
def test_a_transaction_has_the_documented_id(
    row: dict[str, str], settings: ConversionSettings, event_id: str, tmp_path: Path
) -> None:
    """Today, and in every release to come."""
    assert events(written([row]), tmp_path, settings).read(0)["event_id"].to_list() == [event_id]


def test_there_are_vectors() -> None:
    """The table was found."""
    assert len(vectors()) == 15


def written(rows: Sequence[dict[str, str]]) -> str:
    """A file of rows whose cells may hold quotes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**GOOD, "order_id": "", **row} for row in rows)
    return out.getvalue()


def ids(rows: Sequence[dict[str, str]], folder: Path) -> list[str]:
    """The event ids of rows."""
    return events(written(rows), folder).read(0)["event_id"].to_list()


@pytest.mark.parametrize("name", ["store_code", "order_id", "product_id"])
@pytest.mark.parametrize("cell", ["'12", '="12"', "1\u200b2", "\ufeff12", "1\u00ad2", " 12", "12\u200f", '\'="12"'])
def test_what_nobody_typed_does_not_enter_the_id(name: str, cell: str, tmp_path: Path) -> None:
    """Another export of the same sale, through a spreadsheet or a web form, has the same id."""
    row = {"order_id": "o1"} if name != "order_id" else {}
    plain, odd = ids([{**row, name: "12"}], tmp_path / "plain"), ids([{**row, name: cell}], tmp_path / "odd")
    assert plain == odd


def test_a_cell_without_a_value_counts_as_blank(tmp_path: Path) -> None:
    """Also behind the marks of a spreadsheet: the sale has no order then."""
    rows = [{"order_id": cell, "store_code": "S1"} for cell in ("", "'", "'N/A", '=""', "\u200b")]
    assert len(set(ids(rows[:1], tmp_path / "one") + ids(rows, tmp_path / "all"))) == 1


def test_an_email_comes_before_a_phone_and_earlier_columns_before_later_ones(tmp_path: Path) -> None:
    """Wherever they stand in the file."""
    header = [
        "phone_2",
        "phone_1",
        "email_2",
        *(name for name in HEADER if name not in ("email_1", "phone_1")),
        "email_1",
    ]
    full = {**GOOD, "order_id": "", "email_1": "a@example.com", "email_2": "b@example.com", "phone_1": "2125550101",
            "phone_2": "2125550102"}  # fmt: skip
    firsts: dict[str, list[str]] = {
        "a@example.com": [], "b@example.com": ["email_1"], "2125550101": ["email_1", "email_2"],
        "2125550102": ["email_1", "email_2", "phone_1"],
    }  # fmt: skip
    for number, (first, blank) in enumerate(firsts.items()):
        row = {**full, **dict.fromkeys(blank, "")}
        alone = {**GOOD, "order_id": "", "email_1": "", **{"email_1" if "@" in first else "phone_1": first}}
        found = events(text([row], header), tmp_path / f"{number}").read(0)["event_id"].to_list()
        assert found == ids([alone], tmp_path / f"{number}-alone"), first


def test_a_value_that_was_not_cleaned_before_enters_the_id_cleaned() -> None:
    """Placeholders behind marks are blank, and the others stay."""
    cells = pl.Series("cell", ["'12", "A-1", " x", "n/a", "'N/A", ""])
    assert identity_value(cells).to_list() == ["12", "A-1", "x", "", "", ""]


@given(strategies.lists(strategies.text("x1'=\" \u200b\ufeff\u00a0\té", max_size=6), min_size=1, max_size=8))
def test_cleaning_twice_is_cleaning_once(cells: list[str]) -> None:
    """And a clean cell stays as it is."""
    once = cleaned(pl.Series("cell", cells, dtype=pl.String))
    assert cleaned(once).equals(once)
    assert [cell for cell in once.to_list() if cell.startswith("'") or cell != cell.strip() or "\u200b" in cell] == []


def test_a_column_without_an_odd_byte_is_not_looked_at() -> None:
    """The look at the bytes decides: no pattern runs over clean ids."""
    cells = pl.Series(["", "A-1", "S 1", "x" * 80])
    assert cleaned(cells) is cells
    assert identity_value(cells) is cells


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
