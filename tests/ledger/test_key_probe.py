"""A probe finds every key that is there, and a sum tells that one was changed."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.ledger.key_probe import Heads, KeyProbe, heads_of, sum_of

_KEYS = st.lists(st.binary(min_size=16, max_size=16), max_size=20)


def _series(keys: list[bytes]) -> pl.Series:
    return pl.Series("event_key", keys, dtype=pl.Binary)


def _heads(keys: list[bytes]) -> Heads:
    return heads_of(_series(keys))


@given(_KEYS, _KEYS)
def test_no_key_that_is_there_is_missed(wanted: list[bytes], others: list[bytes]) -> None:
    """A probe says no only where no key begins as a wanted one."""
    probe = KeyProbe(_series(wanted))
    heads = {key[:8] for key in wanted}
    assert probe.may_hold(_heads(others)) is any(key[:8] in heads for key in others)


def test_one_among_many_is_found_and_strangers_are_not() -> None:
    """More keys than the table has entries of its own for each."""
    source = random.Random(1)
    wanted = [source.randbytes(16) for _ in range(5_000)]
    strangers = [source.randbytes(16) for _ in range(50_000)]
    probe = KeyProbe(_series(wanted))
    assert not probe.may_hold(_heads(strangers))
    assert probe.may_hold(_heads([*strangers, wanted[4_321]]))


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), st.data())
def test_a_changed_bit_changes_the_sum(keys: list[bytes], data: st.DataObject) -> None:
    """Whichever bit of whichever key it is; the order of keys does not matter."""
    at = data.draw(st.integers(0, len(keys) - 1))
    bit = data.draw(st.integers(0, 127))
    changed = [*keys]
    changed[at] = (int.from_bytes(keys[at], "big") ^ (1 << bit)).to_bytes(16, "big")
    assert sum_of(_series(changed)) != sum_of(_series(keys))
    assert sum_of(_series(keys[::-1])) == sum_of(_series(keys))


def test_the_sum_is_that_of_ledgers_before() -> None:
    """Witnesses keep it: low half and three times the high half of each key, little-endian, modulo 2 to the 64."""
    keys = [bytes(range(16)), b"\xff" * 16]
    halves = [(int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")) for key in keys]
    assert sum_of(_series(keys)) == sum(low + 3 * high for low, high in halves) % 2**64


@pytest.mark.parametrize("keys", [[b"short"], [b"x" * 16, b""], [b"x" * 15, b"x" * 17]])
def test_keys_of_another_length_are_none(keys: list[bytes]) -> None:
    """A file with such keys is damaged."""
    with pytest.raises(ValueError, match="16 bytes"):
        sum_of(_series(keys))
