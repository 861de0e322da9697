"""The one streaming pass over a conversion file: read, check, normalise, hash, write parts and report."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_tiktok_offline.clock import Clock, system_clock
from airflow_provider_tiktok_offline.conversions.contract.catalogue import RULES
from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.events.duplicates import RepeatFinder, Repeats
from airflow_provider_tiktok_offline.conversions.events.staged_events import digests_of
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.header import DELIMITERS, Header
from airflow_provider_tiktok_offline.conversions.file.reader import BLOCK_BYTES, Block, FileReader
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.blocks import (
    BlockResult,
    BlockWorker,
    Wanted,
    looks_for_orders,
)
from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import PartWriter
from airflow_provider_tiktok_offline.conversions.preparation.rejects import (
    RepairWriter,
    collisions_text,
    raw_lines,
    rejects_head,
)
from airflow_provider_tiktok_offline.conversions.preparation.row_verdicts import VerdictWriter
from airflow_provider_tiktok_offline.conversions.preparation.tally import Tally
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.conversions.rules.amounts import decimal_text
from airflow_provider_tiktok_offline.conversions.rules.checked_block import DUPLICATE, EXCLUDED, REJECTED, VALID
from airflow_provider_tiktok_offline.conversions.rules.rulebook import Rulebook
from airflow_provider_tiktok_offline.errors import FileChangedError, InputFileError

Progress = Callable[[int, int | None, int], None]

#: Threads that check blocks; Polars has threads of its own.
_WORKERS = 2
_IN_FLIGHT = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file whose events lie ready.

    Attributes:
        manifest: what ``manifest.json`` holds.
        report: what was found on the way.
    """

    manifest: dict[str, Any]
    report: Report


