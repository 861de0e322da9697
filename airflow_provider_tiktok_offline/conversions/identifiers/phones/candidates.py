"""Every number that a phone cell may stand for: opt-outs are matched by all of them."""

from __future__ import annotations

import polars as pl

from airflow_provider_tiktok_offline.conversions.identifiers.phones import one_cell
from airflow_provider_tiktok_offline.conversions.identifiers.phones.one_cell import PhoneDigits


def candidates(cells: pl.Series, region: pl.Series | str | None, phone_digits: PhoneDigits = "auto") -> pl.Series:
    """Every number that each cell may stand for, valid or merely possible.

    :param cells: phone cells as text; null and blank where there is none.
    :param region: ISO 3166 alpha-2 code for all cells, a column of them, or None where none is known.
    :param phone_digits: how digits without ``+`` are meant.
    :return: a list a cell of distinct numbers in E.164 form with ``+`` (what follows the ``+`` is the form without),
        the one that is sent first; empty for a blank cell and one that is no phone number.
    """
    regions = region if isinstance(region, pl.Series) else pl.Series([region], dtype=pl.String)
    asked = pl.DataFrame(
        {
            "cell": cells.str.strip_chars().str.to_lowercase(),
            "region": regions.new_from_index(0, len(cells)) if len(regions) == 1 else regions,
        }
    )
    unique = asked.unique()
    found = [_of(cell, name, phone_digits) for cell, name in unique.rows()]
    answers = unique.with_columns(candidates=pl.Series(found, dtype=pl.List(pl.String)))
    joined = asked.join(answers, on=["cell", "region"], how="left", nulls_equal=True, maintain_order="left")
    return joined["candidates"].alias(cells.name)


def _of(cell: str | None, region: str | None, phone_digits: PhoneDigits) -> list[str]:
    return one_cell.candidates(cell, one_cell.supported(region), phone_digits) if cell else []
