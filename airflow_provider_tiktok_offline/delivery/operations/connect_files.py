"""What LiveRamp Connect's *Files* page says of delivered feed files, read from the CSV that it exports.

LiveRamp names no columns that a program may rely on. So a row is known by a cell that is the name of a delivered file,
and its other cells are shown as they are. Rows of other names, which may be other advertisers', are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.errors import InputFileError

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.delivery.state.advertiser_status import AdvertiserStatus

#: Outcomes after which the file lies at LiveRamp.
_SENT = ("delivered", "already_delivered")
#: What LiveRamp takes off a name when it unpacks the file.
_PACKED = (".pgp", ".gpg", ".gz", ".zip", ".bz2")


@dataclass(frozen=True, slots=True)
class ConnectFile:
    """A delivered feed file beside its row in the export.

    Attributes:
        name: its name.
        day: its UTC day.
        rows: the rows that were delivered.
        found: column -> cell of its row in the export; empty if the export has none.
    """

    name: str
    day: str
    rows: int
    found: Mapping[str, str] = field(default_factory=dict)


def read_export(status: AdvertiserStatus, export: Path) -> list[ConnectFile]:
    """:func:`compare` with an export on disk.

    :raises InputFileError: if it can't be read, or is no CSV in UTF-8.
    """
    try:
        with export.open(encoding="utf-8-sig", newline="") as lines:
            return compare(status, lines)
    except OSError as error:
        fault = f"it can't be read ({type(error).__name__})."
    except (UnicodeDecodeError, csv.Error):
        fault = "it is no CSV in UTF-8."
    raise InputFileError(fault, where=str(export), todo="Export it again on Connect's Files page; pass it on as it is.")


def compare(status: AdvertiserStatus, lines: Iterable[str]) -> list[ConnectFile]:
    """Every feed file of the last 90 days with its row in the export, newest first.

    :param status: the advertiser's, refreshed.
    :param lines: of the exported CSV.
    """
    rows: dict[str, Mapping[str, str]] = {}
    for read in csv.DictReader(lines):
        # Cells beyond the header have no column.
        row = {column: cell for column, cell in read.items() if isinstance(column, str) and isinstance(cell, str)}
        rows |= {_plain(cell): row for cell in row.values()}
    sent = ((one.feed, one.day) for one in status.deliveries if one.feed is not None and one.feed.outcome in _SENT)
    files = {(feed.name, feed.day or day, feed.rows) for feed, day in sent}
    delivered = [ConnectFile(name, day, count, rows.get(_plain(name), {})) for name, day, count in files if name]
    return sorted(delivered, key=lambda one: (one.day, one.name), reverse=True)


def _plain(name: str) -> str:
    """A file's name as LiveRamp shows it, whatever it was packed with."""
    name = name.strip().rpartition("/")[2]
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return name
