"""A small file of very many lines takes no more memory than a large one of usual lines."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile
from airflow_provider_tiktok_offline.conversions.file.reader import FileReader
from tests.conversions.files import SETTINGS

HEADER = b"email_1,transaction_category,transaction_timestamp,transaction_amount\n"
#: What a block of usual lines has is a fifth of it.
MOST = 250_000


@pytest.mark.parametrize("line", [b"\n", b"x\n", b',"\n'], ids=["blank", "short", "quotes"])
@pytest.mark.parametrize("ended", [True, False])
def test_a_block_holds_a_bounded_number_of_lines(tmp_path: Path, line: bytes, *, ended: bool) -> None:
    """Six million line ends fit into a block's bytes; every line is read once, in order."""
    count = 1_100_000
    text = HEADER + line * count
    text = text if ended else text[:-1]
    stored = gzip.compress(text, 1)
    file = tmp_path / "lines.csv.gz"
    file.write_bytes(stored)
    with FileReader(LocalFile(file), SETTINGS) as reader:
        blocks = [
            (block.first_line, block.count, hashlib.sha256(block.data).hexdigest())
            for block in reader.blocks(reader.read_header())
        ]
        assert reader.sha256 == hashlib.sha256(stored).hexdigest()
    assert max(lines for _, lines, _ in blocks) <= MOST
    first = 2
    for first_line, lines, _ in blocks:
        assert first_line == first
        first += lines
    assert first - 2 == count - (not ended and line == b"\n")
