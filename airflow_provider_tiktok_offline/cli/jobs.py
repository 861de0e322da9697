"""One conversion file with the settings it is judged by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from airflow_provider_tiktok_offline.cli.contexts import delivery_context
from airflow_provider_tiktok_offline.cli.environment_connections import EnvironmentConnections
from airflow_provider_tiktok_offline.cli.progress import StepProgress, step_progress
from airflow_provider_tiktok_offline.clock import system_clock
from airflow_provider_tiktok_offline.storage.uris import is_uri

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.config import AdvertiserConfig
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings
    from airflow_provider_tiktok_offline.conversions.file.byte_source import ByteSource
    from airflow_provider_tiktok_offline.conversions.identifiers.opt_outs.suppression import Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a pass over a file is given.

    Attributes:
        source: the file.
        settings: what decides what a row becomes.
        suppression: the advertiser's list of opt-outs.
        now: the time.
        spill_dir: a temporary directory, gone when the pass is over.
    """

    source: ByteSource
    settings: ConversionSettings
    suppression: Suppression | None
    now: datetime
    spill_dir: Path
    _progress: StepProgress

    def progress(self, step: str) -> Callable[[int, int | None, int], None]:
        """Progress of that step, as `conversions` reports it: bytes done, bytes in all, rows."""
        return lambda done, total, _rows: self._progress(step, done, total)


@contextmanager
def opened(
    file: str,
    entry: AdvertiserConfig | None,
    *,
    profile: Literal["tiktok", "liveramp"] | None = None,
    max_rejected_ratio: float | None = None,
    day: date | None = None,
) -> Iterator[Job]:
    """Open a conversion file.

    :param file: a path or a URI.
    :param entry: the advertiser; None for the settings that hold without a configuration.
    :param profile: another profile than the entry's.
    :param max_rejected_ratio: another gate than the entry's.
    :param day: the day that the file is for, where it is known.
    :raises SkippedFileError: if the file has no rows, and is passed over on such a day.
    """
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings

    settings = entry.conversion_settings() if entry is not None else ConversionSettings()
    if profile is not None:
        settings = replace(settings, profile=profile)
    if max_rejected_ratio is not None:
        settings = replace(settings, max_rejected_ratio=max_rejected_ratio)
    with ExitStack() as stack, _quiet_days(file, entry, day):
        source = _source(file, entry, stack)
        suppression = None
        if entry is not None and entry.suppression is not None:
            from airflow_provider_tiktok_offline.delivery.source.opt_out_list import load_suppression

            suppression = load_suppression(delivery_context(entry))
        yield Job(
            source=source,
            settings=settings,
            suppression=suppression,
            now=system_clock().now(),
            spill_dir=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiktok-offline-"))),
            _progress=stack.enter_context(step_progress()),
        )


@contextmanager
def _quiet_days(file: str, entry: AdvertiserConfig | None, day: date | None) -> Iterator[None]:
    """Pass over a file without rows where a run would."""
    from airflow_provider_tiktok_offline.errors import InputFileError, SkippedFileError

    try:
        yield
    except InputFileError as error:
        from airflow_provider_tiktok_offline.delivery.source.find_file import is_quiet

        if (
            error.rule != "header_only"
            or entry is None
            or not is_quiet(entry, day, EnvironmentConnections(entry.tiktok_conn_id))
        ):
            raise
        raise SkippedFileError(
            "a header and no rows: a quiet day, nothing to send.", rule=error.rule, where=file
        ) from None


def _source(file: str, entry: AdvertiserConfig | None, stack: ExitStack) -> ByteSource:
    if not is_uri(file):
        from airflow_provider_tiktok_offline.conversions.file.byte_source import LocalFile

        return LocalFile(file)
    from airflow_provider_tiktok_offline.delivery.source.source_file import StoredFile
    from airflow_provider_tiktok_offline.storage.files import open_files

    connections = EnvironmentConnections(entry.tiktok_conn_id if entry is not None else None)
    files = stack.enter_context(open_files(file, connections))
    return StoredFile(file, files.stat(file).size, files)
