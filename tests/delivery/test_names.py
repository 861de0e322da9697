"""Which names in a folder are a day's file."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from airflow_provider_tiktok_offline.config.models import SourceConfig
from airflow_provider_tiktok_offline.delivery.source.find_file import day_in_name, find
from airflow_provider_tiktok_offline.storage.stamps import FileStamp, from_epoch
from tests.delivery.world import NOW, World

DAY = date(2026, 11, 21)


def found(world: World, names: list[str], path: str, *, mtime: float = NOW.timestamp() - 3600) -> list[str]:
    """What a look at a folder of these names finds."""
    folder = world.folder / "drop"
    ctx = world.context(source={"path": str(folder / path), "files": "all", "settle_seconds": 60})
    listed = [FileStamp(f"{folder}/{name}", 5, from_epoch(mtime)) for name in names]
    looked: dict[str, Any] = {"listed": listed}
    return [str(stamp["uri"]).rpartition("/")[2] for stamp in find(ctx, DAY, **looked).files]


@pytest.mark.parametrize("ending", [".filepart", ".tmp", ".part", ".partial", ".crdownload", "~", ".PART"])
def test_a_pattern_never_takes_what_a_client_is_still_writing(world: World, ending: str) -> None:
    """By the names that common clients use; a path that names one takes it."""
    names = ["sales.csv", f"sales.csv{ending}"]
    assert found(world, names, "sales*") == ["sales.csv"]
    assert found(world, names, f"sales.csv{ending}") == [f"sales.csv{ending}"]


def test_brackets_are_a_name_where_they_are_no_pattern(world: World) -> None:
    """As a shop's system writes them."""
    assert found(world, ["sales[1].csv", "sales1.csv"], "sales[1].csv") == ["sales1.csv", "sales[1].csv"]
    assert found(world, ["sales[1].csv"], "sales[1].csv") == ["sales[1].csv"]


def test_a_file_without_a_time_is_not_complete_at_first_sight(world: World) -> None:
    """What a server does not tell is not favourable."""
    assert found(world, ["sales.csv"], "sales.csv", mtime=0) == []


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("/out/sales_{{ ds_nodash }}.csv", "sales_20261121.csv", DAY),
        ("/out/{{ ds }}/sales_{{ day.strftime('%d.%m.%y') }}*.csv", "sales_21.11.26_080000.csv", DAY),
        ("/out/sales_{{ ds_nodash }}.csv", "sales_20261199.csv", None),
        ("/out/sales_{{ ds_nodash }}.csv", "returns_20261121.csv", None),
        ("/out/sales_{{ day.strftime('%m%d') }}.csv", "sales_1121.csv", DAY),
        ("/out/sales_{{ day.strftime('%d') }}.csv", "sales_21.csv", None),
        ("/out/sales.csv", "sales.csv", None),
        ("/out/{{ ds }}/sales.csv", "sales.csv", None),
    ],
)
def test_a_name_says_its_day_by_the_template_of_the_path(path: str, name: str, expected: date | None) -> None:
    """Where it can be that of one day only."""
    assert day_in_name(SourceConfig(path=path), name, today=date(2026, 11, 22)) == expected
