"""A failed run's file is replaced by a corrected one: the same run goes on with it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.sequences import follow_file
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import (
    FileChangedError,
    GateExceededError,
    GuardError,
    SkippedFileError,
    UnsettledError,
)
from tests.delivery.world import HEADER, NOW, World, rows


def correct(stamp: dict[str, Any], content: str) -> None:
    """Put the corrected file in the place of the first."""
    path = Path(stamp["uri"])
    path.write_text(content)
    os.utime(path, ((NOW - timedelta(minutes=5)).timestamp(),) * 2)


@pytest.mark.parametrize("mode", ["live", "dry_run"])
def test_clearing_validate_takes_the_corrected_file(world: World, mode: str) -> None:
    """The run's summary settles it, and the file that failed keeps nothing open."""
    world.init_ledger()
    ctx = world.context(mode=mode)
    stamp = world.drop(rows(1, 5))
    good = Path(stamp["uri"]).read_text()
    stamp = world.drop([row.replace("10.00", "ten") for row in rows(1, 5)])
    with pytest.raises(GateExceededError):
        validate(ctx, stamp)
    with pytest.raises(UnsettledError):
        summarize_all(ctx)
    correct(stamp, good)
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    for part in dedupe(ctx, delivery_id).parts:
        upload(ctx, delivery_id, part)
    [summary] = summarize_all(ctx)
    assert summary.events == {"accepted" if mode == "live" else "would_send": 5}


def stopped_by_a_guard(world: World, mode: str) -> tuple[DeliveryContext, dict[str, Any], str]:
    """A run whose file has too many events for the guard, stopped at its dedupe; beside it the delivery's id."""
    world.init_ledger()
    ctx = world.context(mode=mode, guards={"max_events": 5})
    stamp = world.drop(rows(1, 6))
    delivery_id = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, delivery_id)
    with pytest.raises(GuardError):
        dedupe(ctx, delivery_id)
    with pytest.raises(UnsettledError):
        summarize_all(ctx)
    return ctx, stamp, delivery_id


def content(lines: list[str]) -> str:
    """A file of these rows."""
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.mark.parametrize("mode", ["live", "dry_run"])
@pytest.mark.parametrize("cleared", ["normalize_hash", "dedupe"])
def test_clearing_a_later_step_takes_the_corrected_file(world: World, mode: str, cleared: str) -> None:
    """The steps before it are done again with the new file; what the step before has named is of no account."""
    ctx, stamp, first = stopped_by_a_guard(world, mode)
    correct(stamp, content(rows(1, 4)))
    second = follow_file(ctx, first, cleared, again=True)
    assert second != first
    assert follow_file(ctx, first, "dedupe", again=False) == second
    if cleared == "normalize_hash":
        normalize_hash(ctx, second)
    for part in dedupe(ctx, second).parts:
        upload(ctx, second, part)
    [summary] = summarize_all(ctx)
    assert summary.events == {"accepted" if mode == "live" else "would_send": 4}


def test_an_unchanged_file_and_a_first_try_change_nothing(world: World) -> None:
    """Only a task that runs again looks for another file."""
    ctx, stamp, first = stopped_by_a_guard(world, "live")
    assert follow_file(ctx, first, "dedupe", again=True) == first
    correct(stamp, content(rows(1, 4)))
    assert follow_file(ctx, first, "dedupe", again=False) == first


def test_a_file_that_may_still_be_written_is_not_taken(world: World) -> None:
    """It is taken once it has not changed for ``settle_seconds``."""
    ctx, stamp, first = stopped_by_a_guard(world, "live")
    ctx = world.context(source={**ctx.config.source.model_dump(), "settle_seconds": 60})
    correct(stamp, content(rows(1, 4)))
    os.utime(stamp["uri"], (NOW.timestamp() - 1,) * 2)
    with pytest.raises(FileChangedError, match="less than 60 s ago"):
        follow_file(ctx, first, "dedupe", again=True)


def test_a_file_that_is_gone_is_not_another_one(world: World) -> None:
    """What was staged of it can be sent without it."""
    ctx, stamp, first = stopped_by_a_guard(world, "live")
    Path(stamp["uri"]).unlink()
    assert follow_file(ctx, first, "dedupe", again=True) == first


def test_a_plan_is_finished_from_its_own_parts(world: World) -> None:
    """Whatever lies in the file's place by then: what was planned is sent, and nothing twice."""
    world.init_ledger()
    ctx = world.context()
    stamp = world.drop(rows(1, 6))
    first = validate(ctx, stamp).delivery_id
    normalize_hash(ctx, first)
    parts = dedupe(ctx, first).parts
    correct(stamp, content(rows(1, 4)))
    assert [follow_file(ctx, first, step, again=True) for step in ("normalize_hash", "dedupe")] == [first, first]
    for part in parts:
        upload(ctx, first, part)
    [summary] = summarize_all(ctx)
    assert summary.events == {"accepted": 6}


def test_a_file_that_has_no_rows_any_more_leaves_nothing_open(world: World) -> None:
    """On a day on which none was due, the run has nothing to settle."""
    ctx, stamp, first = stopped_by_a_guard(world, "live")
    ctx = world.context(mode="live", source={**ctx.config.source.model_dump(), "header_only": "skip"})
    correct(stamp, content([]))
    with pytest.raises(SkippedFileError):
        follow_file(ctx, first, "dedupe", again=True)
    assert summarize_all(ctx) == []
