"""One file as a whole: takes the results of its blocks in their order, settles them at the end, and reports.

Where the results come from, one pass over the file or several over pieces of it, makes no difference here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import polars as pl

from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES, severity_of
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.duplicates import RepeatFinder, Repeats
from airflow_provider_tiktok_offline.conversions.events.identity_settings import file_columns
from airflow_provider_tiktok_offline.conversions.events.row_keys import Hashes, StoredKeys
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.cutting import FileFacts
from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS, Header, delimiter_word
from airflow_provider_tiktok_offline.conversions.file.line_scan import Positions
from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES, FileReader
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import OptOutFacts
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.blocks import (
    BlockResult,
    BlockWorker,
    Requested,
    looks_for_orders,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import PartWriter
from airflow_provider_tiktok_offline.conversions.preparation.rejects import (
    RepairWriter,
    lines_text,
    raw_lines,
    rejects_head,
)
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import VerdictWriter
from airflow_provider_tiktok_offline.conversions.preparation.shard_plan import new_seeds
from airflow_provider_tiktok_offline.conversions.preparation.tally import Tally
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text, sum_units
from airflow_provider_tiktok_offline.conversions.rules.checked_block import DUPLICATE, EXCLUDED, REJECTED, VALID
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import IdColumn, all_damaged, merge_columns
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook
from airflow_provider_tiktok_offline.errors import InputFileError

Progress = Callable[[int, int | None, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassOptions:
    """What a pass writes beside its result, and how it runs; nothing here decides what a row becomes.

    Attributes:
        rejects: gets ``rejects.csv``: every issue of every row that is not left out on purpose, by line, with what it
            costs; no values.
        repair: gets the rejected lines as they are, with a reason: customers' data, for a file of mode 0600 only.
        expected_sha256: of the stored bytes, as an earlier step saw them; another file stops the pass.
        part_events: rows in a part of prepared events.
        progress: called with the stored bytes read, their total if known, and the rows checked.
        spill_dir: directory for what does not fit into memory; None for the system's.
        clock: the source of the time.
        block_bytes: how much text is checked at a time; the result does not depend on it.
    """

    rejects: BinaryIO | None = None
    repair: BinaryIO | None = None
    expected_sha256: str | None = None
    part_events: int = 200_000
    progress: Progress | None = None
    spill_dir: str | Path | None = None
    clock: Clock = field(default_factory=system_clock)
    block_bytes: int = BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Job:
    """A file and what its rows are checked with.

    Attributes:
        source: the file.
        as_of: the moment against which ages are checked.
        suppression: people who opted out.
        options: further outputs, and how the pass runs.
    """

    source: ByteSource
    settings: ConversionSettings
    as_of: datetime
    suppression: Suppression | None
    options: PassOptions


class WholeFile:
    """Takes what the blocks of a file gave, in the order of the file; used as a context manager.

    :param parts: gets the valid rows; None if they are only checked.
    :param verdicts: gets one verdict a row as Parquet; see :func:`.row_verdicts.read_verdicts`.
    :param keys_again: the keys of all rows once more; None if what was taken has to wait here.
    """

    def __init__(
        self,
        job: Job,
        header: Header,
        parts: PartWriter | None,
        verdicts: BinaryIO | None,
        keys_again: Callable[[], Iterator[StoredKeys]] | None = None,
    ) -> None:
        self.job = job
        self.header = header
        self.rulebook = Rulebook(job.settings, header, job.as_of, job.suppression)
        self.tally = Tally()
        self.messages = _messages(job.settings, header)
        self._parts = parts
        self._ids: dict[str, IdColumn] = {}
        self._events = 0
        self._stack = ExitStack()
        settings, options = job.settings, job.options
        self.finder = _finder(settings, self.rulebook.columns, options.spill_dir, keys_again)
        self._stack.callback(self.finder.close)
        self._verdicts = None if verdicts is None else VerdictWriter(verdicts, options.spill_dir)
        if self._verdicts is not None:
            self._stack.callback(self._verdicts.close)
        self._repair = None if options.repair is None else RepairWriter(options.repair, header, settings.format)

    def __enter__(self) -> WholeFile:
        if self._repair is not None:
            self._repair.begin()
        if self.job.options.rejects is not None:
            self.job.options.rejects.write(rejects_head())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def rows(self) -> int:
        """Rows that were taken so far."""
        return sum(self.tally.rows.values())

    @property
    def wants_verdicts(self) -> bool:
        """Whether verdicts are written."""
        return self._verdicts is not None

    def worker(self, seeds: tuple[int, int] | None = None, requested: Requested | None = None) -> BlockWorker:
        """What checks the blocks.

        :param seeds: two secrets under which identities are hashed; those of all that read the same file are one.
        :param requested: what is wanted of a block, if not what is written here.
        """
        options = self.job.options
        requested = requested or Requested(
            events=self._parts is not None,
            rejects=options.rejects is not None,
            repair=options.repair is not None,
            verdicts=self._verdicts is not None,
        )
        orders = looks_for_orders(self.job.settings, self.rulebook.columns)
        return BlockWorker(self.rulebook, requested, seeds or new_seeds(), self.messages, orders=orders)

    def take(self, result: BlockResult) -> None:
        """Take the result of the next block."""
        self.tally.merge(result.tally)
        self.finder.add(result.keys)
        self.take_lines(result.broken_orders, result.ids)
        if self._parts is not None and result.staged is not None:
            self._parts.add(result.staged, result.returns)
        if self._verdicts is not None and result.verdicts is not None:
            self._verdicts.add(result.verdicts)
        if self.job.options.rejects is not None:
            self.job.options.rejects.write(result.rejects)
        if self._repair is not None:
            self._repair.write(result.repair)

    def take_lines(self, broken_orders: Hashes, ids: Mapping[str, IdColumn]) -> None:
        """Take what the look over the whole file needs of the next rows, beside their keys."""
        self.finder.add_broken(broken_orders)
        merge_columns(self._ids, ids)

    def take_verdicts(self, verdicts: pl.DataFrame) -> None:
        """Take the verdicts of the next rows, where they are wanted."""
        if self._verdicts is not None:
            self._verdicts.add(verdicts)

    def settle(self, currencies: Mapping[int, str]) -> None:
        """Give rows their final class, now that the whole file was seen, and finish what is written.

        :param currencies: the names of the numbers that the rows' keys have for them.
        :raises InputFileError: the file has no rows.
        """
        if not self.rows:
            raise InputFileError(
                "a header and no rows.",
                rule="header_only",
                where=self.job.source.name,
                todo=RULES["header_only"].todo,
            )
        repeats = self.finder.find(self._damaged())
        self._settle(repeats, currencies)
        self._write_late(repeats)
        if self._repair is not None:
            self._repair.finish()
        if self._verdicts is not None:
            self._verdicts.finish(repeats)
        if self._parts is not None:
            self._parts.finish(repeats)
        self._events = self.tally.rows[VALID]
        if self.job.settings.basket == "order":
            self._events -= len(repeats.later)

    def _damaged(self) -> Positions:
        """Note the ids that only the whole column shows to be damaged; returns the lines that are rejected for it."""
        severity = self.rulebook.severity("id_damaged")
        for column, shown in self._ids.items():
            lines = shown.damaged()
            if len(lines):
                self.tally.add_issue("id_damaged", column, severity, lines)
                if self.job.options.rejects is not None:
                    self.job.options.rejects.write(lines_text(lines, column, "id_damaged", severity, self.messages))
        return all_damaged(self._ids.values() if severity == "error" else ())

    def _settle(self, repeats: Repeats, currencies: Mapping[int, str]) -> None:
        """Give rows their final class, now that the whole file was seen."""

        def note(rule: str, lines: Positions, column: str | None = None, value: int | None = None) -> None:
            severity = self.rulebook.severity(rule)
            if severity == "off" or not len(lines):
                return
            self.tally.add_issue(rule, column, severity, lines, None if value is None else decimal_text(value))
            if self.job.options.rejects is not None:
                self.job.options.rejects.write(lines_text(lines, column, rule, severity, self.messages))

        if len(repeats.damaged):
            self.tally.move(REJECTED, repeats.damaged.units, currencies, repeats.damaged.currency)
        for target, rows, rule in (
            (DUPLICATE, repeats.duplicates, "duplicate"),
            (REJECTED, repeats.collisions, "id_collision"),
            (REJECTED, repeats.incomplete, "order_incomplete"),
        ):
            if len(rows):
                self.tally.move(target, rows.units, currencies, rows.currency)
                note(rule, rows.line)
        for reason, rows in (("return", repeats.returned), ("zero", repeats.cancelled)):
            if len(rows):
                self.tally.move(EXCLUDED, rows.units, currencies, rows.currency)
                self.tally.excluded[reason] += len(rows)
        if self.job.settings.returns == "net":
            for rows in repeats.lost:
                self.tally.forget_returns(rows.units, currencies, rows.currency)
        self.tally.rows_held_back = len(repeats.incomplete)
        repeated = repeats.duplicates.take(repeats.duplicates.order != 0)
        note("line_repeated", repeated.line, value=sum_units(repeated.units))
        if repeats.at_stake:
            amount = self.rulebook.label("transaction_amount")
            note("amount_repeated", repeats.repeated_amounts, amount, repeats.at_stake)
        if self.job.settings.amount == "order" and len(repeats.later):
            self.tally.move_value(None, repeats.later.units, currencies, repeats.later.currency)

    def _write_late(self, repeats: Repeats) -> None:
        """Write the rows out that only the whole file showed to be wrong."""
        late = {
            "id_damaged": repeats.damaged.line,
            "id_collision": repeats.collisions.line,
            "order_incomplete": repeats.incomplete.line,
        }
        repair, job = self._repair, self.job
        reasons = {line: rule for rule, lines in late.items() for line in lines.tolist()}
        if repair is None or not reasons:
            return
        wanted = sorted(reasons)
        with FileReader(job.source, job.settings, block_bytes=job.options.block_bytes) as again:
            for block in again.blocks(again.read_header()):
                low = bisect_left(wanted, block.first_line)
                high = bisect_left(wanted, block.first_line + block.count)
                repair.write(raw_lines(block, {line: reasons[line] for line in wanted[low:high]}))

    def report(self, facts: FileFacts, duration: float) -> Report:
        """What became of the rows, once they are settled.

        :param duration: of the pass, in seconds.
        """
        tally, settings, header, messages = self.tally, self.job.settings, self.header, self.messages
        columns = [*header.places, *settings.constants, *settings.format.joined]
        for finding in header.findings:
            tally.add_file_issue(finding.rule, finding.column, finding.severity, finding.message)
        tally.note_anonymity(severity_of("mostly_anonymous", settings), messages)
        return Report(
            file=self.job.source.name,
            sha256=facts.sha256,
            size=facts.size,
            rows_sha256=facts.rows_sha256,
            delimiter=DELIMITERS.get(header.delimiter, header.delimiter),
            columns=header.shown,
            profile=settings.profile,
            as_of=self.job.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            rows_total=self.rows,
            rows_valid=tally.rows[VALID],
            rows_rejected=tally.rows[REJECTED],
            rows_duplicate=tally.rows[DUPLICATE],
            rows_excluded=tally.rows[EXCLUDED],
            rows_held_back=tally.rows_held_back,
            lines_without_row=tally.lines_without_row + facts.lines_without_row,
            excluded=dict(sorted(tally.excluded.items())),
            values=tally.values(),
            returns=tally.returns(settings.value_of_orders),
            events=self._events,
            categories=dict(sorted(tally.categories.items())),
            unknown_categories=tally.unknown_categories(),
            identifiers={**tally.identifiers, "none": tally.excluded["no_identifier"]} if self.rows else {},
            stores=tally.by_store(),
            store_keys=tally.store_keys(),
            day=tally.busiest_day(settings.time_zone),
            time_zone=settings.time_zone,
            first_time=tally.first_time,
            last_time=tally.last_time,
            phones=dict(sorted(tally.phones.items())),
            opt_outs=self._opt_outs(),
            identity_columns=file_columns(
                settings, columns, with_order=tally.with_order, without_order=tally.without_order
            ),
            issues=tally.issues(messages),
            max_rejected_ratio=settings.max_rejected_ratio,
            duration_s=round(duration, 3),
        )

    def _opt_outs(self) -> OptOutFacts:
        if self.job.suppression is None:
            return {}
        return {**self.job.suppression.facts.to_dict(), "rows_by_wider_reading": self.tally.widely_opted_out}


def _finder(
    settings: ConversionSettings,
    columns: list[str],
    directory: str | Path | None,
    keys_again: Callable[[], Iterator[StoredKeys]] | None,
) -> RepeatFinder:
    orders = looks_for_orders(settings, columns)
    later = settings.amount == "order" or settings.basket == "order"
    return RepeatFinder(
        directory,
        amounts=orders and not later,
        orders=orders and later,
        hold_back=settings.basket == "order",
        net=settings.returns == "net",
        again=keys_again,
    )


def _messages(settings: ConversionSettings, header: Header) -> Messages:
    return Messages(header.labels, settings.format.decimal or ".", delimiter_word(header.delimiter))
