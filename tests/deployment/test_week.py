"""The native deployment through what befalls one: each event is sent once, each feed file is whole, nothing leaks."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.deployment.disturbances import DISTURBANCES, Disturber
from tests.deployment.week import NAMES, Week, dag_id, running_week
from tests.servers.waiting import wait_until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.deployment,
    pytest.mark.xdist_group("deployment"),
    pytest.mark.timeout(1800),
]

#: Seconds within which a day's runs must have ended, disturbances and retries included.
_DAY = 600
#: In the list of what happens on a day.
BACKFILL = "a backfill begins"


@pytest.mark.parametrize("seed", range(3))
def test_three_days_with_everything_that_goes_wrong(seed: int, tmp_path: Path) -> None:
    """Both routes: every disturbance once, in an order of the seed's choice, a backfill beside them; a quiet day."""
    chance = random.Random(seed)
    order = chance.sample(DISTURBANCES, len(DISTURBANCES))
    plan = [order[:2], order[2:4], order[4:]]
    chance.choice(plan).append(BACKFILL)
    with running_week(tmp_path, rows=200, skew=chance.choice([-60, 60])) as week:
        _live_through(week, seed=seed, plan=plan)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(int(os.environ.get("WEEKS", "20"))))
def test_a_week_whatever_goes_wrong(seed: int, tmp_path: Path) -> None:
    """Seven days of five advertisers, every disturbance once, in an order and at moments of the seed's choice.

    ``WEEKS=2`` makes it two weeks instead of twenty.
    """
    chance = random.Random(seed)
    order = chance.sample(DISTURBANCES, len(DISTURBANCES))
    with running_week(tmp_path, rows=400, skew=chance.choice([-60, 60])) as week:
        _live_through(week, seed=seed, plan=[*([one] for one in order), [BACKFILL]])


def _live_through(week: Week, *, seed: int, plan: Sequence[Sequence[str]]) -> None:
    """Some days with a file from each advertiser; then everything must be right.

    :param plan: what happens on each day while its runs are under way.
    """
    disturber = Disturber(week.deployment, random.Random(seed), week.start_another)
    try:
        # On the last day nothing happens: a second file for LiveRamp waits for the next day's.
        for day, happenings in enumerate([*plan, ()]):
            _live_through_day(week, disturber, day, happenings)
        week.check_events()
        week.check_feeds()
        week.check_counts()
        week.check_page()
        week.check_one_dag_a_task()
        week.check_no_plaintext()
    except Exception as error:
        error.add_note("\n".join([f"seed {seed}", *disturber.story]))
        raise
    deaths = sum("dies" in happening for happenings in plan for happening in happenings)
    assert len(disturber.retried_elsewhere) >= deaths, disturber.story


def _live_through_day(week: Week, disturber: Disturber, day: int, happenings: Sequence[str]) -> None:
    """The day's files appear, its runs start, things go wrong, the runs end."""
    airflow = week.deployment.airflow
    file_day = week.first_day + timedelta(days=day)
    disturber.tell(f"day {day}")
    for name in NAMES:
        week.drop(name, file_day)
    if day == 0:
        for name in NAMES:  # the scheduler starts the runs that are due
            airflow.unpause(dag_id(name))
    else:
        week.set_day(day)
        for name in NAMES:
            airflow.trigger(dag_id(name), file_day=file_day)
    for happening in happenings:
        if happening == BACKFILL:
            _backfill(week)
        else:
            disturber.strike(happening)
    expected = sum(len(files) for files in week.files.values())

    def ended() -> bool:
        disturber.start_what_ended()
        return week.ended(expected)

    wait_until(ended, f"the runs of day {day} end", seconds=_DAY, every=2)


def _backfill(week: Week) -> None:
    """Deliver older files of one advertiser, two at once, beside its run of the day."""
    days = [week.first_day - timedelta(days=back) for back in (3, 2)]
    for day in days:
        week.drop("garden_centre", day)
    body = {
        "dag_id": dag_id("garden_centre"),
        "from_date": f"{days[0]}T00:00:00Z",
        "to_date": f"{days[-1]}T23:59:00Z",
        "max_active_runs": 2,
    }
    week.deployment.airflow.post("/backfills", body)
