"""The numbers that a row leaves behind: each its own field, and an identity of all its 128 bits."""

from __future__ import annotations

import numpy as np

from airflow_provider_tiktok_offline.conversions.events.duplicates import RepeatFinder
from airflow_provider_tiktok_offline.conversions.events.row_keys import Keys

FIELDS = ("high", "low", "order", "content", "units", "line", "currency")


def keys(*rows: tuple[int, ...]) -> Keys:
    """Rows of seven numbers in the order of FIELDS."""
    return Keys(np.array(rows, dtype=np.uint64).T.copy())


def test_each_name_is_a_field_of_its_own() -> None:
    """No two names read the same numbers."""
    rows = keys((1, 2, 3, 4, 5, 6, 7), (11, 12, 13, 14, 15, 16, 17))
    assert {name: getattr(rows, name).tolist() for name in FIELDS} == {
        name: [number, number + 10] for number, name in enumerate(FIELDS, 1)
    }


def test_half_an_identity_is_no_duplicate() -> None:
    """Rows that share only the high or only the low 64 bits are different events."""
    finder = RepeatFinder(None, amounts=False, orders=False)
    finder.add(keys((1, 1, 0, 9, 100, 2, 0), (1, 2, 0, 9, 100, 3, 0), (2, 1, 0, 9, 100, 4, 0), (1, 1, 0, 9, 100, 5, 0)))
    found = finder.find()
    assert found.duplicates.line.tolist() == [5]
    assert len(found.collisions) == 0
