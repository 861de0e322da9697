"""People who opted out: a list of e-mails and phones, plain or as SHA-256, none of which is ever sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers.normal_forms import email, phone
from airflow_provider_tiktok_offline.conversions.text.digests import from_hex, sha256
from airflow_provider_tiktok_offline.errors import InputFileError

_LINES = 200_000
_WORDS_IN_A_DIGEST = 4


class Suppression:
    """Which digests are on the list.

    Only the first eight bytes of each digest are kept: two people share them once in 10^19.

    :param prefixes: sorted.
    """

    def __init__(self, prefixes: npt.NDArray[np.uint64]) -> None:
        self._prefixes = prefixes

    def __len__(self) -> int:
        return len(self._prefixes)

    @classmethod
    def load(
        cls, source: BinaryIO | str | Path, column: str | None = None, *, phone_region: str | None = None
    ) -> Suppression:
        """Read a list: one value a line, or a delimited file with a header.

        :param source: a path or a stream of UTF-8 text.
        :param column: the column that holds the values; None for the first.
        :param phone_region: the region of phones without a country code.
        :raises InputFileError: it can't be read, or has no such column.
        """
        if isinstance(source, str | Path):
            try:
                with Path(source).open("rb") as stream:
                    return cls.load(stream, column, phone_region=phone_region)
            except OSError as error:
                raise InputFileError(
                    f"the suppression list can't be read ({error.strerror}).",
                    where=str(source),
                    todo="Nothing is sent without it.",
                ) from error
        kept = [np.zeros(0, dtype=np.uint64)]
        with io.TextIOWrapper(source, encoding="utf-8-sig", newline="") as text:
            try:
                kept += [_prefixes(values, phone_region) for values in _values(text, column)]
            except (UnicodeDecodeError, csv.Error) as error:
                raise InputFileError(
                    "the suppression list is no UTF-8 text.", where=column, todo="Save it as UTF-8."
                ) from error
        return cls(np.unique(np.concatenate(kept)))

    def covers(self, digests: pl.Series) -> npt.NDArray[np.bool_]:
        """Which of the digests (32 bytes, or null) are on the list."""
        found = np.zeros(len(digests), dtype=bool)
        there = digests.is_not_null().to_numpy()
        if len(self._prefixes) and there.any():
            wanted = prefix_numbers(digests.drop_nulls())
            places = np.minimum(np.searchsorted(self._prefixes, wanted), len(self._prefixes) - 1)
            found[there] = self._prefixes[places] == wanted
        return found


def prefix_numbers(digests: pl.Series) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each digest (none null) as a number."""
    words = np.frombuffer(b"".join(digests.to_list()), dtype=">u8")
    return words[::_WORDS_IN_A_DIGEST].astype(np.uint64)


def _values(text: io.TextIOWrapper, column: str | None) -> Iterator[pl.Series]:
    first = text.readline()
    delimiter = next((mark for mark in (",", "\t", "|") if mark in first), ",")
    header = next(csv.reader([first], delimiter=delimiter), [])
    place = 0
    if column is not None:
        names = [name.strip() for name in header]
        if column not in names:
            raise InputFileError(
                f"the suppression list has no column {column!r}.", where="suppression", todo="Correct `column:`."
            )
        place = names.index(column)
        first = ""
    rows = csv.reader(text, delimiter=delimiter)
    batch = [header[place]] if first.strip() else []
    for row in rows:
        if len(row) > place and row[place].strip():
            batch.append(row[place])
        if len(batch) >= _LINES:
            yield pl.Series(batch, dtype=pl.String)
            batch = []
    yield pl.Series(batch, dtype=pl.String)


def _prefixes(values: pl.Series, region: str | None) -> npt.NDArray[np.uint64]:
    cell = pl.col("cell")
    kinds = values.to_frame("cell").with_columns(
        at=cell.str.contains("@", literal=True), hashed=cell.str.strip_chars().str.contains("(?i)^[0-9a-f]{64}$")
    )
    mails = kinds.filter("at").select(sha256(email(cell).struct.field("normal")))
    phones = kinds.filter(~pl.col("at") & ~pl.col("hashed")).select(sha256(phone(cell, region).struct.field("normal")))
    hashed = kinds.filter("hashed").select(from_hex(cell.str.strip_chars().str.to_lowercase()))
    digests = pl.concat([frame.to_series().drop_nulls() for frame in (mails, phones, hashed)])
    return prefix_numbers(digests)
