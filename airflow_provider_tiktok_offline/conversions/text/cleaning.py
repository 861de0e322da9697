"""Cells without what nobody typed: invisible characters, the marks of spreadsheets, white space around them."""

from __future__ import annotations

import polars as pl

from airflow_provider_tiktok_offline.conversions.text.buffers import buffers

#: Zero-width and bidirectional marks, soft hyphens, byte order marks, control characters.
_INVISIBLE = r"[\p{Cf}\p{Cc}]"
#: ``="0012"``, as a spreadsheet keeps digits a text.
_FORMULA = r'^=\s*"(.*)"$'
_APOSTROPHE, _EQUALS, _SPACE, _LAST_ASCII = 39, 61, 32, 126


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
    _, _, ends, characters = buffers(cells)
    if not len(characters):
        return False
    if characters.max() > _LAST_ASCII or characters.min() < _SPACE:
        return True
    if ((characters == _APOSTROPHE) | (characters == _EQUALS)).any():
        return True
    first, last = ends[:-1][ends[:-1] < ends[1:]], ends[1:][ends[:-1] < ends[1:]] - 1
    return bool((characters[first] == _SPACE).any() or (characters[last] == _SPACE).any())


def _cleaned_once(cells: pl.Series) -> pl.Series:
    cell = pl.col("cell").str.replace_all(_INVISIBLE, "").str.strip_chars().str.strip_chars_start("'")
    unwrapped = cell.str.extract(_FORMULA).str.replace_all('""', '"', literal=True)
    return cells.to_frame("cell").select(pl.coalesce(unwrapped, cell)).to_series().rename(cells.name)
