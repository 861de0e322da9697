"""Which of many event keys are among some others: the look at every key of the ledger.

A key is 16 random bytes, so its first eight bytes tell it from nearly all others. They are looked up as a number: first
in a table with a byte for each value of their upper bits, which almost all keys of a ledger miss, then in a sorted
list. A hit says that a file may hold the whole key, and only then its rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers
from airflow_provider_tiktok_offline.ledger.event_keys import KEY_BYTES
from airflow_provider_tiktok_offline.ledger.snapshots import Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

#: The table has so many entries for each key, so that one key in so many passes it by chance.
_ENTRIES_A_KEY_BITS = 6
_FEWEST_BITS, _MOST_BITS = 16, 26
_WRAP = (1 << 64) - 1


class KeyProbe:
    """Some event keys, to be looked for among many.

    :param wanted: the keys; how many times each is among them does not matter.
    """

    def __init__(self, wanted: pl.Series) -> None:
        heads = np.sort(_words(wanted)[::2])
        bits = min(max(len(heads).bit_length() + _ENTRIES_A_KEY_BITS, _FEWEST_BITS), _MOST_BITS)
        self._heads = heads
        self._shift = np.uint64(64 - bits)
        self._table = np.zeros(1 << bits, np.bool_)
        self._table[self._places(heads)] = True

    def may_hold(self, keys: pl.Series) -> bool:
        """Whether one of the keys begins as a wanted one.

        :raises ValueError: as :func:`sum_of`.
        """
        heads = _words(keys)[::2]
        passed = heads[np.take(self._table, self._places(heads))]
        if not len(passed) or not len(self._heads):
            return False
        nearest = np.minimum(np.searchsorted(self._heads, passed), len(self._heads) - 1)
        return bool((self._heads[nearest] == passed).any())

    def _places(self, heads: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (heads >> self._shift).view(np.int64)


class SummedRows:
    """Rows on their way into a table, with the sum over their keys.

    Attributes:
        rows: how many went by.
        sum: over their keys.
    """

    def __init__(self, rows: pl.DataFrame | pa.RecordBatchReader) -> None:
        self._rows = rows
        self.rows = self.sum = 0

    def reader(self) -> pa.RecordBatchReader:
        """The rows, once."""
        import pyarrow as pa

        source = self._rows.to_arrow().to_reader() if isinstance(self._rows, pl.DataFrame) else self._rows

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in source:
                self.rows += batch.num_rows
                self.sum = (self.sum + sum_of(pl.Series("event_key", batch.column("event_key"), pl.Binary))) & _WRAP
                yield batch

        return pa.RecordBatchReader.from_batches(source.schema, batches())

    def of_file(self, before: Snapshot, after: Snapshot) -> dict[str, int]:
        """Name of the data file that these rows became -> sum over its keys; empty if they became several.

        :param before, after: the table without and with the rows.
        """
        known = {file.name for file in before.files}
        new = [file for file in after.files if file.name not in known]
        return {new[0].name: self.sum} if len(new) == 1 and new[0].rows == self.rows else {}


def sum_of(keys: pl.Series) -> int:
    """A number of all keys, in arithmetic that wraps at 64 bits: one changed bit changes it.

    :raises ValueError: if one of them has not 16 bytes.
    """
    words = _words(keys)
    return (int(words[::2].sum()) + 3 * int(words[1::2].sum())) & _WRAP


def _words(keys: pl.Series) -> NDArray[np.uint64]:
    """Both halves of each key as numbers."""
    rows, _, ends, body = buffers(keys)
    if len(body) != rows * KEY_BYTES or not (np.diff(ends) == KEY_BYTES).all():
        raise ValueError(f"an event key has {KEY_BYTES} bytes")
    return body.view("<u8")
