"""Validation: one pass over a conversion file, its report, its sidecar of verdicts, and the gate."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.delivery.events.delivery_events import stage_verdicts, staged_verdicts
from airflow_provider_tiktok_offline.delivery.events.feed_setup import contract_settings
from airflow_provider_tiktok_offline.delivery.source.checksum_file import ChecksummedFile
from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression, note_staged_under
from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.lease import Lease
from airflow_provider_tiktok_offline.delivery.state.runs import note_step
from airflow_provider_tiktok_offline.delivery.state.staged_parts import StagedParts
from airflow_provider_tiktok_offline.delivery.state.step_results import ValidateResult
from airflow_provider_tiktok_offline.errors import FileChangedError, FileMissingError, GateExceededError
from airflow_provider_tiktok_offline.plain_text import plain_logger

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression
    from airflow_provider_tiktok_offline.conversions.preparation.part_store import PartStore
    from airflow_provider_tiktok_offline.conversions.preparation.whole_file import PassOptions
    from airflow_provider_tiktok_offline.conversions.report.report import Report
    from airflow_provider_tiktok_offline.delivery.events.sharding import ShardedFile
    from airflow_provider_tiktok_offline.ledger.deliveries import DeliveryState
    from airflow_provider_tiktok_offline.storage.stamps import FileStamp

log = plain_logger(__name__)


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A conversion file, open, and what its rows are checked with.

    Attributes:
        source: the file.
        settings: what decides what a row becomes.
        suppression: the advertiser's list of opt-outs.
        folder: a temporary directory, gone when the check is over.
        stamp: the file as it stands now.
        step: whose progress is told.
        checksum: the expected one; None where there is none.
        gone: why the file can't be read, where it may be gone.
    """

    source: StoredFile | ChecksummedFile
    settings: ConversionSettings
    suppression: Suppression | None
    folder: Path
    stamp: FileStamp
    step: str
    checksum: str | None
    gone: FileMissingError | None
    _ctx: DeliveryContext

    @property
    def _verdicts(self) -> Path | None:
        return self.folder / "verdicts" if self._ctx.config.route == "liveramp" else None

    def options(self) -> PassOptions:
        """How a pass over the file runs."""
        from airflow_provider_tiktok_offline.conversions.preparation.whole_file import PassOptions

        return PassOptions(
            part_events=self._ctx.config.upload.part_events,
            progress=lambda done, total, _rows: self._ctx.progress(self.step, done, total),
            spill_dir=self.folder,
        )

    def run_shards(self, sharded: ShardedFile, output: PartStore | None = None) -> Report:
        """As :meth:`run`, of a file whose shards were read before by other tasks."""
        from airflow_provider_tiktok_offline.conversions.preparation.shards import merge_shards

        with nullcontext() if self._verdicts is None else self._verdicts.open("wb") as verdicts:
            return merge_shards(
                self.source,
                self.settings,
                sharded.shards,
                sharded.parts.shared,
                output=output,
                verdicts=verdicts,
                suppression=self.suppression,
                options=self.options(),
            )

    def run(self, as_of: datetime, output: PartStore | None = None) -> Report:
        """Read the file once and judge every row; its bytes are compared with the expected checksum, if there is one.

        :param as_of: the moment against which ages are judged.
        :param output: gets the valid rows as parts of prepared events, with their manifest; None for verdicts alone.
        :raises InputFileError: if the file can't be used at all, or its checksum is another one.
        :raises FileMissingError: if it is gone.
        """
        if self.gone is not None:
            raise self.gone
        report = self._read(as_of, output)
        if isinstance(self.source, ChecksummedFile):
            self.source.verify()
        return report

    def _read(self, as_of: datetime, output: PartStore | None) -> Report:
        from airflow_provider_tiktok_offline.conversions.preparation import prepare

        options = self.options()
        if output is not None:
            return prepare.prepare(
                self.source, self.settings, as_of=as_of, output=output, suppression=self.suppression, options=options
            ).report
        with nullcontext() if self._verdicts is None else self._verdicts.open("wb") as verdicts:
            return prepare.validate(
                self.source,
                self.settings,
                as_of=as_of,
                suppression=self.suppression,
                verdicts=verdicts,
                options=options,
            )

    def stage_verdicts(self, delivery_id: str) -> None:
        """Stage the verdicts of the last run where the route needs them."""
        if self._verdicts is not None:
            parts = StagedParts(self._ctx.staging, delivery_id)
            note_staged_under(self._ctx, parts, None)
            stage_verdicts(self._ctx, delivery_id, self._verdicts)
            note_staged_under(self._ctx, parts, self.suppression)


