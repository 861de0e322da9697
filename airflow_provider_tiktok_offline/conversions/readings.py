"""What e-mail and phone cells have in common: the struct they become, hashed values, placeholders."""

from __future__ import annotations

import polars as pl

#: 64, 40 or 32 hex characters: SHA-256, SHA-1, MD5.
HASHED = r"(?i)^(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})$"
PLACEHOLDERS = ("n/a", "null", "none", "nan", "-")
#: SHA-256 of nothing and of a bare ``+``: what careless exports hash. They stand for no person.
DIGESTS_OF_NOTHING = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "a318c24216defe206feeb73ef5be00033fa9c4a74d0b967f6532a26ca5906d3b",
)


def reading(normal: pl.Series) -> pl.Series:
    """The struct of a column without fault: blank cells have no normal form."""
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(normal))
    if (normal == "").any():
        normal = pl.select(pl.when(normal != "").then(normal)).to_series()
    return pl.select(
        pl.struct(
            normal=normal,
            digest=nothing,
            fault=nothing,
            warning=nothing,
        ).alias(normal.name)
    ).to_series()


def is_placeholder(cell: pl.Expr) -> pl.Expr:
    """Whether a lower-cased cell says "nothing" in words."""
    return cell.is_in(PLACEHOLDERS)


def digest_of(cell: pl.Expr) -> pl.Expr:
    """A lower-cased cell where it is a SHA-256 of something, else null."""
    return pl.when(cell.str.contains("^[0-9a-f]{64}$") & ~cell.is_in(DIGESTS_OF_NOTHING)).then(cell)


def hashed_fault(cell: pl.Expr) -> pl.Expr:
    """The rule that a hashed, lower-cased cell breaks when it can't pass through, else null."""
    return (
        pl.when(cell.is_in(DIGESTS_OF_NOTHING))
        .then(pl.lit("placeholder"))
        .when(cell.str.contains("^[0-9a-f]{40}$"))
        .then(pl.lit("hash_sha1"))
        .when(cell.str.contains("^[0-9a-f]{32}$"))
        .then(pl.lit("hash_md5"))
    )
