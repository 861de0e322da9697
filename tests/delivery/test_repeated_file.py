"""Yesterday's content under today's name: neither delivered nor a success."""

from __future__ import annotations

import gzip
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.operations.adopt import adopt_file
from airflow_provider_tiktok_offline.delivery.sequences import send_prepared
from airflow_provider_tiktok_offline.delivery.source.find_file import day_in_name, find
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GateExceededError, InputFileError, SkippedFileError
from tests.delivery.world import HEADER, NOW, World, rows

YESTERDAY, TODAY = date(2026, 11, 20), date(2026, 11, 21)
FIRST, SECOND = "conversions_20261120.csv", "conversions_20261121.csv"


def source(world: World, **changes: Any) -> dict[str, Any]:
    """Settings of the world's source, with changes."""
    return {"source": {**world.config().source.model_dump(mode="json"), **changes}}


def put(world: World, name: str, content: bytes) -> dict[str, Any]:
    """A file as it stands."""
    stamp = world.drop([], name=name)
    path = Path(stamp["uri"])
    path.write_bytes(content)
    os.utime(path, (NOW.timestamp() - 3600,) * 2)
    return {**stamp, "size": len(content)}


def repeated(ctx: DeliveryContext, stamp: dict[str, Any], day: date | None = TODAY) -> str:
    """Expect that the file is refused as yesterday's, with nothing opened or staged; returns the message."""
    known = len(ctx.deliveries.list(ctx.config.name))
    with pytest.raises(InputFileError, match="the rows that were delivered for 2026-11-20") as caught:
        validate(ctx, stamp, day=day)
    assert (caught.value.rule, caught.value.retryable) == ("repeated_file", False)
    assert len(ctx.deliveries.list(ctx.config.name)) == known
    assert ctx.staging.list("") == []
    return str(caught.value)


@pytest.fixture
def delivered(world: World) -> World:
    """Yesterday's five rows are delivered."""
    world.init_ledger()
    world.deliver(world.drop(rows(1, 5), name=FIRST))
    return world


@pytest.mark.parametrize("mode", ["live", "dry_run"])
@pytest.mark.parametrize("day", [TODAY, None])
def test_the_same_bytes_under_todays_name(delivered: World, mode: str, day: date | None) -> None:
    """The run fails and names the day; the file's own name says its day where the run does not."""
    stamp = delivered.drop(rows(1, 5), name=SECOND)
    for run in ("first", "again"):
        message = repeated(delivered.context(f"today/{run}", mode=mode), stamp, day)
        assert "file for 2026-11-21" in message
        assert FIRST in message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{SECOND}.gz", gzip.compress("\n".join([HEADER, *rows(1, 5)]).encode() + b"\n")),
        ("other.csv", "\n".join([HEADER, *rows(1, 5)]).encode()),
        (SECOND, "\n".join([HEADER.replace("store_code", "Store_Code"), *rows(1, 5), ""]).encode()),
        (SECOND, b"\xef\xbb\xbf" + "\n".join([HEADER, *rows(1, 5), ""]).encode()),
    ],
    ids=["gzip", "no last line end", "header", "byte order mark"],
)
def test_the_same_rows_in_other_bytes(delivered: World, name: str, content: bytes) -> None:
    """What is compared are the data rows, unpacked."""
    repeated(delivered.context("today/1"), put(delivered, name, content))


def test_it_is_passed_over_where_the_configuration_says_so_or_no_file_is_due(delivered: World) -> None:
    """``repeated_file: skip``; and a closed day, even where the setting says fail."""
    stamp = delivered.drop(rows(1, 5), name=SECOND)
    for changes in ({"repeated_file": "skip"}, {"closed_dates": [TODAY.isoformat()]}):
        with pytest.raises(SkippedFileError, match="nothing to send"):
            validate(delivered.context("today/1", **source(delivered, **changes)), stamp, day=TODAY)


def test_a_file_for_the_same_day_or_for_no_day_is_delivered_already(delivered: World) -> None:
    """A cleared run, or a command without a day, finds its delivery closed."""
    stamp = delivered.drop(rows(1, 5), name=FIRST)
    assert validate(delivered.context("again/1"), stamp, day=YESTERDAY).closed
    unnamed = validate(delivered.context("again/1"), delivered.drop(rows(1, 5), name="copy.csv"))
    assert (unnamed.closed, unnamed.day) == (True, "2026-11-20")


def test_other_rows_are_another_file(delivered: World) -> None:
    """One more row, and the result names the day."""
    result = validate(delivered.context("today/1"), delivered.drop(rows(1, 6), name=SECOND))
    assert (result.closed, result.day) == (False, "2026-11-21")


def test_a_file_without_rows_repeats_nothing(world: World) -> None:
    """Two quiet days in a row are two quiet days."""
    world.init_ledger()
    ctx = world.context(**source(world, header_only="skip"))
    for name in (FIRST, SECOND):
        with pytest.raises(SkippedFileError, match="quiet day"):
            validate(ctx, world.drop([], name=name))