@contextmanager
def open_check(
    ctx: DeliveryContext,
    stamp: FileStamp,
    checksum: str | None = None,
    *,
    step: str = "validate",
    may_be_gone: bool = False,
) -> Iterator[FileCheck]:
    """Open a conversion file to check its rows.

    A file that was replaced since it was found, and has not changed for ``source.settle_seconds``, is taken as it is
    now: so a failed run goes on with a corrected file.

    :param checksum: the expected one, as ``sha256:<hex>``; None for a file without a checksum file.
    :param step: whose progress is told.
    :param may_be_gone: open the check of a file that is gone; its rows can't be read.
    :raises FileMissingError: if the file is gone.
    :raises FileChangedError: if the file is not as its stamp says, and still changes or has a checksum of its own.
    """
    from airflow_provider_tiktok_offline.storage.files import open_files

    with (
        open_files(stamp.uri, ctx.connections) as files,
        tempfile.TemporaryDirectory(prefix="tiktok-offline-") as folder,
    ):
        now, gone = stamp, None
        try:
            now = files.stat(stamp.uri)
        except FileMissingError as error:
            gone = error
            if not may_be_gone:
                raise
        if (now.size, now.mtime) != (stamp.size, stamp.mtime):
            settled = ctx.clock.now() - now.mtime >= timedelta(seconds=ctx.config.source.settle_seconds)
            if settled and checksum is None:
                log.warning("%s was replaced since it was found: the file that is there now is taken.", stamp.uri)
                stamp = now
        if (now.size, now.mtime) != (stamp.size, stamp.mtime):
            raise FileChangedError(
                f"the file has changed since it was found ({stamp.size} bytes then, {now.size} now).",
                rule="file_changed",
                where=stamp.uri,
                todo="Run the sensor again, so that the file is taken only when it is complete.",
            )
        stored = StoredFile(stamp.uri, stamp.size, files)
        yield FileCheck(
            source=stored if checksum is None else ChecksummedFile(stored, checksum),
            settings=contract_settings(ctx),
            suppression=load_suppression(ctx),
            folder=Path(folder),
            stamp=stamp,
            step=step,
            checksum=checksum,
            gone=gone,
            _ctx=ctx,
        )


def validate_result(
    ctx: DeliveryContext, state: DeliveryState, report: Report, *, mtime: datetime | None = None
) -> ValidateResult:
    """What validating the delivery's file gave.

    :param mtime: when the file was last written; None for events that were prepared elsewhere.
    """
    return ValidateResult(
        delivery_id=state.id,
        uri=state.uri,
        mtime=None if mtime is None else mtime.isoformat(),
        digest=report.sha256,
        as_of=state.as_of.isoformat(),
        closed=state.status == "closed",
        day=None if state.day is None else state.day.isoformat(),
        rows_total=report.rows_total,
        rows_valid=report.rows_valid,
        rows_rejected=report.rows_rejected,
        rows_duplicate=report.rows_duplicate,
        rows_excluded=report.rows_excluded,
        report_uri=ctx.uri(f"{ctx.folder(state.id)}/report.json"),
        gate_exceeded=report.gate_exceeded,
    )


def keep_report(ctx: DeliveryContext, state: DeliveryState, report: Report, result: ValidateResult) -> None:
    """Write the report beside the delivery and into the log, and keep the step's result."""
    from airflow_provider_tiktok_offline.conversions.report.html_report import html

    folder = ctx.folder(state.id)
    ctx.objects.put(f"{folder}/report.json", report.to_json().encode())
    ctx.objects.put(f"{folder}/report.html", html(report).encode())
    log.info(_table(report))
    note_step(ctx, state, result)


