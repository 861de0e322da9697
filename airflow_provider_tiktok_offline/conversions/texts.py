"""The bytes of a text column, for rules that are quickest on bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa


def text_buffers(cells: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Where each text starts (and the last one ends), and all texts one behind the other; null as empty."""
    array = cells.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offsets, characters = array.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    texts = np.frombuffer(characters or b"", dtype=np.uint8)
    return starts, texts
