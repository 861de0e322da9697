"""Counts, sums and issues of a pass, added up block by block."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypedDict
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.settings import Severity
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import (
    FIRST_LINES,
    ReportIssue,
    Returns,
    StoreSums,
    number_of,
)
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text, sum_units
from airflow_provider_tiktok_offline.conversions.rules.checked_block import (
    CLASSES,
    EXCLUDED,
    VALID,
)

_ORDER = {"error": 0, "warning": 1, "note": 2}
#: Unknown categories that are shown; of so many more it is counted how often they stand there.
_MOST_UNKNOWN = 20
MOST_UNKNOWN_COUNTED = 10 * _MOST_UNKNOWN
_MOST_STORES = 500

#: A larger share of rows that name no customer is noted.
MOSTLY_ANONYMOUS = 0.95
#: More stores than any retailer has in a file.
_MOST_STORE_KEYS = 2000

Codes = npt.NDArray[np.int64]
Key = tuple[str, str | None, str]
Sums = dict[int, Counter[str]]


#: Attributes of a tally that are one number, and those that count.
_NUMBERS = (
    "lines_without_row", "with_order", "without_order", "widely_opted_out", "returned", "first_time", "last_time"
)  # fmt: skip
_COUNTERS = (
    "rows", "excluded", "categories", "unknown", "phones", "identifiers", "stores", "hours", "returned_sums"
)  # fmt: skip


class TallyDocument(TypedDict):
    """A tally as it is kept between two processes: counters as pairs, in their order."""

    numbers: dict[str, int | None]
    counters: dict[str, list[tuple[int | str, int]]]
    sums: list[tuple[int, list[tuple[str, int]]]]
    store_sums: list[tuple[str, list[tuple[str, int]]]]
    issues: list[tuple[str, str | None, str, int, list[int], list[str]]]


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

    def note_unknown(self, categories: Mapping[str, int]) -> None:
        """Count the unknown categories of the next block, as long as few are known."""
        if len(self.unknown) < MOST_UNKNOWN_COUNTED:
            self.unknown.update(categories)

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
        self.note_unknown(other.unknown)
        times = [time for time in (self.first_time, other.first_time) if time is not None]
        self.first_time = min(times, default=None)
        self.last_time = max((time for time in (self.last_time, other.last_time) if time is not None), default=None)
        for key, count in other._counts.items():
            self.add_issue(key[0], key[1], _severity(key[2]), np.array(other._lines[key], dtype=np.int64))
            self._counts[key] += count - len(other._lines[key])
        for key, details in other._details.items():
            self._details[key] |= details

    def document(self) -> TallyDocument:
        """What was counted, for another process; see :meth:`of_document`."""
        return {
            "numbers": {name: getattr(self, name) for name in _NUMBERS},
            "counters": {name: list(getattr(self, name).items()) for name in _COUNTERS},
            "sums": [(row_class, list(sums.items())) for row_class, sums in self.sums.items()],
            "store_sums": [(store, list(sums.items())) for store, sums in self.store_sums.items()],
            "issues": [
                (rule, column, severity, count, self._lines[rule, column, severity],
                 sorted(self._details.get((rule, column, severity), ())))
                for (rule, column, severity), count in self._counts.items()
            ],
        }  # fmt: skip

    @classmethod
    def of_document(cls, document: TallyDocument) -> Tally:
        """The tally of which :meth:`document` was made; counters keep their order."""
        tally = cls()
        for name, number in document["numbers"].items():
            setattr(tally, name, number)
        for name, items in document["counters"].items():
            getattr(tally, name).update(dict(items))
        for row_class, sums in document["sums"]:
            tally.sums[row_class].update(dict(sums))
        for store, sums in document["store_sums"]:
            tally.store_sums[store].update(dict(sums))
        for rule, column, severity, count, lines, details in document["issues"]:
            key = (rule, column, severity)
            tally._counts[key] = count
            tally._lines[key] = list(lines)
            if details:
                tally._details[key] = set(details)
        return tally

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
