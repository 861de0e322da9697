"""Values made in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airflow_provider_tiktok_offline.tiktok.prefetch import prefetched


def test_all_values_come_in_their_order() -> None:
    """None is lost, and an empty source is none."""
    assert list(prefetched(range(100))) == list(range(100))
    assert list(prefetched([])) == []
    assert list(prefetched([None, None])) == [None, None]


def test_the_next_is_made_while_one_is_in_use() -> None:
    """One ahead, not more."""
    made: list[int] = []
    more = threading.Semaphore(0)

    def source() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            more.release()
            yield number

    values = prefetched(source())
    assert next(values) == 0
    assert more.acquire(timeout=10)
    assert more.acquire(timeout=10)
    assert made == [0, 1]
    assert list(values) == [1, 2, 3, 4]


def test_an_error_comes_where_its_value_would_have_come() -> None:
    """After the values before it."""

    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken part")

    values = prefetched(source())
    assert next(values) == 1
    with pytest.raises(ValueError, match="broken part"):
        next(values)
