"""Counts, sums and issues of a pass, added up block by block."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.settings import Severity
from airflow_provider_tiktok_offline.conversions.file.header import HIDDEN, looks_like_data
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import (
    FIRST_LINES,
    NO_CURRENCY,
    ReportIssue,
    Returns,
    StoreSums,
    number_of,
)
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS, decimal_text, sum_units
from airflow_provider_tiktok_offline.conversions.rules.checked_block import (
    CLASSES,
    DUPLICATE,
    EXCLUDED,
    REASONS,
    REJECTED,
    VALID,
    CheckedBlock,
    Issue,
)
from airflow_provider_tiktok_offline.conversions.text.column_bytes import column_bytes

_ORDER = {"error": 0, "warning": 1, "note": 2}
_WORDS = re.compile(r"[A-Za-z]{2,20}(?: [A-Za-z]{2,20}){0,2}")
_MOST_UNKNOWN = 20
_MOST_STORES = 500
_MOST_STORE_DIGITS = 6

_FILTERED = REASONS.index("filtered")

#: A larger share of rows that name no customer is noted.
MOSTLY_ANONYMOUS = 0.95
#: More stores than any retailer has in a file.
_MOST_STORE_KEYS = 2000
_MOST_HOURS = 24 * 400

Codes = npt.NDArray[np.int64]
Key = tuple[str, str | None, str]
Sums = dict[int, Counter[str]]


class Tally:
    """What is known of a pass so far."""

    def __init__(self) -> None:
        self.rows: Counter[int] = Counter()
        self.lines_without_row = 0
        self.with_order = 0
        self.without_order = 0
        #: Rejected rows without a fault of their own, held back with their order.
        self.rows_held_back = 0
        self.sums: Sums = defaultdict(Counter)
        self.excluded: Counter[str] = Counter()
        self.categories: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.phones: Counter[str] = Counter()
        self.identifiers: Counter[str] = Counter()
        self.stores: Counter[str] = Counter()
        #: Transactions of valid rows by the hour they lie in, counted from 1970.
        self.hours: Counter[int] = Counter()
        self.store_sums: dict[str, Counter[str]] = defaultdict(Counter)
        self.widely_opted_out = 0
        #: Lines of orders that were returned: left out, or valid and taken off.
        self.returned = 0
        self.returned_sums: Counter[str] = Counter()
        self.first_time: int | None = None
        self.last_time: int | None = None
        self._counts: Counter[Key] = Counter()
        self._lines: dict[Key, list[int]] = defaultdict(list)
        self._values: dict[Key, str] = {}
        self._details: dict[Key, set[str]] = defaultdict(set)
        self._file: list[ReportIssue] = []

    def add_issue(
        self, rule: str, column: str | None, severity: Severity, lines: npt.NDArray[np.int64], value: str | None = None
    ) -> None:
        """Count rows (by line number) that break a rule."""
        key = (rule, column, severity)
        self._counts[key] += len(lines)
        kept = self._lines[key]
        if len(kept) < FIRST_LINES or (len(lines) and int(lines[0]) < kept[-1]):
            kept.extend(lines[:FIRST_LINES].tolist())
            kept.sort()
            del kept[FIRST_LINES:]
        if value is not None:
            self._values[key] = value

    def add_details(self, rule: str, column: str | None, severity: Severity, details: Iterable[str]) -> None:
        """Keep words that make an issue's message plainer."""
        self._details[rule, column, severity].update(details)

    def add_file_issue(self, rule: str, column: str | None, severity: Severity, message: str) -> None:
        """Note what is wrong with the file as such."""
        self._file.append(ReportIssue(rule, severity, column, 0, (1,), message))

    def note_anonymity(self, severity: Severity, messages: Messages) -> None:
        """Note it where nearly all rows name no customer: no row of such a file is at fault."""
        nobody = self.excluded["no_identifier"]
        rows = nobody + sum(self.identifiers.values())
        if severity != "off" and nobody > MOSTLY_ANONYMOUS * rows:
            todo = messages.todo("mostly_anonymous")
            said = f"{nobody:,} of {number_of(rows, 'row')} name no customer. {todo}"
            # What stops a run is max_anonymous_ratio.
            least: Severity = "note" if severity == "note" else "warning"
            self._file.append(ReportIssue("mostly_anonymous", least, None, 0, (), said, todo=todo))

    def add_returns(self, checked: CheckedBlock) -> None:
        """Count the returned lines of orders, whether they are left out or taken off."""
        if "order_id" not in checked.values:
            return
        left_out = (checked.classes == EXCLUDED) & (checked.reasons == REASONS.index("return"))
        rows = left_out | ((checked.classes == VALID) & (checked.units < 0))
        rows &= (checked.values["order_id"] != "").to_numpy()
        self.returned += int(np.count_nonzero(rows))
        self.returned_sums.update(_sums(checked, rows))

    def forget_returns(self, units: npt.NDArray[np.int64], currencies: Mapping[int, str], codes: Codes) -> None:
        """Take returned lines out that are not taken off an order after all."""
        self.returned -= int(np.count_nonzero(units < 0))
        for code in np.unique(codes).tolist():
            self.returned_sums[currencies[code]] -= sum_units(units[(codes == code) & (units < 0)])

    def returns(self, orders: Literal["gross", "net", "waiting"]) -> Returns | None:
        """The returned lines of orders; None if there are none."""
        if not self.returned:
            return None
        value = {name: decimal_text(-amount) for name, amount in sorted(self.returned_sums.items()) if amount}
        return {"orders": orders, "rows": self.returned, "value": value}

    def merge(self, other: Tally) -> None:
        """Add the tally of the next block."""
        self.rows.update(other.rows)
        self.lines_without_row += other.lines_without_row
        self.with_order += other.with_order
        self.without_order += other.without_order
        for row_class, sums in other.sums.items():
            self.sums[row_class].update(sums)
        self.excluded.update(other.excluded)
        self.categories.update(other.categories)
        self.phones.update(other.phones)
        self.identifiers.update(other.identifiers)
        self.stores.update(other.stores)
        self.hours.update(other.hours)
        for store, sums in other.store_sums.items():
            self.store_sums[store].update(sums)
        self.widely_opted_out += other.widely_opted_out
        self.returned += other.returned
        self.returned_sums.update(other.returned_sums)
        if len(self.unknown) < 10 * _MOST_UNKNOWN:
            self.unknown.update(other.unknown)
        times = [time for time in (self.first_time, other.first_time) if time is not None]
        self.first_time = min(times, default=None)
        self.last_time = max((time for time in (self.last_time, other.last_time) if time is not None), default=None)
        for key, count in other._counts.items():
            self.add_issue(key[0], key[1], _severity(key[2]), np.array(other._lines[key], dtype=np.int64))
            self._counts[key] += count - len(other._lines[key])
        for key, details in other._details.items():
            self._details[key] |= details

    def move(
        self, target: int, units: npt.NDArray[np.int64], currencies: Mapping[int, str], codes: npt.NDArray[np.int64]
    ) -> None:
        """Take rows that were thought valid into another class."""
        self.rows[VALID] -= len(units)
        self.rows[target] += len(units)
        self.move_value(target, units, currencies, codes)

    def move_value(
        self,
        target: int | None,
        units: npt.NDArray[np.int64],
        currencies: Mapping[int, str],
        codes: npt.NDArray[np.int64],
    ) -> None:
        """Take value from the valid rows into another class, or away."""
        for code in np.unique(codes).tolist():
            amount = sum_units(units[codes == code])
            self.sums[VALID][currencies[code]] -= amount
            if target is not None:
                self.sums[target][currencies[code]] += amount

    def issues(self, messages: Messages) -> tuple[ReportIssue, ...]:
        """Every issue, errors first, in the order of the rule table.

        :param messages: how they are said.
        """
        names = list(RULES)
        for rule, column, severity in list(self._counts):
            key = (rule, column, severity)
            if rule == "identifier_in_text" and self._counts[key] == sum(self.rows.values()) - self.rows[EXCLUDED]:
                self._details[key].add("every row")
        keys = sorted(self._counts, key=lambda key: (_ORDER[key[2]], names.index(key[0]), key[1] or ""))
        found = [
            ReportIssue(rule, severity, column, self._counts[rule, column, severity],
                        tuple(self._lines[rule, column, severity]),
                        messages.message(rule, sorted(self._details[rule, column, severity])),
                        self._values.get((rule, column, severity)), messages.todo(rule))
            for rule, column, severity in keys
            if self._counts[rule, column, severity]
        ]  # fmt: skip
        return tuple(sorted([*self._file, *found], key=lambda issue: _ORDER[issue.severity]))

    def values(self) -> dict[str, dict[str, str]]:
        """Sums of amounts by class and currency."""
        return {
            CLASSES[row_class]: {currency: decimal_text(amount) for currency, amount in sorted(sums.items()) if amount}
            for row_class, sums in sorted(self.sums.items())
            if any(sums.values())
        }

    def by_store(self) -> dict[str, StoreSums]:
        """Rows and sums of the valid rows, by store, those with most rows first; none unless sums were asked for."""
        if not self.store_sums:
            return {}
        return {
            store: {
                "rows": rows,
                "value": {name: decimal_text(amount) for name, amount in sorted(self.store_sums[store].items())},
            }
            for store, rows in self.stores.most_common(_MOST_STORES)
        }

    def store_keys(self) -> dict[str, int]:
        """Digest of a store -> its valid rows. So many different values that they can't be stores are none."""
        named = {store: rows for store, rows in self.stores.items() if store}
        if len(named) > _MOST_STORE_KEYS:
            return {}
        return {hashlib.sha256(store.encode()).hexdigest()[:12]: named[store] for store in sorted(named)}

    def busiest_day(self, zone: str) -> str | None:
        """The day on which most transactions of valid rows lie, in a time zone; None without any."""
        days: Counter[str] = Counter()
        for hour, rows in self.hours.items():
            days[datetime.fromtimestamp(hour * 3600, ZoneInfo(zone)).date().isoformat()] += rows
        return max(days, key=lambda day: (days[day], day)) if days else None

    def unknown_categories(self) -> tuple[str, ...]:
        """Unknown categories that may be shown."""
        return tuple(name for name, _ in self.unknown.most_common(_MOST_UNKNOWN))


def _severity(name: str) -> Severity:
    known: dict[str, Severity] = {"error": "error", "warning": "warning", "note": "note"}
    return known[name]


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
    names = checked.values["transaction_category"].gather(sound[: 10 * _MOST_UNKNOWN]).to_list()
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


__all__ = ["DUPLICATE", "Tally", "tally_block"]
