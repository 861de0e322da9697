"""What e-mail and phone cells have in common: the struct they become, hashed values, placeholders."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from airflow_provider_tiktok_offline.conversions.text.buffers import series
from airflow_provider_tiktok_offline.conversions.text.digests import DIGEST_BYTES, digests, fixed_width, from_hex

#: The fields of a normalised cell, in order.
FIELDS = ("normal", "digest", "fault", "warning", "doubt")
PLACEHOLDERS = ("n/a", "null", "none", "nan", "-")
#: SHA-256 of nothing and of a bare ``+``: what careless exports hash. They stand for no person.
DIGESTS_OF_NOTHING = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "a318c24216defe206feeb73ef5be00033fa9c4a74d0b967f6532a26ca5906d3b",
)


class NormalizedCells:
    """A column of normalised values under construction; a field that no row has costs nothing.

    :param rows: how many rows there are.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._fields: dict[str, pl.Series] = {}

    def put(self, field: str, rows: NDArray[np.integer], found: pl.Series | str) -> None:
        """Fill in one field of some rows, given in ascending order."""
        if len(rows) == 0:
            return
        if len(rows) == self._rows and isinstance(found, pl.Series):
            self._fields[field] = found
        else:
            self._fields[field] = self._field(field).scatter(rows, found)

    def to_struct(self, name: str) -> pl.Series:
        """The column of structs."""
        return pl.DataFrame({field: self._field(field) for field in FIELDS}).to_struct(name)

    def _field(self, name: str) -> pl.Series:
        known = self._fields.get(name)
        return pl.Series([None], dtype=pl.String).new_from_index(0, self._rows) if known is None else known


def put_special(normalized: NormalizedCells, rows: NDArray[np.integer], cells: pl.Series) -> NDArray[np.bool_]:
    """Fill in those lower-cased cells that are placeholders or hashed.

    :return: which cells are neither.
    """
    size = cells.str.len_bytes()
    nothing = cells.is_in(PLACEHOLDERS + DIGESTS_OF_NOTHING)
    hashed = size.is_in([64, 40, 32]) & cells.str.contains("^[0-9a-f]+$") & ~nothing
    if not (nothing | hashed).any():
        return np.ones(len(cells), dtype=np.bool_)
    normalized.put("fault", rows[nothing.to_numpy()], "placeholder")
    normalized.put("fault", rows[(hashed & (size == 40)).to_numpy()], "hash_sha1")
    normalized.put("fault", rows[(hashed & (size == 32)).to_numpy()], "hash_md5")
    digests = (hashed & (size == 64)).to_numpy()
    normalized.put("digest", rows[digests], cells.filter(pl.Series(digests)))
    return ~(nothing | hashed).to_numpy()


def sent_digests(normal: pl.Series, passed: pl.Series) -> pa.FixedSizeBinaryArray:
    """The digests to send for a column of identifiers: hashed here, or passed through; null where there is none.

    :param normal: normal forms.
    :param passed: digests in hex that stand in the file.
    """
    hashed = digests(normal)
    if passed.null_count() == len(passed):
        return hashed
    frame = pl.DataFrame({"hashed": series("hashed", hashed), "passed": passed})
    either = frame.select(pl.coalesce("hashed", from_hex(pl.col("passed")))).to_series()
    return fixed_width(either, DIGEST_BYTES)
