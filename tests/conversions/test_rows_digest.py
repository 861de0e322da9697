"""The digest of a file's data rows, by which a file that comes twice is known."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_tiktok_offline.conversions.contract.settings import FileFormat
from airflow_provider_tiktok_offline.conversions.file.reader import FileReader
from tests.conversions.files import SETTINGS, BytesSource, check, text

ROWS = text([{"transaction_amount": f"{number}.00"} for number in range(1, 40)])
HEADER, _, BODY = ROWS.partition("\n")


@settings(deadline=None, max_examples=60)
@given(
    block=st.integers(min_value=40, max_value=5000),
    packed=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    above=st.lists(st.sampled_from(["Report of 21.11.2026", "a title"]), max_size=2),
    below=st.lists(st.sampled_from(["39 rows", "total;1"]), max_size=2),
    last_end=st.booleans(),
)
def test_only_the_rows_enter(
    block: int, packed: bool, encoding: str, above: list[str], below: list[str], last_end: bool
) -> None:
    """Not how they are packed and encoded, what stands above and below them, or how the file is read."""
    lines = [*above, *ROWS.splitlines(), *below]
    content = ("\n".join(lines) + ("\n" if last_end else "")).encode(encoding)
    layout = FileFormat(encoding=encoding, skip_lines=len(above), footer_lines=len(below))
    source = BytesSource(gzip.compress(content) if packed else content, f"sales.csv{'.gz' if packed else ''}")
    with FileReader(source, replace(SETTINGS, format=layout), block_bytes=block) as reader:
        assert list(reader.blocks(reader.read_header()))
    assert reader.rows_sha256 == hashlib.sha256(BODY.encode()).hexdigest()


@pytest.mark.parametrize("place", [0, 20, 38])
def test_every_row_enters(place: int) -> None:
    """A changed cell anywhere is another content."""
    lines = BODY.splitlines(keepends=True)
    lines[place] = lines[place].replace("ann@", "bob@")
    assert check(HEADER + "\n" + "".join(lines)).rows_sha256 != check(ROWS).rows_sha256
