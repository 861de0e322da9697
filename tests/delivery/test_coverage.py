"""Anonymous sales are no fault, and an export that lost its identifiers is noticed."""

from __future__ import annotations

import logging
from typing import Literal

import pytest

from airflow_provider_tiktok_offline.delivery.events.coverage import too_anonymous, unless_usual
from airflow_provider_tiktok_offline.errors import GuardError
from tests.conversions.files import check
from tests.delivery.world import HEADER, World, rows

USUAL = {"email": 60, "phone": 10, "both": 10, "none": 20}


def anonymous(first: int, count: int) -> list[str]:
    """Sales to nobody known."""
    return [row[row.index(",") :] for row in rows(first, count)]


@pytest.mark.parametrize(
    ("named", "total", "deliveries", "stopped"),
    [(79, 200, 10, True), (80, 200, 10, False), (79, 199, 10, False), (79, 200, 9, False), (0, 5000, 28, True)],
)
def test_less_than_half_of_the_usual_coverage(named: int, total: int, deliveries: int, stopped: bool) -> None:
    """Given ten deliveries of the last 28 days and 200 rows."""
    found = too_anonymous({"email": named, "none": total - named}, "auto", [USUAL] * deliveries)
    assert (found is not None) == stopped


@pytest.mark.parametrize(("limit", "stopped"), [(0.5, True), (0.75, False), ("auto", False)])
def test_a_number_is_the_largest_share(limit: float | Literal["auto"], stopped: bool) -> None:
    """It needs no history."""
    assert (too_anonymous({"email": 1, "none": 3}, limit, []) is not None) == stopped
    assert too_anonymous({}, limit, []) is None


def test_a_file_that_lost_its_identifiers_sends_nothing(world: World) -> None:
    """The records of earlier deliveries say what is usual; a number in the configuration lets it pass."""
    world.init_ledger()
    days = range(10, 20)
    for day in days:
        stamp = world.drop(rows(100 * day, 5, at=f"2026-11-{day}T12:00:00Z-0000"), name=f"day_{day}.csv")
        world.deliver(stamp, world.context(f"daily/{day}"))
    stamp = world.drop([*rows(1, 20), *anonymous(21, 180)], name="blind.csv")
    with pytest.raises(GuardError, match=r"10\.0 % of the rows name a customer, less than half of the usual 100 %"):
        world.deliver(stamp, world.context("daily/blind", drift="off"))
    assert len(world.simulator.event_ids()) == 5 * len(days)
    right = world.context("daily/blind", drift="off", max_anonymous_ratio=0.95)
    assert world.deliver(stamp, right).events == {"accepted": 20}


def test_until_there_is_a_history_a_warning_is_given(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The first file of a till that knows hardly any customer goes out."""
    world.init_ledger()
    with caplog.at_level(logging.WARNING):
        assert world.deliver(world.drop([*rows(1, 1), *anonymous(2, 39)])).events == {"accepted": 1}
    assert "39 of 40 rows name no customer" in caplog.text
    [page] = (world.folder / "state").glob("advertisers/*/deliveries/*/report.html")
    assert "39 of 40 rows name no customer" in page.read_text()


@pytest.mark.parametrize(
    ("nobody", "limit", "deliveries", "warned"),
    [
        (38, "auto", 9, False),
        (39, "auto", 9, True),
        (39, "auto", 10, True),
        (390, "auto", 9, True),
        (390, "auto", 10, False),
        (39, 0.99, 0, False),
    ],
)
def test_the_warning_ends_where_there_is_something_to_compare_with(
    nobody: int, limit: float | Literal["auto"], deliveries: int, warned: bool
) -> None:
    """Ten deliveries and 200 rows, or a limit in the configuration."""
    named = 2 if nobody == 38 else nobody // 39
    content = "\n".join([HEADER, *rows(1, named), *anonymous(1 + named, nobody)])
    report = unless_usual(check(content), limit, [USUAL] * deliveries)
    assert ("mostly_anonymous" in [issue.rule for issue in report.issues]) == warned
