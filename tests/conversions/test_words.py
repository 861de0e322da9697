"""Eight bytes at a time is what one byte at a time is."""

from __future__ import annotations

import random
import re

import numpy as np
import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.rules.amounts import read_amounts
from airflow_provider_tiktok_offline.conversions.rules.number_format import NumberFormat
from airflow_provider_tiktok_offline.conversions.text.digit_texts import behind_plus
from airflow_provider_tiktok_offline.conversions.text.words import WordShape, eight_digits, words_at, words_in


def test_a_shape_is_what_its_bytes_must_be() -> None:
    """Each of the 256 bytes at each place, beside bytes that fit."""
    shape = "d-dTd dd"
    right = bytearray(b"1-2T3x45")
    for place in range(8):
        for byte in range(256):
            text = right.copy()
            text[place] = byte
            words = words_in(np.frombuffer(bytes(text), dtype=np.uint8).reshape(1, 8), 0)
            expected = re.fullmatch(rb"[0-9]-[0-9]T[0-9].[0-9]{2}", bytes(text), re.DOTALL) is not None
            assert WordShape(shape).fits(WordShape(shape).digits(words)).tolist() == [expected]


def test_eight_digits_are_a_number() -> None:
    """From wherever they begin."""
    numbers = [0, 1, 12_345_678, 99_999_999, 10_000_000]
    characters = np.frombuffer(b"x" + b"".join(b"%08d" % number for number in numbers), dtype=np.uint8)
    words = words_at(characters, np.arange(len(numbers)) * 8 + 1)
    assert eight_digits(WordShape("dddddddd").digits(words)).tolist() == numbers


@pytest.mark.parametrize("mark", [".", ","])
def test_amounts_with_two_decimals_are_read_beside_others_as_alone(mark: str) -> None:
    """One to nine digits before the mark; what only looks alike is left to the pattern."""
    dice = random.Random(3)
    cells = [f"{dice.randrange(10**digits):0{digits}}{mark}{dice.randrange(100):02}" for digits in range(1, 10)]
    cells += [f"{10**9}{mark}10", f"{mark}10", f"1{mark}1", f"1{mark}123", "", f"1{mark}1{mark}10", f"12345/{mark}10",
              f"123456789{mark}1:", f"-5{mark}10", "1234567890", f"a2345678{mark}10", f"5\u00e9{mark}10"]  # fmt: skip
    written = NumberFormat(decimal=mark)  # type: ignore[arg-type]
    together = read_amounts(pl.Series(cells), written, 2)
    alone = [read_amounts(pl.Series([cell]), written, 2) for cell in cells]
    for name in ("units", "known", "decimals", "ambiguous", "rounded"):
        assert getattr(together, name).tolist() == [getattr(one, name)[0] for one in alone], name
    assert together.units[:9].tolist() == [int(cell.replace(mark, "")) * 10_000 for cell in cells[:9]]
    assert together.known.tolist()[9:16] == [True, True, True, False, False, False, False]


@pytest.mark.parametrize("numbers", [[], [7], [12125550100, 12125550199], [1, 10, 999_999_999_999_999, 10**14, 99]])
def test_numbers_stand_behind_a_plus(numbers: list[int]) -> None:
    """Of one width, and of several."""
    assert behind_plus(np.array(numbers, dtype=np.int64)).to_list() == [f"+{number}" for number in numbers]