def read_report(ctx: DeliveryContext, delivery_id: str) -> Report | None:
    """The report that is kept of a delivery's file; None if there is none."""
    from airflow_provider_tiktok_offline.conversions.report.report import Report

    stored = ctx.objects.get(f"{ctx.folder(delivery_id)}/report.json")
    return None if stored is None else Report.from_json(stored[0])


def check_gate(report: Report, *, where: str, todo: str) -> None:
    """Compare the share of rejected rows with the gate.

    :raises GateExceededError: if it is larger.
    """
    if report.gate_exceeded:
        raise GateExceededError(
            f"{report.gate_in_words}; nothing was sent.",
            where=where,
            todo=todo,
        )


def recreate_verdicts(ctx: DeliveryContext, state: DeliveryState) -> None:
    """Validate the delivery's file again if its staged verdicts are gone, as they are after ``ledger.staging_hours``.

    :raises FileChangedError: if the file's bytes are not those that were validated.
    """
    from airflow_provider_tiktok_offline.storage.files import open_files

    if staged_verdicts(ctx, state.id):
        return
    with open_files(state.uri, ctx.connections) as files:
        stamp = files.stat(state.uri)
    with Lease(ctx, state), open_check(ctx, stamp) as check:
        report = check.run(state.as_of)
        if report.sha256 != state.digest:
            raise FileChangedError(
                "the file's bytes are not those that were validated.",
                rule="file_changed",
                where=state.uri,
                todo="Restore the file, or deliver the new one as a file of its own.",
            )
        check.stage_verdicts(state.id)
    keep_report(ctx, state, report, validate_result(ctx, state, report, mtime=stamp.mtime))


def _table(report: Report) -> str:
    """The report as a table of plain text, as wide as a task's log shows it."""
    from rich.console import Console

    from airflow_provider_tiktok_offline.conversions.report.report import render

    text = io.StringIO()
    render(report, Console(file=text, width=140, color_system=None, force_terminal=False))
    return text.getvalue()


def was_replaced(ctx: DeliveryContext, state: DeliveryState) -> bool:
    """Whether another file lies where the delivery's lay when it was validated. A file that is gone is no other one.

    :raises FileChangedError: if it may still be written to.
    """
    from airflow_provider_tiktok_offline.storage.files import open_files

    validated = ValidateResult.of(state)
    if validated is None or validated.mtime is None:
        return False
    with open_files(state.uri, ctx.connections) as files:
        try:
            now = files.stat(state.uri)
        except FileMissingError:
            return False
    if (now.size, now.mtime.isoformat()) == (state.size, validated.mtime):
        return False
    if ctx.clock.now() - now.mtime < timedelta(seconds=ctx.config.source.settle_seconds):
        raise FileChangedError(
            f"the file was replaced since it was validated, and less than {ctx.config.source.settle_seconds:g} s ago.",
            rule="file_changed",
            where=state.uri,
            todo="Clear this task again once the file is whole.",
        )
    return True


def check_source(ctx: DeliveryContext, state: DeliveryState) -> None:
    """Make sure that the delivery's file is still the one that was validated; it is read only if its stamp changed.

    :raises FileMissingError: if it is gone.
    :raises FileChangedError: if its bytes are others.
    """
    from airflow_provider_tiktok_offline.storage.files import open_files

    validated = ValidateResult.of(state)
    with open_files(state.uri, ctx.connections) as files:
        stamp = files.stat(state.uri)
        if validated is not None and (stamp.size, stamp.mtime.isoformat()) == (state.size, validated.mtime):
            return
        digest = hashlib.sha256()
        with files.open_read(state.uri) as stream:
            while chunk := stream.read(1024 * 1024):
                digest.update(chunk)
    if digest.hexdigest() == state.digest:
        return
    raise FileChangedError(
        "the file's bytes are not those that were validated.",
        rule="file_changed",
        where=state.uri,
        todo="Restore the file, or deliver the new one as a file of its own.",
    )
