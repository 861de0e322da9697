"""A failed run's file is replaced by a corrected one: the same run goes on with it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_tiktok_offline.delivery.steps.dedupe import dedupe
from airflow_provider_tiktok_offline.delivery.steps.normalize_hash import normalize_hash
from airflow_provider_tiktok_offline.delivery.steps.summarize import summarize_all
from airflow_provider_tiktok_offline.delivery.steps.upload import upload
from airflow_provider_tiktok_offline.delivery.steps.validate import validate
from airflow_provider_tiktok_offline.errors import GateExceededError, UnsettledError
from tests.delivery.world import NOW, World, rows


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
