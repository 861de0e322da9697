"""Identifiers in columns that are none: an e-mail address or a phone as an order's id would leave in plain text.

Almost no cell holds one. A look at all bytes of a column rules most of it out; only what is left is looked at by cell.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import COLUMNS, PHONE_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.text.buffers import only_digits
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes, is_digit

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
#: ``%40`` is how an at sign stands in a URL.
_EMAIL = r"[^\s@,;<>] ?(?:@|%40)+ ?[^\s@,;<>]+\.\p{L}{2}"
_PHONE = r"\+[\s(]{0,2}[0-9](?:[\s()\[\].\-/_~]{0,3}[0-9]){7}"
#: A phone is known by so many of its last digits; where country code and number together are short, as in Estonia, by
#: one less.
_TAIL, _SHORT_TAIL = 8, 7
_SHORT_NUMBER = 10
_LOOKED_FOR = 2
_AT, _PERCENT, _PLUS = b"@%+"
_LAST_ASCII = 127
#: What stands for ASCII in other scripts, or is drawn as nothing, once compatibility forms are taken away.
_FOREIGN = r"[^\x00-\x7f\p{L}\p{M}]"
_DASHES = r"[\p{Pd}\x{2212}\x{00b7}]"
_UNSEEN = r"\p{Cf}"


def screened_columns(settings: ConversionSettings, places: Mapping[str, int]) -> tuple[str, ...]:
    """The text columns of a file that leave with its rows: in events, or in a feed file."""
    texts = [column.name for column in COLUMNS if column.kind in _TEXT_KINDS and column.name in places]
    if settings.profile == "liveramp":
        return tuple(texts)
    return tuple(name for name in texts if _SENT_AS.get(name) in settings.send_fields)


class TextScreen:
    """What can be found in the text columns of one block.

    :param identifiers: what stands in each column of e-mails or phones, and what was read in it.
    """

    def __init__(self, identifiers: Sequence[tuple[pl.Series, pl.DataFrame]]) -> None:
        needles = [_Needles(cells, reading) for cells, reading in identifiers]
        self._phones = [one.phones for one in needles if one.phones is not None]
        self._damaged = [one.damaged for one in needles if one.damaged is not None]
        self._some_are_short = any(bool((phones.str.len_bytes() <= _SHORT_NUMBER + 1).any()) for phones in self._phones)

    def find(self, cells: pl.Series) -> pl.Series | None:
        """Which cells hold an e-mail address, a phone with ``+``, or an identifier of the row; None if none does."""
        cells = _in_ascii(cells)
        found = np.zeros(len(cells), dtype=bool)
        column = column_bytes(cells)
        if not column.are_words:
            for signs, pattern in (((_AT, _PERCENT), _EMAIL), ((_PLUS,), _PHONE)):
                if any(map(column.holds, signs)):
                    found |= cells.str.contains(pattern).fill_null(False).to_numpy()
            for damaged in self._damaged:
                found |= _holds(cells.str.to_lowercase(), damaged).to_numpy()
        if self._phones:
            found[self._own_digits(cells)] = True
        return pl.Series(found) if found.any() else None

    def _own_digits(self, cells: pl.Series) -> np.ndarray:
        """The rows whose cell holds the last digits of one of the row's phones."""
        column = column_bytes(cells)
        least = _SHORT_TAIL if self._some_are_short else _TAIL
        if column.lengths.max(initial=0) < least:
            return np.empty(0, dtype=np.int64)
        are_numbers = bool(is_digit(column.characters).all())
        # Most texts have fewer digits than a phone's end.
        long = np.flatnonzero((column.lengths if are_numbers else column.digits) >= least)
        if not len(long):
            return np.empty(0, dtype=np.int64)
        hits = []
        for phones in self._phones:
            if len(long) == len(cells):
                hits.append(self._with_own_digits(cells, phones, are_numbers))
            else:
                rows = pl.Series(long)
                hits.append(long[self._with_own_digits(cells.gather(rows), phones.gather(rows), are_numbers)])
        return np.unique(np.concatenate(hits))

    def _with_own_digits(self, texts: pl.Series, phones: pl.Series, are_numbers: bool) -> np.ndarray:
        """The rows whose text holds the last digits of the phone beside it."""
        # To take the digits out costs more than to look for the last two of them first.
        likely = _holds(texts, phones.str.tail(_LOOKED_FOR)).arg_true()
        texts, phones = texts.gather(likely), phones.gather(likely)
        tails = _tails(phones) if self._some_are_short else phones.str.tail(_TAIL)
        digits = texts if are_numbers else only_digits(texts)[0]
        return likely.filter(_holds(digits, tails)).to_numpy()


