"""One fault of a known kind into each of some rows of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO

import numpy as np
import polars as pl

FAULTS = pl.Schema({"line": pl.Int64, "rule": pl.String, "column": pl.String})

_EMAIL, _PHONE = "email_1", "phone_1"
_CATEGORY, _TIMESTAMP, _AMOUNT = "transaction_category", "transaction_timestamp", "transaction_amount"

#: Rule or reason of exclusion -> the column that is spoilt and the cells that stand in for its own; ``{}`` is its own.
_CELLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "white_space": (_EMAIL, (" {}", "{} ", "\u00a0{}")),
    "placeholder": (_PHONE, ("N/A", "null", "none", "NaN", "-")),
    "email_shape": (
        _EMAIL,
        ("ann.example.com", "ann@", "@example.com", "ann@@example.com", "ann@example", "a b@example.com"),
    ),
    "already_hashed": (_EMAIL, ("{sha256}",)),
    "hash_sha1": (_EMAIL, ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709")),
    "hash_md5": (_EMAIL, ("d41d8cd98f00b204e9800998ecf8427e",)),
    "phone_punctuation": (_PHONE, ("(212) 555-0100", "+1 212 555 0100", "212.555.0100")),
    "phone_letters": (_PHONE, ("1-800-FLOWERS", "no phone")),
    "phone_impossible": (_PHONE, ("12345", "212555010", "+999123456789")),
    "phone_damaged": (_PHONE, ("1.21255501E+10", "1.2125550100e10")),
    "phone_extension": (_PHONE, ("2125550100 ext. 5", "2125550100x12")),
    "phone_assumed_international": (_PHONE, ("442079460123",)),
    "category_missing": (_CATEGORY, ("", "N/A")),
    "category_unknown": (_CATEGORY, ("In Store", "Offline", "completepayment")),
    "timestamp_missing": (_TIMESTAMP, ("", "null")),
    "timestamp_format": (_TIMESTAMP, ("31.12.2026", "yesterday", "1735689600")),
    "timestamp_impossible": (_TIMESTAMP, ("2026-02-30", "2026-13-01T00:00:00Z-0000")),
    "timestamp_old": (_TIMESTAMP, ("{old}",)),
    "timestamp_future": (_TIMESTAMP, ("{future}",)),
    "timestamp_offset": (_TIMESTAMP, ("{recent}Z-0800",)),
    "timestamp_iso": (_TIMESTAMP, ("{recent}Z", "{recent}+00:00")),
    "amount_missing": (_AMOUNT, ("", "-")),
    "amount_format": (_AMOUNT, ("$12.00", "12.00 USD", "1.299.00")),
    "return": (_AMOUNT, ("-12.00",)),
    "zero": (_AMOUNT, ("0.00",)),
    "id_characters": ("order_id", ("#{}", "{}/A")),
    "order_id_missing": ("order_id", ("",)),
    "store_code_length": ("store_code", ("s" * 65,)),
    "store_code_characters": ("store_code", ("<b>{}</b>",)),
    "store_code_url": ("store_code", ("https://shop.example/{}",)),
    "quantity_format": ("quantity", ("two",)),
    "price_format": ("product_price", ("$5.00",)),
    "state_format": ("state", ("California", "ca")),
    "zip_format": ("zip", ("1011", "O1011")),
}
#: Stands for a byte that is no UTF-8 until the text has become bytes; a private-use character.
_BAD_BYTE = "\ue000"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows as the file's text.

    Attributes:
        text: one row each, without line end.
        lines: how many physical lines they are.
        faults: as ``FAULTS``; lines count from 0.
    """

    text: pl.Series
    lines: int
    faults: pl.DataFrame

    def to_bytes(self) -> bytes:
        """The rows as they stand in the file."""
        written = BytesIO()
        self.text.to_frame().write_csv(written, include_header=False, quote_style="never")
        content = written.getvalue()
        return content.replace(_BAD_BYTE.encode(), b"\xe9") if "encoding" in self.faults["rule"] else content


def rules_for(columns: Sequence[str]) -> tuple[str, ...]:
    """The kinds of fault that a file of these columns can have, in a fixed order."""
    has = set(columns)
    kinds = [rule for rule, (column, _) in _CELLS.items() if column in has and (column != _EMAIL or _PHONE in has)]
    if "product_id" not in has:
        kinds = [rule for rule in kinds if rule != "order_id_missing"]
    kinds += ["identifier_missing", *_LINES, "line_break", "duplicate"]
    if {"order_id", "product_id", "store_code"} <= has:
        kinds.append("id_collision")
    return tuple(kinds)


