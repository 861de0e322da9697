"""A column of e-mail addresses to its normal form: trimmed, lower-cased, nothing else.

One pattern decides almost every cell; only what it refuses is looked at for the reason.
"""

from __future__ import annotations

import idna
import polars as pl

from .readings import HASHED, digest_of, hashed_fault, is_placeholder, reading

_LOCAL = r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SHAPE = rf"^{_LOCAL}@(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])$"
#: Neither space, control, separator nor a second at sign; a domain with a dot.
_WIDE_SHAPE = r"^[^\s\p{C}@\"(),:;<>\[\]\\]+@[^\s\p{C}@\"(),:;<>\[\]\\]+\.[^\s\p{C}@\"(),:;<>\[\]\\]+$"
_MOST_BYTES = 254
_MOST_LOCAL_BYTES = 64


def read(cells: pl.Series) -> pl.Series:
    """Read every cell; see :mod:`.identifiers` for the struct."""
    normal = cells.str.strip_chars().str.to_lowercase()
    plain = normal.str.contains(_SHAPE) & (normal.str.len_bytes() <= _MOST_LOCAL_BYTES)
    if plain.all(ignore_nulls=True):
        return reading(normal)
    unsure = (~plain & (normal != "")).fill_null(False)
    rest = normal.filter(unsure)
    frame = (
        pl.select(cell=rest)
        .with_columns(
            hashed=pl.col("cell").str.contains(HASHED),
            placeholder=is_placeholder(pl.col("cell")),
            shaped=rest.str.contains(_SHAPE) | _is_wide_shape(rest),
        )
        .select(
            normal=pl.when(pl.col("shaped") & ~pl.col("hashed")).then("cell"),
            digest=digest_of(pl.col("cell")),
            fault=pl.coalesce(
                pl.when("placeholder").then(pl.lit("placeholder")),
                hashed_fault(pl.col("cell")),
                pl.when(~pl.col("shaped") & ~pl.col("hashed")).then(pl.lit("email_shape")),
            ),
            warning=pl.lit(None, dtype=pl.String),
        )
    )
    positions = unsure.arg_true()
    known = pl.select(pl.when(plain.fill_null(False)).then(normal)).to_series()
    return pl.select(
        pl.struct(
            normal=known.scatter(positions, frame["normal"]),
            **{
                name: pl.Series([None], dtype=pl.String).new_from_index(0, len(cells)).scatter(positions, frame[name])
                for name in ("digest", "fault", "warning")
            },
        ).alias(cells.name)
    ).to_series()


def _is_wide_shape(addresses: pl.Series) -> pl.Series:
    """Whether an address that is not plain ASCII, or is long, is one all the same."""
    candidates = addresses.str.contains(_WIDE_SHAPE)
    unique = addresses.filter(candidates).unique()
    good = [address for address in unique.to_list() if _is_address(address)]
    return candidates & addresses.is_in(good)


def _is_address(address: str) -> bool:
    local, _, domain = address.rpartition("@")
    if len(local.encode()) > _MOST_LOCAL_BYTES or len(address.encode()) > _MOST_BYTES:
        return False
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return False
    return "." in ascii_domain and not ascii_domain.endswith(".") and not ascii_domain.rpartition(".")[2].isdigit()
