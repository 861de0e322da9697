"""Counting the rows of one block."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.file.header import HIDDEN, looks_like_data
from airflow_provider_tiktok_offline.conversions.preparation.tally import MOST_UNKNOWN_COUNTED, Tally
from airflow_provider_tiktok_offline.conversions.report.report import NO_CURRENCY
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS, sum_units
from airflow_provider_tiktok_offline.conversions.rules.checked_block import (
    CLASSES,
    EXCLUDED,
    REASONS,
    REJECTED,
    VALID,
    CheckedBlock,
    Issue,
)
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

_WORDS = re.compile(r"[A-Za-z]{2,20}(?: [A-Za-z]{2,20}){0,2}")
_MOST_STORE_DIGITS = 6
_FILTERED = REASONS.index("filtered")
_MOST_HOURS = 24 * 400


def tally_block(
    checked: CheckedBlock,
    faults: Mapping[str, npt.NDArray[np.int64]],
    lines_without_row: int = 0,
    *,
    by_store: bool = False,
) -> Tally:
    """Count one block.

    :param faults: rule -> lines that were set aside before the rules.
    :param lines_without_row: lines that hold no row.
    :param by_store: whether rows and sums are counted by store too.
    """
    tally = Tally()
    tally.lines_without_row = lines_without_row
    for rule, lines in faults.items():
        tally.rows[REJECTED] += len(lines)
        tally.add_issue(rule, None, "error", lines)
    for issue in checked.issues:
        tally.add_issue(issue.rule, issue.column, issue.severity, checked.lines[issue.rows])
        if issue.details:
            tally.add_details(issue.rule, issue.column, issue.severity, issue.details)
        if issue.rule == "category_unknown":
            tally.unknown.update(_showable(checked, issue))
    classes = checked.classes
    for row_class, rows in enumerate(np.bincount(classes, minlength=len(CLASSES)).tolist()):
        if rows:
            tally.rows[row_class] += rows
            if row_class == EXCLUDED:
                # The amount of another advertiser's row is not this one's to know.
                _sum(tally, checked, row_class, (classes == row_class) & (checked.reasons != _FILTERED))
            else:
                _sum(tally, checked, row_class, None if rows == len(classes) else classes == row_class)
    if tally.rows[EXCLUDED]:
        counted = np.bincount(checked.reasons[classes == EXCLUDED], minlength=len(REASONS))
        tally.excluded.update({REASONS[reason]: int(rows) for reason, rows in enumerate(counted) if rows})
        if checked.widely_opted_out is not None:
            suppressed = (classes == EXCLUDED) & (checked.reasons == REASONS.index("suppressed"))
            tally.widely_opted_out += int((checked.widely_opted_out & suppressed).sum())
    if tally.rows[VALID]:
        valid = classes == VALID
        everything = bool(valid.all())
        times = checked.sent_epoch if everything else checked.sent_epoch[valid]
        tally.first_time, tally.last_time = int(times.min()), int(times.max())
        tally.categories.update(checked.categories.counted(valid))
        _count_phones(tally, checked, valid)
        _count_identifiers(tally, checked, valid)
        _count_hours(tally, times)
        if by_store:
            _sum_stores(tally, checked, valid)
        elif "store_code" in checked.values:
            tally.stores.update(column_bytes(checked.values["shop_id"]).coded.counted(valid))
    return tally


def tally_returns(tally: Tally, checked: CheckedBlock) -> None:
    """Count the returned lines of orders, whether they are left out or taken off."""
    if "order_id" not in checked.values:
        return
    left_out = (checked.classes == EXCLUDED) & (checked.reasons == REASONS.index("return"))
    rows = left_out | ((checked.classes == VALID) & (checked.units < 0))
    rows &= (checked.values["order_id"] != "").to_numpy()
    tally.returned += int(np.count_nonzero(rows))
    tally.returned_sums.update(_sums(checked, rows))


def _count_hours(tally: Tally, times: npt.NDArray[np.int64]) -> None:
    """Count rows by the hour they lie in. Rows of many years are no day's file, and are not counted."""
    hours = times // 3600
    first = int(hours.min())
    if int(hours.max()) - first < _MOST_HOURS:
        tally.hours.update(
            {first + hour: rows for hour, rows in enumerate(np.bincount(hours - first).tolist()) if rows}
        )


