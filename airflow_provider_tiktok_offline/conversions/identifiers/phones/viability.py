"""What libphonenumber takes for a number at all, and what it leaves aside as an extension, as patterns over a column.

A cell with punctuation that no number has (``213,555,0123``, ``213_555_0123``) is not viable, whatever its digits are.
The patterns are libphonenumber's own (its ``VALID_PHONE_NUMBER`` and ``EXTN_PATTERNS_FOR_PARSING``) for texts without
letters and with ASCII digits.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

#: Longer texts are none (libphonenumber's ``MAX_INPUT_STRING_LENGTH``).
MOST_CHARACTERS = 250

_PUNCTUATION = (
    r"\-\u{2010}-\u{2015}\u{2212}\u{30fc}\u{ff0d}-\u{ff0f} \u{a0}\u{ad}\u{200b}\u{2060}\u{3000}"
    r"()\u{ff08}\u{ff09}\u{ff3b}\u{ff3d}.\[\]/~\u{2053}\u{223c}\u{ff5e}*"
)
_NUMBER = rf"(?:[0-9]{{2}}|\+*(?:[{_PUNCTUATION}]*[0-9]){{3,}}[{_PUNCTUATION}0-9]*)"
_AFTER_LABEL = r"[:.\u{ff0e}]?[ \u{a0}\t,\-]*"
_EXTENSION = (
    r"(?:"
    rf"[ \u{{a0}}\t,]*[#\u{{ff03}}~\u{{ff5e}}]{_AFTER_LABEL}[0-9]{{1,9}}#?"
    r"|[\- ]+[0-9]{1,6}#"
    rf"|[ \u{{a0}}\t]*(?:,,|;){_AFTER_LABEL}[0-9]{{1,15}}#?"
    rf"|[ \u{{a0}}\t]*,+{_AFTER_LABEL}[0-9]{{1,9}}#?"
    r")"
)
_VIABLE = rf"^{_NUMBER}{_EXTENSION}?$"


class Dialled(NamedTuple):
    """What of each cell libphonenumber would dial.

    Attributes:
        text: the number without what stands before and behind it; null where the cell is not viable.
        shortened: whether an extension was left aside.
    """

    text: pl.Series
    shortened: pl.Series


def dialled(cells: pl.Series) -> Dialled:
    """Look at a column of texts without letters, whose digits are ASCII and whose plus signs are ``+``."""
    # Leading characters that begin no number go, and trailing ones that are neither number nor ``#``.
    core = pl.col("cell").str.extract(r"^[^+0-9]*([+0-9](?s:.)*?)[^\p{N}#]*$")
    looked_at = (
        cells.alias("cell")
        .to_frame()
        .select(text=pl.when(core.str.contains(_VIABLE)).then(core))
        .with_columns(head=pl.col("text").str.extract(rf"^((?s:.)*?){_EXTENSION}$"))
        .with_columns(shortened=pl.col("head").str.contains(_VIABLE).fill_null(False))
        .select("shortened", text=pl.when("shortened").then("head").otherwise("text"))
    )
    return Dialled(looked_at["text"], looked_at["shortened"])
