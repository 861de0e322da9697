"""The row-level rules: a block of parsed rows to values, findings and one class a row.

Every rule looks at a whole column. What costs time is asked only where a cheaper look has found a reason.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.columns import (
    CURRENCIES,
    EMAIL_COLUMNS,
    PHONE_COLUMNS,
    REGIONS,
)
from airflow_provider_tiktok_offline.conversions.file.parsing import Parsed
from airflow_provider_tiktok_offline.conversions.identifiers.emails import read as read_emails
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.row_identifiers import (
    IdentifierColumn,
    RowIdentifiers,
)
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Hits
from airflow_provider_tiktok_offline.conversions.identifiers.phones.phone_column import read as read_phones
from airflow_provider_tiktok_offline.conversions.rules import optional_cells as cell_rules
from airflow_provider_tiktok_offline.conversions.rules.amounts import UNITS, read_amounts
from airflow_provider_tiktok_offline.conversions.rules.block_cells import PATTERNED, BlockCells
from airflow_provider_tiktok_offline.conversions.rules.checked_block import (
    EXCLUDED,
    REASONS,
    REJECTED,
    RULE_NAMES,
    VALID,
    CheckedBlock,
    Flags,
    Issue,
    Numbers,
)
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import (
    ID_COLUMNS,
    IdColumn,
    look_at,
    with_exponent,
)
from airflow_provider_tiktok_offline.conversions.rules.nearest_format import nearest_formats
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook
from airflow_provider_tiktok_offline.conversions.rules.text_screen import TextScreen, screened_columns
from airflow_provider_tiktok_offline.conversions.rules.timestamps import read_timestamps
from airflow_provider_tiktok_offline.conversions.text.column_bytes import CodedColumn, column_bytes

_DAY = 86_400


def check_block(rulebook: Rulebook, parsed: Parsed) -> CheckedBlock:
    """Apply every rule to the rows of a block."""
    return _BlockCheck(rulebook, parsed).result()


class _BlockCheck(BlockCells):
    """One block on its way through the rules."""

    def result(self) -> CheckedBlock:
        for name in self.rulebook.columns:
            self.values[name] = self.cells(name)
        filtered, no_consent = self._filtered(), self._without_consent()
        emails, phones = self._identifiers()
        no_event = self._category()
        zones = self.by_row("time_zone", "time_zone", cell_rules.time_zones)
        epoch, sent, time_known = self._timestamp(zones)
        currencies = self.by_row("currency", "currency", lambda: frozenset(CURRENCIES))
        units, amount_known = self._amount(currencies)
        self._others()
        withheld = self._withheld([*emails, *phones])
        identifiers = self._row_identifiers(emails, phones)
        opted_out = self._opted_out(identifiers)
        self._instruction_row(no_event, time_known, amount_known)
        reasons = self._exclusions(filtered, no_consent | opted_out.rows, units, amount_known, epoch, time_known)
        self.values["canonical_event"] = self.categories.meaning(self.rulebook.canonical_events).cells()
        self.keep_currencies(currencies)
        classes = np.where(reasons >= 0, EXCLUDED, VALID).astype(np.uint8)
        issues = self._kept(reasons >= 0)
        for issue in reversed(issues):
            if issue.severity == "error":
                classes[issue.rows] = REJECTED
                reasons[issue.rows] = RULE_NAMES.index(issue.rule)
        return CheckedBlock(
            self.parsed.lines,
            self.values,
            epoch,
            sent,
            units,
            time_known & amount_known,
            classes,
            reasons,
            issues,
            emails,
            phones,
            opted_out.wider if opted_out.wider.any() else None,
            identifiers if self.rulebook.suppression is not None else None,
            withheld,
            self._ids(reasons < 0),
            self.categories,
            self.events,
            self.currencies,
        )

    def _kept(self, excluded: Flags) -> list[Issue]:
        if not excluded.any():
            return self.found
        for issue in self.found:
            issue.rows = issue.rows[~excluded[issue.rows]]
        return [issue for issue in self.found if len(issue.rows)]

    def _filtered(self) -> Flags:
        filtered = self.nothing.copy()
        for name, wanted in self.settings.where.items():
            filtered |= ~self.other(name).is_in(list(wanted)).to_numpy()
        return filtered

    def _without_consent(self) -> Flags:
        consent = self.settings.consent
        if consent is None:
            return self.nothing
        return ~self.other(consent.column).str.to_lowercase().is_in(list(consent.yes)).to_numpy()

    def _identifiers(self) -> tuple[list[tuple[str, pl.DataFrame]], list[tuple[str, pl.DataFrame]]]:
        emails = [
            (name, read_emails(self.values[name]).struct.unnest())
            for name in self.rulebook.columns
            if name in EMAIL_COLUMNS
        ]
        phones = []
        phone_columns = [name for name in self.rulebook.columns if name in PHONE_COLUMNS]
        if phone_columns:
            self.phone_regions = regions = self.by_row("phone_region", "region", lambda: REGIONS)
            for name in phone_columns:
                read = read_phones(self.values[name], regions, self.settings.phone_digits)
                phones.append((name, read.struct.unnest()))
        usable: dict[str, Flags] = {}
        blank = ~self.nothing
        for name, column in [*emails, *phones]:
            for kind in ("fault", "warning", "doubt"):
                marked = column[kind]
                if marked.null_count() < self.rows:
                    for rule in sorted(marked.drop_nulls().unique().to_list()):
                        self.add(rule, name, (marked == rule).fill_null(False))
            hashed = column["digest"].is_not_null() if column["digest"].null_count() < self.rows else None
            there = column["normal"].is_not_null()
            if hashed is not None:
                self.add("already_hashed", name, hashed)
                there = there | hashed
            usable[name] = there.to_numpy()
            if not usable[name].all():
                blank &= ~usable[name] & column["fault"].is_in(["placeholder"]).fill_null(True).to_numpy()
            else:
                blank = self.nothing
            if name in PHONE_COLUMNS and self.rulebook.severity("phone_punctuation") != "off":
                self.add(
                    "phone_punctuation",
                    name,
                    (~self.values[name].str.contains("^[0-9]*$") & column["normal"].is_not_null()),
                )
        anyone = np.logical_or.reduce([self.nothing, *usable.values()])
        self.anonymous = blank
        self.add("identifier_missing", self._identifier_column(), ~anyone & ~blank)
        first = np.logical_or.reduce(
            [self.nothing, *(flags for name, flags in usable.items() if name == "email_1" or name in PHONE_COLUMNS)]
        )
        self.add("identifier_position", self._identifier_column(), anyone & ~first)
        return emails, phones

    def _identifier_column(self) -> str:
        return next(
            (name for name in self.rulebook.columns if name in EMAIL_COLUMNS or name in PHONE_COLUMNS), "email_1"
        )

    def _category(self) -> Flags:
        """Note categories that are none; gives back the rows whose event is not known."""
        self.categories = CodedColumn.of(self.values["transaction_category"])
        self.events = self.categories.meaning(self.rulebook.events)
        unknown = self.events.blank()
        blank = self.categories.blank()
        self.add("category_missing", "transaction_category", blank)
        self.add("category_unknown", "transaction_category", unknown & ~blank)
        return unknown

    def _timestamp(self, zones: pl.Series | str | None) -> tuple[Numbers, Numbers, Flags]:
        name = "transaction_timestamp"
        cells = self.values[name]
        if isinstance(zones, pl.Series):
            known_zone = zones.is_not_null()
            zones = zones.fill_null("UTC")
        else:
            known_zone = None
        local = "UTC" if zones is None else zones
        times = read_timestamps(
            cells,
            local,
            offset=self.settings.offset,
            date_only_time=self.settings.date_only_time,
            formats=self.settings.format.timestamp_formats,
        )
        if not times.known.all():
            blank = (cells == "").to_numpy()
            self.add("timestamp_missing", name, blank)
            if "timestamp_format" in times.findings:
                times.findings["timestamp_format"] &= ~blank
        for rule, rows in times.findings.items():
            details: list[str] = []
            if rule == "timestamp_format" and rows.any():
                details = nearest_formats(cells.filter(pl.Series(rows)), self.settings.format.timestamp_formats)
            self.add(rule, name, rows, details=details)
        epoch, known = times.epoch, times.known
        sent = epoch
        if times.date_only.any():
            # A date of today may stand for a moment that is still to come.
            today = times.date_only & (epoch > self.rulebook.as_of) & (epoch - _DAY < self.rulebook.as_of)
            clock = self.settings.date_only_time
            midnight = epoch - (clock.hour * 3600 + clock.minute * 60 + clock.second)
            today &= midnight <= self.rulebook.as_of
            sent = np.where(today, self.rulebook.as_of, epoch)
        self.add("timestamp_old", name, known & (sent < self.rulebook.oldest))
        self.add("timestamp_expires", name, known & (sent >= self.rulebook.oldest) & (sent < self.rulebook.oldest_due))
        latest = self.rulebook.as_of + int(self.settings.future_skew.total_seconds())
        self.add("timestamp_future", name, known & (sent > latest))
        if known_zone is not None and not known_zone.all():
            known = known & known_zone.to_numpy()
        return epoch, sent, known

    def _amount(self, currencies: pl.Series | str | None) -> tuple[Numbers, Flags]:
        name = "transaction_amount"
        cells = self.values[name]
        as_written = self.settings.profile == "liveramp"
        as_digits = as_written and not self.settings.repair
        amounts = read_amounts(cells, self.numbers, None if as_digits else _minor_units(currencies))
        if not amounts.known.all():
            blank = (cells == "").to_numpy()
            self.add("amount_missing", name, blank)
            self.add("amount_ambiguous", name, amounts.ambiguous)
            self.add("amount_format", name, ~amounts.known & ~blank & ~amounts.ambiguous)
        self.add("amount_rounded", name, amounts.rounded)
        self.add("amount_near", name, amounts.bare)
        if as_written:
            odd = amounts.known & ((amounts.decimals != 2) | amounts.bare)
            if self.settings.repair and odd.any():
                too_fine = amounts.known & (amounts.units % (UNITS // 100) != 0)
                self.add("amount_decimals", name, too_fine, "error")
                odd &= ~too_fine
            self.add("amount_decimals", name, odd)
        elif currencies is not None:
            self.add("amount_decimals", name, amounts.known & self._too_fine(amounts.units, currencies))
        return amounts.units, amounts.known

    def _too_fine(self, units: Numbers, currencies: pl.Series | str) -> Flags:
        if isinstance(currencies, str):
            step: Numbers | int = UNITS // 10 ** CURRENCIES[currencies]
        else:
            steps = {code: UNITS // 10**digits for code, digits in CURRENCIES.items()}
            step = currencies.replace_strict(steps, default=1, return_dtype=pl.Int64).to_numpy()
        too_fine: Flags = units % step != 0
        return too_fine

    def _others(self) -> None:
        values = self.values
        for name, rule in cell_rules.PATTERN_RULES:
            wrong = cell_rules.breaks_pattern(values[name], name) if name in values else None
            if name in ("quantity", "product_price") and wrong is not None:
                values[name] = cell_rules.plain_numbers(values[name], wrong, self.numbers)
                wrong = cell_rules.breaks_pattern(values[name], name)
            if name in PATTERNED and wrong is not None:
                values[name] = self.without_placeholders(name, values[name])
                wrong &= values[name] != ""
            if wrong is not None and wrong.any():
                self.add(rule, name, wrong)
                if name in ("quantity", "product_price"):
                    values[name] = cell_rules.blank_where(values[name], wrong)
        if "product_id" in values:
            product = column_bytes(values["product_id"]).lengths > 0
            order = column_bytes(values["order_id"]).lengths > 0 if "order_id" in values else self.nothing
            self.add("order_id_missing", "product_id", product & ~order)
        for name in ID_COLUMNS:
            damaged = with_exponent(values[name]) if name in values else None
            if damaged is not None:
                self.add("id_damaged", name, damaged)
        values["shop_id"] = self._store_code()
        if self.parsed.quoted and self.rulebook.severity("needs_quotes") != "off":
            marks = f'["{self.rulebook.header.delimiter}]' if self.rulebook.header.delimiter != "|" else r'["|]'
            for name in self.rulebook.columns:
                self.add("needs_quotes", name, values[name].str.contains(marks))

    def _withheld(self, identifiers: list[tuple[str, pl.DataFrame]]) -> dict[str, Flags]:
        """Rows whose text holds an identifier, by column; they are noted."""
        found: dict[str, Flags] = {}
        screen = TextScreen([(self.values[name].rename(name), reading) for name, reading in identifiers])
        for name in screened_columns(self.settings, self.rulebook.header.places):
            wrong = screen.find(self.values[name])
            if wrong is not None:
                found[name] = wrong.to_numpy()
                for issue in self.found:
                    if (issue.rule, issue.column) == ("id_characters", self.rulebook.label(name)):
                        issue.rows = issue.rows[~found[name][issue.rows]]
                self.add("identifier_in_text", name, wrong)
        if found:
            self.found = [issue for issue in self.found if len(issue.rows)]
        if "store_code" in found:
            self.values["shop_id"] = cell_rules.blank_where(self.values["shop_id"], pl.Series(found["store_code"]))
        return found

    def _ids(self, wanted: Flags) -> dict[str, IdColumn]:
        """What the columns of ids show of some rows."""
        if self.rulebook.severity("id_damaged") == "off":
            return {}
        rows = None if wanted.all() else np.flatnonzero(wanted)
        lines = self.parsed.lines if rows is None else self.parsed.lines[rows]
        cells = {name: self.values[name] for name in ID_COLUMNS if name in self.rulebook.header.places}
        return {
            self.rulebook.label(name): look_at(column if rows is None else column.gather(rows), lines)
            for name, column in cells.items()
        }

    def _store_code(self) -> pl.Series:
        """store_code as it is sent: blank where a rule is broken. The id is made from what the file says."""
        if "store_code" not in self.values:
            return pl.Series([""], dtype=pl.String).new_from_index(0, self.rows)
        cells = self.values["store_code"]
        if self.settings.stores:
            self.add("store_unknown", "store_code", (cells != "") & ~cells.is_in(list(self.settings.stores)))
        wrong = self.nothing
        for rule, broken in cell_rules.store_code_faults(cells):
            self.add(rule, "store_code", broken)
            wrong = wrong | broken
        return cell_rules.blank_where(cells, pl.Series(wrong)) if wrong.any() else cells

    def _row_identifiers(
        self, emails: list[tuple[str, pl.DataFrame]], phones: list[tuple[str, pl.DataFrame]]
    ) -> RowIdentifiers:
        return RowIdentifiers(
            self.rows,
            {name: IdentifierColumn(self.values[name], reading) for name, reading in emails},
            {name: IdentifierColumn(self.values[name], reading) for name, reading in phones},
            self.phone_regions,
            self.settings.phone_region,
            {name: self.other(name) for name in self.settings.customer_columns},
        )

    def _opted_out(self, identifiers: RowIdentifiers) -> Hits:
        if self.rulebook.suppression is None:
            return Hits(self.nothing, self.nothing)
        return self.rulebook.suppression.find(identifiers)

    def _instruction_row(self, no_event: Flags, time_known: Flags, amount_known: Flags) -> None:
        rows = np.flatnonzero(no_event & ~time_known & ~amount_known)
        if not len(rows):
            return
        required = ("transaction_category", "transaction_timestamp", "transaction_amount")
        instructive = pl.DataFrame([self.values[name].gather(rows).alias(name) for name in required]).select(
            pl.all_horizontal(pl.all().str.contains(r"(?i)required|format|optional"))
        )
        rows = rows[instructive.to_series().to_numpy()]
        if len(rows):
            instructions = self.nothing.copy()
            instructions[rows] = True
            for issue in self.found:
                issue.rows = issue.rows[~instructions[issue.rows]]
            self.found = [issue for issue in self.found if len(issue.rows)]
            self.add("instruction_row", None, instructions)

    def _exclusions(
        self, filtered: Flags, suppressed: Flags, units: Numbers, amount_known: Flags, epoch: Numbers, time_known: Flags
    ) -> npt.NDArray[np.int16]:
        reasons = np.full(self.rows, -1, dtype=np.int16)
        returned = amount_known & (units < 0)
        netted = self.nothing
        if self.settings.returns == "net" and "order_id" in self.values:
            # Who bought stands on the lines of the sale.
            netted = returned & (self.values["order_id"] != "").to_numpy()
        flags = {
            "no_identifier": self.anonymous & ~netted,
            "zero": amount_known & (units == 0),
            "return": returned & ~netted,
        }
        if self.settings.send_from is not None:
            flags["before_send_from"] = time_known & (epoch < int(self.settings.send_from.timestamp()))
        flags |= {"suppressed": suppressed, "filtered": filtered}
        for reason, rows in flags.items():
            if rows.any():
                reasons[rows] = REASONS.index(reason)
        return reasons


def _minor_units(currencies: pl.Series | str | None) -> Numbers | int:
    """Decimals of each row's currency; -1 where it is not known."""
    if not isinstance(currencies, pl.Series):
        return CURRENCIES.get(currencies or "", -1)
    return currencies.replace_strict(CURRENCIES, default=-1, return_dtype=pl.Int64).to_numpy()