def _count_identifiers(tally: Tally, checked: CheckedBlock, valid: npt.NDArray[np.bool_]) -> None:
    """Count valid rows by the kinds of identifier that they carry."""
    there = []
    for group in (checked.emails, checked.phones):
        usable = np.zeros(len(valid), dtype=bool)
        for _, column in group:
            for kind in ("normal", "digest"):
                if column[kind].null_count() < len(valid):
                    usable |= column[kind].is_not_null().to_numpy()
        there.append(usable & valid)
    email, phone = there
    counts = {"both": email & phone, "email": email & ~phone, "phone": phone & ~email}
    tally.identifiers.update({kind: int(np.count_nonzero(rows)) for kind, rows in counts.items()})


def _sum_stores(tally: Tally, checked: CheckedBlock, valid: npt.NDArray[np.bool_]) -> None:
    """Add up valid rows by store; a name that is left out of events is none."""
    frame = pl.DataFrame(
        {"store": checked.values["shop_id"], "currency": checked.values["currency"], "units": pl.Series(checked.units)}
    ).filter(pl.Series(valid))
    summed = frame.group_by("store", "currency").agg(
        pl.len().alias("rows"), (pl.col("units") // UNITS).sum().alias("whole"), (pl.col("units") % UNITS).sum()
    )
    for name, currency, rows, whole, part in summed.iter_rows():
        # A till may write a customer's number where a store's belongs.
        store = HIDDEN if looks_like_data(name, most_digits=_MOST_STORE_DIGITS) else name
        tally.stores[store] += rows
        tally.store_sums[store][currency or NO_CURRENCY] += whole * UNITS + part


def _count_phones(tally: Tally, checked: CheckedBlock, valid: npt.NDArray[np.bool_]) -> None:
    """Count the numbers of valid rows, and those of them that lie in no range that is in use."""
    for _, column in checked.phones:
        tally.phones["looked_at"] += int(np.count_nonzero(column["normal"].is_not_null().to_numpy() & valid))
        if column["doubt"].null_count() < len(column):
            not_valid = (column["doubt"] == "phone_not_valid").fill_null(False)
            tally.phones["not_valid"] += int((not_valid & pl.Series(valid)).sum())


def _showable(checked: CheckedBlock, issue: Issue) -> list[str]:
    sound = issue.rows[checked.sound[issue.rows]]
    names = checked.values["transaction_category"].gather(sound[:MOST_UNKNOWN_COUNTED]).to_list()
    return [name for name in names if _WORDS.fullmatch(name)]


def _sum(tally: Tally, checked: CheckedBlock, row_class: int, rows: npt.NDArray[np.bool_] | None) -> None:
    tally.sums[row_class].update(_sums(checked, rows))


def _sums(checked: CheckedBlock, rows: npt.NDArray[np.bool_] | None) -> dict[str, int]:
    """The amounts of some rows by currency, in millionths."""
    units = checked.units if rows is None else checked.units[rows]
    currency = checked.values["currency"]
    currency = currency if rows is None else currency.filter(pl.Series(rows))
    names = checked.currencies if rows is None or len(checked.currencies) == 1 else currency.unique().to_list()
    if len(names) == 1:
        return {names[0] or NO_CURRENCY: sum_units(units)}
    return {
        name or NO_CURRENCY: sum_units(
            units[(currency.is_null() if name is None else (currency == name).fill_null(False)).to_numpy()]
        )
        for name in names
    }
