"""Rows of a feed file in the programme's form, where the settings allow repairs: `repair: true`.

What a cell means is asked of the rules that judged it, so that a row is written as it was understood.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import PHONE_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.header import Header
from airflow_provider_tiktok_offline.conversions.file.parsing import Parsed
from airflow_provider_tiktok_offline.conversions.rules.amounts import two_decimals
from airflow_provider_tiktok_offline.conversions.rules.checked_block import CheckedBlock
from airflow_provider_tiktok_offline.conversions.rules.row_rules import check_block
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook

#: Rules that cells break which are written anew.
_TIMES = frozenset({"timestamp_near", "timestamp_iso"})
_PHONES = frozenset({"phone_punctuation", "phone_extension"})
_EMAILS = frozenset({"email_punctuation"})
_UTC_FORM = "%Y-%m-%dT%H:%M:%SZ-0000"
#: Ages are judged when a file is validated; here nothing depends on the moment.
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


class RepairedRows:
    """The values of one source's rows.

    :param header: the source's.
    :param in_utc: whether every timestamp is written in UTC, or only those in a form that the programme does not know.
    """

    def __init__(self, header: Header, settings: ConversionSettings, *, in_utc: bool) -> None:
        self._rulebook = Rulebook(settings, header, _ANY_MOMENT, None)
        self._in_utc = in_utc

    def columns(self, parsed: Parsed) -> dict[str, pl.Series]:
        """Every programme column of a block as it is written; of rows that were rejected they mean nothing."""
        checked = check_block(self._rulebook, parsed)
        columns = {name: checked.values[name] for name in self._rulebook.columns}
        columns["transaction_amount"] = two_decimals(checked.units)
        columns["transaction_timestamp"] = self._times(checked)
        for name, reading in [*checked.emails, *checked.phones]:
            rows = self._rows(checked, name, _PHONES if name in PHONE_COLUMNS else _EMAILS)
            if len(rows):
                normal = reading["normal"].gather(rows).str.strip_prefix("+")
                columns[name] = columns[name].scatter(rows, normal.fill_null(""))
        return columns

    def _times(self, checked: CheckedBlock) -> pl.Series:
        name = "transaction_timestamp"
        moments = pl.Series(name, checked.epoch * 1_000_000).cast(pl.Datetime("us")).dt.strftime(_UTC_FORM)
        if self._in_utc:
            return moments
        rows = self._rows(checked, name, _TIMES)
        return checked.values[name].scatter(rows, moments.gather(rows)) if len(rows) else checked.values[name]

    def _rows(self, checked: CheckedBlock, column: str, rules: frozenset[str]) -> np.ndarray:
        label = self._rulebook.label(column)
        broken = [issue.rows for issue in checked.issues if issue.rule in rules and issue.column == label]
        return np.unique(np.concatenate(broken)) if broken else np.empty(0, dtype=np.int64)
