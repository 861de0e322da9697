"""Drift: what the day's file has less of than the files before it, said in words, as a warning or a stop."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from airflow_provider_tiktok_offline.delivery.events.day_history import FIGURES, DayFigures, earlier_days
from airflow_provider_tiktok_offline.delivery.events.drift import compare
from airflow_provider_tiktok_offline.delivery.events.guards import approve, breaches_to_ask
from airflow_provider_tiktok_offline.delivery.events.validation import read_report
from airflow_provider_tiktok_offline.delivery.operations.status import note_run
from airflow_provider_tiktok_offline.delivery.state.advertiser_status import read_status
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GuardError
from tests.delivery.world import NOW, World

FRIDAY = date(2026, 11, 20)
STORES = {f"store-{number}": 30 for number in range(30)}
USUAL = DayFigures(
    day=FRIDAY,
    rows=1000,
    valid=1000,
    value={"USD": "20000.00"},
    identifiers={"email": 500, "phone": 200, "both": 200, "none": 100},
    categories={"CompletePayment": 900, "Subscribe": 100},
    stores=STORES,
)


def days(back: Sequence[int], **changes: object) -> list[DayFigures]:
    """Days so long before Friday; their rows vary by a few."""
    return [
        replace(USUAL, day=FRIDAY - timedelta(days=ago), rows=1000 + 7 * (ago % 5), **changes)  # type: ignore[arg-type]
        for ago in back
    ]


FRIDAYS = days([7 * week for week in range(1, 9)])


def test_a_usual_day_has_not_drifted() -> None:
    """Nor has a busy one: only falls count."""
    assert compare(USUAL, FRIDAYS).findings == ()
    assert compare(replace(USUAL, rows=1900, valid=1000, value={"USD": "90000"}), FRIDAYS).findings == ()
    assert compare(USUAL, FRIDAYS).basis == "8 Fridays"


def test_a_fall_is_said_in_percent_and_with_its_weekday() -> None:
    """Rows, value and stores, without an amount."""
    stores = dict(list(STORES.items())[:22])
    short = replace(USUAL, rows=290, valid=290, value={"USD": "5800"}, stores=stores)
    assert compare(replace(short, categories={"CompletePayment": 261, "Subscribe": 29}), FRIDAYS).findings == (
        "71 % fewer rows than usual for a Friday",
        "71 % less value in USD than usual for a Friday",
        "8 of 30 stores are missing",
    )


def test_coverage_and_categories_are_watched() -> None:
    """A column that went missing shows as less coverage; a category that is gone is named."""
    blind = replace(USUAL, identifiers={"phone": 400, "none": 600}, categories={"CompletePayment": 1000})
    assert compare(blind, FRIDAYS).findings == (
        "0 % of the rows have an e-mail address, 70.0 % are usual for a Friday",
        "0 % of the rows are Subscribe, 10.0 % are usual for a Friday",
    )


def test_small_falls_and_small_shops_are_no_drift() -> None:
    """Within three robust deviations or 30 per cent nothing is said, and chance is allowed for."""
    assert compare(replace(USUAL, rows=750, valid=750), FRIDAYS).findings == ()
    small = [replace(one, rows=4, valid=4, value={}, stores={}) for one in FRIDAYS]
    assert compare(replace(USUAL, rows=1, valid=1, value={}, stores={}, identifiers={}), small).findings == ()
    uneven = [replace(one, rows=200 * (1 + number), valid=900) for number, one in enumerate(FRIDAYS)]
    assert compare(replace(USUAL, rows=250), uneven).findings == ()


def test_with_few_fridays_all_days_are_compared() -> None:
    """Six days of the same weekday, else all of 28 days; fewer than six are said to be too few."""
    short = replace(USUAL, rows=100)
    drift = compare(short, days(range(1, 20)))
    assert drift.findings[0] == "90 % fewer rows than usual"
    assert drift.basis == "19 files of the 28 days before"
    few = compare(short, days(range(1, 5)))
    assert (few.findings, few.compared) == ((), False)
    assert few.basis == "nothing: 4 of the 6 days that it takes are known"


def test_closed_dates_and_last_year_are_respected() -> None:
    """A closed date is neither compared nor compared with; less on the same date of last year too is no drift."""
    short = replace(USUAL, rows=100, valid=100, value={"USD": "2000"}, stores={})
    assert not compare(short, FRIDAYS, closed=[FRIDAY]).compared
    closed = [one.day for one in FRIDAYS[:3]]
    assert compare(short, FRIDAYS, closed=closed).basis == "nothing: 1 of the 6 days that it takes are known"
    last_year = replace(short, day=date(2025, 11, 20), rows=110)
    found = compare(short, [last_year, *FRIDAYS])
    assert found.findings == ()
    assert "on the same date of last year" in found.basis


def rows(first: int, count: int, day: date, stores: int = 6) -> list[str]:
    """Valid rows of a day, from some stores."""
    at = f"CompletePayment,{day}T12:00:00Z-0000,10.00"
    return [f"shopper{n}@example.com,{at},,order-{n},store-{n % stores}" for n in range(first, first + count)]


def delivered_week(world: World) -> None:
    """The records of seven files, one a day, up to the day before yesterday."""
    world.init_ledger()
    ctx = world.context()
    stores = {hashlib.sha256(f"store-{number}".encode()).hexdigest()[:12]: 7 for number in range(6)}
    for ago in range(8, 1, -1):
        figures = DayFigures(
            day=(NOW - timedelta(days=ago)).date(),
            rows=40,
            valid=40,
            value={"USD": "400.00"},
            identifiers={"email": 40},
            categories={"CompletePayment": 40},
            stores=stores,
        )
        ctx.ledger.records.append({"advertiser": "corner_shop", "digest": f"{ago}", FIGURES: figures.to_dict()})


YESTERDAY = (NOW - timedelta(days=1)).date()


def test_a_drifted_file_is_delivered_with_a_warning(world: World) -> None:
    """By default: the report, the summary and the status say what has fallen; no store and no amount is named."""
    delivered_week(world)
    ctx = world.context("daily/short")
    summary = world.deliver(world.drop(rows(1, 10, YESTERDAY, stores=2), name="short.csv"), ctx)
    expected = ("75 % fewer rows than usual", "75 % less value in USD than usual", "4 of 6 stores are missing")
    assert summary.drift == expected
    report = read_report(ctx, summary.delivery_id)
    assert report is not None
    assert (report.drift, report.drift_basis) == (expected, "7 files of the 28 days before")
    assert note_run(ctx).deliveries[-1].drift == expected
    page = ctx.objects.get(f"{ctx.folder(summary.delivery_id)}/report.html")
    assert page is not None
    assert "4 of 6 stores are missing" in page[0].decode()
    assert "store-1" not in page[0].decode()
    assert "store-1" not in str(read_status(ctx))
    [*_, kept] = earlier_days(ctx, (date(2026, 11, 1), YESTERDAY + timedelta(days=1)))
    assert (kept.day, kept.rows, kept.value, len(kept.stores)) == (YESTERDAY, 10, {"USD": "100.00"}, 2)


@pytest.mark.parametrize("action", ["stop", "approve"])
def test_a_drifted_file_can_stop_the_run_or_ask(world: World, action: str) -> None:
    """Nothing is sent; what a person has approved goes on, and ``stop`` is not for a person to approve."""
    delivered_week(world)
    ctx = world.context("daily/short", drift=action)
    delivery_id = validate(ctx, world.drop(rows(1, 10, YESTERDAY), name="short.csv")).delivery_id
    normalize_hash(ctx, delivery_id)
    with pytest.raises(GuardError, match="75 % fewer rows"):
        dedupe(ctx, delivery_id)
    if action == "stop":
        with pytest.raises(GuardError, match="drift: warn"):
            breaches_to_ask(ctx, delivery_id)
        return
    found = breaches_to_ask(ctx, delivery_id)
    assert found[0] == "75 % fewer rows than usual"
    approve(ctx, delivery_id, found)
    assert dedupe(ctx, delivery_id).events["new"] == 10


def test_without_history_it_is_said(world: World) -> None:
    """The first file, a dry run before there is a ledger, and ``off``."""
    stamp = world.drop(rows(1, 10, YESTERDAY), name="first.csv")
    for settings, basis in (({"mode": "dry_run"}, "nothing: 0 of the 6 days"), ({"drift": "off"}, "")):
        ctx = world.context(f"daily/{basis}", **settings)
        report = read_report(ctx, validate(ctx, stamp).delivery_id)
        assert report is not None
        assert report.drift_basis.startswith(basis)
        assert report.drift == ()
