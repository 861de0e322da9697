"""Identifiers in columns that are none: an e-mail address or a phone as an order's id would leave in plain text.

Almost no cell holds one. A look at all bytes of a column rules most of it out; only what is left is looked at by cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.text.buffers import only_digits
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

#: Text column -> the field of an event that carries it.
_SENT_AS = {
    "order_id": "order_id",
    "store_code": "shop_id",
    "product_id": "content_id",
    "product_name": "content_name",
    "product_category": "content_category",
    "product_brand": "brand",
}
_TEXT_KINDS = ("name", "address", "identifier", "text")
_EMAIL = r"[^\s@,;<>]@[^\s@,;<>]+\.\p{L}{2}"
_PHONE = r"\+[ (]{0,2}[0-9](?:[ ().\-/\x{a0}]{0,2}[0-9]){7}"
#: A phone is known by so many of its last digits.
_TAIL = 8
_LOOKED_FOR = 2
_PLUS, _AT = b"+@"
_DIGITS = r"^[0-9]{8,18}$"


def screened_columns(settings: ConversionSettings, places: Mapping[str, int]) -> tuple[str, ...]:
    """The text columns of a file that leave with its rows: in events, or in a feed file."""
    texts = [column.name for column in COLUMNS if column.kind in _TEXT_KINDS and column.name in places]
    if settings.profile == "liveramp":
        return tuple(texts)
    return tuple(name for name in texts if _SENT_AS.get(name) in settings.send_fields)


class TextScreen:
    """What can be found in the text columns of one block.

    :param phones: what was read in the phone columns.
    """

    def __init__(self, phones: Sequence[pl.DataFrame]) -> None:
        self._phones = [reading["normal"] for reading in phones if reading["normal"].null_count() < len(reading)]

    def find(self, cells: pl.Series) -> pl.Series | None:
        """Which cells hold an e-mail address, a phone with ``+``, or one of the row's own phones; None if none does."""
        found = np.zeros(len(cells), dtype=bool)
        column = column_bytes(cells)
        if not column.are_words:
            for sign, pattern in ((_AT, _EMAIL), (_PLUS, _PHONE)):
                if column.holds(sign):
                    found |= cells.str.contains(pattern).fill_null(False).to_numpy()
        if self._phones:
            found[self._own_phones(cells)] = True
        return pl.Series(found) if found.any() else None

    def _own_phones(self, cells: pl.Series) -> np.ndarray:
        """The rows whose cell holds the last digits of one of the row's phones."""
        column = column_bytes(cells)
        if column.lengths.max(initial=0) < _TAIL:
            return np.empty(0, dtype=np.int64)
        long = np.flatnonzero(column.digits >= _TAIL)
        if not len(long):
            return np.empty(0, dtype=np.int64)
        rows = pl.Series(long)
        texts = cells.gather(rows)
        plain = texts.str.contains(_DIGITS)
        numbers = rows.filter(plain), texts.filter(plain)
        hits = [self._ending_in_a_phone(*numbers), self._holding_a_phone(rows.filter(~plain), texts.filter(~plain))]
        return np.unique(np.concatenate(hits))

    def _ending_in_a_phone(self, rows: pl.Series, numbers: pl.Series) -> np.ndarray:
        hit = np.zeros(len(rows), dtype=bool)
        if len(rows):
            ends = numbers.cast(pl.Int64, strict=False) % 10**_TAIL
            for phones in self._phones:
                tails = phones.gather(rows).str.tail(_TAIL).cast(pl.Int64, strict=False)
                hit |= (ends == tails).fill_null(False).to_numpy()
        return rows.to_numpy()[hit]

    def _holding_a_phone(self, rows: pl.Series, texts: pl.Series) -> np.ndarray:
        hits = []
        for phones in self._phones:
            tails = phones.gather(rows).str.tail(_TAIL)
            # To take the digits out costs more than to look for the last two of them first.
            likely = _holds(texts, tails.str.tail(_LOOKED_FOR))
            digits, _ = only_digits(texts.filter(likely))
            hits.append(rows.filter(likely).filter(_holds(digits, tails.filter(likely))).to_numpy())
        return np.concatenate(hits)


def _holds(texts: pl.Series, parts: pl.Series) -> pl.Series:
    """Which texts hold the part beside them; a text without one does not."""
    frame = pl.DataFrame({"text": texts, "part": parts})
    held = pl.col("text").str.contains(pl.col("part"), literal=True).fill_null(False)
    return frame.select(held).to_series()
