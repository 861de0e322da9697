"""Going live with 28 days of history, and switching an event set from LiveRamp to direct, day by day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.ledger.corrections import adopt, switch_route
from airflow_provider_tiktok_offline.ledger.maintenance import compact, expire, vacuum
from tests.ledger.world import World

#: Every file repeats the last three days, as exports do.
_OVERLAP = 3
_A_DAY = 20


def _file(day: int, first: int = 0) -> range:
    return range(max(first, day - _OVERLAP + 1) * _A_DAY, (day + 1) * _A_DAY)


def test_go_live_after_28_days_of_history(world: World) -> None:
    """What an agency uploaded for 28 days is adopted; from then on each day's new transactions go out once."""
    ledger = world.ledger()
    ledger.use_route("tiktok")
    history = range(28 * _A_DAY)
    adopt(
        ledger, "d-history", [world.frame(history, age=timedelta(days=1))], route="tiktok", reason="go-live",
        actor="cli/test",
    )  # fmt: skip
    for day in range(28, 56):
        world.deliver(f"day{day}", _file(day))
        world.clock.advance(timedelta(days=1))
        if day % 7 == 0:
            expire(world.ledger(), retention_days=30)
            compact(world.ledger())
            vacuum(world.ledger())
    world.each_once(range(28 * _A_DAY, 56 * _A_DAY))
    assert not any(world.reached[number] for number in history)


def test_switch_from_liveramp_to_direct(world: World) -> None:
    """14 days by LiveRamp, 14 days direct: no transaction by both ways, none by neither."""
    world.ledger().use_route("liveramp")
    for day in range(14):
        world.deliver(f"day{day}", _file(day), route="liveramp")
        world.clock.advance(timedelta(days=1))
    with pytest.raises(ConfigError):
        world.ledger().use_route("tiktok")
    switch_route(world.ledger(), "tiktok", reason="direct from the 15th day", actor="cli/test")
    for day in range(14, 28):
        world.ledger().use_route("tiktok")
        world.deliver(f"day{day}", _file(day))
        world.clock.advance(timedelta(days=1))
    world.each_once(range(28 * _A_DAY))


def test_backfill_of_every_day_again_sends_nothing(world: World) -> None:
    """Delivering the same days under other file names finds everything sent."""
    for day in range(7):
        world.deliver(f"day{day}", _file(day))
    for day in range(7):
        assert world.deliver(f"again{day}", _file(day)).planned == 0
    world.each_once(range(7 * _A_DAY))
