"""Cells without what nobody typed: invisible characters, the marks of spreadsheets, white space around them."""

from __future__ import annotations

import re

import polars as pl

from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

#: Zero-width and bidirectional marks, soft hyphens, byte order marks, control characters.
_INVISIBLE = r"[\p{Cf}\p{Cc}]"
#: ``="0012"``, as a spreadsheet keeps digits a text.
_FORMULA = r'^=\s*"(.*)"$'
_APOSTROPHE, _EQUALS, _SPACE, _LAST_ASCII = 39, 61, 32, 126


#: What is drawn as nothing: zero-width and bidirectional marks, soft hyphens, byte order marks.
_UNSEEN = r"\p{Cf}"
#: A cell that a spreadsheet wrote as ``="0012"`` without the quotes that a delimited file needs around it.
_BARE_FORMULA = r'(?m)(^|%s)=("[^"\r\n]+")(?=%s|\r?$)'


def unseen(cells: pl.Series) -> tuple[pl.Series, list[str]]:
    """Which cells hold characters that are drawn as nothing, and the code points of these."""
    there = cells.str.contains(_UNSEEN)
    if not there.any():
        return there, []
    found = cells.filter(there).str.extract_all(_UNSEEN).explode().unique().to_list()
    return there, sorted(f"U+{ord(character):04X}" for character in found)


def without_unseen(cells: pl.Series) -> pl.Series:
    """The cells without them."""
    return cells.str.replace_all(_UNSEEN, "").str.strip_chars()


def marked(cells: pl.Series) -> pl.Series:
    """Which cells have a spreadsheet's mark for text: an apostrophe in front, or ``="…"`` around them."""
    return cells.str.starts_with("'") | (cells.str.starts_with("=") & cells.str.contains(_FORMULA))


def without_mark(cells: pl.Series) -> pl.Series:
    """The cells without it."""
    bare = pl.col("cell").str.strip_chars_start("'").str.strip_chars()
    unwrapped = bare.str.extract(_FORMULA).str.replace_all('""', '"', literal=True)
    text = pl.coalesce(unwrapped, bare).str.strip_chars()
    return cells.to_frame("cell").select(text).to_series().rename(cells.name)


def with_quoted_formulas(data: bytes | bytearray, delimiter: bytes) -> bytes:
    """Text in which cells written ``="0012"`` are quoted, so that a parser of delimited text takes them as cells."""
    mark = re.escape(delimiter.decode())
    pattern = (_BARE_FORMULA % (mark, mark)).encode()
    return re.sub(pattern, rb'\1"="\2""', data)


def cleaned(cells: pl.Series) -> pl.Series:
    """Cells as a person would read them: cleaning twice changes nothing.

    :param cells: text without null.
    """
    if not may_be_unclean(cells):
        return cells
    before, after = cells, _cleaned_once(cells)
    while not after.equals(before):
        before, after = after, _cleaned_once(after)
    return after


def may_be_unclean(cells: pl.Series) -> bool:
    """Whether a byte occurs that only unclean cells or other scripts have: a look at all bytes at once."""
    column = column_bytes(cells)
    if column.are_words:
        return False
    ends, characters = column.ends, column.characters
    if characters.max() > _LAST_ASCII or characters.min() < _SPACE:
        return True
    if column.holds(_APOSTROPHE) or column.holds(_EQUALS):
        return True
    if not column.holds(_SPACE):
        return False
    first, last = ends[:-1][ends[:-1] < ends[1:]], ends[1:][ends[:-1] < ends[1:]] - 1
    return bool((characters[first] == _SPACE).any() or (characters[last] == _SPACE).any())


def _cleaned_once(cells: pl.Series) -> pl.Series:
    cell = pl.col("cell").str.replace_all(_INVISIBLE, "").str.strip_chars().str.strip_chars_start("'")
    unwrapped = cell.str.extract(_FORMULA).str.replace_all('""', '"', literal=True)
    return cells.to_frame("cell").select(pl.coalesce(unwrapped, cell)).to_series().rename(cells.name)
