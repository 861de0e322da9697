"""Finding the day's conversion files, and deciding whether they are complete."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.config.models import AdvertiserConfig, SourceConfig
from airflow_provider_tiktok_offline.config.path_templates import render
from airflow_provider_tiktok_offline.connections import Connections
from airflow_provider_tiktok_offline.delivery.source.checksum_file import read_checksum
from airflow_provider_tiktok_offline.delivery.source.closed_days import closed_days
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.delivery.state.source_registry import (
    already_delivered,
    day_is_delivered,
    remember_day,
)
from airflow_provider_tiktok_offline.storage.stamps import FileStamp
from airflow_provider_tiktok_offline.storage.uris import is_uri, parse, sftp_uri

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.storage.protocols import RemoteFiles

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """What one look at the source found.

    Attributes:
        day: the files' day, as 2026-11-21.
        files: stamps of the complete files that are due, oldest first, with the ``checksum`` that a checksum file
            names.
        pending: stamps of files that still grow or lack their marker.
        already_delivered: the day's files are delivered, and nothing is due.
    """

    day: str
    files: tuple[Mapping[str, object], ...] = ()
    pending: tuple[Mapping[str, object], ...] = ()
    already_delivered: bool = False

    @property
    def ready(self) -> bool:
        """Whether waiting is over."""
        return bool(self.files) or self.already_delivered

    def to_dict(self) -> dict[str, object]:
        """What the sensor hands on, as XCom carries it."""
        return {
            "day": self.day,
            "files": [dict(stamp) for stamp in self.files],
            "already_delivered": self.already_delivered,
        }


#: A file that is not complete so long after its last byte was given up by its writer; the other files are taken.
_LONGEST_WAIT_FOR_INCOMPLETE = timedelta(hours=1)
#: How common clients name a file that they are still writing. A pattern never takes one.
_HALF_WRITTEN = (".filepart", ".tmp", ".part", ".partial", ".crdownload", "~")


def day_of_file(source: SourceConfig, *, interval_start: datetime | None, run_day: datetime) -> date:
    """The day whose file a run is for.

    :param interval_start: start of the run's data interval; None for a run without one.
    :param run_day: when the run was due, or asked for.
    """
    base = interval_start if source.file_day == "interval_start" and interval_start is not None else run_day
    return base.date() + timedelta(days=source.day_offset)


def expected(config: AdvertiserConfig, day: date, connections: Connections) -> bool:
    """Whether a file is expected for that day at all (``expected_days`` and ``closed_dates``).

    :param connections: where credentials for a calendar file are looked up.
    :raises ConfigError: if the calendar file can't be used.
    """
    return _WEEKDAYS[day.weekday()] in config.source.expected_days and day not in closed_days(config, connections)


def is_quiet(config: AdvertiserConfig, day: date | None, connections: Connections) -> bool:
    """Whether a file without rows is passed over: as ``header_only`` says, else where no file was expected.

    :param day: the file's day; None if nobody knows it, and then a file counts as expected.
    :param connections: where credentials for a calendar file are looked up.
    :raises ConfigError: if the calendar file can't be used.
    """
    if config.source.header_only is not None:
        return config.source.header_only == "skip"
    return day is not None and not expected(config, day, connections)


def day_in_name(source: SourceConfig, name: str, *, today: date) -> date | None:
    """The day whose file has that name by the source's ``path``; None if the path names no day, or another file.

    :param today: days from a year before it to the day after it are considered, the latest first.
    """
    days = [today - timedelta(days=back) for back in range(-1, 366)]
    named = [day for day in days if fnmatch.fnmatchcase(name, parse(source_uri(source, day)).name)]
    return named[0] if len(named) == 1 else None


def source_uri(source: SourceConfig, day: date) -> str:
    """The full URI, or the glob, of a day's file.

    :raises ConfigError: if the path's template is broken or names something unknown.
    """
    path = render(source.path, day)
    return path if is_uri(path) or source.conn_id is None else sftp_uri(source.conn_id, path)


def folder_uri(source: SourceConfig, day: date) -> str:
    """The folder in which a day's file appears, with a slash at its end."""
    return f"{str(parse(source_uri(source, day)).directory).rstrip('/')}/"


def find(
    ctx: DeliveryContext,
    day: date,
    *,
    previous: Sequence[Mapping[str, object]] = (),
    listed: Sequence[FileStamp] | None = None,
) -> FoundFiles:
    """Look once for the day's complete files; one connection, one listing.

    :param day: the file's day.
    :param previous: the stamps that the poll before returned as ``pending``; a file unchanged since is complete.
    :param listed: the folder's files, if somebody has listed them just now.
    :returns: the files that are due, and those that are not complete yet.
    :raises StorageError: if the source can't be listed.
    """
    with _Folder(ctx, folder_uri(ctx.config.source, day), listed) as folder:
        return _find(ctx, day, previous, folder)