def validate(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    as_of: datetime,
    suppression: Suppression | None = None,
    progress: Progress | None = None,
    rejects: BinaryIO | None = None,
    repair: BinaryIO | None = None,
    verdicts: BinaryIO | None = None,
    spill_dir: str | Path | None = None,
    clock: Clock | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Report:
    """Check a file against every rule.

    :param as_of: the moment against which ages are checked; with a time zone.
    :param suppression: people who opted out.
    :param progress: called with stored bytes read, their total if known, and rows checked.
    :param rejects: gets ``rejects.csv``: line, column, rule, severity, message; no values.
    :param repair: gets the rejected lines as they are, with a reason: customers' data, for mode 0600 only.
    :param verdicts: gets one verdict a row as Parquet; see :func:`.verdicts.read_verdicts`.
    :param spill_dir: where what does not fit into memory is put.
    :param block_bytes: how much text is checked at a time; the result does not depend on it.
    :raises InputFileError: the file can't be used at all.
    """
    sinks = _Sinks(rejects, repair, verdicts)
    return _Pass(source, settings, as_of, suppression, progress, sinks, spill_dir, clock, block_bytes).run(None)


def prepare(
    source: ByteSource,
    settings: ConversionSettings,
    *,
    as_of: datetime,
    output: PartStore,
    part_events: int = 200_000,
    suppression: Suppression | None = None,
    progress: Progress | None = None,
    rejects: BinaryIO | None = None,
    repair: BinaryIO | None = None,
    spill_dir: str | Path | None = None,
    expected_sha256: str | None = None,
    clock: Clock | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Prepared:
    """Turn a file's valid rows into hashed events, staged as parts with ``manifest.json`` and ``report.json``.

    The parameters of :func:`validate` mean the same here.

    :param output: where the parts go; the manifest is written last.
    :param part_events: rows in a part.
    :param expected_sha256: of the stored bytes, as an earlier step saw them.
    :raises FileChangedError: the file is another one by now.
    """
    writer = PartWriter(output, part_events, settings, spill_dir)
    task = _Pass(
        source, settings, as_of, suppression, progress, _Sinks(rejects, repair, None), spill_dir, clock, block_bytes
    )
    try:
        report = task.run(writer, expected_sha256)
        manifest = writer.manifest(report)
        output.put("report.json", report.to_json().encode())
        output.put("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    finally:
        writer.close()
    return Prepared(manifest, report)


@dataclass(slots=True)
class _Sinks:
    rejects: BinaryIO | None
    repair: BinaryIO | None
    verdicts: BinaryIO | None


@dataclass(slots=True)
class _Pass:
    source: ByteSource
    settings: ConversionSettings
    as_of: datetime
    suppression: Suppression | None
    progress: Progress | None
    sinks: _Sinks
    spill_dir: str | Path | None
    clock: Clock | None
    block_bytes: int
    tally: Tally = field(default_factory=Tally)

    def run(self, writer: PartWriter | None, expected_sha256: str | None = None) -> Report:
        clock = self.clock or system_clock()
        started = clock.monotonic()
        with FileReader(self.source, self.settings, block_bytes=self.block_bytes, tick=self._tick) as reader:
            header = reader.read_header()
            events = self._read(reader, header, writer, expected_sha256)
        return self._report(reader, header, events, clock.monotonic() - started)

    def _read(self, reader: FileReader, header: Header, writer: PartWriter | None, expected_sha256: str | None) -> int:
        """Check every row and write what is asked for; returns the number of events."""
        rulebook = Rulebook(self.settings, header, self.as_of, self.suppression, digests_of)
        wanted = Wanted(
            writer is not None,
            self.sinks.rejects is not None,
            self.sinks.repair is not None,
            self.sinks.verdicts is not None,
        )
        orders = looks_for_orders(self.settings, rulebook.columns)
        worker = BlockWorker(rulebook, wanted, (secrets.randbits(63), secrets.randbits(63)), orders=orders)
        later = self.settings.amount == "order" or self.settings.basket == "order"
        finder = RepeatFinder(self.spill_dir, amounts=orders and not later, orders=orders and later)
        verdicts = VerdictWriter(self.sinks.verdicts, self.spill_dir) if self.sinks.verdicts is not None else None
        try:
            self._check(reader.blocks(header), worker, header, finder, writer, verdicts)
            if not self._rows():
                raise InputFileError(
                    "a header and no rows.", rule="header_only", where=self.source.name, todo=RULES["header_only"].todo
                )
            if expected_sha256 is not None and reader.sha256 != expected_sha256:
                raise FileChangedError(
                    "the file is not the one that was validated.", rule="unreadable", where=self.source.uri,
                    todo="Start again from validating it.",
                )  # fmt: skip
            repeats = finder.find()
            self._settle(repeats, worker, rulebook)
            self._report_collisions(repeats, header)
            if verdicts is not None:
                verdicts.finish(repeats)
            if writer is not None:
                writer.finish(repeats)
        finally:
            finder.close()
            if verdicts is not None:
                verdicts.close()
        events = self.tally.rows[VALID]
        return events - len(repeats.later) if self.settings.basket == "order" else events

    def _tick(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done, getattr(self.source, "size", None), self._rows())

    def _rows(self) -> int:
        return sum(self.tally.rows.values())

    def _check(
        self,
        blocks: Iterator[Block],
        worker: BlockWorker,
        header: Header,
        finder: RepeatFinder,
        writer: PartWriter | None,
        verdicts: VerdictWriter | None,
    ) -> None:
        """Check blocks in threads; take their results in the order of the file."""
        repair = self.sinks.repair and RepairWriter(self.sinks.repair, header.line.text, header.delimiter)
        if self.sinks.rejects is not None:
            self.sinks.rejects.write(rejects_head())
        waiting: deque[Future[BlockResult]] = deque()

        def take() -> None:
            result = waiting.popleft().result()
            self.tally.merge(result.tally)
            finder.add(result.keys)
            if writer is not None and result.staged is not None:
                writer.add(result.staged)
            if self.sinks.rejects is not None:
                self.sinks.rejects.write(result.rejects)
            if repair:
                repair.write(result.repair)
            if verdicts is not None and result.verdicts is not None:
                verdicts.add(result.verdicts)

        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="conversions") as pool:
            try:
                for block in blocks:
                    waiting.append(pool.submit(worker, block))
                    if len(waiting) >= _IN_FLIGHT:
                        take()
                while waiting:
                    take()
            finally:
                for future in waiting:
                    future.cancel()

    def _settle(self, repeats: Repeats, worker: BlockWorker, rulebook: Rulebook) -> None:
        """Give rows their final class, now that the whole file was seen."""
        names = worker.currencies.names
        for target, rows, rule in (
            (DUPLICATE, repeats.duplicates, "duplicate"),
            (REJECTED, repeats.collisions, "id_collision"),
        ):
            if len(rows):
                self.tally.move(target, rows.units, names, rows.currency)
                severity = rulebook.severity(rule)
                if severity != "off":
                    self.tally.add_issue(rule, None, severity, rows.line)
        severity = rulebook.severity("amount_repeated")
        if len(repeats.repeated_amounts) and repeats.at_stake and severity != "off":
            self.tally.add_issue(
                "amount_repeated", rulebook.label("transaction_amount"), severity, repeats.repeated_amounts,
                value=decimal_text(repeats.at_stake),
            )  # fmt: skip
        if self.settings.amount == "order" and len(repeats.later):
            self.tally.move_value(None, repeats.later.units, names, repeats.later.currency)

    def _report_collisions(self, repeats: Repeats, header: Header) -> None:
        lines = repeats.collisions.line
        if not len(lines):
            return
        if self.sinks.rejects is not None:
            self.sinks.rejects.write(collisions_text(lines))
        if self.sinks.repair is None:
            return
        wanted = lines.tolist()
        repair = RepairWriter(self.sinks.repair, header.line.text, header.delimiter, head=False)
        with FileReader(self.source, self.settings, block_bytes=self.block_bytes) as again:
            for block in again.blocks(again.read_header()):
                last = block.first_line + block.count
                here = {line: "id_collision" for line in wanted if block.first_line <= line < last}
                repair.write(raw_lines(block, here))

    def _report(self, reader: FileReader, header: Header, events: int, duration: float) -> Report:
        tally = self.tally
        for finding in header.findings:
            tally.add_file_issue(finding.rule, finding.column, finding.severity, finding.message)
        return Report(
            file=self.source.name,
            sha256=reader.sha256,
            size=reader.size,
            delimiter=DELIMITERS[header.delimiter],
            columns=header.shown,
            profile=self.settings.profile,
            as_of=self.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            rows_total=self._rows(),
            rows_valid=tally.rows[VALID],
            rows_rejected=tally.rows[REJECTED],
            rows_duplicate=tally.rows[DUPLICATE],
            rows_excluded=tally.rows[EXCLUDED],
            excluded=dict(sorted(tally.excluded.items())),
            values=tally.values(),
            events=events,
            categories=dict(sorted(tally.categories.items())),
            unknown_categories=tally.unknown_categories(),
            first_time=tally.first_time,
            last_time=tally.last_time,
            phones=dict(sorted(tally.phones.items())),
            issues=tally.issues(),
            max_rejected_ratio=self.settings.max_rejected_ratio,
            duration_s=round(duration, 3),
        )
