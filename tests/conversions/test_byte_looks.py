"""What a look at all bytes of a column at once decides is what a look at each cell decides."""

from __future__ import annotations

import hashlib
import random
import re

import numpy as np
import polars as pl
import pytest

from airflow_provider_tiktok_offline.conversions.identifiers import emails
from airflow_provider_tiktok_offline.conversions.rules.optional_cells import breaks_pattern
from airflow_provider_tiktok_offline.conversions.text.buffers import series
from airflow_provider_tiktok_offline.conversions.text.column_bytes import CodedColumn, column_bytes, remembering
from airflow_provider_tiktok_offline.conversions.text.digests import digests, fixed_width, from_hex, hashes, sha256


def test_hex_becomes_the_bytes_that_it_stands_for() -> None:
    """More of it than is decoded at a time, of several lengths, with nulls."""
    dice = random.Random(1)
    cells = [None if n % 7 == 0 else dice.randbytes(n % 5 * 8).hex() for n in range(20_000)]
    cells.append("".join(f"{byte:02x}" for byte in range(256)))
    decoded = pl.DataFrame({"cell": cells}, schema={"cell": pl.String}).select(from_hex(pl.col("cell"))).to_series()
    assert decoded.to_list() == [None if cell is None else bytes.fromhex(cell) for cell in cells]


def test_a_digest_is_null_where_there_is_nothing_to_hash() -> None:
    found = pl.DataFrame({"cell": ["a", "", None, "+"]}).select(sha256(pl.col("cell"))).to_series().to_list()
    assert found == [hashlib.sha256(b"a").digest(), None, None, None]


def test_a_digest_keeps_its_place_beside_nulls_and_in_more_pieces_than_one() -> None:
    """Of many texts, some of them null, of a column in two pieces, and of none."""
    texts = [None if n % 5 == 0 else f"text {n}" for n in range(70_000)]
    expected = [None if text is None else hashlib.sha256(text.encode()).digest() for text in texts]
    whole = pl.Series(texts)
    in_two = whole[:10].append(whole[10:])
    for cells in (whole, in_two):
        assert digests(cells).to_pylist() == expected
        assert hashes(cells, 16).to_pylist() == [None if one is None else one[:16] for one in expected]
    assert fixed_width(series("", digests(whole)), 32).to_pylist() == expected
    assert digests(pl.Series([], dtype=pl.String)).to_pylist() == []
    assert digests(pl.Series([None, None], dtype=pl.String)).to_pylist() == [None, None]


@pytest.mark.parametrize("name", ["state", "zip", "order_id", "product_id", "quantity"])
def test_a_column_breaks_its_pattern_as_its_cells_do(name: str) -> None:
    patterns = {
        "state": r"([A-Z]{2})?",
        "zip": r"([0-9]{5}([0-9]{4})?)?",
        "order_id": r"[A-Za-z0-9_-]*",
        "product_id": r"[A-Za-z0-9_-]*",
        "quantity": r"([0-9]{1,9}(\.[0-9]{1,6})?)?",
    }
    dice = random.Random(2)
    cells = ["".join(dice.choices("09AZaz_-. \u00e9", k=dice.randrange(12))) for _ in range(3000)]
    cells += ["", "CA", "CAL", "C", "12345", "1234", "123456789", "1234567890", "1.5", "A-1_b"]
    alone = [breaks_pattern(pl.Series([cell]), name) is not None for cell in cells]
    assert alone == [re.fullmatch(patterns[name], cell) is None for cell in cells]
    together = breaks_pattern(pl.Series(cells), name)
    assert together is not None
    assert together.to_list() == alone


def test_addresses_are_read_alike_beside_others_and_alone() -> None:
    """A column in which nothing is to be trimmed or lowered is read without doing so."""
    cells = ["ann@example.com", "Ann@Example.com", " ann@example.com", "ann@example.com\t", "", "no address", "[x@y.de",
             "@", "a@b.\u00c4", "\u00a0bea@example.org", "\u212aim@example.com"]  # fmt: skip
    together = emails.read(pl.Series(cells)).to_list()
    assert together == [emails.read(pl.Series([cell])).to_list()[0] for cell in cells]
    assert together[:4] == [together[0]] * 4


def test_a_look_at_a_column_is_a_look_at_its_cells() -> None:
    """Words, digits, and few different texts with what they mean."""
    cells = pl.Series(["a-1", "", "B_22", "a-1", "0"])
    with remembering():
        column = column_bytes(cells)
        assert column_bytes(cells) is column
    assert column_bytes(cells) is not column
    assert (column.are_words, column.digits.tolist()) == (True, [1, 0, 2, 1, 1])
    assert not any(column_bytes(pl.Series([*cells, odd])).are_words for odd in ("a b", "a.b", "\u00e9", "@", "[", "/"))
    coded = CodedColumn.of(cells)
    meaning = coded.meaning({"a-1": "x", "": "y", "0": "x"})
    assert meaning.cells().to_list() == ["x", "y", "", "x", "x"]
    assert meaning.blank().tolist() == [False, False, True, False, False]
    assert sorted(meaning.texts) == ["", "x", "y"]
    assert meaning.to_arrow(np.array([0, 2])).to_pylist() == ["x", ""]
    assert coded.counted(np.array([True, True, False, True, False])) == {"a-1": 2, "": 1}


@pytest.mark.parametrize("different", [1, 9, 300, 5_000])
def test_texts_are_coded_however_many_there_are(different: int) -> None:
    cells = pl.Series([f"category {number % different}" for number in range(6_000)])
    coded = CodedColumn.of(cells)
    assert [coded.texts[code] for code in coded.codes] == cells.to_list()
    assert len(coded.texts) == len(set(coded.texts)) == different
    assert sum(coded.counted(np.ones(6_000, dtype=bool)).values()) == 6_000