def _find(ctx: DeliveryContext, day: date, previous: Sequence[Mapping[str, object]], folder: _Folder) -> FoundFiles:
    source = ctx.config.source
    pattern = parse(source_uri(source, day)).name
    listing = folder.listing()
    wanted = _wanted(source, pattern, day)
    companions = {suffix for suffix in (source.done_marker, source.checksum_file) if suffix}
    matches = [
        stamp
        for name, stamp in listing.items()
        if not name.startswith(".")
        and (name in wanted or not name.lower().endswith(_HALF_WRITTEN))
        and not any(name.endswith(suffix) for suffix in companions)
        and any(name == one or fnmatch.fnmatchcase(name, one) for one in wanted)
    ]
    matches.sort(key=lambda stamp: (stamp.mtime, stamp.uri))
    # A glob may match other days' files; those that are closed are passed over, whichever day they were for. So are
    # those that repeat another day's rows, unless they have this day's own name.
    own_name = _names_its_day(source, day)
    delivered = [stamp for stamp in matches if already_delivered(ctx, stamp, or_repeated=not own_name)]
    due = [stamp for stamp in matches if stamp not in delivered]
    before: set[tuple[object, ...]] = {(old["uri"], old["size"], old["mtime"]) for old in previous}
    checksums = {} if source.checksum_file is None else _checksums(source.checksum_file, due, folder)
    complete = [stamp for stamp in due if _complete(ctx, stamp, listing, before, checksums)]
    pending = [stamp for stamp in due if stamp not in complete]
    oldest = ctx.clock.now() - _LONGEST_WAIT_FOR_INCOMPLETE
    growing = [stamp for stamp in pending if stamp.mtime > oldest or stamp.mtime.timestamp() <= 0]
    chosen = _chosen(source, complete, waiting=bool(growing))
    remember_day(ctx, day, chosen)
    return FoundFiles(
        day=day.isoformat(),
        files=tuple(
            stamp.to_dict() | ({"checksum": checksums[stamp.uri]} if stamp.uri in checksums else {}) for stamp in chosen
        ),
        pending=tuple(stamp.to_dict() for stamp in pending),
        already_delivered=not due and (day_is_delivered(ctx, day) or (bool(delivered) and own_name)),
    )


def _names_its_day(source: SourceConfig, day: date) -> bool:
    """Whether the path is that day's alone. If not, a delivered file under it may be another day's: it is waited for
    the next one.
    """
    other = day + timedelta(days=1)
    names = source.files if isinstance(source.files, list) else []
    return source_uri(source, day) != source_uri(source, other) or any(
        render(name, day) != render(name, other) for name in names
    )


def _wanted(source: SourceConfig, pattern: str, day: date) -> list[str]:
    if isinstance(source.files, list):
        return [render(name, day) for name in source.files]
    return [pattern]


def _chosen(source: SourceConfig, complete: list[FileStamp], *, waiting: bool) -> list[FileStamp]:
    match source.files:
        case "one":
            return complete[:1]
        case "all":
            return [] if waiting else complete
        case int() as count:
            return complete[:count] if len(complete) >= count else []
        case names:
            return complete if len(complete) == len(names) else []


def _complete(
    ctx: DeliveryContext,
    stamp: FileStamp,
    listing: Mapping[str, FileStamp],
    before: set[tuple[object, ...]],
    checksums: Mapping[str, str],
) -> bool:
    """Whether nobody writes to the file any more: a marker where there is one, else its age, else two equal polls."""
    source = ctx.config.source
    if source.done_marker is not None or source.checksum_file is not None:
        marked = source.done_marker is None or {stamp.name + source.done_marker, source.done_marker} & listing.keys()
        return bool(marked) and (source.checksum_file is None or stamp.uri in checksums)
    # A server that tells no time gives the first moment of 1970.
    if stamp.mtime.timestamp() > 0 and ctx.clock.now() - stamp.mtime >= timedelta(seconds=source.settle_seconds):
        return True
    known = stamp.to_dict()
    return (known["uri"], known["size"], known["mtime"]) in before


def _checksums(checksum_file: str, due: Sequence[FileStamp], folder: _Folder) -> dict[str, str]:
    """URI -> the checksum that a checksum file names: the file's own, or one of the whole folder."""
    checksums = {}
    for stamp in due:
        named = next((name for name in (stamp.name + checksum_file, checksum_file) if name in folder.listing()), None)
        checksum = None if named is None else read_checksum(folder.files(), folder.uri + named, stamp.name)
        if checksum is not None:
            checksums[stamp.uri] = checksum
    return checksums


class _Folder:
    """A folder during one look: listed once, over one connection, which is opened only if it is needed."""

    def __init__(self, ctx: DeliveryContext, uri: str, listed: Sequence[FileStamp] | None) -> None:
        self.uri = uri
        self._ctx = ctx
        self._open = ExitStack()
        self._files: RemoteFiles | None = None
        self._listed = listed

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def files(self) -> RemoteFiles:
        """The store it lies in."""
        if self._files is None:
            from airflow_provider_tiktok_offline.storage.files import open_files

            self._files = self._open.enter_context(open_files(self.uri, self._ctx.connections))
        return self._files

    def listing(self) -> dict[str, FileStamp]:
        """Its files by name."""
        if self._listed is None:
            self._listed = self.files().list(self.uri)
        return {stamp.name: stamp for stamp in self._listed}
