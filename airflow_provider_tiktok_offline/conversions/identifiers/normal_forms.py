"""E-mail addresses and phone numbers to the normal form that TikTok hashes, and SHA-256.

Sources: TikTok Doc ID 1771101303285761 (e-mail trimmed and lower-cased, nothing else; phone as E.164 with ``+``).
Every expression takes a text column, null or blank where the row has no value, and gives a struct of

* ``normal``: the normal form, or null;
* ``digest``: an already hashed value in lower-case hex that passes through, or null;
* ``fault``: the name of the rule that the cell breaks, or null;
* ``warning``: the name of the rule that says how the cell was mended, or null;
* ``doubt``: the name of the rule that says why the normal form may be another one than was meant, or null.

A blank cell has none of them.
"""

from __future__ import annotations

import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.settings import PhoneDigits
from airflow_provider_tiktok_offline.conversions.identifiers import emails
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import FIELDS
from airflow_provider_tiktok_offline.conversions.identifiers.phones import phone_column
from airflow_provider_tiktok_offline.conversions.text.digests import sha256

__all__ = ["NORMALIZED", "email", "phone", "sha256"]

#: What :func:`email` and :func:`phone` give.
NORMALIZED = pl.Struct(dict.fromkeys(FIELDS, pl.String))


def email(cell: pl.Expr) -> pl.Expr:
    """Read a column of e-mail addresses.

    :param cell: the column, as text.
    :return: a struct as :data:`NORMALIZED` says.
    """
    return cell.map_batches(emails.read, return_dtype=NORMALIZED, is_elementwise=True)


def phone(cell: pl.Expr, region: pl.Expr | str | None, phone_digits: PhoneDigits = "auto") -> pl.Expr:
    """Read a column of phone numbers.

    :param cell: the column, as text.
    :param region: the ISO 3166 alpha-2 code of the region whose numbers they are, as a column, one for all, or None:
        then only numbers with ``+``, ``00`` or a country code are understood.
    :param phone_digits: how digits without ``+`` are meant.
    :return: a struct as :data:`NORMALIZED` says.
    """
    if isinstance(region, pl.Expr):
        return pl.map_batches(
            [cell, region],
            lambda columns: phone_column.read(columns[0], columns[1], phone_digits),
            return_dtype=NORMALIZED,
            is_elementwise=True,
        )
    return cell.map_batches(
        lambda column: phone_column.read(column, region, phone_digits), return_dtype=NORMALIZED, is_elementwise=True
    )
