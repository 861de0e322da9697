"""Which accepted format of a timestamp comes nearest to cells that none of them fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import polars as pl

#: The programme's own forms.
_PROGRAMME = (
    "yyyy-MM-dd'T'HH:mm:ss'Z'-0000", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss",
    "yyyy-MM-dd HH:mm:ssZ", "MM/dd/yyyy HH:mm:ss", "MM/dd/yyyy h:mm:ss a", "MMM dd, yyyy h:mm:ss",
)  # fmt: skip
#: Less alike than this, a format is no help.
_ALIKE = 0.7
#: Distinct shapes that are compared.
_MOST_SHAPES = 50


def nearest_formats(cells: pl.Series, notations: Sequence[str]) -> list[str]:
    """The formats, as `dd.MM.yyyy HH:mm`, that are most like the cells; none where the cells are like none.

    Only the cells' shapes are looked at: where digits, letters and signs stand.

    :param notations: those of the settings; the programme's own are added.
    """
    shapes = cells.str.replace_all("[0-9]", "0").str.replace_all(r"\p{L}+", "a").unique().sort().head(_MOST_SHAPES)
    known = {notation: _shape(notation) for notation in (*notations, *_PROGRAMME)}
    found = set()
    for shape in shapes.to_list():
        likeness, _, notation = max(
            (SequenceMatcher(None, shape, other, autojunk=False).ratio(), -place, notation)
            for place, (notation, other) in enumerate(known.items())
        )
        if likeness >= _ALIKE:
            found.add(f"`{notation}`")
    return sorted(found)


def _shape(notation: str) -> str:
    """What a cell in this format looks like."""
    text = notation.replace("MMMM", "a").replace("MMM", "a").replace("'", "")
    return re.sub("[yMdHhmsSX]", "0", text)
