"""The one streaming pass over a conversion file: read, check, normalise, hash, write parts and report."""

from __future__ import annotations

import json
import secrets
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES, severity_of
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.duplicates import RepeatFinder, Repeats
from airflow_provider_tiktok_offline.conversions.events.identity_settings import file_columns
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS, Header, delimiter_word
from airflow_provider_tiktok_offline.conversions.file.line_scan import Positions
from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES, Block, FileReader
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.list_facts import OptOutFacts
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.blocks import (
    BlockResult,
    BlockWorker,
    Requested,
    looks_for_orders,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import Manifest, PartWriter
from airflow_provider_tiktok_offline.conversions.preparation.rejects import (
    RepairWriter,
    lines_text,
    raw_lines,
    rejects_head,
)
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import VerdictWriter
from airflow_provider_tiktok_offline.conversions.preparation.tally import Tally
from airflow_provider_tiktok_offline.conversions.report.messages import Messages
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text, sum_units
from airflow_provider_tiktok_offline.conversions.rules.checked_block import DUPLICATE, EXCLUDED, REJECTED, VALID
from airflow_provider_tiktok_offline.conversions.rules.damaged_ids import IdColumn, all_damaged, merge_columns
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook
from airflow_provider_tiktok_offline.errors import FileChangedError, InputFileError

Progress = Callable[[int, int | None, int], None]

#: Threads that check blocks; Polars has threads of its own.
_WORKERS = 2
_IN_FLIGHT = 4


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
class Prepared:
    """A file whose events are prepared.

    Attributes:
        manifest: the content of ``manifest.json``.
        report: the report of the pass.
    """

    manifest: Manifest
    report: Report


def validate(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    as_of: datetime,
    suppression: Suppression | None = None,
    verdicts: BinaryIO | None = None,
    options: PassOptions | None = None,
) -> Report:
    """Check a file against every rule.

    :param as_of: the moment against which ages are checked; with a time zone.
    :param suppression: people who opted out.
    :param verdicts: gets one verdict a row as Parquet; see :func:`.row_verdicts.read_verdicts`.
    :param options: further outputs, and how the pass runs.
    :raises InputFileError: the file can't be used at all.
    :raises FileChangedError: the file is not the expected one.
    """
    return _Pass(source, settings, as_of, suppression, options or PassOptions()).run(None, verdicts)


def prepare(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    as_of: datetime,
    output: PartStore,
    suppression: Suppression | None = None,
    options: PassOptions | None = None,
) -> Prepared:
    """Turn a file's valid rows into hashed events, staged as parts with ``manifest.json`` and ``report.json``.

    The parameters of :func:`validate` mean the same here.

    :param output: where the parts go; the manifest is written last.
    :raises InputFileError: the file can't be used at all.
    :raises FileChangedError: the file is not the expected one.
    """
    options = options or PassOptions()
    writer = PartWriter(output, options.part_events, settings, options.spill_dir)
    try:
        report = _Pass(source, settings, as_of, suppression, options).run(writer, None)
        manifest = writer.manifest(report)
        output.put("report.json", report.to_json().encode())
        output.put("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    finally:
        writer.close()
    return Prepared(manifest, report)


@dataclass(frozen=True, slots=True)
class _Sinks:
    """What takes the results of the blocks, in the order of the file."""

    tally: Tally
    finder: RepeatFinder
    parts: PartWriter | None
    verdicts: VerdictWriter | None
    rejects: BinaryIO | None
    repair: RepairWriter | None
    ids: dict[str, IdColumn] = field(default_factory=dict)

    def take(self, result: BlockResult) -> None:
        self.tally.merge(result.tally)
        self.finder.add(result.keys)
        self.finder.add_broken(result.broken_orders)
        merge_columns(self.ids, result.ids)
        if self.parts is not None and result.staged is not None:
            self.parts.add(result.staged, result.returns)
        if self.verdicts is not None and result.verdicts is not None:
            self.verdicts.add(result.verdicts)
        if self.rejects is not None:
            self.rejects.write(result.rejects)
        if self.repair is not None:
            self.repair.write(result.repair)

    def requested(self) -> Requested:
        return Requested(
            events=self.parts is not None,
            rejects=self.rejects is not None,
            repair=self.repair is not None,
            verdicts=self.verdicts is not None,
        )


@dataclass(frozen=True, slots=True)
class _Pass:
    source: ByteSource
    settings: ConversionSettings
    as_of: datetime
    suppression: Suppression | None
    options: PassOptions
    tally: Tally = field(default_factory=Tally)

    def run(self, parts: PartWriter | None, verdicts: BinaryIO | None) -> Report:
        started = self.options.clock.monotonic()
        block_bytes = self.options.block_bytes
        with FileReader(self.source, self.settings, block_bytes=block_bytes, tick=self._tick) as reader:
            header = reader.read_header()
            events = self._read(reader, header, parts, verdicts)
        return self._report(reader, header, events, self.options.clock.monotonic() - started)

    def _read(self, reader: FileReader, header: Header, parts: PartWriter | None, verdicts: BinaryIO | None) -> int:
        """Check every row and write what is asked for; returns the number of events."""
        rulebook = Rulebook(self.settings, header, self.as_of, self.suppression)
        options = self.options
        orders = looks_for_orders(self.settings, rulebook.columns)
        later = self.settings.amount == "order" or self.settings.basket == "order"
        with ExitStack() as stack:
            finder = RepeatFinder(
                options.spill_dir,
                amounts=orders and not later,
                orders=orders and later,
                hold_back=self.settings.basket == "order",
                net=self.settings.returns == "net",
            )
            stack.callback(finder.close)
            verdict_writer = None
            if verdicts is not None:
                verdict_writer = VerdictWriter(verdicts, options.spill_dir)
                stack.callback(verdict_writer.close)
            repair = None
            if options.repair is not None:
                repair = RepairWriter(options.repair, header, self.settings.format)
                repair.begin()
            sinks = _Sinks(self.tally, finder, parts, verdict_writer, options.rejects, repair)
            seeds = (secrets.randbits(63), secrets.randbits(63))
            messages = self._messages(header)
            worker = BlockWorker(rulebook, sinks.requested(), seeds, messages, orders=orders)
            if sinks.rejects is not None:
                sinks.rejects.write(rejects_head())
            _check_blocks(reader.blocks(header), worker, sinks)
            self._check_file(reader)
            repeats = finder.find(self._damaged(sinks.ids, rulebook, messages))
            self._settle(repeats, worker.currencies.names, rulebook, messages)
            self._write_late(repeats, repair)
            if repair is not None:
                repair.finish()
            if verdict_writer is not None:
                verdict_writer.finish(repeats)
            if parts is not None:
                parts.finish(repeats)
        events = self.tally.rows[VALID]
        return events - len(repeats.later) if self.settings.basket == "order" else events

    def _check_file(self, reader: FileReader) -> None:
        if not self._rows():
            raise InputFileError(
                "a header and no rows.", rule="header_only", where=self.source.name, todo=RULES["header_only"].todo
            )
        expected = self.options.expected_sha256
        if expected is not None and reader.sha256 != expected:
            raise FileChangedError(
                "the file is not the one that was validated.", rule="unreadable", where=self.source.uri,
                todo="Start again from validating it.",
            )  # fmt: skip

    def _tick(self, done: int) -> None:
        if self.options.progress is not None:
            self.options.progress(done, getattr(self.source, "size", None), self._rows())

    def _rows(self) -> int:
        return sum(self.tally.rows.values())

    def _damaged(self, ids: Mapping[str, IdColumn], rulebook: Rulebook, messages: Messages) -> Positions:
        """Note the ids that only the whole column shows to be damaged; returns the lines that are rejected for it."""
        severity = rulebook.severity("id_damaged")
        for column, shown in ids.items():
            lines = shown.damaged()
            if len(lines):
                self.tally.add_issue("id_damaged", column, severity, lines)
                if self.options.rejects is not None:
                    self.options.rejects.write(lines_text(lines, column, "id_damaged", severity, messages))
        return all_damaged(ids.values() if severity == "error" else ())

    def _messages(self, header: Header) -> Messages:
        return Messages(header.labels, self.settings.format.decimal or ".", delimiter_word(header.delimiter))

    def _settle(self, repeats: Repeats, currencies: Mapping[int, str], rulebook: Rulebook, messages: Messages) -> None:
        """Give rows their final class, now that the whole file was seen."""

        def note(rule: str, lines: Positions, column: str | None = None, value: int | None = None) -> None:
            severity = rulebook.severity(rule)
            if severity == "off" or not len(lines):
                return
            self.tally.add_issue(rule, column, severity, lines, None if value is None else decimal_text(value))
            if self.options.rejects is not None:
                self.options.rejects.write(lines_text(lines, column, rule, severity, messages))

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
        if self.settings.returns == "net":
            for rows in repeats.lost:
                self.tally.forget_returns(rows.units, currencies, rows.currency)
        self.tally.rows_held_back = len(repeats.incomplete)
        repeated = repeats.duplicates.take(repeats.duplicates.order != 0)
        note("line_repeated", repeated.line, value=sum_units(repeated.units))
        if repeats.at_stake:
            amount = rulebook.label("transaction_amount")
            note("amount_repeated", repeats.repeated_amounts, amount, repeats.at_stake)
        if self.settings.amount == "order" and len(repeats.later):
            self.tally.move_value(None, repeats.later.units, currencies, repeats.later.currency)

    def _write_late(self, repeats: Repeats, repair: RepairWriter | None) -> None:
        """Write the rows out that only the whole file showed to be wrong."""
        late = {
            "id_damaged": repeats.damaged.line,
            "id_collision": repeats.collisions.line,
            "order_incomplete": repeats.incomplete.line,
        }
        reasons = {line: rule for rule, lines in late.items() for line in lines.tolist()}
        if repair is None or not reasons:
            return
        wanted = sorted(reasons)
        with FileReader(self.source, self.settings, block_bytes=self.options.block_bytes) as again:
            for block in again.blocks(again.read_header()):
                low = bisect_left(wanted, block.first_line)
                high = bisect_left(wanted, block.first_line + block.count)
                repair.write(raw_lines(block, {line: reasons[line] for line in wanted[low:high]}))

    def _report(self, reader: FileReader, header: Header, events: int, duration: float) -> Report:
        tally = self.tally
        columns = [*header.places, *self.settings.constants, *self.settings.format.joined]
        for finding in header.findings:
            tally.add_file_issue(finding.rule, finding.column, finding.severity, finding.message)
        messages = self._messages(header)
        tally.note_anonymity(severity_of("mostly_anonymous", self.settings), messages)
        return Report(
            file=self.source.name,
            sha256=reader.sha256,
            size=reader.size,
            rows_sha256=reader.rows_sha256,
            delimiter=DELIMITERS.get(header.delimiter, header.delimiter),
            columns=header.shown,
            profile=self.settings.profile,
            as_of=self.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            rows_total=self._rows(),
            rows_valid=tally.rows[VALID],
            rows_rejected=tally.rows[REJECTED],
            rows_duplicate=tally.rows[DUPLICATE],
            rows_excluded=tally.rows[EXCLUDED],
            rows_held_back=tally.rows_held_back,
            lines_without_row=tally.lines_without_row + reader.lines_without_row,
            excluded=dict(sorted(tally.excluded.items())),
            values=tally.values(),
            returns=tally.returns(self.settings.value_of_orders),
            events=events,
            categories=dict(sorted(tally.categories.items())),
            unknown_categories=tally.unknown_categories(),
            identifiers={**tally.identifiers, "none": tally.excluded["no_identifier"]} if self._rows() else {},
            stores=tally.by_store(),
            store_keys=tally.store_keys(),
            day=tally.busiest_day(self.settings.time_zone),
            time_zone=self.settings.time_zone,
            first_time=tally.first_time,
            last_time=tally.last_time,
            phones=dict(sorted(tally.phones.items())),
            opt_outs=self._opt_outs(),
            identity_columns=file_columns(
                self.settings, columns, with_order=tally.with_order, without_order=tally.without_order
            ),
            issues=tally.issues(messages),
            max_rejected_ratio=self.settings.max_rejected_ratio,
            duration_s=round(duration, 3),
        )

    def _opt_outs(self) -> OptOutFacts:
        if self.suppression is None:
            return {}
        return {**self.suppression.facts.to_dict(), "rows_by_wider_reading": self.tally.widely_opted_out}


def _check_blocks(blocks: Iterator[Block], worker: BlockWorker, sinks: _Sinks) -> None:
    """Check blocks in threads; take their results in the order of the file."""
    waiting: deque[Future[BlockResult]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="conversions") as pool:
        try:
            for block in blocks:
                waiting.append(pool.submit(worker, block))
                if len(waiting) >= _IN_FLIGHT:
                    sinks.take(waiting.popleft().result())
            while waiting:
                sinks.take(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()
