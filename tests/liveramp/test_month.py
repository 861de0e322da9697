"""Thirty days of a shop: repeats across days, a weekly file among daily ones, every day run again, a changed header."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.clock import ManualClock
from airflow_provider_tiktok_offline.errors import FeedError
from tests.liveramp.conftest import NOW
from tests.liveramp.office import Office
from tests.liveramp.rows import COLUMNS, row
from tests.servers.sshd import Sshd

DAYS = 30
A_DAY = 60
CHANGED = 17


def test_a_month_delivers_every_transaction_once(server: Sshd, tmp_path: Path) -> None:
    """Day 17 is stopped by its header and goes out with day 18 after repair; nothing is twice, nothing missing."""
    generator = random.Random(30)
    office = Office(tmp_path, server, clock=ManualClock(NOW.replace(day=1, month=10)))
    office.open()
    sold: list[tuple[str, ...]] = []
    repaired: list[tuple[str, ...]] = []
    number = 0
    for day in range(1, DAYS + 1):
        today = f"{office.clock.now() - timedelta(days=1):%Y-%m-%d}"
        fresh = [row(number + index, today) for index in range(A_DAY)]
        number += A_DAY
        sold += fresh
        rows = fresh + generator.sample(sold[-5 * A_DAY : -A_DAY] or fresh, 15)
        if day % 7 == 0:
            # The weekly export repeats the whole week.
            rows = sold[-7 * A_DAY :]
        generator.shuffle(rows)
        rows = list(dict.fromkeys(rows))
        name = f"day_{day:02}.psv"
        if day == CHANGED:
            stamp = office.drop(name, [(*cells, "s1") for cells in rows], (*COLUMNS, "store_code"))
            with pytest.raises(FeedError, match="new: store_code"):
                office.run(f"daily/{day}", [stamp])
        else:
            stamps = [office.drop(name, rows)]
            if day == CHANGED + 1:
                stamps.insert(0, office.drop(f"day_{CHANGED:02}.psv", repaired))
            for _ in range(2):
                office.run(f"daily/{day}", stamps)
        repaired = rows
        office.clock.advance(timedelta(days=1))
    arrived = Counter(line for lines in office.delivered().values() for line in lines)
    assert arrived.total() == len(sold)
    assert set(arrived.values()) == {1}
    assert {"|".join(cells) for cells in sold} == set(arrived)
    assert f"shop_{NOW.replace(day=CHANGED, month=10):%Y-%m-%d}.psv" not in office.delivered()
    assert len(office.delivered()) == DAYS - 1