def spoil(
    random: np.random.Generator,
    frame: pl.DataFrame,
    rules: Sequence[str],
    ratio: float,
    *,
    as_of: datetime,
    delimiter: str,
) -> Chunk:
    """Put one fault into ``ratio`` of the rows.

    Every second row is left alone as long as that is possible: a copied row needs an original.
    """
    count = round(len(frame) * ratio)
    apart = count <= len(frame) // 2
    kinds = list(rules) if apart else [rule for rule in rules if rule not in ("duplicate", "id_collision")]
    chosen = (
        np.sort(random.choice(len(frame) // 2, count, replace=False)) * 2 + 1
        if apart
        else np.sort(random.choice(len(frame), count, replace=False))
    )
    kind_of = random.permutation(np.arange(count) % len(kinds))
    if _PHONE in frame.columns:
        frame = _with_both_identifiers(frame, chosen)
    places = {rule: chosen[kind_of == number] for number, rule in enumerate(kinds)}
    for rule, at in places.items():
        if len(at):
            frame = _spoil_cells(random, frame, rule, at, as_of)
    text = frame.select(pl.concat_str(pl.all(), separator=delimiter).alias("row")).to_series()
    broken = np.zeros(len(frame), dtype=np.int64)
    for rule, at in places.items():
        if len(at) and rule in _LINES:
            text = text.scatter(at, _LINES[rule](text.gather(at), delimiter))
        elif len(at) and rule == "duplicate":
            text = text.scatter(at, text.gather(at - 1))
        elif len(at) and rule == "line_break":
            text = text.scatter(at, _broken(frame[at.tolist()], delimiter))
            broken[at] = 1
    first_line = np.arange(len(frame)) + np.cumsum(broken) - broken
    faults = pl.DataFrame(
        {
            "line": first_line[chosen],
            "rule": pl.Series(kinds, dtype=pl.String).gather(kind_of),
            "column": pl.Series(
                [_CELLS[kind][0] if kind in _CELLS else None for kind in kinds], dtype=pl.String
            ).gather(kind_of),
        },
        schema=FAULTS,
    )
    return Chunk(text, len(frame) + int(broken.sum()), faults)


def _with_both_identifiers(frame: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
    """A bad row has both identifiers, so that a fault in one leaves the other."""
    for name, other in ((_EMAIL, "ann.{}@example.com"), (_PHONE, "2125550100")):
        cells = frame[name].gather(rows)
        filled = pl.select(
            pl.when(cells == "")
            .then(pl.format(other, pl.lit(pl.Series(rows))) if "{}" in other else pl.lit(other))
            .otherwise(cells)
        ).to_series()
        frame = frame.with_columns(frame[name].scatter(rows, filled))
    return frame


def _spoil_cells(
    random: np.random.Generator, frame: pl.DataFrame, rule: str, at: np.ndarray, as_of: datetime
) -> pl.DataFrame:
    if rule == "identifier_missing":
        return frame.with_columns(
            frame[name].scatter(at, "nobody" if name == _EMAIL else "")
            for name in frame.columns
            if name.startswith(("email_", "phone_"))
        )
    if rule == "id_collision":
        same = [
            frame[name].scatter(at, frame[name].gather(at - 1))
            for name in (_CATEGORY, "order_id", "product_id", "store_code")
        ]
        return frame.with_columns(*same, frame[_AMOUNT].scatter(at, "1" + frame[_AMOUNT].gather(at - 1)))
    if rule not in _CELLS:
        return frame
    column, forms = _CELLS[rule]
    day = timedelta(days=1)
    words = {
        "old": f"{as_of - 400 * day:%Y-%m-%dT%H:%M:%SZ-0000}",
        "future": f"{as_of + 2 * day:%Y-%m-%dT%H:%M:%SZ-0000}",
        "recent": f"{as_of - day:%Y-%m-%dT%H:%M:%S}",
    }
    cells = frame[column]
    for number, form in enumerate(forms):
        some = at[number :: len(forms)]
        if form == "{sha256}":
            spoilt = pl.Series([random.bytes(32).hex() for _ in some], dtype=pl.String)
        else:
            before, own, after = form.format("\0", **words).partition("\0")
            spoilt = before + cells.gather(some) + after if own else pl.Series([before]).new_from_index(0, len(some))
        cells = cells.scatter(some, spoilt)
    return frame.with_columns(cells)


def _broken(rows: pl.DataFrame, delimiter: str) -> pl.Series:
    """The rows with a line break inside their first cell, which is quoted."""
    first, *rest = rows.columns
    quoted = pl.format('"{}\n{}"', pl.col(first).str.slice(0, 3), pl.col(first).str.slice(3))
    return rows.select(pl.concat_str(quoted, *rest, separator=delimiter)).to_series()


#: Rule -> what becomes of the row's text.
_LINES: Mapping[str, Callable[[pl.Series, str], pl.Series]] = {
    "field_count": lambda text, delimiter: text + delimiter,
    "quoting": lambda text, delimiter: '"5" pipe' + text,
    "encoding": lambda text, delimiter: _BAD_BYTE + text,
    "control_character": lambda text, delimiter: "\x00" + text,
}