def test_failed_and_reopened_deliveries_are_resumed(world: World) -> None:
    """Only what was delivered is a repetition; a delivery that is resumed under another name takes that day."""
    world.init_ledger()
    content = [row.replace("10.00", "ten") for row in rows(1, 5)]
    for name in (FIRST, SECOND):
        with pytest.raises(GateExceededError):
            validate(world.context("daily/1"), world.drop(content, name=name))
    summary = world.deliver(world.drop(rows(1, 5), name=FIRST))
    ctx = world.context("today/1")
    ctx.deliveries.reopen(summary.delivery_id, "rejected")
    resumed = validate(ctx, world.drop(rows(1, 5), name=SECOND))
    assert (resumed.delivery_id, resumed.closed, resumed.day) == (summary.delivery_id, False, "2026-11-21")


def test_adopted_files_count_as_delivered(world: World) -> None:
    """Sent by other means, for the day that the name or the person says."""
    world.init_ledger()
    ctx = world.context("person/1")
    adopt_file(ctx, ctx.ledger, str(world.drop(rows(1, 5), name=FIRST)["uri"]), reason="by hand")
    adopt_file(ctx, ctx.ledger, str(world.drop(rows(6, 5), name="b.csv")["uri"]), reason="by hand", day=YESTERDAY)
    for first in (1, 6):
        repeated(world.context("today/1"), world.drop(rows(first, 5), name=SECOND))


def test_dry_runs_and_other_advertisers_delivered_nothing(world: World) -> None:
    """A dry run of yesterday's rows is no delivery, nor is what another entry sent."""
    world.init_ledger()
    validate(world.context("try/1", mode="dry_run"), world.drop(rows(1, 5), name=FIRST))
    stamp = world.drop(rows(1, 5), name=FIRST)
    shared = {"where": {"store_code": ["store-1"]}}
    world.deliver(stamp, world.context("other/1", name="sister", **shared))
    assert not validate(world.context("today/1", **shared), world.drop(rows(1, 5), name=SECOND)).closed


def test_a_prepared_directory_is_compared_too(delivered: World, tmp_path: Path) -> None:
    """By the report that lies in it."""
    from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import DirectoryParts
    from airflow_provider_tiktok_offline.conversions.preparation.prepare import prepare

    ctx = delivered.context("today/1")
    stamp = delivered.drop(rows(1, 5), name=SECOND)
    output = DirectoryParts(tmp_path / "prepared")
    prepare(LocalFile(stamp["uri"]), ctx.config.conversion_settings(), as_of=NOW, output=output)
    with pytest.raises(InputFileError, match="delivered for 2026-11-20"):
        send_prepared(ctx, tmp_path / "prepared")


def test_under_a_path_without_a_day_the_sensor_waits_for_the_next_file(world: World) -> None:
    """Yesterday's rows written once more under a fixed name are refused once, then passed over."""
    world.init_ledger()
    changes = source(world, path=str(world.folder / "drop" / "sales.csv"))
    first = world.context("daily/20", **changes)
    stamp = world.drop(rows(1, 5), name="sales.csv")
    validate(first, stamp, day=YESTERDAY)
    world.deliver(stamp, first)
    ctx = world.context("daily/21", **changes)
    assert not find(ctx, TODAY).ready
    os.utime(stamp["uri"], (NOW.timestamp() - 60,) * 2)
    [touched] = find(ctx, TODAY).files
    repeated(ctx, dict(touched))
    assert not find(ctx, TODAY).ready
    os.utime(stamp["uri"], (NOW.timestamp() - 30,) * 2)
    assert find(ctx, TODAY).ready


def test_a_name_with_todays_day_stays_a_failure(delivered: World) -> None:
    """A cleared sensor finds the file again: it must not pass for delivered."""
    delivered.drop(rows(1, 5), name=SECOND)
    ctx = delivered.context("today/1")
    [found] = find(ctx, TODAY).files
    repeated(ctx, dict(found))
    look = find(ctx, TODAY)
    assert (len(look.files), look.already_delivered) == (1, False)


def test_it_goes_into_quarantine_where_there_is_one(delivered: World) -> None:
    """So that the right file can come under its name."""
    folder = delivered.folder / "drop" / "wrong"
    stamp = delivered.drop(rows(1, 5), name=SECOND)
    repeated(delivered.context("today/1", **source(delivered, quarantine_path=str(folder))), stamp)
    assert [path.name for path in folder.iterdir()] == [SECOND]


@pytest.mark.parametrize(
    ("path", "name", "day"),
    [
        ("/in/sales_{{ ds }}.csv", "sales_2026-11-21.csv", TODAY),
        ("/in/{{ ds }}/sales_{{ ds_nodash }}_*.csv", "sales_20261121_1.csv", TODAY),
        ("/in/sales_{{ day.strftime('%V') }}.csv", "sales_47.csv", None),
        ("/in/sales_{{ ds_nodash }}.csv", "sales_20261131.csv", None),
        ("/in/sales_*.csv", "sales_20261121.csv", None),
    ],
)
def test_the_day_in_a_name(world: World, path: str, name: str, day: date | None) -> None:
    """Only a day that the path would name so, and only if it is one alone."""
    assert day_in_name(world.config(**source(world, path=path)).source, name, today=NOW.date()) == day
