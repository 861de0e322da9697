"""Events that become older than the lookback between the plan and the upload: the exact edge."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from tests.delivery.world import World, rows

#: The first second of the oldest day that is still sent on 22 November, with 28 days of lookback.
FIRST_SECOND = "2026-10-25T00:00:00Z-0000"
LAST_SECOND_OF_THE_DAY_BEFORE = "2026-10-24T23:59:59Z-0000"


@pytest.mark.parametrize(
    ("sent_at", "expired"),
    [
        pytest.param(datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), 0, id="last second of the day"),
        pytest.param(datetime(2026, 11, 23, tzinfo=UTC), 1, id="first second of the next day"),
    ],
)
def test_an_event_expires_when_its_utc_day_leaves_the_lookback(world: World, sent_at: datetime, expired: int) -> None:
    """The lookback counts whole UTC days: what was planned at any hour may be sent until the day ends."""
    world.init_ledger()
    stamp = world.drop([*rows(1, 1, at=FIRST_SECOND), *rows(2, 2)])
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts
    world.clock.advance(sent_at - world.clock.now())
    assert upload(ctx, delivery_id, part).accepted == 3 - expired
    assert len(world.simulator.event_ids()) == 3 - expired
    counts = {"accepted": 3 - expired} | ({"expired": expired} if expired else {})
    assert summarize(ctx, delivery_id).events == counts


@pytest.mark.parametrize(("at", "accepted"), [(FIRST_SECOND, 1), (LAST_SECOND_OF_THE_DAY_BEFORE, 0)])
def test_the_oldest_day_is_sent_from_its_first_second_on(world: World, at: str, accepted: int) -> None:
    """One second earlier is the day before, also for an event that was planned a day earlier."""
    world.clock.advance(datetime(2026, 11, 21, 12, tzinfo=UTC) - world.clock.now())
    world.init_ledger()
    stamp = world.drop(rows(1, 1, at=at))
    ctx = world.context()
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    (part,) = dedupe(ctx, delivery_id).parts
    world.clock.advance(datetime(2026, 11, 22, tzinfo=UTC) - world.clock.now())
    assert upload(ctx, delivery_id, part).accepted == accepted
    assert len(world.simulator.event_ids()) == accepted
