"""E-mail addresses and phone numbers to the normal form that TikTok hashes, and SHA-256.

Sources: TikTok Doc ID 1771101303285761 (e-mail trimmed and lower-cased, nothing else; phone as E.164 with ``+``).
Every expression takes a text column, null or blank where the row has no value, and gives a struct of

* ``normal``: the normal form, or null;
* ``digest``: an already hashed value in lower-case hex that passes through, or null;
* ``fault``: the name of the rule that the cell breaks, or null;
* ``warning``: the name of the rule that says how the cell was mended, or null.

A blank cell has none of them.
"""

from __future__ import annotations

import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers import emails
from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column, validity
from airflow_provider_tiktok_offline.conversions.text.digests import sha256

__all__ = ["NORMALIZED", "email", "phone", "phone_valid", "sha256"]

#: What :func:`email` and :func:`phone` give.
NORMALIZED = pl.Struct({"normal": pl.String, "digest": pl.String, "fault": pl.String, "warning": pl.String})


def email(cell: pl.Expr) -> pl.Expr:
    """Read a column of e-mail addresses.

    :param cell: the column, as text.
    :return: a struct as :data:`NORMALIZED` says.
    """
    return cell.map_batches(emails.read, return_dtype=NORMALIZED, is_elementwise=True)


def phone(cell: pl.Expr, region: pl.Expr | str | None) -> pl.Expr:
    """Read a column of phone numbers.

    :param cell: the column, as text.
    :param region: the ISO 3166 alpha-2 code of the region to dial from, as a column, one for all, or None:
        then only numbers with ``+``, ``00`` or a country code are understood.
    :return: a struct as :data:`NORMALIZED` says.
    """
    if isinstance(region, pl.Expr):
        return pl.map_batches(
            [cell, region],
            lambda columns: phone_column.read_by_row(*columns),
            return_dtype=NORMALIZED,
            is_elementwise=True,
        )
    return cell.map_batches(
        lambda column: phone_column.read(column, region), return_dtype=NORMALIZED, is_elementwise=True
    )


def phone_valid(normal: pl.Expr) -> pl.Expr:
    """Whether possible numbers are valid too: their digits fit a range that is in use.

    Several times as dear as the normal form: ask it of a sample.

    :param normal: numbers in E.164 form, as :func:`phone` gives them.
    :return: true or false, null where there is no number.
    """
    return normal.map_batches(validity.valid, return_dtype=pl.Boolean, is_elementwise=True)
