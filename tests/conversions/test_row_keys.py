"""The numbers that a row leaves behind: each its own field, and an identity of all its 128 bits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.events import key_store, occurrences
from airflow_provider_tiktok_offline.conversions.events.duplicates import RepeatFinder
from airflow_provider_tiktok_offline.conversions.events.key_store import WaitingKeys
from airflow_provider_tiktok_offline.conversions.events.occurrences import Occurrences
from airflow_provider_tiktok_offline.conversions.events.row_keys import Keys, among, hash_columns, mix, several

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


@pytest.mark.parametrize(("held", "few"), [(2_000_000, 1 << 15), (700, 1 << 15), (700, 4)])
@pytest.mark.parametrize("alike", [0, 10, 40, 60, 64])
def test_numbers_that_occur_more_than_once_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, few: int, alike: int
) -> None:
    """In memory, and on disk, where nothing stays behind; also numbers whose first bits are those of others."""
    monkeypatch.setattr(occurrences, "_HELD", held)
    monkeypatch.setattr(occurrences, "_FEW", few)
    numbers = np.random.default_rng(1).integers(0, 2**64, 5_000, dtype=np.uint64)
    numbers[:2_000] = numbers[0] if alike == 64 else numbers[0] ^ (numbers[:2_000] >> np.uint64(alike))
    numbers[3_000:3_040] = numbers[:40]
    numbers[4_000:4_010] = numbers[4_500]
    looked_at = Occurrences(tmp_path)
    for start in range(0, len(numbers), 300):
        looked_at.add(numbers[start : start + 300])
    found = looked_at.several()
    looked_at.close()
    wanted = sorted(number for number, times in Counter(numbers.tolist()).items() if times > 1)
    assert found.tolist() == wanted
    assert len(wanted) >= {60: 16, 64: 2}.get(alike, 41)
    assert list(tmp_path.iterdir()) == []


def test_without_numbers_none_occurs_more_than_once() -> None:
    """A file without valid rows."""
    assert len(Occurrences(None).several()) == 0


def test_rows_that_wait_on_disk_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields of one number or that count up are not written: in each block others."""
    monkeypatch.setattr(key_store, "_HELD", 20)
    dice = np.random.default_rng(5)
    waiting, blocks = WaitingKeys(tmp_path), []
    for block in range(30):
        rows = Keys(dice.integers(0, 1 << 64, (7, block % 9 + 1), dtype=np.uint64))
        rows.line[:] = np.arange(len(rows)) + block if block % 3 else dice.permutation(len(rows))
        rows.units[:] = 7 if block % 4 else -7
        rows.currency[:] = 0 if block % 2 else dice.integers(0, 2, len(rows))
        blocks.append(rows.matrix.copy())
        waiting.add(rows)
    waiting.add(Keys.empty())
    assert [rows.matrix.tolist() for rows in waiting] == [matrix.tolist() for matrix in blocks]
    waiting.close()


def test_numbers_among_others_are_those_that_are_equal() -> None:
    """Numbers that only begin alike are not found."""
    wanted = np.array([5, 7, 1 << 60, (1 << 60) + 3], dtype=np.uint64)
    numbers = np.array([4, 5, 6, 7, 8, 1 << 60, (1 << 60) + 1, 1 << 61], dtype=np.uint64)
    assert among(numbers, wanted).tolist() == [False, True, False, True, False, True, False, False]
    assert not among(numbers, several(numbers)).any()
    assert among(wanted, wanted).all()
    # Behind the last one, and alike in their first bits.
    assert among(np.array([(1 << 60) + 3, (1 << 60) + 4], dtype=np.uint64), wanted).tolist() == [True, False]


def test_a_row_is_hashed_by_all_its_columns_in_their_order() -> None:
    """A value in another column, or none, is another row; the seed is a secret."""
    columns = [pl.Series(["a", "b", "a", None, "a"]), pl.Series(["b", "a", None, "a", "b"])]
    numbers = hash_columns(columns, 1).tolist()
    assert numbers[0] == numbers[4]
    assert len(set(numbers)) == 4
    assert not set(numbers) & set(hash_columns(columns, 2).tolist())


def test_numbers_are_mixed_as_splitmix64_does() -> None:
    """The first outputs of the published generator for the seed 0, whose states are multiples of its increment."""
    states = np.array([0, 0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A], dtype=np.uint64)
    assert [hex(number) for number in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_keys_of_several_blocks_are_one_after_the_other() -> None:
    """However many blocks there are."""
    rows = keys((1, 2, 3, 4, 5, 6, 7), (11, 12, 13, 14, 15, 16, 17), (21, 22, 23, 24, 25, 26, 27))
    parts = [rows.take(np.array([place])) for place in range(3)]
    assert Keys.joined(parts).matrix.tolist() == rows.matrix.tolist()
    assert len(Keys.joined([])) == 0
