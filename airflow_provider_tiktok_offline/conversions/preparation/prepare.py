"""The one streaming pass over a conversion file: read, check, normalise, hash, write parts and report."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
from airflow_provider_tiktok_offline.conversions.file.cutting import FileFacts
from airflow_provider_tiktok_offline.conversions.file.reader import Block, FileReader
from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
from airflow_provider_tiktok_offline.conversions.preparation.blocks import BlockResult, BlockWorker
from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore
from airflow_provider_tiktok_offline.conversions.preparation.part_writer import Manifest, PartWriter
from airflow_provider_tiktok_offline.conversions.preparation.whole_file import Job, PassOptions, Progress, WholeFile
from airflow_provider_tiktok_offline.conversions.report.report import Report
from airflow_provider_tiktok_offline.errors import FileChangedError

__all__ = ["PassOptions", "Prepared", "Progress", "check_blocks", "prepare", "validate"]

#: Threads that check blocks; Polars has threads of its own.
_WORKERS = 2
_IN_FLIGHT = 4


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
    return _run(Job(source, settings, as_of, suppression, options or PassOptions()), None, verdicts)


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
        report = _run(Job(source, settings, as_of, suppression, options), writer, None)
        manifest = put_manifest(writer, output, report)
    finally:
        writer.close()
    return Prepared(manifest, report)


def put_manifest(writer: PartWriter, output: PartStore, report: Report) -> Manifest:
    """Write ``report.json`` and ``manifest.json``, which makes the parts complete."""
    manifest = writer.manifest(report)
    output.put("report.json", report.to_json().encode())
    output.put("manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    return manifest


def _run(job: Job, parts: PartWriter | None, verdicts: BinaryIO | None) -> Report:
    """Check every row and write what is asked for."""
    options = job.options
    started = options.clock.monotonic()
    done: list[WholeFile] = []

    def tick(read: int) -> None:
        if options.progress is not None:
            options.progress(read, getattr(job.source, "size", None), done[0].rows if done else 0)

    with FileReader(job.source, job.settings, block_bytes=options.block_bytes, tick=tick) as reader:
        header = reader.read_header()
        with WholeFile(job, header, parts, verdicts) as whole:
            done.append(whole)
            worker = whole.worker()
            check_blocks(reader.blocks(header), worker, whole.take)
            _check_file(job, reader.sha256, whole.rows)
            whole.settle(worker.currencies.names)
    facts = FileFacts(reader.sha256, reader.rows_sha256, reader.size, reader.lines_without_row)
    return whole.report(facts, options.clock.monotonic() - started)


def _check_file(job: Job, sha256: str, rows: int) -> None:
    expected = job.options.expected_sha256
    if rows and expected is not None and sha256 != expected:
        raise FileChangedError(
            "the file is not the one that was validated.", rule="unreadable", where=job.source.uri,
            todo="Start again from validating it.",
        )  # fmt: skip


def check_blocks(blocks: Iterator[Block], worker: BlockWorker, take: Callable[[BlockResult], None]) -> None:
    """Check blocks in threads, and have their results taken in the order of the file."""
    waiting: deque[Future[BlockResult]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="conversions") as pool:
        try:
            for block in blocks:
                waiting.append(pool.submit(worker, block))
                if len(waiting) >= _IN_FLIGHT:
                    take(waiting.popleft().result())
            while waiting:
                take(waiting.popleft().result())
        finally:
            for future in waiting:
                future.cancel()
