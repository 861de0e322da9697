"""A column of e-mail addresses to its normal form: trimmed, lower-cased, nothing else.

One pattern decides almost every cell; only what it refuses is looked at for the reason.
"""

from __future__ import annotations

import idna
import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers.normalized import NormalizedCells, put_special
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes, is_capital

#: Signs and a letter or digit, then anything but a blank: ``...@gmail.com`` is nobody's.
_LOCAL = r"[!#$%&'*+/=?^_`{|}~-]*[a-z0-9][a-z0-9!#$%&'*+/=?^_`{|}~.-]*"
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_PLAIN = rf"^{_LOCAL}@(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]*[a-z0-9])$"
#: Neither space, control, separator nor a second at sign; a domain with a dot.
_WIDE = r"^[^\s\p{C}@\"(),:;<>\[\]\\]+@[^\s\p{C}@\"(),:;<>\[\]\\]+\.[^\s\p{C}@\"(),:;<>\[\]\\]+$"
_SOMEBODY = r"^[^.@][^@]*@"
_LETTER_OR_DIGIT = r"^[^@]*[\p{L}\p{N}][^@]*@"
#: What lists and sentences leave behind an address.
_BEHIND = ".,; "
#: RFC 5321: octets of a local part, RFC 3696 (errata 1690): octets of an address.
_MOST_LOCAL = 64
_MOST = 254
_SPACE, _DELETE = 32, 127


def read(cells: pl.Series) -> pl.Series:
    """Read every cell; see :mod:`.identifiers` for the struct."""
    normalized = NormalizedCells(len(cells))
    normal = cells if _is_plain_lower_case(cells) else cells.str.strip_chars().str.to_lowercase()
    # Up to 64 bytes no part can be too long, and neither can a label of the domain.
    plain = (normal.str.contains(_PLAIN) & (normal.str.len_bytes() <= _MOST_LOCAL)).fill_null(False)
    if plain.all():
        normalized.put("normal", np.arange(len(cells)), normal)
        return normalized.to_struct(cells.name)
    rows = plain.arg_true().to_numpy()
    normalized.put("normal", rows, normal.gather(rows))
    rows = (~plain & (normal != "")).fill_null(False).arg_true().to_numpy()
    rest = normal.gather(rows)
    left = put_special(normalized, rows, rest)
    cut = rest.str.strip_chars_end(_BEHIND)
    address = _is_address(cut).to_numpy() & left
    normalized.put("normal", rows[address], cut.filter(pl.Series(address)))
    normalized.put("warning", rows[address & (cut != rest).to_numpy()], "email_punctuation")
    normalized.put("fault", rows[left & ~address], "email_shape")
    return normalized.to_struct(cells.name)


def _is_plain_lower_case(cells: pl.Series) -> bool:
    """Whether no cell holds a blank, a capital letter or anything but ASCII: a look at all bytes at once."""
    characters = column_bytes(cells).characters
    if not len(characters):
        return True
    return bool(characters.min() > _SPACE and characters.max() < _DELETE and not is_capital(characters).any())


def _is_address(addresses: pl.Series) -> pl.Series:
    """Whether an address that is long or not plain ASCII is one all the same; asks for each distinct domain once."""
    domain = addresses.str.extract("@([^@]*)$")
    local_bytes = addresses.str.len_bytes().cast(pl.Int32) - domain.str.len_bytes() - 1
    somebody = addresses.str.contains(_SOMEBODY) & addresses.str.contains(_LETTER_OR_DIGIT)
    candidates = (
        somebody & addresses.str.contains(_WIDE) & (addresses.str.len_bytes() <= _MOST) & (local_bytes <= _MOST_LOCAL)
    )
    good = [name for name in domain.filter(candidates).unique().to_list() if _is_domain(name)]
    return (candidates & domain.is_in(good)).fill_null(False)


def _is_domain(name: str) -> bool:
    try:
        encoded = idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        return False
    top = encoded.rpartition(".")[2]
    return "." in encoded and len(top) > 1 and not top.isdigit()
