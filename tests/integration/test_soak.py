"""Many advertisers over many days while everything fails: at the end the books are exact."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.soak import Size, soak


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_fifty_advertisers_for_thirty_days(tmp_path: Path) -> None:
    """Nothing lost, nothing twice, no leak, no traceback.

    ``SOAK=5x5`` makes it five advertisers and five days, ``SOAK_SEED`` another course of events.
    """
    advertisers, days = (int(number) for number in os.environ.get("SOAK", "50x30").split("x"))
    size = Size(advertisers, days, rows=40, seed=int(os.environ.get("SOAK_SEED", "1")))
    figures = soak(tmp_path / "soak", size)
    print(f"\n{size} {figures}")  # noqa: T201 - the figures are what a campaign is for
    assert (figures.lost, figures.twice, figures.leaks, figures.tracebacks) == (0, 0, [], []), figures
    assert figures.events >= advertisers * days * size.rows
    assert figures.tries > advertisers * days
    assert figures.killed > 0 or figures.tries < 100
