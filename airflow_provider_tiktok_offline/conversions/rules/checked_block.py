"""What the row-level rules make of a block: issues, values and one class a row."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import EXCLUSIONS, RULES
from airflow_provider_tiktok_offline.conversions.contract.settings import Severity
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import RowIdentifiers
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import IdColumn
from airflow_provider_tiktok_offline.conversions.text.column_bytes import CodedColumn

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]

VALID, REJECTED, DUPLICATE, EXCLUDED = range(4)
CLASSES = ("valid", "rejected", "duplicate", "excluded")
RULE_NAMES = tuple(RULES)
REASONS = tuple(EXCLUSIONS)


@dataclass(slots=True)
class Issue:
    """One rule broken in one column by some rows of the block, as positions.

    ``details`` are words that make the message plainer, such as the code points of characters; never a value.
    """

    rule: str
    column: str | None
    severity: Severity
    rows: Numbers
    details: tuple[str, ...] = ()


@dataclass(slots=True)
class CheckedBlock:
    """What the rules made of a block.

    Attributes:
        lines: line number of each row.
        values: what a row holds once read: text by programme column (``""`` where blank or dropped),
            ``canonical_event`` (as the event id has it), ``currency``, and for each identifier column its normal form
            and its passed-through digest.
        epoch: the transaction's time, before it is clamped to as_of.
        sent_epoch: the time to send.
        units: the amount in millionths.
        sound: rows whose time and amount could be read, so that their columns are surely not shifted.
        classes: of each row; duplicates are found later.
        reasons: index into RULE_NAMES (rejected) or REASONS (excluded); -1 else.
        issues: what was found on rows that are not excluded.
        emails, phones: identifier columns with what was read in them.
        widely_opted_out: rows of people on the suppression list that only another reading of an identifier than the
            one to send has found; None where there are none.
        identifiers: every reading of the rows' identifiers; None without a suppression list.
        withheld: column -> rows whose value holds an identifier: it enters the event id, and nothing else.
        categories: the categories of all rows.
        events: the events that they stand for, blank where one is not known.
        currencies: the currencies of all rows, each once; None where a row has none.
        ids: what the columns of ids show of the rows that are not excluded, by the file's name of the column.
    """

    lines: Numbers
    values: dict[str, pl.Series]
    epoch: Numbers
    sent_epoch: Numbers
    units: Numbers
    sound: Flags
    classes: npt.NDArray[np.uint8]
    reasons: npt.NDArray[np.int16]
    issues: list[Issue] = field(default_factory=list)
    emails: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    phones: list[tuple[str, pl.DataFrame]] = field(default_factory=list)
    widely_opted_out: Flags | None = None
    identifiers: RowIdentifiers | None = None
    withheld: dict[str, Flags] = field(default_factory=dict)
    ids: dict[str, IdColumn] = field(default_factory=dict)
    categories: CodedColumn = field(default_factory=CodedColumn.empty)
    events: CodedColumn = field(default_factory=CodedColumn.empty)
    currencies: tuple[str | None, ...] = ()
