"""The cells of a block's columns: trimmed, joined, without placeholders and odd characters; faults are noted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.columns import EMAIL_COLUMNS, PHONE_COLUMNS
from airflow_provider_tiktok_offline.conversions.contract.settings import Severity
from airflow_provider_tiktok_offline.conversions.file.parsing import Parsed
from airflow_provider_tiktok_offline.conversions.identifiers.normalized import PLACEHOLDERS
from airflow_provider_tiktok_offline.conversions.rules import optional_cells as cell_rules
from airflow_provider_tiktok_offline.conversions.rules.amounts import number_format
from airflow_provider_tiktok_offline.conversions.rules.checked_block import Flags, Issue
from airflow_provider_tiktok_offline.conversions.rules.rulebook import NOT_SENT, Rulebook
from airflow_provider_tiktok_offline.conversions.text import cleaning
from airflow_provider_tiktok_offline.conversions.text.column_bytes import CodedColumn, column_bytes, remember

_LONGEST_PLACEHOLDER = max(map(len, PLACEHOLDERS))
#: Byte -> whether a placeholder begins with it.
_MAY_BEGIN = np.isin(np.arange(256), [ord(letter) for word in PLACEHOLDERS for letter in (word[0], word[0].upper())])
#: Columns whose faulty cells break a rule of their own.
_WITH_OWN_RULES = frozenset(
    {*EMAIL_COLUMNS, *PHONE_COLUMNS, "transaction_category", "transaction_timestamp", "transaction_amount"}
)
_ODD_CHARACTERS = (("encoding", "\N{REPLACEMENT CHARACTER}"), ("control_character", r"[\x00-\x08\x0b-\x1f\x7f]"))
#: Columns of text for people, in which some scripts and signs need characters that are drawn as nothing.
_FREE_TEXT = frozenset({*NOT_SENT, "product_name", "product_category", "product_brand"})
_MARKED = frozenset(RULES["spreadsheet_mark"].columns)
#: Columns whose own pattern tells placeholders from values.
PATTERNED = frozenset({"state", "zip", "quantity", "product_price"})


class BlockCells:
    """The cells of one block under one advertiser's rules, with the issues found on the way.

    Attributes:
        found: issues, in the order in which they were noted.
        values: what each column holds once read.
        nothing: a flag for each row, none set.
    """

    def __init__(self, rulebook: Rulebook, parsed: Parsed) -> None:
        self.rulebook = rulebook
        self.settings = rulebook.settings
        self.parsed = parsed
        self.rows = parsed.frame.height
        self.found: list[Issue] = []
        self.values: dict[str, pl.Series] = {}
        #: Whether a value can have white space around it.
        self.trims = parsed.screens.edges or parsed.line_breaks
        self.nothing = np.zeros(self.rows, dtype=bool)
        #: Rows whose identifier cells are all blank or placeholders.
        self.anonymous = self.nothing
        self.numbers = number_format(self.settings.format)
        self.phone_regions: pl.Series | str | None = None
        self.categories = self.events = CodedColumn.empty()
        self.currencies: tuple[str | None, ...] = ()

    def add(
        self,
        rule: str,
        column: str | None,
        wrong: Flags | pl.Series,
        severity: Severity | None = None,
        details: Sequence[str] = (),
    ) -> None:
        """Note the rows that break a rule, unless it is off."""
        severity = severity or self.rulebook.severity(rule, column)
        if severity == "off":
            return
        flags = wrong.to_numpy() if isinstance(wrong, pl.Series) else wrong
        if flags.any():
            label = None if column is None else self.rulebook.label(column)
            self.found.append(Issue(rule, label, severity, np.flatnonzero(flags), tuple(details)))

    def other(self, name: str) -> pl.Series:
        """A column of the file that is none of the programme's, trimmed."""
        cells = self.parsed.frame[str(self.rulebook.header.others[name])].str.strip_chars()
        if self.parsed.screens.unseen:
            cells = cleaning.without_unseen(cells)
        return cleaning.without_mark(cells) if self.parsed.screens.marks else cells

    def by_row(self, setting: str, rule: str, known: Callable[[], frozenset[str]]) -> pl.Series | str | None:
        """Currency, phone region or time zone: one for all, or by row where a store or a column says so."""
        default: str | None = getattr(self.settings, setting)
        column = self.settings.extensions.get(setting)
        stores = {
            code: getattr(store, setting) for code, store in self.settings.stores.items() if getattr(store, setting)
        }
        if column is None and not (stores and "store_code" in self.values):
            return default
        if stores and "store_code" in self.values:
            result = self.values["store_code"].replace_strict(stores, default=default, return_dtype=pl.String)
        else:
            result = pl.Series([default], dtype=pl.String).new_from_index(0, self.rows)
        if column is not None:
            own = self.other(column)
            own = own if setting == "time_zone" else own.str.to_uppercase()
            there = own != ""
            good = own.is_in(list(known()))
            wrong = there & ~good
            severity = self.rulebook.severity(rule)
            if wrong.any() and severity != "off":
                self.found.append(Issue(rule, column, severity, wrong.arg_true().to_numpy().astype(np.int64)))
            frame = pl.DataFrame({"own": own, "there": there, "good": good, "else": result})
            result = frame.select(pl.when("good").then("own").when(~pl.col("there")).then("else")).to_series()
        return result

    def keep_currencies(self, currencies: pl.Series | str | None) -> None:
        """Keep each row's currency, and which there are: one for all, or by row."""
        if isinstance(currencies, pl.Series):
            self.values["currency"], self.currencies = currencies, tuple(currencies.unique().to_list())
        else:
            self.values["currency"] = pl.Series([currencies], dtype=pl.String).new_from_index(0, self.rows)
            self.currencies = (currencies,)

    def cells(self, name: str) -> pl.Series:
        """A programme column, trimmed, placeholders blanked."""
        constant = self.settings.constants.get(name)
        if name in self.settings.format.joined:
            return self._joined(name)
        if name not in self.rulebook.header.places:
            return pl.Series(name, [constant], dtype=pl.String).new_from_index(0, self.rows)
        place = self.rulebook.header.places[name]
        cells = self.parsed.frame[str(place)]
        if self.parsed.arrays:
            remember(cells, self.parsed.arrays[place])
        if self.trims:
            trimmed = cells.str.strip_chars()
            changed = trimmed != cells
            if changed.any():
                self.add("white_space", name, changed)
                cells = trimmed
        screens = self.parsed.screens
        if screens.unseen or screens.marks:
            cells = self._without_marks(name, cells)
        if self.parsed.line_breaks or screens.control or not screens.ascii:
            cells = self._without_odd_characters(name, cells)
        if name in EMAIL_COLUMNS or name in PHONE_COLUMNS:
            return cells
        if name in PATTERNED:
            return cells
        return self.without_placeholders(name, cells)

    def _without_odd_characters(self, name: str, cells: pl.Series) -> pl.Series:
        """Line breaks, bytes that are no UTF-8 and control characters: they cost what their column is worth.

        Identifiers, category, time and amount have rules of their own, which such a cell breaks.
        """
        breaks = cells.str.contains("[\\r\\n]")
        if breaks.any():
            self.add("line_break", name, breaks)
            cells = cells.str.replace_all(r"[ \t]*[\r\n]+[ \t]*", " ")
        if self.settings.profile == "liveramp" or name in _WITH_OWN_RULES or name in NOT_SENT:
            return cells
        for rule, pattern in _ODD_CHARACTERS:
            wrong = cells.str.contains(pattern)
            if wrong.any():
                identity = name in self.settings.event_identity
                self.add(rule, name, wrong, "error" if identity else "warning")
                cells = cell_rules.blank_where(cells, wrong)
        return cells

    def _without_marks(self, name: str, cells: pl.Series) -> pl.Series:
        """Cells without what nobody sees and without a spreadsheet's marks, where these can mean nothing."""
        if self.parsed.screens.unseen and name not in _FREE_TEXT:
            wrong, code_points = cleaning.unseen(cells)
            if code_points:
                self.add("invisible_character", name, wrong, details=code_points)
                cells = cleaning.without_unseen(cells)
        as_is = self.settings.profile == "liveramp" and not self.settings.repair
        if self.parsed.screens.marks and name in _MARKED and not as_is:
            wrong = cleaning.marked(cells)
            if wrong.any():
                self.add("spreadsheet_mark", name, wrong)
                cells = cleaning.without_mark(cells)
        return cells

    def _joined(self, name: str) -> pl.Series:
        """The cells of several columns of the file, joined by a blank."""
        parts = pl.DataFrame([self.other(column).alias(column) for column in self.settings.format.joined[name]])
        joined = parts.select(pl.concat_str(pl.all(), separator=" ").str.strip_chars().alias(name)).to_series()
        return self.without_placeholders(name, joined)

    def without_placeholders(self, name: str, cells: pl.Series) -> pl.Series:
        """The cells, blank where a placeholder stands; in a name it is noted and kept."""
        column = column_bytes(cells)
        rows = np.flatnonzero((column.lengths - 1).view(np.uint64) < _LONGEST_PLACEHOLDER)
        if not len(rows):
            return cells
        rows = rows[_MAY_BEGIN[column.firsts(rows)]]
        if not len(rows):
            return cells
        blanked = rows[cells.gather(rows).str.to_lowercase().is_in(PLACEHOLDERS).to_numpy()]
        if not len(blanked):
            return cells
        wrong = self.nothing.copy()
        wrong[blanked] = True
        if name in ("first_name", "last_name"):
            self.add("placeholder_name", name, wrong)
            return cells
        if name not in ("transaction_category", "transaction_timestamp", "transaction_amount"):
            self.add("placeholder", name, wrong)
        # scatter() changes the column itself, whose bytes are known already.
        return cells.clone().scatter(blanked, "")