class _Needles:
    """What of one column of identifiers must not stand in a text of the same row.

    A cell that can't be sent is the row's own all the same: a phone without a region, an address without a dot.

    Attributes:
        phones: each row's phone, null where there is none; None if no row has one.
        damaged: texts with an at sign that are no address, null elsewhere; None if there are none.
    """

    def __init__(self, cells: pl.Series, reading: pl.DataFrame) -> None:
        phones = reading["normal"] if cells.name in PHONE_COLUMNS else _nothing(len(cells))
        self.damaged: pl.Series | None = None
        rows = pl.Series(dtype=pl.UInt32)
        if reading["fault"].null_count() < len(cells):
            rows = (reading["fault"] != "placeholder").fill_null(False).arg_true()
        if len(rows):
            texts = _in_ascii(cells.gather(rows))
            digits, count = only_digits(texts)
            own = pl.DataFrame({"digits": digits, "count": count}).select(
                pl.when((pl.col("count") >= _SHORT_TAIL) & pl.col("digits").str.contains("[1-9]")).then("digits")
            )
            phones = phones.clone().scatter(rows, own.to_series())
            addresses = texts.to_frame("text").select(
                pl.when(pl.col("text").str.contains("[^@]@")).then(pl.col("text").str.to_lowercase())
            )
            if addresses.to_series().null_count() < len(rows):
                self.damaged = _nothing(len(cells)).scatter(rows, addresses.to_series())
        self.phones = phones if phones.null_count() < len(phones) else None


def _tails(phones: pl.Series) -> pl.Series:
    """The last digits of phones, with or without plus."""
    number = pl.col("number")
    short = number.str.strip_prefix("+").str.len_bytes() <= _SHORT_NUMBER
    tail = pl.when(short).then(number.str.tail(_SHORT_TAIL)).otherwise(number.str.tail(_TAIL))
    return phones.to_frame("number").select(tail).to_series()


def _nothing(rows: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, rows)


def _in_ascii(cells: pl.Series) -> pl.Series:
    """The cells with ASCII for what means the same in other scripts, and without what is drawn as nothing."""
    if column_bytes(cells).characters.max(initial=0) <= _LAST_ASCII:
        return cells
    rows = cells.str.contains(_FOREIGN).fill_null(False).arg_true()
    if not len(rows):
        return cells
    plain = cells.gather(rows).str.normalize("NFKC").str.replace_all(_UNSEEN, "").str.replace_all(_DASHES, "-")
    if plain.str.contains(r"[^\P{Nd}0-9]").any():
        plain = plain.str.replace_many(_other_digits())
    # scatter() changes the column itself.
    return cells.clone().scatter(rows, plain)


@cache
def _other_digits() -> dict[str, str]:
    """The digits of other scripts, as ASCII."""
    every = map(chr, range(_LAST_ASCII, 0x20000))
    return {one: str(unicodedata.digit(one)) for one in every if unicodedata.category(one) == "Nd"}


def _holds(texts: pl.Series, parts: pl.Series) -> pl.Series:
    """Which texts hold the part beside them; a text without one does not."""
    frame = pl.DataFrame({"text": texts, "part": parts})
    held = pl.col("text").str.contains(pl.col("part"), literal=True).fill_null(False)
    return frame.select(held).to_series()
